import graphdl as gd

x = gd.placeholder("x", (2,))
y = x & x  # wrong
