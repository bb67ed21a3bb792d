import graphdl as gd

x = gd.placeholder("x", (2, 3))
y = x[2]  # wrong
