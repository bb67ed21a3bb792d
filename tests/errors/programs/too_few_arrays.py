import numpy as np

import graphdl as gd

x = gd.placeholder("x", (2,))
y = gd.placeholder("y", (2,))
f = gd.function([x, y], x + y)
f(np.ones(2, np.float32))  # wrong
