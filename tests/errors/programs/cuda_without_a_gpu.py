import numpy as np

import graphdl as gd

x = gd.placeholder("x", (3,))
f = gd.function([x], x + 1, target="cuda")
f(np.ones(3, np.float32))  # wrong
