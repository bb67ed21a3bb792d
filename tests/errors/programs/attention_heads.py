"""Keys with fewer heads than the query."""

import graphdl as gd

query = gd.placeholder("query", ("batch", 8, "time", 64))
key = gd.placeholder("key", ("batch", 2, "time", 64))
mixed = gd.scaled_dot_product_attention(query, key, key)  # wrong
