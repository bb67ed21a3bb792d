import graphdl as gd

x = gd.placeholder("x", (2, 3))
y = gd.sum(x, axis=2)  # wrong
