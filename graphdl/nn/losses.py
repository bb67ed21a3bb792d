"""Losses: how far predictions are from the truth, as one number to make small.

Argument order, names and defaults are those of Keras: `loss(y_true, y_pred)`. Each takes
`reduction`: "mean" (over all samples, 0-d), "sum" (0-d) or "none" (one number per sample), and
`sample_weight`, which multiplies the number of each sample before that.
"""

from __future__ import annotations

from graphdl.graph.nodes import Tensor
from graphdl.nn.loss_parts import (
    Reduction,
    floating_prediction,
    last_axis_mean,
    read_pair,
    reduce_losses,
    require_labels,
    size_number,
    weighted_log,
)
from graphdl.ops.arguments import Operand, as_tensor
from graphdl.ops.composite import log_softmax, sigmoid, softmax, softplus
from graphdl.ops.functions.elementwise import abs as absolute
from graphdl.ops.functions.elementwise import clip, log, log1p, maximum, pow, where
from graphdl.ops.functions.linalg import vector_norm
from graphdl.ops.functions.movement import expand_dims, squeeze
from graphdl.ops.functions.reduction import Axis, mean
from graphdl.ops.functions.reduction import all as every
from graphdl.ops.functions.reduction import max as largest
from graphdl.ops.functions.reduction import sum as total
from graphdl.ops.indexing import gather_elements
from graphdl.typesystem.shape import canonical_axis

_EPSILON = 1e-7
"""Keras's fuzz factor."""


def mean_squared_error(
    y_true: Operand,
    y_pred: Operand,
    *,
    reduction: Reduction = "mean",
    sample_weight: Operand = None,
) -> Tensor:
    """The mean over the last axis of (y_true - y_pred)².

    Both are (…, n), floating. Raises ShapeError when they differ.

    >>> x = gd.placeholder("x", (1, 2))
    >>> gd.nn.losses.mean_squared_error(np.array([[0.0, 0.0]]), x).eval({x: [[1.0, 3.0]]})
    array(5., dtype=float32)
    """
    name = "mean_squared_error"
    truth, prediction = read_pair(name, y_true, y_pred)
    difference = prediction - truth
    squared = difference * difference
    return reduce_losses(name, last_axis_mean(squared), reduction, sample_weight)


def categorical_crossentropy(
    y_true: Operand,
    y_pred: Operand,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
    *,
    reduction: Reduction = "mean",
    sample_weight: Operand = None,
) -> Tensor:
    """-sum(y_true * log(probabilities)) over the classes along `axis`.

    `y_true` holds a probability for each class; `y_pred` probabilities, or with `from_logits` what
    goes into a softmax. Probabilities are not clipped: log(softmax(x)) is computed without
    underflow. Both have the same shape. Raises ShapeError when they differ.

    >>> x = gd.placeholder("x", (1, 2))
    >>> loss = gd.nn.losses.categorical_crossentropy(np.array([[1.0, 0.0]]), x, from_logits=True)
    >>> gd.grad(loss, x).eval({x: [[0.0, 200.0]]})
    array([[-1.,  1.]], dtype=float32)
    """
    name = "categorical_crossentropy"
    truth, prediction = read_pair(name, y_true, y_pred)
    along = canonical_axis(axis, prediction.ndim, op=name)
    if label_smoothing:
        classes = prediction.shape[along]
        truth = truth * (1 - label_smoothing) + label_smoothing / size_number(classes, truth)
    if from_logits:
        products = truth * log_softmax(prediction, along)
    else:
        products = weighted_log(truth, prediction)
    return reduce_losses(name, -total(products, axis=along), reduction, sample_weight)


