"""graphdl: a define-then-run deep-learning compiler.

    >>> import graphdl as gd
    >>> x = gd.placeholder("x", ("batch", 3))
    >>> gd.softmax(x).shape
    (batch, 3)

Names are loaded when they are first used, so importing graphdl costs little more than NumPy.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from graphdl.errors import hides_internal_frames

if TYPE_CHECKING:
    from graphdl import data as data
    from graphdl import linalg as linalg
    from graphdl import nn as nn
    from graphdl import optim as optim
    from graphdl import random as random
    from graphdl.autodiff.forward import jvp as jvp
    from graphdl.autodiff.gradient_check import gradient_check as gradient_check
    from graphdl.autodiff.jacobian import hessian as hessian
    from graphdl.autodiff.jacobian import hvp as hvp
    from graphdl.autodiff.jacobian import jacobian as jacobian
    from graphdl.autodiff.policies import clip_gradient as clip_gradient
    from graphdl.autodiff.policies import custom_jvp as custom_jvp
    from graphdl.autodiff.policies import reverse_gradient as reverse_gradient
    from graphdl.autodiff.policies import scale_gradient as scale_gradient
    from graphdl.autodiff.reverse import grad as grad
    from graphdl.autodiff.reverse import stop_gradient as stop_gradient
    from graphdl.autodiff.reverse import vjp as vjp
    from graphdl.autodiff.trace import custom_gradient as custom_gradient
    from graphdl.autodiff.trace import remat as remat
    from graphdl.autodiff.vmap import vmap as vmap
    from graphdl.config import configure as configure
    from graphdl.config import settings as settings
    from graphdl.errors import ArgumentError as ArgumentError
    from graphdl.errors import ArtifactError as ArtifactError
    from graphdl.errors import DTypeError as DTypeError
    from graphdl.errors import GradientError as GradientError
    from graphdl.errors import GraphdlError as GraphdlError
    from graphdl.errors import InternalError as InternalError
    from graphdl.errors import NumericsError as NumericsError
    from graphdl.errors import RuntimeFailure as RuntimeFailure
    from graphdl.errors import ShapeError as ShapeError
    from graphdl.errors import TargetError as TargetError
    from graphdl.errors import UserError as UserError
    from graphdl.export import export as export
    from graphdl.function import Function as Function
    from graphdl.function import function as function
    from graphdl.graph.nodes import Graph as Graph
    from graphdl.graph.nodes import Tensor as Tensor
    from graphdl.graph.nodes import name_scope as name_scope
    from graphdl.nn.weights import load_weights as load_weights
    from graphdl.nn.weights import save_weights as save_weights
    from graphdl.ops.activations import celu as celu
    from graphdl.ops.activations import glu as glu
    from graphdl.ops.activations import hard_shrink as hard_shrink
    from graphdl.ops.activations import hard_silu as hard_silu
    from graphdl.ops.activations import hard_swish as hard_swish
    from graphdl.ops.activations import hard_tanh as hard_tanh
    from graphdl.ops.activations import log1mexp as log1mexp
    from graphdl.ops.activations import prelu as prelu
    from graphdl.ops.activations import rrelu as rrelu
    from graphdl.ops.activations import soft_shrink as soft_shrink
    from graphdl.ops.activations import softmin as softmin
    from graphdl.ops.activations import sparse_plus as sparse_plus
    from graphdl.ops.activations import sparse_sigmoid as sparse_sigmoid
    from graphdl.ops.activations import squareplus as squareplus
    from graphdl.ops.activations import tanh_shrink as tanh_shrink
    from graphdl.ops.activations import threshold as threshold
    from graphdl.ops.composite import elu as elu
    from graphdl.ops.composite import gelu as gelu
    from graphdl.ops.composite import hard_sigmoid as hard_sigmoid
    from graphdl.ops.composite import leaky_relu as leaky_relu
    from graphdl.ops.composite import log_sigmoid as log_sigmoid
    from graphdl.ops.composite import log_softmax as log_softmax
    from graphdl.ops.composite import mish as mish
    from graphdl.ops.composite import relu as relu
    from graphdl.ops.composite import relu6 as relu6
    from graphdl.ops.composite import selu as selu
    from graphdl.ops.composite import sigmoid as sigmoid
    from graphdl.ops.composite import silu as silu
    from graphdl.ops.composite import softmax as softmax
    from graphdl.ops.composite import softplus as softplus
    from graphdl.ops.composite import softsign as softsign
    from graphdl.ops.functions.adaptive_pooling import adaptive_avg_pool1d as adaptive_avg_pool1d
    from graphdl.ops.functions.adaptive_pooling import adaptive_avg_pool2d as adaptive_avg_pool2d
    from graphdl.ops.functions.adaptive_pooling import adaptive_avg_pool3d as adaptive_avg_pool3d
    from graphdl.ops.functions.adaptive_pooling import adaptive_max_pool1d as adaptive_max_pool1d
    from graphdl.ops.functions.adaptive_pooling import adaptive_max_pool2d as adaptive_max_pool2d
    from graphdl.ops.functions.adaptive_pooling import adaptive_max_pool3d as adaptive_max_pool3d
    from graphdl.ops.functions.adaptive_pooling import max_unpool1d as max_unpool1d
    from graphdl.ops.functions.adaptive_pooling import max_unpool2d as max_unpool2d
    from graphdl.ops.functions.adaptive_pooling import max_unpool3d as max_unpool3d
    from graphdl.ops.functions.affine import bilinear as bilinear
    from graphdl.ops.functions.affine import linear as linear
    from graphdl.ops.functions.arrangement import atleast_1d as atleast_1d
    from graphdl.ops.functions.arrangement import atleast_2d as atleast_2d
    from graphdl.ops.functions.arrangement import atleast_3d as atleast_3d
    from graphdl.ops.functions.arrangement import column_stack as column_stack
    from graphdl.ops.functions.arrangement import dstack as dstack
    from graphdl.ops.functions.arrangement import fliplr as fliplr
    from graphdl.ops.functions.arrangement import flipud as flipud
    from graphdl.ops.functions.arrangement import hstack as hstack
    from graphdl.ops.functions.arrangement import meshgrid as meshgrid
    from graphdl.ops.functions.arrangement import rollaxis as rollaxis
    from graphdl.ops.functions.arrangement import rot90 as rot90
    from graphdl.ops.functions.arrangement import vstack as vstack
    from graphdl.ops.functions.attention import embedding as embedding
    from graphdl.ops.functions.attention import embedding_bag as embedding_bag
    from graphdl.ops.functions.attention import rotary_embedding as rotary_embedding
    from graphdl.ops.functions.attention import (
        scaled_dot_product_attention as scaled_dot_product_attention,
    )
    from graphdl.ops.functions.choices import piecewise as piecewise
    from graphdl.ops.functions.choices import ravel_multi_index as ravel_multi_index
    from graphdl.ops.functions.choices import select as select
    from graphdl.ops.functions.choices import unravel_index as unravel_index
    from graphdl.ops.functions.closeness import allclose as allclose
    from graphdl.ops.functions.closeness import array_equal as array_equal
    from graphdl.ops.functions.closeness import isclose as isclose
    from graphdl.ops.functions.contraction import dot_general as dot_general
    from graphdl.ops.functions.contraction import matmul as matmul
    from graphdl.ops.functions.contraction import outer as outer
    from graphdl.ops.functions.contraction import tensordot as tensordot
    from graphdl.ops.functions.contraction import vecdot as vecdot
    from graphdl.ops.functions.control_flow import cond as cond
    from graphdl.ops.functions.control_flow import fori_loop as fori_loop
    from graphdl.ops.functions.control_flow import map as map
    from graphdl.ops.functions.control_flow import scan as scan
    from graphdl.ops.functions.control_flow import switch as switch
    from graphdl.ops.functions.conversion import asarray as asarray
    from graphdl.ops.functions.conversion import empty as empty
    from graphdl.ops.functions.conversion import empty_like as empty_like
    from graphdl.ops.functions.conversion import identity as identity
    from graphdl.ops.functions.convolution import conv1d as conv1d
    from graphdl.ops.functions.convolution import conv2d as conv2d
    from graphdl.ops.functions.convolution import conv3d as conv3d
    from graphdl.ops.functions.convolution import conv_transpose1d as conv_transpose1d
    from graphdl.ops.functions.convolution import conv_transpose2d as conv_transpose2d
    from graphdl.ops.functions.convolution import conv_transpose3d as conv_transpose3d
    from graphdl.ops.functions.correlation import convolve as convolve
    from graphdl.ops.functions.correlation import correlate as correlate
    from graphdl.ops.functions.correlation import interp as interp
    from graphdl.ops.functions.correlation import polyval as polyval
    from graphdl.ops.functions.counting import bincount as bincount
    from graphdl.ops.functions.counting import digitize as digitize
    from graphdl.ops.functions.counting import histogram as histogram
    from graphdl.ops.functions.counting import histogram_bin_edges as histogram_bin_edges
    from graphdl.ops.functions.creation import arange as arange
    from graphdl.ops.functions.creation import constant as constant
    from graphdl.ops.functions.creation import eye as eye
    from graphdl.ops.functions.creation import full as full
    from graphdl.ops.functions.creation import full_like as full_like
    from graphdl.ops.functions.creation import is_training as is_training
    from graphdl.ops.functions.creation import linspace as linspace
    from graphdl.ops.functions.creation import ones as ones
    from graphdl.ops.functions.creation import ones_like as ones_like
    from graphdl.ops.functions.creation import placeholder as placeholder
    from graphdl.ops.functions.creation import tri as tri
    from graphdl.ops.functions.creation import tril as tril
    from graphdl.ops.functions.creation import triu as triu
    from graphdl.ops.functions.creation import variable as variable
    from graphdl.ops.functions.creation import zeros as zeros
    from graphdl.ops.functions.creation import zeros_like as zeros_like
    from graphdl.ops.functions.cumulative import cumlogsumexp as cumlogsumexp
    from graphdl.ops.functions.cumulative import cummax as cummax
    from graphdl.ops.functions.cumulative import cummin as cummin
    from graphdl.ops.functions.cumulative import cumprod as cumprod
    from graphdl.ops.functions.cumulative import cumsum as cumsum
    from graphdl.ops.functions.cumulative import cumulative_prod as cumulative_prod
    from graphdl.ops.functions.cumulative import cumulative_sum as cumulative_sum
    from graphdl.ops.functions.data_types import (
        __array_namespace_info__ as __array_namespace_info__,
    )
    from graphdl.ops.functions.data_types import can_cast as can_cast
    from graphdl.ops.functions.data_types import finfo as finfo
    from graphdl.ops.functions.data_types import iinfo as iinfo
    from graphdl.ops.functions.data_types import isdtype as isdtype
    from graphdl.ops.functions.data_types import result_type as result_type
    from graphdl.ops.functions.differences import diff as diff
    from graphdl.ops.functions.differences import ediff1d as ediff1d
    from graphdl.ops.functions.differences import gradient as gradient
    from graphdl.ops.functions.differences import trapezoid as trapezoid
    from graphdl.ops.functions.effect import check as check
    from graphdl.ops.functions.effect import named as named
    from graphdl.ops.functions.effect import print as print
    from graphdl.ops.functions.einsum import einsum as einsum
    from graphdl.ops.functions.elementwise import abs as abs
    from graphdl.ops.functions.elementwise import acos as acos
    from graphdl.ops.functions.elementwise import add as add
    from graphdl.ops.functions.elementwise import asin as asin
    from graphdl.ops.functions.elementwise import astype as astype
    from graphdl.ops.functions.elementwise import atan as atan
    from graphdl.ops.functions.elementwise import atan2 as atan2
    from graphdl.ops.functions.elementwise import bitcast as bitcast
    from graphdl.ops.functions.elementwise import ceil as ceil
    from graphdl.ops.functions.elementwise import clip as clip
    from graphdl.ops.functions.elementwise import cos as cos
    from graphdl.ops.functions.elementwise import cosh as cosh
    from graphdl.ops.functions.elementwise import divide as divide
    from graphdl.ops.functions.elementwise import erf as erf
    from graphdl.ops.functions.elementwise import exp as exp
    from graphdl.ops.functions.elementwise import exp2 as exp2
    from graphdl.ops.functions.elementwise import expm1 as expm1
    from graphdl.ops.functions.elementwise import floor as floor
    from graphdl.ops.functions.elementwise import floor_divide as floor_divide
    from graphdl.ops.functions.elementwise import log as log
    from graphdl.ops.functions.elementwise import log1p as log1p
    from graphdl.ops.functions.elementwise import log2 as log2
    from graphdl.ops.functions.elementwise import log10 as log10
    from graphdl.ops.functions.elementwise import maximum as maximum
    from graphdl.ops.functions.elementwise import minimum as minimum
    from graphdl.ops.functions.elementwise import multiply as multiply
    from graphdl.ops.functions.elementwise import negative as negative
    from graphdl.ops.functions.elementwise import positive as positive
    from graphdl.ops.functions.elementwise import pow as pow
    from graphdl.ops.functions.elementwise import reciprocal as reciprocal
    from graphdl.ops.functions.elementwise import remainder as remainder
    from graphdl.ops.functions.elementwise import round as round
    from graphdl.ops.functions.elementwise import rsqrt as rsqrt
    from graphdl.ops.functions.elementwise import sign as sign
    from graphdl.ops.functions.elementwise import sin as sin
    from graphdl.ops.functions.elementwise import sinh as sinh
    from graphdl.ops.functions.elementwise import sqrt as sqrt
    from graphdl.ops.functions.elementwise import square as square
    from graphdl.ops.functions.elementwise import subtract as subtract
    from graphdl.ops.functions.elementwise import tan as tan
    from graphdl.ops.functions.elementwise import tanh as tanh
    from graphdl.ops.functions.elementwise import trunc as trunc
    from graphdl.ops.functions.elementwise import where as where
    from graphdl.ops.functions.error_functions import erfc as erfc
    from graphdl.ops.functions.error_functions import erfcx as erfcx
    from graphdl.ops.functions.error_functions import erfinv as erfinv
    from graphdl.ops.functions.error_functions import log_ndtr as log_ndtr
    from graphdl.ops.functions.error_functions import ndtr as ndtr
    from graphdl.ops.functions.error_functions import ndtri as ndtri
    from graphdl.ops.functions.evaluate import substitute as substitute
    from graphdl.ops.functions.float_bits import copysign as copysign
    from graphdl.ops.functions.float_bits import frexp as frexp
    from graphdl.ops.functions.float_bits import ldexp as ldexp
    from graphdl.ops.functions.float_bits import nan_to_num as nan_to_num
    from graphdl.ops.functions.float_bits import nextafter as nextafter
    from graphdl.ops.functions.float_bits import signbit as signbit
    from graphdl.ops.functions.gamma_functions import betaln as betaln
    from graphdl.ops.functions.gamma_functions import digamma as digamma
    from graphdl.ops.functions.gamma_functions import lgamma as lgamma
    from graphdl.ops.functions.gamma_functions import multigammaln as multigammaln
    from graphdl.ops.functions.gamma_functions import polygamma as polygamma
    from graphdl.ops.functions.gamma_functions import zeta as zeta
    from graphdl.ops.functions.hyperbolic import acosh as acosh
    from graphdl.ops.functions.hyperbolic import asinh as asinh
    from graphdl.ops.functions.hyperbolic import atanh as atanh
    from graphdl.ops.functions.hyperbolic import hypot as hypot
    from graphdl.ops.functions.hyperbolic import logaddexp as logaddexp
    from graphdl.ops.functions.hyperbolic import logaddexp2 as logaddexp2
    from graphdl.ops.functions.image import affine_grid as affine_grid
    from graphdl.ops.functions.image import channel_shuffle as channel_shuffle
    from graphdl.ops.functions.image import grid_sample as grid_sample
    from graphdl.ops.functions.image import interpolate as interpolate
    from graphdl.ops.functions.image import pixel_shuffle as pixel_shuffle
    from graphdl.ops.functions.image import pixel_unshuffle as pixel_unshuffle
    from graphdl.ops.functions.indexing import one_hot as one_hot
    from graphdl.ops.functions.indexing import scatter_add as scatter_add
    from graphdl.ops.functions.indexing import take as take
    from graphdl.ops.functions.indexing import take_along_axis as take_along_axis
    from graphdl.ops.functions.linalg import cross as cross
    from graphdl.ops.functions.linalg import diagonal as diagonal
    from graphdl.ops.functions.linalg import dot as dot
    from graphdl.ops.functions.linalg import inner as inner
    from graphdl.ops.functions.linalg import kron as kron
    from graphdl.ops.functions.linalg import trace as trace
    from graphdl.ops.functions.linalg import vdot as vdot
    from graphdl.ops.functions.logic import bitwise_and as bitwise_and
    from graphdl.ops.functions.logic import bitwise_invert as bitwise_invert
    from graphdl.ops.functions.logic import bitwise_left_shift as bitwise_left_shift
    from graphdl.ops.functions.logic import bitwise_or as bitwise_or
    from graphdl.ops.functions.logic import bitwise_right_shift as bitwise_right_shift
    from graphdl.ops.functions.logic import bitwise_xor as bitwise_xor
    from graphdl.ops.functions.logic import equal as equal
    from graphdl.ops.functions.logic import greater as greater
    from graphdl.ops.functions.logic import greater_equal as greater_equal
    from graphdl.ops.functions.logic import isfinite as isfinite
    from graphdl.ops.functions.logic import isinf as isinf
    from graphdl.ops.functions.logic import isnan as isnan
    from graphdl.ops.functions.logic import less as less
    from graphdl.ops.functions.logic import less_equal as less_equal
    from graphdl.ops.functions.logic import logical_and as logical_and
    from graphdl.ops.functions.logic import logical_not as logical_not
    from graphdl.ops.functions.logic import logical_or as logical_or
    from graphdl.ops.functions.logic import logical_xor as logical_xor
    from graphdl.ops.functions.logic import not_equal as not_equal
    from graphdl.ops.functions.movement import broadcast_arrays as broadcast_arrays
    from graphdl.ops.functions.movement import broadcast_to as broadcast_to
    from graphdl.ops.functions.movement import concat as concat
    from graphdl.ops.functions.movement import expand_dims as expand_dims
    from graphdl.ops.functions.movement import flatten as flatten
    from graphdl.ops.functions.movement import flip as flip
    from graphdl.ops.functions.movement import matrix_transpose as matrix_transpose
    from graphdl.ops.functions.movement import moveaxis as moveaxis
    from graphdl.ops.functions.movement import permute_dims as permute_dims
    from graphdl.ops.functions.movement import repeat as repeat
    from graphdl.ops.functions.movement import reshape as reshape
    from graphdl.ops.functions.movement import roll as roll
    from graphdl.ops.functions.movement import split as split
    from graphdl.ops.functions.movement import squeeze as squeeze
    from graphdl.ops.functions.movement import stack as stack
    from graphdl.ops.functions.movement import swapaxes as swapaxes
    from graphdl.ops.functions.movement import tile as tile
    from graphdl.ops.functions.movement import unstack as unstack
    from graphdl.ops.functions.normalization import batch_norm as batch_norm
    from graphdl.ops.functions.normalization import group_norm as group_norm
    from graphdl.ops.functions.normalization import instance_norm as instance_norm
    from graphdl.ops.functions.normalization import layer_norm as layer_norm
    from graphdl.ops.functions.normalization import local_response_norm as local_response_norm
    from graphdl.ops.functions.normalization import moments as moments
    from graphdl.ops.functions.normalization import rms_norm as rms_norm
    from graphdl.ops.functions.normalizing import cdist as cdist
    from graphdl.ops.functions.normalizing import cosine_similarity as cosine_similarity
    from graphdl.ops.functions.normalizing import normalize as normalize
    from graphdl.ops.functions.normalizing import pairwise_distance as pairwise_distance
    from graphdl.ops.functions.normalizing import standardize as standardize
    from graphdl.ops.functions.padding import pad as pad
    from graphdl.ops.functions.patches import fold as fold
    from graphdl.ops.functions.patches import patches as patches
    from graphdl.ops.functions.pooling import avg_pool1d as avg_pool1d
    from graphdl.ops.functions.pooling import avg_pool2d as avg_pool2d
    from graphdl.ops.functions.pooling import avg_pool3d as avg_pool3d
    from graphdl.ops.functions.pooling import lp_pool1d as lp_pool1d
    from graphdl.ops.functions.pooling import lp_pool2d as lp_pool2d
    from graphdl.ops.functions.pooling import lp_pool3d as lp_pool3d
    from graphdl.ops.functions.pooling import max_pool1d as max_pool1d
    from graphdl.ops.functions.pooling import max_pool1d_with_indices as max_pool1d_with_indices
    from graphdl.ops.functions.pooling import max_pool2d as max_pool2d
    from graphdl.ops.functions.pooling import max_pool2d_with_indices as max_pool2d_with_indices
    from graphdl.ops.functions.pooling import max_pool3d as max_pool3d
    from graphdl.ops.functions.pooling import max_pool3d_with_indices as max_pool3d_with_indices
    from graphdl.ops.functions.reduction import all as all
    from graphdl.ops.functions.reduction import any as any
    from graphdl.ops.functions.reduction import argmax as argmax
    from graphdl.ops.functions.reduction import argmin as argmin
    from graphdl.ops.functions.reduction import count_nonzero as count_nonzero
    from graphdl.ops.functions.reduction import logsumexp as logsumexp
    from graphdl.ops.functions.reduction import max as max
    from graphdl.ops.functions.reduction import mean as mean
    from graphdl.ops.functions.reduction import min as min
    from graphdl.ops.functions.reduction import prod as prod
    from graphdl.ops.functions.reduction import std as std
    from graphdl.ops.functions.reduction import sum as sum
    from graphdl.ops.functions.reduction import var as var
    from graphdl.ops.functions.scaling import cbrt as cbrt
    from graphdl.ops.functions.scaling import deg2rad as deg2rad
    from graphdl.ops.functions.scaling import divmod as divmod
    from graphdl.ops.functions.scaling import fmax as fmax
    from graphdl.ops.functions.scaling import fmin as fmin
    from graphdl.ops.functions.scaling import fmod as fmod
    from graphdl.ops.functions.scaling import heaviside as heaviside
    from graphdl.ops.functions.scaling import isneginf as isneginf
    from graphdl.ops.functions.scaling import isposinf as isposinf
    from graphdl.ops.functions.scaling import modf as modf
    from graphdl.ops.functions.scaling import rad2deg as rad2deg
    from graphdl.ops.functions.scaling import sinc as sinc
    from graphdl.ops.functions.special import entr as entr
    from graphdl.ops.functions.special import i0 as i0
    from graphdl.ops.functions.special import i0e as i0e
    from graphdl.ops.functions.special import i1 as i1
    from graphdl.ops.functions.special import i1e as i1e
    from graphdl.ops.functions.special import kl_div as kl_div
    from graphdl.ops.functions.special import logit as logit
    from graphdl.ops.functions.special import rel_entr as rel_entr
    from graphdl.ops.functions.special import xlog1py as xlog1py
    from graphdl.ops.functions.special import xlogy as xlogy
    from graphdl.ops.functions.statistics import average as average
    from graphdl.ops.functions.statistics import corrcoef as corrcoef
    from graphdl.ops.functions.statistics import cov as cov
    from graphdl.ops.functions.statistics import nanmax as nanmax
    from graphdl.ops.functions.statistics import nanmean as nanmean
    from graphdl.ops.functions.statistics import nanmin as nanmin
    from graphdl.ops.functions.statistics import nanprod as nanprod
    from graphdl.ops.functions.statistics import nanstd as nanstd
    from graphdl.ops.functions.statistics import nansum as nansum
    from graphdl.ops.functions.statistics import nanvar as nanvar
    from graphdl.ops.functions.statistics import ptp as ptp
    from graphdl.ops.state import Variable as Variable
    from graphdl.runtime.artifact import load as load
    from graphdl.typesystem.dtype import DType as DType
    from graphdl.typesystem.dtype import bfloat16 as bfloat16
    from graphdl.typesystem.dtype import bool_ as bool_
    from graphdl.typesystem.dtype import float16 as float16
    from graphdl.typesystem.dtype import float32 as float32
    from graphdl.typesystem.dtype import float64 as float64
    from graphdl.typesystem.dtype import int8 as int8
    from graphdl.typesystem.dtype import int16 as int16
    from graphdl.typesystem.dtype import int32 as int32
    from graphdl.typesystem.dtype import int64 as int64
    from graphdl.typesystem.dtype import uint8 as uint8
    from graphdl.typesystem.dtype import uint16 as uint16
    from graphdl.typesystem.dtype import uint32 as uint32
    from graphdl.typesystem.dtype import uint64 as uint64
    from graphdl.viz.draw import draw as draw

__version__ = "0.1.0"

_MODULES = frozenset(
    (
        "data",
        "linalg",
        "nn",
        "optim",
        "random",
    )
)

_HOMES: dict[str, str] = {
    name: home
    for home, names in {
        "graphdl.autodiff.forward": "jvp",
        "graphdl.autodiff.gradient_check": "gradient_check",
        "graphdl.autodiff.jacobian": "hessian hvp jacobian",
        "graphdl.autodiff.policies": "clip_gradient custom_jvp reverse_gradient scale_gradient",
        "graphdl.autodiff.reverse": "grad stop_gradient vjp",
        "graphdl.autodiff.trace": "custom_gradient remat",
        "graphdl.autodiff.vmap": "vmap",
        "graphdl.config": "configure settings",
        "graphdl.errors": (
            "ArgumentError ArtifactError DTypeError GradientError GraphdlError InternalError "
            "NumericsError RuntimeFailure ShapeError TargetError UserError"
        ),
        "graphdl.export": "export",
        "graphdl.function": "Function function",
        "graphdl.graph.nodes": "Graph Tensor name_scope",
        "graphdl.nn.weights": "load_weights save_weights",
        "graphdl.ops.activations": (
            "celu glu hard_shrink hard_silu hard_swish hard_tanh log1mexp prelu rrelu soft_shrink "
            "softmin sparse_plus sparse_sigmoid squareplus tanh_shrink threshold"
        ),
        "graphdl.ops.composite": (
            "elu gelu hard_sigmoid leaky_relu log_sigmoid log_softmax mish relu relu6 selu "
            "sigmoid silu softmax softplus softsign"
        ),
        "graphdl.ops.functions.adaptive_pooling": (
            "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d "
            "adaptive_max_pool2d adaptive_max_pool3d max_unpool1d max_unpool2d max_unpool3d"
        ),
        "graphdl.ops.functions.affine": "bilinear linear",
        "graphdl.ops.functions.arrangement": (
            "atleast_1d atleast_2d atleast_3d column_stack dstack fliplr flipud hstack meshgrid "
            "rollaxis rot90 vstack"
        ),
        "graphdl.ops.functions.attention": (
            "embedding embedding_bag rotary_embedding scaled_dot_product_attention"
        ),
        "graphdl.ops.functions.choices": "piecewise ravel_multi_index select unravel_index",
        "graphdl.ops.functions.closeness": "allclose array_equal isclose",
        "graphdl.ops.functions.contraction": "dot_general matmul outer tensordot vecdot",
        "graphdl.ops.functions.control_flow": "cond fori_loop map scan switch",
        "graphdl.ops.functions.conversion": "asarray empty empty_like identity",
        "graphdl.ops.functions.convolution": (
            "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d"
        ),
        "graphdl.ops.functions.correlation": "convolve correlate interp polyval",
        "graphdl.ops.functions.counting": "bincount digitize histogram histogram_bin_edges",
        "graphdl.ops.functions.creation": (
            "arange constant eye full full_like is_training linspace ones ones_like placeholder "
            "tri tril triu variable zeros zeros_like"
        ),
        "graphdl.ops.functions.cumulative": (
            "cumlogsumexp cummax cummin cumprod cumsum cumulative_prod cumulative_sum"
        ),
        "graphdl.ops.functions.data_types": (
            "__array_namespace_info__ can_cast finfo iinfo isdtype result_type"
        ),
        "graphdl.ops.functions.differences": "diff ediff1d gradient trapezoid",
        "graphdl.ops.functions.effect": "check named print",
        "graphdl.ops.functions.einsum": "einsum",
        "graphdl.ops.functions.elementwise": (
            "abs acos add asin astype atan atan2 bitcast ceil clip cos cosh divide erf exp exp2 "
            "expm1 floor floor_divide log log10 log1p log2 maximum minimum multiply negative "
            "positive pow reciprocal remainder round rsqrt sign sin sinh sqrt square subtract tan "
            "tanh trunc where"
        ),
        "graphdl.ops.functions.error_functions": "erfc erfcx erfinv log_ndtr ndtr ndtri",
        "graphdl.ops.functions.evaluate": "substitute",
        "graphdl.ops.functions.float_bits": "copysign frexp ldexp nan_to_num nextafter signbit",
        "graphdl.ops.functions.gamma_functions": (
            "betaln digamma lgamma multigammaln polygamma zeta"
        ),
        "graphdl.ops.functions.hyperbolic": "acosh asinh atanh hypot logaddexp logaddexp2",
        "graphdl.ops.functions.image": (
            "affine_grid channel_shuffle grid_sample interpolate pixel_shuffle pixel_unshuffle"
        ),
        "graphdl.ops.functions.indexing": "one_hot scatter_add take take_along_axis",
        "graphdl.ops.functions.linalg": "cross diagonal dot inner kron trace vdot",
        "graphdl.ops.functions.logic": (
            "bitwise_and bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift "
            "bitwise_xor equal greater greater_equal isfinite isinf isnan less less_equal "
            "logical_and logical_not logical_or logical_xor not_equal"
        ),
        "graphdl.ops.functions.movement": (
            "broadcast_arrays broadcast_to concat expand_dims flatten flip matrix_transpose "
            "moveaxis permute_dims repeat reshape roll split squeeze stack swapaxes tile unstack"
        ),
        "graphdl.ops.functions.normalization": (
            "batch_norm group_norm instance_norm layer_norm local_response_norm moments rms_norm"
        ),
        "graphdl.ops.functions.normalizing": (
            "cdist cosine_similarity normalize pairwise_distance standardize"
        ),
        "graphdl.ops.functions.padding": "pad",
        "graphdl.ops.functions.patches": "fold patches",
        "graphdl.ops.functions.pooling": (
            "avg_pool1d avg_pool2d avg_pool3d lp_pool1d lp_pool2d lp_pool3d max_pool1d "
            "max_pool1d_with_indices max_pool2d max_pool2d_with_indices max_pool3d "
            "max_pool3d_with_indices"
        ),
        "graphdl.ops.functions.reduction": (
            "all any argmax argmin count_nonzero logsumexp max mean min prod std sum var"
        ),
        "graphdl.ops.functions.scaling": (
            "cbrt deg2rad divmod fmax fmin fmod heaviside isneginf isposinf modf rad2deg sinc"
        ),
        "graphdl.ops.functions.special": "entr i0 i0e i1 i1e kl_div logit rel_entr xlog1py xlogy",
        "graphdl.ops.functions.statistics": (
            "average corrcoef cov nanmax nanmean nanmin nanprod nanstd nansum nanvar ptp"
        ),
        "graphdl.ops.state": "Variable",
        "graphdl.runtime.artifact": "load",
        "graphdl.typesystem.dtype": (
            "DType bfloat16 bool_ float16 float32 float64 int16 int32 int64 int8 uint16 uint32 "
            "uint64 uint8"
        ),
        "graphdl.viz.draw": "draw",
    }.items()
    for name in names.split()
}
"""Public name -> the module that defines it."""

_BUILTINS = frozenset(
    ["divmod", "abs", "all", "any", "map", "max", "min", "pow", "print", "round", "sum"]
)
"""Left out of `from graphdl import *`."""

__all__ = sorted((_HOMES.keys() | _MODULES) - _BUILTINS)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"graphdl.{name}")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"graphdl has no name {name!r}")
    value = getattr(import_module(home), name)
    if isinstance(value, FunctionType):
        value = hides_internal_frames(value)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(_HOMES.keys() | _MODULES | {"__version__"})


class _Package(ModuleType):
    """Keeps `gd.function` the function when the module graphdl.function is imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _HOMES and isinstance(value, ModuleType):
            return
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
