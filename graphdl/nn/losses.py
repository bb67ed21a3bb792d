"""Losses: how far predictions are from the truth, as one number to make small.

Argument order, names and defaults are those of Keras: `loss(y_true, y_pred)`. Each takes
`reduction`: "mean" (over all samples, 0-d), "sum" (0-d) or "none" (one number per sample), and
`sample_weight`, which multiplies the number of each sample before that.
"""

from __future__ import annotations

from typing import Literal

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops.arguments import Operand, as_tensor, operand_lines
from graphdl.ops.composite import log_softmax, softplus
from graphdl.ops.functions.elementwise import astype, log, where
from graphdl.ops.functions.movement import broadcast_to, expand_dims, squeeze
from graphdl.ops.functions.reduction import mean
from graphdl.ops.functions.reduction import sum as total
from graphdl.ops.indexing import gather_elements
from graphdl.typesystem.dtype import int32, int64
from graphdl.typesystem.shape import canonical_axis

Reduction = Literal["mean", "sum", "none"]


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
    truth, prediction = _pair(name, y_true, y_pred)
    difference = prediction - truth
    squared = difference * difference
    return _reduce(name, _last_axis_mean(squared), reduction, sample_weight)


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
    truth, prediction = _pair(name, y_true, y_pred)
    along = canonical_axis(axis, prediction.ndim, op=name)
    if label_smoothing:
        classes = prediction.shape[along]
        truth = truth * (1 - label_smoothing) + label_smoothing / _number(classes, truth)
    if from_logits:
        products = truth * log_softmax(prediction, along)
    else:
        products = _weighted_log(truth, prediction)
    return _reduce(name, -total(products, axis=along), reduction, sample_weight)


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
    truth, prediction = as_tensor(y_true, name), _floating(name, y_pred)
    along = canonical_axis(axis, prediction.ndim, op=name)
    truth = _require_labels(name, truth, prediction, along)
    scores = log_softmax(prediction, along) if from_logits else prediction
    chosen = gather_elements(scores, expand_dims(truth, axis=along), axis=along)
    logarithms = squeeze(chosen if from_logits else log(chosen), axis=along)
    return _reduce(name, -logarithms, reduction, sample_weight)


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
    truth, prediction = _pair(name, y_true, y_pred)
    if label_smoothing:
        truth = truth * (1 - label_smoothing) + 0.5 * label_smoothing
    if from_logits:
        entropy = softplus(prediction) - truth * prediction
    else:
        entropy = -(_weighted_log(truth, prediction) + _weighted_log(1 - truth, 1 - prediction))
    if entropy.ndim == 0:
        return _reduce(name, entropy, reduction, sample_weight)
    along = canonical_axis(axis, entropy.ndim, op=name)
    return _reduce(name, mean(entropy, axis=along), reduction, sample_weight)


def _weighted_log(weight: Tensor, probability: Tensor) -> Tensor:
    """weight * log(probability), 0 where the weight is 0."""
    return where(weight == 0, 0.0, weight * log(probability))


def _last_axis_mean(x: Tensor) -> Tensor:
    return x if x.ndim == 0 else mean(x, axis=-1)


def _number(size: object, like: Tensor) -> Tensor:
    return astype(as_tensor(size), like.dtype)


def _floating(name: str, y_pred: Operand) -> Tensor:
    prediction = as_tensor(y_pred, name)
    if not prediction.dtype.is_floating:
        raise DTypeError(
            f"{name}: y_pred must be floating, got {prediction.dtype}",
            details=operand_lines(y_pred=prediction),
            hint=f"the order is {name}(y_true, y_pred)",
        )
    return prediction


def _pair(name: str, y_true: Operand, y_pred: Operand) -> tuple[Tensor, Tensor]:
    """Both as tensors of one floating dtype and one shape."""
    truth, prediction = as_tensor(y_true, name), _floating(name, y_pred)
    if truth.shape != prediction.shape:
        raise ShapeError(
            f"{name}: y_true and y_pred must have one shape",
            details=operand_lines(y_true=truth, y_pred=prediction),
        )
    return astype(truth, prediction.dtype), prediction


def _require_labels(name: str, truth: Tensor, prediction: Tensor, along: int) -> Tensor:
    lines = operand_lines(y_true=truth, y_pred=prediction)
    if not truth.dtype.is_integer:
        raise DTypeError(
            f"{name}: y_true must hold class numbers, got {truth.dtype}",
            details=lines,
            hint="use an integer dtype, or categorical_crossentropy for probabilities",
        )
    wanted = prediction.shape[:along] + prediction.shape[along + 1 :]
    if truth.shape != wanted:
        sizes = ", ".join(map(str, wanted))
        raise ShapeError(f"{name}: y_true must have the shape [{sizes}]", details=lines)
    return truth if truth.dtype in (int32, int64) else astype(truth, int64)


def _reduce(name: str, losses: Tensor, reduction: Reduction, sample_weight: Operand) -> Tensor:
    if sample_weight is not None:
        weights = astype(as_tensor(sample_weight, name), losses.dtype)
        losses = losses * broadcast_to(weights, losses.shape)
    match reduction:
        case "mean":
            return mean(losses)
        case "sum":
            return total(losses)
        case "none":
            return losses
    raise ArgumentError(
        f"{name}: unknown reduction {reduction!r}", hint='use "mean", "sum" or "none"'
    )
