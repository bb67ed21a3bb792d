import numpy as np

import graphdl as gd

x = gd.placeholder("x", (2,))
f = gd.function({"x": x}, x * 2)
f(z=np.ones(2, np.float32))  # wrong
