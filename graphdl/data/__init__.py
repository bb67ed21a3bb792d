"""Arrays in, batches out, in an order that a seed decides.

In: NumPy arrays with the samples along axis 0. Out: tuples of arrays for a compiled function.
Imported by users and `training/`; imports nothing but errors.
"""

from graphdl.data.batches import Batches as Batches
