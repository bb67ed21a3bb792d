"""An image resized to nothing in particular."""

import graphdl as gd

image = gd.placeholder("image", ("batch", 8, 8, 3))
large = gd.interpolate(image, mode="bilinear")  # wrong
