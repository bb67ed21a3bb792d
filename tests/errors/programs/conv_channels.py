"""A convolution with a kernel for other channels."""

import numpy as np

import graphdl as gd

image = gd.placeholder("image", ("batch", 28, 28, 3))
kernel = gd.variable(np.zeros((5, 5, 1, 6)), name="kernel")
features = gd.conv2d(image, kernel)  # wrong
