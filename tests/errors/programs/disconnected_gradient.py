import graphdl as gd

x = gd.placeholder("x", (3,))
unused = gd.variable([1.0, 2.0], name="unused")
g = gd.grad(gd.sum(x**2), unused)  # wrong
