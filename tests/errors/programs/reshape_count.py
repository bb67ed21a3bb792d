import graphdl as gd

x = gd.placeholder("x", (2, 3))
y = gd.reshape(x, (4, 2))  # wrong
