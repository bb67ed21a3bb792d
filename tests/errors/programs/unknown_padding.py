"""A padding that does not exist."""

import graphdl as gd

image = gd.placeholder("image", ("batch", 8, 8, 3))
pooled = gd.max_pool2d(image, 2, padding="full")  # wrong
