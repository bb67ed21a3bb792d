import numpy as np

import graphdl as gd

logits = gd.placeholder("logits", ("batch", 10))
label = gd.placeholder("label", ("batch",), dtype="int64")
loss = gd.nn.losses.sparse_categorical_crossentropy(label, logits, from_logits=True)  # wrong
f = gd.function([logits, label], loss)
f(np.zeros((2, 10), np.float32), np.array([3, 10]))
