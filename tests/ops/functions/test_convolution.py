"""Convolutions against PyTorch: values, both gradients, second derivatives, compiled code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from graphdl.autodiff import windows as rules
from graphdl.autodiff.reverse import grad, vjp
from graphdl.errors import ArgumentError, ShapeError
from graphdl.function import function
from graphdl.graph.interpreter import interpret
from graphdl.graph.nodes import Graph, Tensor
from graphdl.ops.functions import convolution as gd
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.patches import fold, patches
from graphdl.ops.functions.reduction import sum as total
from tests.plugins.compare import assert_close, assert_same_bits

Array = np.ndarray[Any, Any]
_random = np.random.default_rng(3)
CONV = {1: gd.conv1d, 2: gd.conv2d, 3: gd.conv3d}
TRANSPOSE = {1: gd.conv_transpose1d, 2: gd.conv_transpose2d, 3: gd.conv_transpose3d}
TORCH = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}
TORCH_TRANSPOSE = {
    1: torch.nn.functional.conv_transpose1d,
    2: torch.nn.functional.conv_transpose2d,
    3: torch.nn.functional.conv_transpose3d,
}


def drawn(*shape: int) -> Array:
    return _random.uniform(-1, 1, shape)


def first(x: Any) -> Any:
    """Channels-last to channels-first."""
    return x.movedim(-1, 1)


def to_torch(kernel: Any, rank: int) -> Any:
    """(window, in, out) to (out, in, window)."""
    return kernel.permute(rank + 1, rank, *range(rank))


CASES: list[tuple[int, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    (1, (2, 9, 3), (4, 3, 5), {}),
    (1, (2, 9, 3), (3, 3, 2), {"stride": 2, "padding": 2}),
    (1, (3, 11, 4), (3, 2, 6), {"dilation": 2, "groups": 2}),
    (2, (2, 7, 6, 3), (3, 2, 3, 4), {}),
    (2, (2, 7, 6, 3), (3, 2, 3, 4), {"stride": (2, 3), "padding": (1, 2)}),
    (2, (2, 9, 8, 2), (3, 3, 2, 5), {"stride": 2, "dilation": (1, 2), "padding": 1}),
    (2, (1, 5, 5, 4), (3, 3, 2, 6), {"groups": 2}),
    (2, (2, 6, 5, 4), (3, 3, 1, 4), {"groups": 4, "padding": 1}),
    (2, (2, 6, 5, 4), (3, 2, 1, 8), {"groups": 4, "stride": 2}),
    (2, (2, 5, 5, 3), (1, 1, 3, 4), {"stride": 2}),
    (2, (2, 8, 8, 3), (4, 4, 3, 5), {"stride": 4}),
    (2, (0, 5, 5, 3), (3, 3, 3, 4), {}),
    (2, (1, 3, 3, 1), (3, 3, 1, 1), {}),
    (3, (2, 4, 5, 6, 2), (2, 3, 2, 2, 3), {"stride": (1, 2, 1), "padding": 1}),
]


def ops_of(outputs: list[Tensor]) -> set[str]:
    return {node.op.name for node in Graph((), tuple(outputs)).nodes()}


@pytest.mark.parametrize("is_transposed", [False, True], ids=["plain", "transposed"])
@pytest.mark.parametrize("number", range(len(CASES)))
def test_convolutions_and_their_derivatives_are_torchs(number: int, is_transposed: bool) -> None:
    rank, shape, kernel_shape, options = CASES[number]
    is_named = number % 2 == 1
    if is_transposed:
        shape = (*shape[:-1], kernel_shape[-1])
    build = (TRANSPOSE if is_transposed else CONV)[rank]
    reference = (TORCH_TRANSPOSE if is_transposed else TORCH)[rank]
    arrays = [drawn(*shape), drawn(*kernel_shape)]
    inputs = [
        placeholder("x", ("batch", *shape[1:]) if is_named else shape, "float64"),
        placeholder("kernel", kernel_shape, "float64"),
    ]
    tx, tk = given = [torch.from_numpy(a).requires_grad_() for a in arrays]
    y = build(*inputs, **options)
    ty = reference(first(tx), to_torch(tk, rank), **options).movedim(1, -1)
    weights = drawn(*ty.shape)
    weight = placeholder("weight", y.shape, "float64")
    gradients = vjp([y], inputs, [weight])
    wanted = torch.autograd.grad(ty, given, torch.from_numpy(weights), create_graph=True)
    directions = [drawn(*array.shape) for array in arrays]
    along = [placeholder(f"v{n}", t.shape, "float64") for n, t in enumerate(inputs)]
    second = vjp(list(gradients), inputs, along)
    second_wanted = torch.autograd.grad(
        wanted, given, [torch.from_numpy(a) for a in directions], materialize_grads=True
    )
    outputs = [y, *gradients, *second]
    found = function([*inputs, weight, *along], outputs)(*arrays, weights, *directions)
    for actual, target in zip(found, [ty, *wanted, *second_wanted], strict=True):
        assert_close(actual, target.detach().numpy(), rtol=1e-10, atol=1e-10)
    assert not {op for op in ops_of(outputs) if "scatter" in op}


def test_gradients_are_contractions() -> None:
    """Both gradients, and their derivatives, sum products: nothing is added up over windows."""
    options: list[dict[str, Any]] = [
        {}, {"stride": 2, "padding": "same"}, {"groups": 2}, {"dilation": 2}
    ]  # fmt: skip
    for option in options:
        x = placeholder("x", ("batch", 9, 9, 4))
        kernel = placeholder("kernel", (3, 3, 4 // option.get("groups", 1), 6))
        y = gd.conv2d(x, kernel, **option)
        gradients = grad(total(y * y), [x, kernel])
        second = grad(total(gradients[0] * gradients[0]), [x, kernel])
        names = ops_of([*gradients, *second])
        assert "diagonal" not in names
        assert "dot_general" in names


def test_a_wrong_gradient_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the reversal of the kernel the gradient is another convolution."""
    monkeypatch.setattr(rules, "reverse", lambda x, axes: x)
    with pytest.raises(AssertionError):
        test_convolutions_and_their_derivatives_are_torchs(4, is_transposed=False)


