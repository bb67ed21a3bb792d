import graphdl as gd

x = gd.placeholder("x", ("batch", 3))
for _ in x:  # wrong
    pass
