import graphdl as gd

x = gd.placeholder("x", (3,))
f = gd.function([x], x + 1, target="cuda")  # wrong
