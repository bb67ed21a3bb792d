"""Public functions, one file per family: they take what users write and build raw nodes.

In: tensors, arrays, Python numbers, sizes. Out: tensors, with every dtype promoted, every broadcast
explicit and every axis counted from the front. Importing any of them gives Tensor its operators.
May be imported by every floor above ops.
"""

import graphdl.ops.operators  # noqa: F401
