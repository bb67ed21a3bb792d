"""A weight of another size than the normalised axis."""

import numpy as np

import graphdl as gd

row = gd.placeholder("row", ("batch", 16))
weight = gd.variable(np.ones(8), name="weight")
normal = gd.layer_norm(row, weight)  # wrong
