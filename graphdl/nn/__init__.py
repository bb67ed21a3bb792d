"""Layers, initialisers, activations and losses: what models are written with.

In: tensors. Out: tensors and variables; layers build graph and compute nothing themselves.
`layer.py` finds the variables of a layer and names its scopes. Imported by users and `training/`;
imports `ops/`, `autodiff/` and lower floors. `weights.py` is loaded only when it is used.
"""

from graphdl.nn import activations as activations
from graphdl.nn import initializers as initializers
from graphdl.nn import losses as losses
from graphdl.nn.attention import Embedding as Embedding
from graphdl.nn.attention import MultiHeadAttention as MultiHeadAttention
from graphdl.nn.convolution import Conv1D as Conv1D
from graphdl.nn.convolution import Conv1DTranspose as Conv1DTranspose
from graphdl.nn.convolution import Conv2D as Conv2D
from graphdl.nn.convolution import Conv2DTranspose as Conv2DTranspose
from graphdl.nn.convolution import Conv3D as Conv3D
from graphdl.nn.convolution import Conv3DTranspose as Conv3DTranspose
from graphdl.nn.convolution import DepthwiseConv1D as DepthwiseConv1D
from graphdl.nn.convolution import DepthwiseConv2D as DepthwiseConv2D
from graphdl.nn.convolution import SeparableConv2D as SeparableConv2D
from graphdl.nn.layer import Layer as Layer
from graphdl.nn.layers import Activation as Activation
from graphdl.nn.layers import Dense as Dense
from graphdl.nn.layers import Dropout as Dropout
from graphdl.nn.layers import Flatten as Flatten
from graphdl.nn.normalization import BatchNormalization as BatchNormalization
from graphdl.nn.normalization import GroupNormalization as GroupNormalization
from graphdl.nn.normalization import LayerNormalization as LayerNormalization
from graphdl.nn.normalization import RMSNormalization as RMSNormalization
from graphdl.nn.pooling import AveragePooling1D as AveragePooling1D
from graphdl.nn.pooling import AveragePooling2D as AveragePooling2D
from graphdl.nn.pooling import AveragePooling3D as AveragePooling3D
from graphdl.nn.pooling import GlobalAveragePooling1D as GlobalAveragePooling1D
from graphdl.nn.pooling import GlobalAveragePooling2D as GlobalAveragePooling2D
from graphdl.nn.pooling import GlobalAveragePooling3D as GlobalAveragePooling3D
from graphdl.nn.pooling import GlobalMaxPooling1D as GlobalMaxPooling1D
from graphdl.nn.pooling import GlobalMaxPooling2D as GlobalMaxPooling2D
from graphdl.nn.pooling import GlobalMaxPooling3D as GlobalMaxPooling3D
from graphdl.nn.pooling import MaxPooling1D as MaxPooling1D
from graphdl.nn.pooling import MaxPooling2D as MaxPooling2D
from graphdl.nn.pooling import MaxPooling3D as MaxPooling3D
from graphdl.nn.pooling import UpSampling2D as UpSampling2D
from graphdl.nn.pooling import ZeroPadding2D as ZeroPadding2D
from graphdl.nn.sequential import Sequential as Sequential
