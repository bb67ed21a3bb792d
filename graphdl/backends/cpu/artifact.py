"""The C interface of an exported function, as LLVM text around the driver's `run` and `prepare`.

For a function called NAME with sizes s…, inputs and outputs:

    int32_t NAME_map_weights(const char *path, const void **weights)
    void    NAME_unmap_weights(const void *weights)
    int64_t NAME_state_bytes(void)
    int32_t NAME_initial_state(const void *weights, void *state)
    int64_t NAME_scratch_bytes(s…)
    int32_t NAME_run(const void *weights, [void *state,] void *scratch, s…, inputs…, outputs…)
    void    NAME_use_threads(int64_t count)
    const char *NAME_error(int32_t code)

Nothing here allocates. Codes: 0 success, 1 to 4 as in `MESSAGES`, 16 + n for failing guard n, and
1024 + n for failing statement n.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphdl.backends.cpu.driver import PREPARE, RUN

MESSAGES = {
    0: "success",
    1: "the weights file cannot be opened",
    2: "the weights file is not the one that was exported, or was changed",
    3: "this CPU lacks instructions that the code was compiled for",
    4: "a size is negative",
}
GUARD_CODES, STATEMENT_CODES = 16, 1024

CHECKSUM_PRIME = 0x100000001B3
CHECKSUM_START = 0xCBF29CE484222325

_FEATURE_BITS = {
    "sse3": (1, "ecx", 0), "ssse3": (1, "ecx", 9), "fma": (1, "ecx", 12), "sse4.1": (1, "ecx", 19),
    "sse4.2": (1, "ecx", 20), "movbe": (1, "ecx", 22), "popcnt": (1, "ecx", 23),
    "avx": (1, "ecx", 28), "f16c": (1, "ecx", 29), "bmi": (7, "ebx", 3), "avx2": (7, "ebx", 5),
    "bmi2": (7, "ebx", 8), "avx512f": (7, "ebx", 16), "avx512dq": (7, "ebx", 17),
    "avx512cd": (7, "ebx", 28), "avx512bw": (7, "ebx", 30), "avx512vl": (7, "ebx", 31),
}  # fmt: skip
"""Where cpuid reports a feature: leaf, register, bit (Intel SDM volume 2A, CPUID)."""


_CLOBBERS = "~{dirflag},~{fpsr},~{flags}"
_CPUID = f'asm sideeffect "cpuid", "={{ax}},={{bx}},={{cx}},={{dx}},{{ax}},{{cx}},{_CLOBBERS}"'
_XGETBV = f'asm sideeffect "xgetbv", "={{ax}},={{dx}},{{cx}},{_CLOBBERS}"'


@dataclass(frozen=True, slots=True)
class ArtifactLayout:
    """What the C interface needs to know about one exported program.

    `weights` gives, for each variable and then each constant, its offset in the weights file, or
    None for a variable that lives in the state; `state` gives (variable position, offset in the
    state, offset in the weights file, bytes) of those.
    """

    name: str
    sizes: tuple[str, ...]
    inputs: int
    outputs: int
    weights: tuple[int | None, ...]
    state: tuple[tuple[int, int, int, int], ...]
    state_bytes: int
    weights_bytes: int
    weights_checksum: int
    features: tuple[str, ...]
    messages: Mapping[int, str]


def write_artifact(layout: ArtifactLayout) -> str:
    """The LLVM module of the C interface."""

    parts = (
        _DECLARATIONS,
        _checksum_text(),
        _cpu_text(layout.features),
        _map_text(layout),
        _state_text(layout),
        _scratch_text(layout),
        _run_text(layout),
        _error_text(layout),
        _threads_text(layout),
    )
    return "\n".join(parts) + "\n"


def _threads_text(layout: ArtifactLayout) -> str:
    return f"""
define void @{layout.name}_use_threads(i64 %count) {{
  %positive = call i64 @llvm.smax.i64(i64 %count, i64 1)
  store i64 %positive, ptr @artifact_threads
  ret void
}}
"""


_DECLARATIONS = f"""
@artifact_threads = internal global i64 1
declare i64 @{RUN}(ptr, ptr, ptr, i64)
declare i64 @{PREPARE}(ptr, ptr)
declare i32 @open(ptr, i32, ...)
declare i32 @close(i32)
declare i64 @lseek(i32, i64, i32)
declare ptr @mmap(ptr, i64, i32, i32, i32, i64)
declare i32 @munmap(ptr, i64)
declare i64 @llvm.smax.i64(i64, i64)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""


def _checksum_text() -> str:
    """The sum that `checksum` in the export computes, over whole 8-byte words."""
    return f"""
define internal i64 @artifact_checksum(ptr %data, i64 %words) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %step ]
  %sum = phi i64 [ {CHECKSUM_START - 2**64}, %entry ], [ %following, %step ]
  %more = icmp ult i64 %i, %words
  br i1 %more, label %step, label %done
step:
  %at = getelementptr i64, ptr %data, i64 %i
  %word = load i64, ptr %at, align 1
  %added = add i64 %sum, %word
  %following = mul i64 %added, {CHECKSUM_PRIME}
  %next = add i64 %i, 1
  br label %loop
done:
  ret i64 %sum
}}
"""