def test_interpreter_and_compiled_code_agree_in_exact_numerics() -> None:
    x, kernel = placeholder("x", ("batch", 9, 8, 3)), placeholder("kernel", (3, 3, 3, 17))
    y = gd.conv2d(x, kernel, stride=(1, 2), padding="same")
    gradients = vjp([y], [x, kernel], [y])
    arrays = [drawn(2, 9, 8, 3).astype(np.float32), drawn(3, 3, 3, 17).astype(np.float32)]
    graph = Graph((x, kernel), (y, *gradients))
    wanted = interpret(graph, arrays).outputs
    found = function([x, kernel], [y, *gradients], numerics="exact")(*arrays)
    for actual, target in zip(found, wanted, strict=True):
        assert_same_bits(actual, target)


def test_windows_are_read_in_place() -> None:
    """One kernel: the windows of an image are no array of their own."""
    x, kernel = placeholder("x", ("batch", 12, 12, 4)), placeholder("kernel", (3, 3, 4, 8))
    compiled = function([x, kernel], gd.conv2d(x, kernel))
    assert "1 launches" in str(compiled.explain())
    assert "arena 0 bytes" in str(compiled.explain())


def test_depthwise_sums_run_along_the_channels() -> None:
    """Lanes are neighbouring channels, so that nothing is gathered from strided places."""
    x, kernel = placeholder("x", ("batch", 6, 6, 32)), placeholder("kernel", (3, 3, 1, 32))
    compiled = function([x, kernel], gd.conv2d(x, kernel, groups=32))
    assert "masked.gather" not in str(compiled.stages["llvm"])


