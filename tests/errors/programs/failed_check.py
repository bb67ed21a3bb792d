import numpy as np

import graphdl as gd

x = gd.placeholder("x", (3,))
positive = gd.check(x, x > 0, "rates must be positive")  # wrong
f = gd.function([x], gd.log(positive))
f(np.array([1.0, -1.0, 2.0], np.float32))
