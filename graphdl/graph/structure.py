"""Nested dicts, lists and tuples: what users hand in and get back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any


def leaves_of(tree: Any) -> list[Any]:
    """Everything in `tree` that is no dict, list or tuple, in order."""
    if isinstance(tree, Mapping):
        return [leaf for value in tree.values() for leaf in leaves_of(value)]
    if isinstance(tree, list | tuple):
        return [leaf for value in tree for leaf in leaves_of(value)]
    return [tree]


def restructure(tree: Any, leaves: Iterable[Any]) -> Any:
    """The structure of `tree` with other leaves, in the order of `leaves_of`."""
    remaining = iter(leaves)
    return _fill(tree, remaining)


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """The structure of `tree` with `function` applied to each leaf."""
    return restructure(tree, map(function, leaves_of(tree)))


def _fill(tree: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(tree, Mapping):
        return {key: _fill(value, leaves) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_fill(value, leaves) for value in tree]
    if isinstance(tree, tuple):
        values = [_fill(value, leaves) for value in tree]
        return type(tree)(*values) if hasattr(tree, "_fields") else tuple(values)
    return next(leaves)
