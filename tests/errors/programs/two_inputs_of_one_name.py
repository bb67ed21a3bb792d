import graphdl as gd

a = gd.placeholder("x", (2,))
b = gd.placeholder("x", (2,))
f = gd.function([a, b], a + b)  # wrong
