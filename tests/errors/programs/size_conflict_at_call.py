import numpy as np

import graphdl as gd

image = gd.placeholder("image", ("batch", 4))
label = gd.placeholder("label", ("batch",), dtype="int64")
f = gd.function([image, label], gd.sum(image) + gd.sum(label))
f(np.ones((3, 4), np.float32), np.ones(2, np.int64))  # wrong
