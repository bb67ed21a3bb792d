"""Optimisers: from gradients to the next values of variables, as graph.

In: variables and a cost or gradients. Out: {variable: new value} for `gd.function(updates=…)`.
They build graph and compute nothing themselves, so an update fuses with the gradient it uses.
Imported by users and `training/`; imports `ops/`, `autodiff/` and lower floors.
"""

from graphdl.optim.adam import Adam as Adam
from graphdl.optim.optimizer import Optimizer as Optimizer
from graphdl.optim.sgd import SGD as SGD
