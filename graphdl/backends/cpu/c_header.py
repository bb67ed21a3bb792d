"""The C header of an exported function."""

from __future__ import annotations

from graphdl.backends.cpu.artifact import GUARD_CODES, MESSAGES, STATEMENT_CODES, ArtifactLayout
from graphdl.program.nodes import Program, Slot

C_TYPE = {
    "bool": "uint8_t", "float16": "uint16_t", "bfloat16": "uint16_t",
    "float32": "float", "float64": "double",
    **{f"int{bits}": f"int{bits}_t" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"uint{bits}_t" for bits in (8, 16, 32, 64)},
}  # fmt: skip
"""16-bit floats travel as their bit patterns."""

_RESERVED = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if "
    "inline int long register restrict return short signed sizeof static struct switch typedef "
    "union unsigned void volatile while weights scratch state".split()
)


def header_text(layout: ArtifactLayout, program: Program) -> str:
    """Documented declarations of everything the object code exports."""
    name, guard = layout.name, f"{layout.name.upper()}_H"
    sizes = [c_name(size) for size in layout.sizes]
    size_parameters = ", ".join(f"int64_t {size}" for size in sizes)
    lines = [
        f"/* {name}: compiled by graphdl. Needs libc only. */",
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
        "#include <stdint.h>",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        "/* Map and verify the weights file for reading; many threads may share it. */",
        f"int32_t {name}_map_weights(const char *path, const void **weights);",
        f"void {name}_unmap_weights(const void *weights);",
        "",
        "/* Bytes of the state that a call changes (0: none), and its first values. */",
        f"int64_t {name}_state_bytes(void);",
        f"int32_t {name}_initial_state(const void *weights, void *state);",
        "",
        "/* Bytes of scratch memory of one call, at any alignment; one block a calling thread. */",
        f"int64_t {name}_scratch_bytes({size_parameters or 'void'});",
        "",
        "/* How many threads a call may use, 1 at first. Changes what scratch_bytes returns. */",
        f"void {name}_use_threads(int64_t count);",
        "",
        *_run_lines(layout, program),
        "",
        *_code_lines(layout),
        f"const char *{name}_error(int32_t code);",
        "",
        "#ifdef __cplusplus",
        "}",
        "#endif",
        f"#endif /* {guard} */",
        "",
    ]
    return "\n".join(lines)


def _run_lines(layout: ArtifactLayout, program: Program) -> list[str]:
    documented = [f" *   {c_name(slot.name)}: {slot.type}" for slot in program.inputs]
    documented += [f" *   {c_name(slot.name)}: {slot.type}, written" for slot in program.outputs]
    parameters = [
        "const void *weights",
        *(["void *state"] if layout.state else []),
        "void *scratch",
    ]
    parameters += [f"int64_t {c_name(size)}" for size in layout.sizes]
    parameters += [f"const {_c_type(slot)} *{c_name(slot.name)}" for slot in program.inputs]
    parameters += [f"{_c_type(slot)} *{c_name(slot.name)}" for slot in program.outputs]
    return [
        "/* One call on dense row-major arrays. Returns 0 or an error code.",
        *documented,
        " */",
        f"int32_t {layout.name}_run({', '.join(parameters)});",
    ]


def _code_lines(layout: ArtifactLayout) -> list[str]:
    lines = ["/* What an error code means:", *(f" *   {c}: {text}" for c, text in MESSAGES.items())]
    if layout.messages:
        lines.append(
            f" *   over {GUARD_CODES}: unfit sizes; over {STATEMENT_CODES}: a failed check"
        )
    return [*lines, " */"]


def _c_type(slot: Slot) -> str:
    return C_TYPE[slot.type.dtype.name]


def c_name(name: str) -> str:
    """A C identifier for a name of the user's."""
    text = "".join(
        character if character.isascii() and character.isalnum() else "_" for character in name
    )
    if not text or text[0].isdigit() or text in _RESERVED:
        text = f"_{text}" if text not in _RESERVED else f"{text}_"
    return text
