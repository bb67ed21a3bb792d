import graphdl as gd

x = gd.placeholder("x", ("batch", 3))
for row in x:  # wrong
    pass
