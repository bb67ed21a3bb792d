"""A mask for other scores."""

import numpy as np

import graphdl as gd

query = gd.placeholder("query", (2, 8, 10, 64))
mask = np.tril(np.ones((9, 9), bool))
mixed = gd.scaled_dot_product_attention(query, query, query, mask)  # wrong
