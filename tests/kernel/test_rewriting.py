"""The walk that transforms build on."""

from __future__ import annotations

from hypothesis import given, settings

from graphdl.kernel.nodes import Constant, Kernel, Value
from graphdl.kernel.parser import parse
from graphdl.kernel.printer import text
from graphdl.kernel.rewriting import Rewriter
from tests.kernel.random_kernels import kernels
from tests.kernel.test_parser import EVERYTHING


@settings(max_examples=50)
@given(kernel=kernels())
def test_changing_nothing_gives_an_equal_body(kernel: Kernel) -> None:
    assert Rewriter().body(kernel.body) == kernel.body


def test_every_form_is_walked() -> None:
    kernel = parse(EVERYTHING)
    assert Rewriter().body(kernel.body) == kernel.body

    class Doubled(Rewriter):
        def value(self, value: Value) -> Value:
            if isinstance(value, Constant) and value.dtype.name == "uint32":
                return Constant(2 * value.value, value.dtype)
            return super().value(value)

    source = text(kernel)
    changed = Doubled().body(kernel.body)
    doubled = source.replace("uint32(7)", "uint32(14)").replace("uint32(2)", "uint32(4)")
    assert changed == parse(doubled).body


def test_what_stays_is_the_same_object() -> None:
    kernel = parse(
        "kernel k(n)\n    write b: float32[n]\n    parallel i in 0:n\n"
        "        b[i] = (float32(1.0) + float32(2.0))\n"
    )
    assert Rewriter().body(kernel.body) is kernel.body
