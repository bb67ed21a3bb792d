import graphdl as gd

x = gd.placeholder("x", (3,))
g = gd.grad(x**2, x)  # wrong
