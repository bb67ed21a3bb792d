import graphdl as gd

a = gd.placeholder("a", (4, 3))
b = gd.placeholder("b", (4, 5))
c = a + b  # wrong
