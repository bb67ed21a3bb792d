"""The form of error messages and tracebacks."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

import pytest

import graphdl
from graphdl import errors
from graphdl.errors import (
    ArgumentError,
    ArtifactError,
    DTypeError,
    GradientError,
    GraphdlError,
    InternalError,
    NumericsError,
    RuntimeFailure,
    ShapeError,
    TargetError,
    UserError,
    aligned,
    hides_internal_frames,
)
from graphdl.source_location import SourceLocation

NOWHERE = SourceLocation("/nowhere/train.py", 18)


def test_message_details_line_and_hint_stand_in_this_order() -> None:
    details = aligned(
        [
            ("lhs", "float32[batch, 784]", 'placeholder "image"', "train.py:12"),
            ("rhs", "float32[512, 10]", 'variable "w2"', "train.py:17"),
        ]
    )
    error = ShapeError("matmul: sizes differ", details=details, hint="look", location=NOWHERE)
    assert str(error).splitlines() == [
        "matmul: sizes differ",
        '  lhs  float32[batch, 784]  placeholder "image"  train.py:12',
        '  rhs  float32[512, 10]     variable "w2"        train.py:17',
        "  at train.py:18",
        "  hint: look",
    ]


def test_the_users_line_is_shown() -> None:
    error = ArgumentError("wrong")
    assert str(error).endswith('     error = ArgumentError("wrong")')


def test_long_lists_and_long_lines_are_cut() -> None:
    details = [f"operand {number}" for number in range(40)]
    lines = str(ShapeError("a\nb", details=details, hint="c\nd", location=NOWHERE)).splitlines()
    assert len(lines) == errors.MAXIMUM_LINES
    assert lines[-4:-2] == ["  … 31 more lines", "  at train.py:18"]


def test_a_long_source_line_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SourceLocation, "text", "x" * 500)
    assert max(map(len, str(ArgumentError("wrong", location=NOWHERE)).splitlines())) < 150


def test_aligned_rows_of_different_lengths() -> None:
    assert aligned([("a", "bb"), ("ccc",), ("d", "e", "f")]) == ("a    bb", "ccc", "d    e   f")
    assert aligned([]) == ()


@pytest.mark.parametrize(
    ("kind", "bases"),
    [
        (ShapeError, (UserError, ValueError)),
        (DTypeError, (UserError, TypeError)),
        (ArgumentError, (UserError, ValueError)),
        (GradientError, (UserError,)),
        (NumericsError, (UserError,)),
        (TargetError, (UserError,)),
        (ArtifactError, (UserError,)),
        (RuntimeFailure, (GraphdlError,)),
    ],
)
def test_classes_fit_pythons(kind: type[GraphdlError], bases: tuple[type, ...]) -> None:
    with pytest.raises(kind) as raised:
        raise kind("wrong")
    assert all(isinstance(raised.value, base) for base in bases)


def test_internal_errors_name_their_repro() -> None:
    text = str(InternalError("no rule", repro="python repro.py"))
    assert text.startswith("a bug in graphdl: no rule; `python repro.py` reproduces it")


def test_errors_survive_pickling() -> None:
    error = ShapeError("wrong", details=["one"], hint="look", location=NOWHERE)
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)
    assert (type(copy), copy.hint, copy.location) == (ShapeError, "look", NOWHERE)
    assert pickle.loads(pickle.dumps(InternalError("bug"))).message == "a bug in graphdl: bug"


def internal(source: str, **names: Any) -> Callable[..., Any]:
    """The function `run` that `source` defines when it is part of graphdl."""
    module = {"__name__": "graphdl.errors", "ShapeError": ShapeError, **names}
    exec(compile(source, f"{graphdl.__path__[0]}/imaginary.py", "exec"), module)
    return module["run"]  # type: ignore[no-any-return]


def frames(trace: TracebackType | None) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(trace)]


def test_internal_frames_are_removed() -> None:
    run = hides_internal_frames(
        internal("def run(): return infer()\ndef infer(): raise ShapeError('wrong')")
    )
    with pytest.raises(ShapeError) as raised:
        run()
    assert frames(raised.value.__traceback__) == ["test_internal_frames_are_removed"]
    assert frames(raised.value.full_traceback)[-2:] == ["run", "infer"]


def test_frames_of_the_users_callbacks_stay() -> None:
    def callback() -> None:
        raise ShapeError("wrong")

    inner = hides_internal_frames(internal("def run(f): f()"))
    outer = hides_internal_frames(internal("def run(f): inner(f)", inner=inner))
    with pytest.raises(ShapeError) as raised:
        outer(callback)
    assert frames(raised.value.__traceback__)[1:] == ["callback"]
    assert "entry" in frames(raised.value.full_traceback)


def test_bugs_and_foreign_errors_keep_their_frames() -> None:
    for kind in (InternalError, KeyError):
        run = hides_internal_frames(internal("def run(): raise kind('bug')", kind=kind))
        with pytest.raises(kind) as raised:
            run()
        assert frames(raised.value.__traceback__)[-1] == "run"


def test_the_decorator_keeps_signature_and_value() -> None:
    @hides_internal_frames
    def double(x: int, *, times: int = 2) -> int:
        """Doubles."""
        return x * times

    assert double(3, times=4) == 12
    assert double.__doc__ == "Doubles."


def test_planted_fault_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeping every frame is seen by the traceback test."""
    monkeypatch.setattr(errors, "_users_part", lambda trace: trace)
    with pytest.raises(AssertionError):
        test_internal_frames_are_removed()
