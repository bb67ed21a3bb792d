import graphdl as gd

a = gd.placeholder("a", (2, 3))
b = gd.placeholder("b", (2, 4))
c = gd.concat([a, b], axis=0)  # wrong
