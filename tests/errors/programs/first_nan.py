import numpy as np

import graphdl as gd

x = gd.placeholder("x", (3,))
y = gd.log(x)  # wrong
f = gd.function([x], gd.sum(y * 2), check_numerics=True)
f(np.array([1.0, -1.0, 2.0], np.float32))