def test_padding_is_causal_same_or_explicit() -> None:
    x = placeholder("x", (1, 5, 1))
    data = np.arange(1.0, 6).reshape(1, 5, 1)
    ones = np.ones((3, 1, 1), np.float32)
    for padding, wanted in (
        ("causal", [1, 3, 6, 9, 12]),
        ("same", [3, 6, 9, 12, 9]),
        ([(0, 2)], [6, 9, 12, 9, 5]),
        ("valid", [6, 9, 12]),
    ):
        y = gd.conv1d(x, ones, padding=padding)
        assert y.eval({x: data}).ravel().tolist() == wanted


def test_named_space_and_channels_first() -> None:
    x = placeholder("x", ("batch", 3, "height", "width"))
    kernel = drawn(3, 3, 3, 4).astype(np.float32)
    bias = drawn(4).astype(np.float32)
    y = gd.conv2d(x, kernel, bias, padding="same", stride=2, data_format="NCHW")
    compiled = function([x], y)
    for height, width in ((7, 8), (5, 3), (1, 1)):
        data = drawn(2, 3, height, width).astype(np.float32)
        low, high = ((height + 1) % 2, (width + 1) % 2)
        padded = np.pad(data, ((0, 0), (0, 0), (1 - low, 1), (1 - high, 1)))
        weights = to_torch(torch.from_numpy(kernel), 2)
        wanted = torch.conv2d(torch.from_numpy(padded), weights, torch.from_numpy(bias), stride=2)
        assert_close(compiled(data), wanted.numpy(), rtol=1e-4, atol=1e-5)


def test_rows_of_windows_and_back() -> None:
    x = placeholder("x", ("batch", 6, 7, 3), "float64")
    rows = patches(x, (3, 2), stride=2, padding=1)
    back = fold(rows, (6, 7), (3, 2), stride=2, padding=1)
    data = drawn(2, 6, 7, 3)
    found = function([x], [rows, back])(data)
    tx = torch.from_numpy(data).movedim(-1, 1)
    peer = torch.nn.functional.unfold(tx, (3, 2), padding=1, stride=2)
    shaped = peer.reshape(2, 3, 6, -1).permute(0, 3, 2, 1).reshape(found[0].shape)
    assert_close(found[0], shaped.numpy())
    folded = torch.nn.functional.fold(peer, (6, 7), (3, 2), padding=1, stride=2)
    assert_close(found[1], folded.movedim(1, -1).numpy())


def test_wrong_arguments_are_told() -> None:
    x, kernel = placeholder("x", ("batch", 8, 8, 3)), placeholder("kernel", (3, 3, 3, 4))
    with pytest.raises(ShapeError, match="the input has 3 channels, the kernel takes 4"):
        gd.conv2d(x, placeholder("other", (3, 3, 4, 4)))
    with pytest.raises(ShapeError, match="the kernel needs 4 axes"):
        gd.conv2d(x, placeholder("flat", (3, 3, 3)))
    with pytest.raises(ShapeError, match="conv2d: the input needs 4 axes"):
        gd.conv2d(x[0], kernel)
    with pytest.raises(ShapeError, match="a window over 17 elements does not fit"):
        gd.conv2d(x, kernel, dilation=8)
    with pytest.raises(ArgumentError, match="stride must be a whole number or 2 of them"):
        gd.conv2d(x, kernel, stride=0)
    with pytest.raises(ArgumentError, match='"causal" padding is for one spatial axis'):
        gd.conv2d(x, kernel, padding="causal")
    with pytest.raises(ShapeError, match="4 output channels do not divide into 3 groups"):
        gd.conv2d(x, placeholder("other", (3, 3, 1, 4)), groups=3)
    with pytest.raises(ShapeError, match="the bias must have 4 elements"):
        gd.conv2d(x, kernel, np.ones(3))
    with pytest.raises(ArgumentError, match="output_padding 2 is not below the stride"):
        gd.conv_transpose2d(x, placeholder("back", (3, 3, 4, 3)), stride=2, output_padding=2)
    with pytest.raises(ShapeError, match="fold: the input must be"):
        fold(x, 4, 3)
