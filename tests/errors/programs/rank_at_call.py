import numpy as np

import graphdl as gd

x = gd.placeholder("x", ("batch", 4))
f = gd.function([x], x * 2)
f(np.ones(4, np.float32))  # wrong
