import numpy as np

import graphdl as gd

weight = gd.variable([1.0, 2.0], name="weight")
weight.assign(np.ones(3, np.float32))  # wrong