def sparse_categorical_crossentropy(
    y_true: Operand,
    y_pred: Operand,
    from_logits: bool = False,
    axis: int = -1,
    *,
    reduction: Reduction = "mean",
    sample_weight: Operand = None,
) -> Tensor:
    """-log(probability of the class y_true).

    `y_true` is an integer tensor of the shape of `y_pred` without `axis`; `y_pred` holds
    probabilities, or with `from_logits` what goes into a softmax. Raises ShapeError when the shapes
    do not fit and DTypeError when `y_true` is not an integer. A label outside [0, classes) is an
    error when it is an input of the function, and clamped when it is computed.

    >>> label, x = gd.placeholder("label", (1,), "int64"), gd.placeholder("x", (1, 4))
    >>> loss = gd.nn.losses.sparse_categorical_crossentropy(label, x, from_logits=True)
    >>> float(loss.eval({label: [2], x: [[0.0, 0.0, 0.0, 0.0]]})) == float(np.log(np.float32(4)))
    True
    """
    name = "sparse_categorical_crossentropy"
    truth, prediction = as_tensor(y_true, name), floating_prediction(name, y_pred)
    along = canonical_axis(axis, prediction.ndim, op=name)
    truth = require_labels(name, truth, prediction, along)
    scores = log_softmax(prediction, along) if from_logits else prediction
    chosen = gather_elements(scores, expand_dims(truth, axis=along), axis=along)
    logarithms = squeeze(chosen if from_logits else log(chosen), axis=along)
    return reduce_losses(name, -logarithms, reduction, sample_weight)


def binary_crossentropy(
    y_true: Operand,
    y_pred: Operand,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
    *,
    reduction: Reduction = "mean",
    sample_weight: Operand = None,
) -> Tensor:
    """The mean over `axis` of -(y log p + (1 - y) log(1 - p)).

    `y_true` holds 0, 1 or probabilities; `y_pred` the probabilities p, or with `from_logits` what
    goes into a sigmoid. Both have the same shape. Raises ShapeError when they differ.

    >>> x = gd.placeholder("x", (1, 1))
    >>> loss = gd.nn.losses.binary_crossentropy(np.array([[1.0]]), x, from_logits=True)
    >>> gd.grad(loss, x).eval({x: [[0.0]]})
    array([[-0.5]], dtype=float32)
    """
    name = "binary_crossentropy"
    truth, prediction = read_pair(name, y_true, y_pred)
    if label_smoothing:
        truth = truth * (1 - label_smoothing) + 0.5 * label_smoothing
    if from_logits:
        entropy = softplus(prediction) - truth * prediction
    else:
        entropy = -(weighted_log(truth, prediction) + weighted_log(1 - truth, 1 - prediction))
    if entropy.ndim == 0:
        return reduce_losses(name, entropy, reduction, sample_weight)
    along = canonical_axis(axis, entropy.ndim, op=name)
    return reduce_losses(name, mean(entropy, axis=along), reduction, sample_weight)


# Distances ----------------------------------------------------------------------------------------


def mean_absolute_error(
    y_true: Operand,
    y_pred: Operand,
    *,
    reduction: Reduction = "mean",
    sample_weight: Operand = None,
) -> Tensor:
    """The mean over the last axis of |y_true - y_pred|.

    Both are (…, n), floating. Raises ShapeError when they differ.

    >>> gd.nn.losses.mean_absolute_error([[0.0, 0.0]], gd.constant([[1.0, 3.0]])).eval().item()
    2.0
    """
    name = "mean_absolute_error"
    truth, prediction = read_pair(name, y_true, y_pred)
    losses = last_axis_mean(absolute(prediction - truth))
    return reduce_losses(name, losses, reduction, sample_weight)


def mean_absolute_percentage_error(
    y_true: Operand,
    y_pred: Operand,
    *,
    reduction: Reduction = "mean",
    sample_weight: Operand = None,
) -> Tensor:
    """100 times the mean over the last axis of |y_true - y_pred| / |y_true|, 1e-7 at least below.

    Both are (…, n), floating. Raises ShapeError when they differ.

    >>> loss = gd.nn.losses.mean_absolute_percentage_error([[2.0, 4.0]], gd.constant([[1.0, 4.0]]))
    >>> loss.eval().item()
    25.0
    """
    name = "mean_absolute_percentage_error"
    truth, prediction = read_pair(name, y_true, y_pred)
    size = maximum(absolute(truth), _EPSILON)
    losses = 100.0 * last_axis_mean(absolute(prediction - truth) / size)
    return reduce_losses(name, losses, reduction, sample_weight)


