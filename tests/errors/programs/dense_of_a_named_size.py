import graphdl as gd

x = gd.placeholder("x", (8, "features"))
y = gd.nn.Dense(4)(x)  # wrong
