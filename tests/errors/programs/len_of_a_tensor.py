import graphdl as gd

x = gd.placeholder("x", ("batch", 3))
n = len(x)  # wrong