def mean_squared_logarithmic_error(
    y_true: Operand,
    y_pred: Operand,
    *,
    reduction: Reduction = "mean",
    sample_weight: Operand = None,
) -> Tensor:
    """The mean over the last axis of (log(1 + y_true) - log(1 + y_pred))², negatives as 1e-7.

    Both are (…, n), floating. Raises ShapeError when they differ.

    >>> loss = gd.nn.losses.mean_squared_logarithmic_error([[1.0]], gd.constant([[1.0]]))
    >>> loss.eval().item()
    0.0
    """
    name = "mean_squared_logarithmic_error"
    truth, prediction = read_pair(name, y_true, y_pred)
    gap = log1p(maximum(prediction, _EPSILON)) - log1p(maximum(truth, _EPSILON))
    return reduce_losses(name, last_axis_mean(gap * gap), reduction, sample_weight)


def huber(
    y_true: Operand,
    y_pred: Operand,
    delta: float = 1.0,
    *,
    reduction: Reduction = "mean",
    sample_weight: Operand = None,
) -> Tensor:
    """The mean over the last axis of d² / 2 for |d| <= delta, else delta (|d| - delta / 2).

    d is y_true - y_pred, both (…, n), floating. Huber (1964). Raises ShapeError when they differ.

    >>> gd.nn.losses.huber([[0.0, 0.0]], gd.constant([[1.0, 3.0]])).eval().item()
    1.5
    """
    name = "huber"
    truth, prediction = read_pair(name, y_true, y_pred)
    gap = prediction - truth
    inside = clip(gap, -delta, delta)
    losses = last_axis_mean(inside * (gap - 0.5 * inside))
    return reduce_losses(name, losses, reduction, sample_weight)


def log_cosh(
    y_true: Operand,
    y_pred: Operand,
    *,
    reduction: Reduction = "mean",
    sample_weight: Operand = None,
) -> Tensor:
    """The mean over the last axis of log(cosh(y_true - y_pred)), without overflow.

    Both are (…, n), floating. Raises ShapeError when they differ.

    >>> gd.nn.losses.log_cosh([[0.0]], gd.constant([[0.0]])).eval().item()
    0.0
    """
    name = "log_cosh"
    truth, prediction = read_pair(name, y_true, y_pred)
    gap = prediction - truth
    bent = gap + softplus(-2.0 * gap) - 0.6931471805599453
    return reduce_losses(name, last_axis_mean(bent), reduction, sample_weight)


def cosine_similarity(
    y_true: Operand,
    y_pred: Operand,
    axis: int = -1,
    *,
    reduction: Reduction = "mean",
    sample_weight: Operand = None,
) -> Tensor:
    """Minus the cosine of the angle between y_true and y_pred along `axis`; of zeros 0.

    Both have one shape, floating. Raises ShapeError when they differ.

    >>> gd.nn.losses.cosine_similarity([[1.0, 0.0]], gd.constant([[2.0, 0.0]])).eval().item()
    -1.0
    """
    name = "cosine_similarity"
    truth, prediction = read_pair(name, y_true, y_pred)
    along = canonical_axis(axis, prediction.ndim, op=name)
    left, right = _unit(truth, along), _unit(prediction, along)
    return reduce_losses(name, -total(left * right, axis=along), reduction, sample_weight)


def _unit(x: Tensor, axis: int) -> Tensor:
    length = vector_norm(x, axis=axis, keepdims=True)
    return x / where(length == 0, 1.0, length)


# Margins ------------------------------------------------------------------------------------------


def hinge(
    y_true: Operand,
    y_pred: Operand,
    *,
    reduction: Reduction = "mean",
    sample_weight: Operand = None,
) -> Tensor:
    """The mean over the last axis of max(1 - y_true * y_pred, 0).

    `y_true` holds -1 and 1, or 0 and 1, which count as -1 and 1 where there is nothing else. Both
    are (…, n). Raises ShapeError when they differ.

    >>> gd.nn.losses.hinge([[1.0, -1.0]], gd.constant([[0.5, 2.0]])).eval().item()
    1.75
    """
    name = "hinge"
    truth, prediction = read_pair(name, y_true, y_pred)
    margin = _margin(truth, prediction)
    return reduce_losses(name, last_axis_mean(margin), reduction, sample_weight)


