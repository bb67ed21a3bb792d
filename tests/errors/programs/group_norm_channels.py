"""More groups than channels divide into."""

import graphdl as gd

image = gd.placeholder("image", ("batch", 8, 8, 6))
normal = gd.group_norm(image, 4)  # wrong
