import graphdl as gd

a = gd.placeholder("a", ("batch", 3))
b = gd.placeholder("b", ("time", 3))
c = a * b  # wrong
