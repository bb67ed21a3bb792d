import graphdl as gd

x = gd.placeholder("x", (2,))
scale = gd.placeholder("scale", ())
f = gd.function([x], x * scale)  # wrong
