import graphdl as gd

x = gd.placeholder("x", ())
if x > 0:  # wrong
    pass
