"""A convolution layer on flattened images."""

import graphdl as gd

image = gd.placeholder("image", ("batch", 784))
features = gd.nn.Conv2D(6, 5)(image)  # wrong