def _cpu_text(features: Sequence[str]) -> str:
    """`artifact_cpu` returns whether cpuid and the operating system offer every feature."""
    needed: dict[tuple[int, str], int] = {}
    for feature in features:
        if feature in _FEATURE_BITS:
            leaf, register, bit = _FEATURE_BITS[feature]
            needed[leaf, register] = needed.get((leaf, register), 0) | 1 << bit
    lines = ["define internal i1 @artifact_cpu() {", "  %ok0 = icmp eq i64 0, 0"]
    count = 0
    for (leaf, register), bits in needed.items():
        count += 1
        position = {"ebx": 1, "ecx": 2}[register]
        signed = bits - 2**32 if bits >= 2**31 else bits
        lines += [
            f"  %id{count} = call {{ i32, i32, i32, i32 }} {_CPUID}(i32 {leaf}, i32 0)",
            f"  %bits{count} = extractvalue {{ i32, i32, i32, i32 }} %id{count}, {position}",
            f"  %kept{count} = and i32 %bits{count}, {signed}",
            f"  %has{count} = icmp eq i32 %kept{count}, {signed}",
            f"  %ok{count} = and i1 %ok{count - 1}, %has{count}",
        ]
    if "avx" not in features:
        return "\n".join([*lines, f"  ret i1 %ok{count}", "}"])
    state = 0xE6 if "avx512f" in features else 0x06
    lines += [
        f"  br i1 %ok{count}, label %system, label %no",
        "no:",
        "  ret i1 false",
        "system:",
        f"  %xcr = call {{ i32, i32 }} {_XGETBV}(i32 0)",
        "  %low = extractvalue { i32, i32 } %xcr, 0",
        f"  %saved = and i32 %low, {state}",
        f"  %enabled = icmp eq i32 %saved, {state}",
        "  ret i1 %enabled",
        "}",
    ]
    return "\n".join(lines)


def _map_text(layout: ArtifactLayout) -> str:
    size = layout.weights_bytes
    expected = layout.weights_checksum - (2**64 if layout.weights_checksum >= 2**63 else 0)
    return f"""
define i32 @{layout.name}_map_weights(ptr %path, ptr %weights) {{
entry:
  %file = call i32 (ptr, i32, ...) @open(ptr %path, i32 0)
  %failed = icmp slt i32 %file, 0
  br i1 %failed, label %unopened, label %opened
unopened:
  ret i32 1
opened:
  %length = call i64 @lseek(i32 %file, i64 0, i32 2)
  %fits = icmp eq i64 %length, {size}
  br i1 %fits, label %map, label %wrong
wrong:
  %closed1 = call i32 @close(i32 %file)
  ret i32 2
map:
  %at = call ptr @mmap(ptr null, i64 {size}, i32 1, i32 2, i32 %file, i64 0)
  %closed2 = call i32 @close(i32 %file)
  %number = ptrtoint ptr %at to i64
  %unmapped = icmp eq i64 %number, -1
  br i1 %unmapped, label %unopened, label %check
check:
  %sum = call i64 @artifact_checksum(ptr %at, i64 {size // 8})
  %same = icmp eq i64 %sum, {expected}
  br i1 %same, label %done, label %changed
changed:
  %gone = call i32 @munmap(ptr %at, i64 {size})
  ret i32 2
done:
  store ptr %at, ptr %weights
  ret i32 0
}}

define void @{layout.name}_unmap_weights(ptr %weights) {{
  %gone = call i32 @munmap(ptr %weights, i64 {size})
  ret void
}}
"""


def _state_text(layout: ArtifactLayout) -> str:
    copies = []
    for number, (_, target, source, count) in enumerate(layout.state):
        to_and_from = f"ptr %to{number}, ptr %from{number}"
        copies += [
            f"  %to{number} = getelementptr i8, ptr %state, i64 {target}",
            f"  %from{number} = getelementptr i8, ptr %weights, i64 {source}",
            f"  call void @llvm.memcpy.p0.p0.i64({to_and_from}, i64 {count}, i1 false)",
        ]
    body = "\n".join(copies)
    return f"""
define i64 @{layout.name}_state_bytes() {{
  ret i64 {layout.state_bytes}
}}

define i32 @{layout.name}_initial_state(ptr %weights, ptr %state) {{
{body}
  ret i32 0
}}
"""


def _size_parameters(layout: ArtifactLayout) -> str:
    return ", ".join(f"i64 %size{number}" for number in range(len(layout.sizes)))


def _store_sizes(layout: ArtifactLayout) -> list[str]:
    count = max(len(layout.sizes), 1)
    lines = [
        f"  %sizes = alloca [{count} x i64], align 16",
        "  %derived = alloca [3 x i64], align 16",
    ]
    for number in range(len(layout.sizes)):
        lines += [
            f"  %place{number} = getelementptr i64, ptr %sizes, i64 {number}",
            f"  store i64 %size{number}, ptr %place{number}",
        ]
    return lines


