"""Nested dicts, lists and tuples."""

from __future__ import annotations

from collections import namedtuple

from graphdl.graph.structure import leaves_of, map_leaves, restructure

Pair = namedtuple("Pair", "first second")


def test_leaves_come_in_order_and_go_back_to_their_places() -> None:
    tree = {"a": [1, (2,)], "b": Pair(3, {"c": 4}), "d": (), "e": None}
    assert leaves_of(tree) == [1, 2, 3, 4, None]
    back = restructure(tree, [10, 20, 30, 40, 50])
    assert back == {"a": [10, (20,)], "b": Pair(30, {"c": 40}), "d": (), "e": 50}
    assert isinstance(back["b"], Pair)
    assert restructure(7, ["x"]) == "x"


def test_map_keeps_the_structure() -> None:
    assert map_leaves(lambda leaf: leaf * 2, [1, {"a": 2}]) == [2, {"a": 4}]
