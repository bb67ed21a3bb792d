"""A data format that does not exist."""

import graphdl as gd

layer = gd.nn.MaxPooling2D(data_format="NCWH")  # wrong
