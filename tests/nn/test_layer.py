"""Layer: variables, paths, scopes, the training form."""

from __future__ import annotations

import numpy as np
import pytest

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.nodes import Tensor, topological_order
from graphdl.nn.layer import Layer
from graphdl.nn.layers import Dense, Dropout
from graphdl.nn.sequential import Sequential
from graphdl.ops.functions.creation import is_training, placeholder, variable
from graphdl.ops.functions.elementwise import where
from graphdl.ops.functions.random import Generator
from tests.plugins.steps import value_of


def _x(*shape: int | str) -> Tensor:
    return placeholder("x", shape or ("batch", 4))


class Attention(Layer):
    def __init__(self) -> None:
        self.query = Dense(4, use_bias=False)
        self.key = Dense(4)

    def call(self, x: Tensor) -> Tensor:
        return self.query(x) + self.key(x)


class Encoder(Layer):
    def __init__(self) -> None:
        self.blocks = [Attention() for _ in range(2)]
        self.heads = {"first": Dense(3), "second": Dense(3)}
        self.offset = variable(np.zeros(4), trainable=False)

    def call(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return self.heads["first"](x + self.offset) + self.heads["second"](x)


class Model(Layer):
    def __init__(self) -> None:
        self.encoder = Encoder()
        self.again = self.encoder

    def call(self, x: Tensor) -> Tensor:
        return self.encoder(x) * self.variable("scale", (3,), "ones")


def test_paths_are_attribute_names_keys_and_indices() -> None:
    model = Model()
    assert list(model.variables()) == ["encoder/offset"]
    model(_x())
    assert list(model.variables()) == [
        "scale",
        "encoder/blocks/0/query/kernel", "encoder/blocks/0/key/kernel", "encoder/blocks/0/key/bias",
        "encoder/blocks/1/query/kernel", "encoder/blocks/1/key/kernel", "encoder/blocks/1/key/bias",
        "encoder/heads/first/kernel", "encoder/heads/first/bias",
        "encoder/heads/second/kernel", "encoder/heads/second/bias",
        "encoder/offset",
    ]  # fmt: skip
    assert "encoder/offset" not in model.parameters()
    assert len(model.parameters()) == 11


def test_frozen_layers_have_no_parameters() -> None:
    model = Model()
    model(_x())
    model.encoder.blocks[0].trainable = False
    model.encoder.heads["first"].trainable = False
    assert len(model.parameters()) == 11 - 3 - 2
    assert len(model.variables()) == 12


def test_a_second_call_shares_the_variables() -> None:
    layer = Dense(3)
    layer(_x())
    first = layer.variables()
    layer(placeholder("other", (7, 4)))
    assert layer.variables().keys() == first.keys()
    assert all(layer.variables()[path] is found for path, found in first.items())


def test_scopes_follow_the_attributes() -> None:
    nodes = topological_order([Model()(_x())])
    scopes = {node.scope for node in nodes}
    assert ("model", "encoder", "blocks_1", "query") in scopes
    assert ("model", "encoder", "heads_first") in scopes
    named = Sequential([Dense(3), Dense(2, name="logits")], name="net")
    scopes = {node.scope for node in topological_order([named(_x())])}
    assert {("net", "dense_0"), ("net", "logits")} <= scopes
    names = [variable.name for variable in named.variables().values()]
    assert names[0] == "net/dense_0/kernel"


def test_training_can_be_fixed_for_one_call() -> None:
    class Form(Layer):
        def call(self, x: Tensor) -> Tensor:
            return where(is_training(), x * 2, x)

    x = placeholder("x", ())
    layer = Form()
    free, off, on = layer(x), layer(x, training=False), layer(x, training=True)
    assert [float(value_of(t, {x: 1.0}, training=True)) for t in (free, off, on)] == [2, 1, 2]
    assert [float(value_of(t, {x: 1.0}, training=False)) for t in (free, off, on)] == [1, 1, 2]
    nested = Sequential([form := Form(), Sequential([form])])
    assert float(value_of(nested(x, training=True), {x: 1.0})) == 4
    assert is_training().node.op.name == "is_training"


def test_the_state_of_a_generator_belongs_to_the_layer() -> None:
    layer = Dropout(0.5, generator=Generator(3))
    assert list(layer.variables()) == ["generator/key", "generator/position"]
    assert layer.parameters() == {}


def test_wrong_variables_are_told() -> None:
    layer = Dense(3)
    with pytest.raises(ShapeError, match="last axis of the input must be a known number"):
        layer(placeholder("x", (2, "features")))
    layer(_x())
    with pytest.raises(ShapeError, match=r"made with shape \[4, 3\] and is now needed as \[5, 3\]"):
        layer(_x(2, 5))
    with pytest.raises(DTypeError, match="is float32 and is now needed as float64"):
        layer(placeholder("x", (2, 4), "float64"))
    with pytest.raises(DTypeError, match="must be floating, got int64"):
        layer(placeholder("x", (2, 4), "int64"))
    with pytest.raises(ArgumentError, match="called on tensors, got ndarray"):
        layer(np.zeros((2, 4)))
    with pytest.raises(ArgumentError, match="units"):
        Dense(0)
    with pytest.raises(NotImplementedError, match="Layer has no method call"):
        Layer()(_x())
