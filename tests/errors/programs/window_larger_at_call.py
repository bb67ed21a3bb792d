"""A named size that turns out too small for the window."""

import numpy as np

import graphdl as gd

signal = gd.placeholder("signal", ("batch", "time", 3))
smooth = gd.avg_pool1d(signal, 5, stride=1)  # wrong
smoothed = gd.function([signal], smooth)(np.zeros((2, 4, 3), np.float32))
