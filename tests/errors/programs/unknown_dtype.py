import graphdl as gd

x = gd.placeholder("x", (2,), dtype="float8")  # wrong
