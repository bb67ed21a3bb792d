import graphdl as gd

x = gd.placeholder("x", (3,), dtype="int32")
cost = gd.sum(gd.astype(x, "float32") ** 2)
g = gd.grad(cost, x)  # wrong
