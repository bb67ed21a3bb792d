import graphdl as gd

x = gd.placeholder("x", (2,))
f = gd.function([x], {"double": x * 2, "name": "twice"})  # wrong
