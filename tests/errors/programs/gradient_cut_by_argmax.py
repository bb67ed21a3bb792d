import graphdl as gd

x = gd.placeholder("x", (3, 4))
best = gd.astype(gd.argmax(x, axis=1), "float32")
g = gd.grad(gd.sum(best), x)  # wrong