def _margin(truth: Tensor, prediction: Tensor) -> Tensor:
    """max(1 - y_true * y_pred, 0) with labels 0 and 1 as -1 and 1."""
    is_binary = every((truth == 0) | (truth == 1))
    signs = where(is_binary, 2.0 * truth - 1.0, truth)
    return maximum(1.0 - signs * prediction, 0.0)


def squared_hinge(
    y_true: Operand,
    y_pred: Operand,
    *,
    reduction: Reduction = "mean",
    sample_weight: Operand = None,
) -> Tensor:
    """The mean over the last axis of max(1 - y_true * y_pred, 0)², labels as in `hinge`.

    Both are (…, n). Raises ShapeError when they differ.

    >>> gd.nn.losses.squared_hinge([[1.0, -1.0]], gd.constant([[0.5, 2.0]])).eval().item()
    4.625
    """
    name = "squared_hinge"
    truth, prediction = read_pair(name, y_true, y_pred)
    margin = _margin(truth, prediction)
    return reduce_losses(name, last_axis_mean(margin * margin), reduction, sample_weight)


def categorical_hinge(
    y_true: Operand,
    y_pred: Operand,
    *,
    reduction: Reduction = "mean",
    sample_weight: Operand = None,
) -> Tensor:
    """max(1 + largest y_pred of a wrong class - y_pred of the right one, 0) along the last axis.

    `y_true` is one-hot; both are (…, classes). Raises ShapeError when they differ.

    >>> gd.nn.losses.categorical_hinge([[0.0, 1.0]], gd.constant([[0.5, 1.0]])).eval().item()
    0.5
    """
    name = "categorical_hinge"
    truth, prediction = read_pair(name, y_true, y_pred)
    right = total(truth * prediction, axis=-1)
    wrong = largest((1.0 - truth) * prediction, axis=-1)
    losses = maximum(1.0 + wrong - right, 0.0)
    return reduce_losses(name, losses, reduction, sample_weight)


# Distributions ------------------------------------------------------------------------------------


def poisson(
    y_true: Operand,
    y_pred: Operand,
    *,
    reduction: Reduction = "mean",
    sample_weight: Operand = None,
) -> Tensor:
    """The mean over the last axis of y_pred - y_true * log(y_pred + 1e-7).

    Both are (…, n). Raises ShapeError when they differ.

    >>> gd.nn.losses.poisson([[0.0]], gd.constant([[2.0]])).eval().item()
    2.0
    """
    name = "poisson"
    truth, prediction = read_pair(name, y_true, y_pred)
    losses = last_axis_mean(prediction - truth * log(prediction + _EPSILON))
    return reduce_losses(name, losses, reduction, sample_weight)


def kl_divergence(
    y_true: Operand,
    y_pred: Operand,
    *,
    reduction: Reduction = "mean",
    sample_weight: Operand = None,
) -> Tensor:
    """The sum over the last axis of y_true * log(y_true / y_pred), 0 where y_true is 0.

    Both hold probabilities, (…, classes), and are not clipped. Kullback, Leibler (1951). Raises
    ShapeError when they differ.

    >>> gd.nn.losses.kl_divergence([[0.5, 0.5]], gd.constant([[0.5, 0.5]])).eval().item()
    0.0
    """
    name = "kl_divergence"
    truth, prediction = read_pair(name, y_true, y_pred)
    is_zero = truth == 0
    safe = where(is_zero, 1.0, truth)
    terms = where(is_zero, 0.0, truth * (log(safe) - log(where(is_zero, 1.0, prediction))))
    return reduce_losses(name, total(terms, axis=-1), reduction, sample_weight)


