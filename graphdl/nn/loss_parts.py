"""What the losses share: checked arguments, and the way from one number per sample on."""

from __future__ import annotations

from typing import Literal

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops.arguments import Operand, as_tensor, operand_lines
from graphdl.ops.functions.elementwise import astype, log, where
from graphdl.ops.functions.movement import broadcast_to
from graphdl.ops.functions.reduction import mean
from graphdl.ops.functions.reduction import sum as total
from graphdl.typesystem.dtype import int32, int64

Reduction = Literal["mean", "sum", "none"]


def weighted_log(weight: Tensor, probability: Tensor) -> Tensor:
    """weight * log(probability), 0 where the weight is 0."""
    return where(weight == 0, 0.0, weight * log(probability))


def last_axis_mean(x: Tensor) -> Tensor:
    """The mean over the last axis; a 0-d tensor as it is."""
    return x if x.ndim == 0 else mean(x, axis=-1)


def size_number(size: object, like: Tensor) -> Tensor:
    """A size as a number of another tensor's dtype."""
    return astype(as_tensor(size), like.dtype)


def floating_prediction(name: str, y_pred: Operand) -> Tensor:
    """y_pred as a tensor. Raises DTypeError unless it is floating."""
    prediction = as_tensor(y_pred, name)
    if not prediction.dtype.is_floating:
        raise DTypeError(
            f"{name}: y_pred must be floating, got {prediction.dtype}",
            details=operand_lines(y_pred=prediction),
            hint=f"the order is {name}(y_true, y_pred)",
        )
    return prediction


def read_pair(name: str, y_true: Operand, y_pred: Operand) -> tuple[Tensor, Tensor]:
    """Both as tensors of one floating dtype and one shape."""
    truth, prediction = as_tensor(y_true, name), floating_prediction(name, y_pred)
    if truth.shape != prediction.shape:
        raise ShapeError(
            f"{name}: y_true and y_pred must have one shape",
            details=operand_lines(y_true=truth, y_pred=prediction),
        )
    return astype(truth, prediction.dtype), prediction


def require_labels(name: str, truth: Tensor, prediction: Tensor, along: int) -> Tensor:
    """Class numbers as int32 or int64. Raises DTypeError and ShapeError."""
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


def reduce_losses(
    name: str, losses: Tensor, reduction: Reduction, sample_weight: Operand
) -> Tensor:
    """What a loss returns, from one number per sample. Raises ArgumentError."""
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
