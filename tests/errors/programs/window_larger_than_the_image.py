"""A pooling window that reaches over the whole image and beyond."""

import graphdl as gd

image = gd.placeholder("image", ("batch", 4, 4, 3))
pooled = gd.max_pool2d(image, 5)  # wrong
