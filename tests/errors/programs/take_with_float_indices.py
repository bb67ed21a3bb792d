import graphdl as gd

x = gd.placeholder("x", (5, 2))
i = gd.placeholder("i", (3,))
y = gd.take(x, i, axis=0)  # wrong
