import numpy as np

import graphdl as gd

x = gd.placeholder("x", (2,), dtype="int32")
f = gd.function([x], x * 2)
f(np.array([1.5, 2.5]))  # wrong
