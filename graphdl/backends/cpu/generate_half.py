"""float16 and bfloat16 conversions, exact on every CPU: the 16-bit values travel as integers."""

from __future__ import annotations

from graphdl.backends.cpu.generate_code import Code
from graphdl.typesystem.dtype import DType


class _Words:
    """Instructions on (vectors of) 32-bit words and floats."""

    def __init__(self, code: Code, lanes: int) -> None:
        self.code, self.lanes = code, lanes

    def type(self, name: str) -> str:
        return f"<{self.lanes} x {name}>" if self.lanes else name

    def number(self, value: int, type_: str = "i32") -> str:
        return f"splat ({type_} {value})" if self.lanes else str(value)

    def do(self, instruction: str, left: str, right: str | int, type_: str = "i32") -> str:
        if isinstance(right, int):
            right = self.number(right, type_)
        return self.code.emit(f"{instruction} {self.type(type_)} {left}, {right}")

    def choose(self, condition: str, on_true: str, on_false: str, type_: str = "i32") -> str:
        name = self.type(type_)
        return self.code.emit(
            f"select {self.type('i1')} {condition}, {name} {on_true}, {name} {on_false}"
        )

    def convert(self, name: str, text: str, source: str, target: str) -> str:
        return self.code.emit(f"{name} {self.type(source)} {text} to {self.type(target)}")


def to_float(code: Code, text: str, dtype: DType, lanes: int, has_half: bool) -> str:
    """16-bit bits to a float; exact."""
    words = _Words(code, lanes)
    if dtype.name == "bfloat16":
        wide = words.convert("zext", text, "i16", "i32")
        return words.convert("bitcast", words.do("shl", wide, 16), "i32", "float")
    if has_half:
        return words.convert(
            "fpext", words.convert("bitcast", text, "i16", "half"), "half", "float"
        )
    return _half_to_float(words, text)


def _half_to_float(words: _Words, text: str) -> str:
    """Shift the fields into place; a multiplication by 2^112 rebiases and normalises denormals."""
    wide = words.convert("zext", text, "i16", "i32")
    sign = words.do("shl", words.do("and", wide, 0x8000), 16)
    magnitude = words.do("and", wide, 0x7FFF)
    shifted = words.convert("bitcast", words.do("shl", magnitude, 13), "i32", "float")
    scale = "0x46F0000000000000"
    factor = f"splat (float {scale})" if words.lanes else scale
    scaled = words.do("fmul", shifted, factor, "float")
    finite = words.convert("bitcast", scaled, "float", "i32")
    special = words.do("or", words.do("shl", magnitude, 13), 0x7F800000)
    is_special = words.do("icmp uge", magnitude, 0x7C00)
    bits = words.do("or", words.choose(is_special, special, finite), sign)
    return words.convert("bitcast", bits, "i32", "float")


def from_float(code: Code, text: str, dtype: DType, lanes: int, has_half: bool) -> str:
    """A float to 16-bit bits, rounded to nearest even."""
    words = _Words(code, lanes)
    if dtype.name == "bfloat16":
        return _float_to_bfloat(words, text)
    if has_half:
        half = words.convert("fptrunc", text, "float", "half")
        return words.convert("bitcast", half, "half", "i16")
    return _float_to_half(words, text)


def _float_to_bfloat(words: _Words, text: str) -> str:
    """Add half a unit (less one when the kept part is even) and cut; a NaN stays quiet."""
    bits = words.convert("bitcast", text, "float", "i32")
    odd = words.do("and", words.do("lshr", bits, 16), 1)
    rounded = words.do("add", words.do("add", bits, 0x7FFF), odd)
    magnitude = words.do("and", bits, 0x7FFFFFFF)
    is_nan = words.do("icmp ugt", magnitude, 0x7F800000)
    quiet = words.do("or", bits, 0x400000)
    kept = words.do("lshr", words.choose(is_nan, quiet, rounded), 16)
    return words.convert("trunc", kept, "i32", "i16")


def _float_to_half(words: _Words, text: str) -> str:
    """Rounding in integers for normal results; an addition of 0.5 rounds the denormal ones."""
    bits = words.convert("bitcast", text, "float", "i32")
    sign = words.do("lshr", words.do("and", bits, -0x80000000), 16)
    magnitude = words.do("and", bits, 0x7FFFFFFF)
    odd = words.do("and", words.do("lshr", magnitude, 13), 1)
    rebiased = words.do("add", words.do("add", magnitude, 0xFFF - (112 << 23)), odd)
    normal = words.do("lshr", rebiased, 13)
    half = "splat (float 0x3FE0000000000000)" if words.lanes else "0x3FE0000000000000"
    small = words.convert("bitcast", magnitude, "i32", "float")
    summed = words.convert("bitcast", words.do("fadd", small, half, "float"), "float", "i32")
    denormal = words.do("sub", summed, 0x3F000000)
    finite = words.choose(words.do("icmp ult", magnitude, 113 << 23), denormal, normal)
    payload = words.do("or", words.do("and", words.do("lshr", magnitude, 13), 0x3FF), 0x7E00)
    is_nan = words.do("icmp ugt", magnitude, 0x7F800000)
    special = words.choose(is_nan, payload, words.number(0x7C00))
    too_large = words.do("icmp uge", magnitude, 143 << 23)
    chosen = words.choose(too_large, special, finite)
    return words.convert("trunc", words.do("or", chosen, sign), "i32", "i16")


def from_double(code: Code, text: str, dtype: DType, lanes: int, has_half: bool) -> str:
    """A double to 16-bit bits, rounded once: first to a float with a sticky last bit (round to odd,
    Boldo and Melquiond 2008), then to 16 bits."""
    words = _Words(code, lanes)
    single = words.convert("fptrunc", text, "double", "float")
    back = words.convert("fpext", single, "float", "double")
    bits = words.convert("bitcast", single, "float", "i32")
    magnitudes = []
    for operand in (back, text):
        raw = words.convert("bitcast", operand, "double", "i64")
        magnitudes.append(words.do("and", raw, (1 << 63) - 1, "i64"))
    above = words.do("icmp ugt", magnitudes[0], magnitudes[1], "i64")
    toward_zero = words.do("add", bits, words.convert("sext", above, "i1", "i32"))
    exact = words.do("fcmp ueq", back, text, "double")
    sticky = words.choose(exact, bits, words.do("or", toward_zero, 1))
    return from_float(
        code, words.convert("bitcast", sticky, "i32", "float"), dtype, lanes, has_half
    )
