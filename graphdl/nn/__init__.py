"""Layers, initialisers, activations and losses: what models are written with.

In: tensors. Out: tensors and variables; layers build graph and compute nothing themselves.
`layer.py` finds the variables of a layer and names its scopes. Imported by users and `training/`;
imports `ops/`, `autodiff/` and lower floors. `weights.py` is loaded only when it is used.
"""

from graphdl.nn import activations as activations
from graphdl.nn import initializers as initializers
from graphdl.nn import losses as losses
from graphdl.nn.layer import Layer as Layer
from graphdl.nn.layers import Activation as Activation
from graphdl.nn.layers import Dense as Dense
from graphdl.nn.layers import Dropout as Dropout
from graphdl.nn.layers import Flatten as Flatten
from graphdl.nn.sequential import Sequential as Sequential