def binary_focal_crossentropy(
    y_true: Operand,
    y_pred: Operand,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
    *,
    reduction: Reduction = "mean",
    sample_weight: Operand = None,
) -> Tensor:
    """binary_crossentropy in which easy samples count less: times (1 - p of the truth)**gamma.

    With `apply_class_balancing` also times alpha for class 1 and 1 - alpha for class 0. Other
    arguments and shapes as in `binary_crossentropy`. Lin et al. (2017).

    >>> loss = gd.nn.losses.binary_focal_crossentropy([[1.0]], gd.constant([[0.5]]))
    >>> round(loss.eval().item(), 4)
    0.1733
    """
    name = "binary_focal_crossentropy"
    truth, prediction = read_pair(name, y_true, y_pred)
    if label_smoothing:
        truth = truth * (1 - label_smoothing) + 0.5 * label_smoothing
    probability = sigmoid(prediction) if from_logits else prediction
    if from_logits:
        entropy = softplus(prediction) - truth * prediction
    else:
        entropy = -(weighted_log(truth, prediction) + weighted_log(1 - truth, 1 - prediction))
    chance = truth * probability + (1.0 - truth) * (1.0 - probability)
    focal = pow(1.0 - chance, gamma) * entropy
    if apply_class_balancing:
        focal = focal * (truth * alpha + (1.0 - truth) * (1.0 - alpha))
    if focal.ndim == 0:
        return reduce_losses(name, focal, reduction, sample_weight)
    along = canonical_axis(axis, focal.ndim, op=name)
    return reduce_losses(name, mean(focal, axis=along), reduction, sample_weight)


def categorical_focal_crossentropy(
    y_true: Operand,
    y_pred: Operand,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
    *,
    reduction: Reduction = "mean",
    sample_weight: Operand = None,
) -> Tensor:
    """-sum(alpha * (1 - p)**gamma * y_true * log(p)) over the classes along `axis`.

    Arguments and shapes as in `categorical_crossentropy`. Lin et al. (2017).

    >>> loss = gd.nn.losses.categorical_focal_crossentropy([[1.0, 0.0]], gd.constant([[0.5, 0.5]]))
    >>> round(loss.eval().item(), 4)
    0.0433
    """
    name = "categorical_focal_crossentropy"
    truth, prediction = read_pair(name, y_true, y_pred)
    along = canonical_axis(axis, prediction.ndim, op=name)
    if label_smoothing:
        classes = size_number(prediction.shape[along], truth)
        truth = truth * (1 - label_smoothing) + label_smoothing / classes
    if from_logits:
        products = truth * log_softmax(prediction, along)
        probability = softmax(prediction, along)
    else:
        products, probability = weighted_log(truth, prediction), prediction
    focal = alpha * pow(1.0 - probability, gamma) * products
    return reduce_losses(name, -total(focal, axis=along), reduction, sample_weight)


# Overlaps -----------------------------------------------------------------------------------------


def dice(
    y_true: Operand,
    y_pred: Operand,
    axis: Axis = None,
    *,
    reduction: Reduction = "mean",
    sample_weight: Operand = None,
) -> Tensor:
    """1 less twice the overlap over the sum of both, taken over axes (all when None). Dice (1945).

    Both have one shape. Raises ShapeError when they differ.

    >>> gd.nn.losses.dice([[1.0, 0.0]], gd.constant([[1.0, 0.0]])).eval().item()
    0.0
    """
    name = "dice"
    truth, prediction = read_pair(name, y_true, y_pred)
    overlap = 2.0 * total(truth * prediction, axis=axis) + _EPSILON
    losses = 1.0 - overlap / (total(truth, axis=axis) + total(prediction, axis=axis) + _EPSILON)
    return reduce_losses(name, losses, reduction, sample_weight)


def tversky(
    y_true: Operand,
    y_pred: Operand,
    alpha: float = 0.5,
    beta: float = 0.5,
    axis: Axis = None,
    *,
    reduction: Reduction = "mean",
    sample_weight: Operand = None,
) -> Tensor:
    """1 less overlap / (overlap + alpha * false positives + beta * false negatives) over axes.

    Both have one shape. Salehi et al. (2017). Raises ShapeError when they differ.

    >>> gd.nn.losses.tversky([[1.0, 0.0]], gd.constant([[1.0, 0.0]])).eval().item()
    0.0
    """
    name = "tversky"
    truth, prediction = read_pair(name, y_true, y_pred)
    overlap = total(truth * prediction, axis=axis)
    positives = total((1.0 - truth) * prediction, axis=axis)
    negatives = total(truth * (1.0 - prediction), axis=axis)
    base = overlap + alpha * positives + beta * negatives + _EPSILON
    return reduce_losses(name, 1.0 - (overlap + _EPSILON) / base, reduction, sample_weight)
