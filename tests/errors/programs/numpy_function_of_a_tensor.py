import numpy as np

import graphdl as gd

x = gd.placeholder("x", (2,))
y = np.exp(x)  # wrong
