"""The mean of integers in windows."""

import graphdl as gd

image = gd.placeholder("image", ("batch", 8, 8, 3), "uint8")
small = gd.avg_pool2d(image, 2)  # wrong