def _scratch_text(layout: ArtifactLayout) -> str:
    lines = [
        f"define i64 @{layout.name}_scratch_bytes({_size_parameters(layout)}) {{",
        *_store_sizes(layout),
        f"  %code = call i64 @{PREPARE}(ptr %sizes, ptr %derived)",
        "  %arena = load i64, ptr %derived",
        "  %at = getelementptr i64, ptr %derived, i64 1",
        "  %workspace = load i64, ptr %at",
        "  %threads = load i64, ptr @artifact_threads",
        "  %workspaces = mul i64 %workspace, %threads",
        "  %total = add i64 %arena, %workspaces",
        "  %rounded = add i64 %total, 64",
        "  ret i64 %rounded",
        "}",
    ]
    return "\n".join(lines)


def _run_text(layout: ArtifactLayout) -> str:
    parameters = ["ptr %weights", *(["ptr %state"] if layout.state else []), "ptr %scratch"]
    parameters += [f"i64 %size{number}" for number in range(len(layout.sizes))]
    ports = layout.inputs + layout.outputs
    parameters += [f"ptr %port{number}" for number in range(ports)]
    slots = ports + len(layout.weights) + 1
    lines = [
        f"define i32 @{layout.name}_run({', '.join(parameters)}) {{",
        "entry:",
        f"  %pointers = alloca [{slots} x ptr], align 16",
        *_store_sizes(layout),
        "  %able = call i1 @artifact_cpu()",
        "  br i1 %able, label %sized, label %unable",
        "unable:",
        "  ret i32 3",
        "negative:",
        "  ret i32 4",
        "sized:",
    ]
    lines += _check_sizes(layout)
    lines += [
        f"  %guard = call i64 @{PREPARE}(ptr %sizes, ptr %derived)",
        "  %guarded = icmp eq i64 %guard, 0",
        "  br i1 %guarded, label %go, label %refused",
        "refused:",
        "  %guard32 = trunc i64 %guard to i32",
        f"  %guard_code = add i32 %guard32, {GUARD_CODES}",
        "  ret i32 %guard_code",
        "go:",
    ]
    operands = [f"%port{number}" for number in range(ports)]
    in_state = {position: offset for position, offset, _, _ in layout.state}
    for position, offset in enumerate(layout.weights):
        base, start = ("%weights", offset) if offset is not None else ("%state", in_state[position])
        lines.append(f"  %weight{position} = getelementptr i8, ptr {base}, i64 {start}")
        operands.append(f"%weight{position}")
    for number, operand in enumerate([*operands, "null"]):
        lines += [
            f"  %slot{number} = getelementptr ptr, ptr %pointers, i64 {number}",
            f"  store ptr {operand}, ptr %slot{number}",
        ]
    lines += [
        "  %threads = load i64, ptr @artifact_threads",
        "  %number = ptrtoint ptr %scratch to i64",
        "  %lifted = add i64 %number, 63",
        "  %even = and i64 %lifted, -64",
        "  %arena = inttoptr i64 %even to ptr",
        f"  %code = call i64 @{RUN}(ptr %pointers, ptr %sizes, ptr %arena, i64 %threads)",
        "  %fine = icmp eq i64 %code, 0",
        "  %code32 = trunc i64 %code to i32",
        f"  %shifted = add i32 %code32, {STATEMENT_CODES}",
        "  %result = select i1 %fine, i32 0, i32 %shifted",
        "  ret i32 %result",
        "}",
    ]
    return "\n".join(lines)


def _check_sizes(layout: ArtifactLayout) -> list[str]:
    lines = []
    for number in range(len(layout.sizes)):
        lines += [
            f"  %below{number} = icmp slt i64 %size{number}, 0",
            f"  br i1 %below{number}, label %negative, label %checked{number}",
            f"checked{number}:",
        ]
    return lines


def _error_text(layout: ArtifactLayout) -> str:
    messages = {**MESSAGES, **layout.messages}
    globals_, cases, blocks = [], [], []
    for code, message in messages.items():
        data = message.encode() + b"\0"
        text = "".join(f"\\{byte:02X}" for byte in data)
        globals_.append(f'@message{code} = internal constant [{len(data)} x i8] c"{text}"')
        cases.append(f"i32 {code}, label %case{code}")
        blocks += [f"case{code}:", f"  ret ptr @message{code}"]
    unknown = b"unknown error\0"
    text = "".join(f"\\{byte:02X}" for byte in unknown)
    globals_.append(f'@message_unknown = internal constant [{len(unknown)} x i8] c"{text}"')
    lines = [
        *globals_,
        f"define ptr @{layout.name}_error(i32 %code) {{",
        f"  switch i32 %code, label %other [ {' '.join(cases)} ]",
        *blocks,
        "other:",
        "  ret ptr @message_unknown",
        "}",
    ]
    return "\n".join(lines)
