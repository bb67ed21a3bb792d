import graphdl as gd

x = gd.placeholder("x", ())
y = float(x)  # wrong
