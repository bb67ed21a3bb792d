import graphdl as gd

a = gd.placeholder("a", (2, 3))
b = gd.placeholder("b", (4, 5))
c = gd.einsum("ij,jk->ik", a, b)  # wrong
