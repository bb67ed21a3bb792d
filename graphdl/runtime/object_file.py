"""Load a relocatable x86-64 ELF object into this process, without a linker.

The sections that hold code and data are copied into one mapping and their relocations applied, as
in the System V ABI supplement for x86-64. Symbols that the object lacks come from the process
(libc, pthreads). Used for artifacts that were exported on a machine without `cc`.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphdl.errors import ArtifactError

_ALLOCATED = 2
_NO_BITS = 8
_SYMBOL_TABLE = 2
_RELOCATIONS = 4
_UNDEFINED, _ABSOLUTE = 0, 0xFFF1
# relocation kinds: 1 R64, 2 PC32, 4 PLT32, 9 GOTPCREL, 24 PC64, 41 GOTPCRELX, 42 REX_GOTPCRELX
_JUMP = bytes((0xFF, 0x25, 0, 0, 0, 0))  # jmp *0(%rip)
_SLOT = 16  # a jump through an address, or an address alone


@dataclass(frozen=True, slots=True)
class _Section:
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int


@dataclass(frozen=True, slots=True)
class _Symbol:
    name: str
    section: int
    value: int


class LoadedObject:
    """Functions of a loaded object by name, as ctypes functions; code lives as long as this."""

    def __init__(self, memory: mmap.mmap, addresses: dict[str, int]) -> None:
        self._memory = memory
        self._addresses = addresses

    def __getitem__(self, name: str) -> Any:
        return ctypes.CFUNCTYPE(ctypes.c_int64)(self._addresses[name])

    def address(self, name: str) -> int:
        """Where the symbol is."""
        return self._addresses[name]


def load_object(path: Path) -> LoadedObject:
    """Copy, relocate and make executable. Raises ArtifactError for what is not such an object."""
    data = path.read_bytes()
    if data[:5] != b"\x7fELF\x02" or struct.unpack_from("<HH", data, 16) != (1, 62):
        raise ArtifactError(f"{path} is not an x86-64 ELF object")
    sections = _read_sections(data)
    symbols = _read_symbols(data, sections)
    places, size = _place(sections)
    undefined = [s for s in symbols if s.section == _UNDEFINED and s.name]
    slots = {symbol.name: size + _SLOT * i for i, symbol in enumerate(undefined)}
    table = size + _SLOT * len(slots)
    total = table + 8 * len(symbols)
    memory = mmap.mmap(-1, max(total, 1), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for index, place in places.items():
        section = sections[index]
        if section.kind != _NO_BITS:
            memory[place : place + section.size] = data[
                section.offset : section.offset + section.size
            ]
    _write_slots(memory, slots, path)
    addresses = [_address(symbol, base, places, slots) for symbol in symbols]
    for number, address in enumerate(addresses):
        struct.pack_into("<Q", memory, table + 8 * number, address)
    for section in sections:
        if section.kind == _RELOCATIONS and section.info in places:
            _relocate(memory, data, section, places[section.info], base, addresses, base + table)
    exported = {s.name: a for s, a in zip(symbols, addresses, strict=True) if s.name and s.section}
    return LoadedObject(memory, exported)


def _read_sections(data: bytes) -> list[_Section]:
    start = struct.unpack_from("<Q", data, 40)[0]
    width, count = struct.unpack_from("<HH", data, 58)
    sections = []
    for index in range(count):
        fields = struct.unpack_from("<IIQQQQIIQQ", data, start + index * width)
        sections.append(_Section(fields[1], fields[2], *fields[4:9]))
    return sections


def _read_symbols(data: bytes, sections: list[_Section]) -> list[_Symbol]:
    table = next(section for section in sections if section.kind == _SYMBOL_TABLE)
    strings = sections[table.link].offset
    symbols = []
    for offset in range(table.offset, table.offset + table.size, 24):
        name, _, _, section, value, _ = struct.unpack_from("<IBBHQQ", data, offset)
        end = data.index(b"\0", strings + name)
        symbols.append(_Symbol(data[strings + name : end].decode(), section, value))
    return symbols


def _place(sections: list[_Section]) -> tuple[dict[int, int], int]:
    places: dict[int, int] = {}
    size = 0
    for index, section in enumerate(sections):
        if section.flags & _ALLOCATED and section.size:
            alignment = max(section.alignment, 1)
            size = -(-size // alignment) * alignment
            places[index] = size
            size += section.size
    return places, -(-size // 64) * 64


def _write_slots(memory: mmap.mmap, slots: dict[str, int], path: Path) -> None:
    process = ctypes.CDLL(None)
    for name, slot in slots.items():
        try:
            target = ctypes.cast(process[name], ctypes.c_void_p).value
        except AttributeError:
            raise ArtifactError(f"{path} needs {name}, which this process lacks") from None
        memory[slot : slot + _SLOT] = (_JUMP + struct.pack("<Q", target)).ljust(_SLOT, b"\x90")


def _address(symbol: _Symbol, base: int, places: dict[int, int], slots: dict[str, int]) -> int:
    if symbol.section == _UNDEFINED:
        return base + slots[symbol.name] if symbol.name else 0
    if symbol.section == _ABSOLUTE or symbol.section not in places:
        return symbol.value
    return base + places[symbol.section] + symbol.value


def _relocate(
    memory: mmap.mmap,
    data: bytes,
    section: _Section,
    place: int,
    base: int,
    addresses: list[int],
    table: int,
) -> None:
    for entry in range(section.offset, section.offset + section.size, 24):
        offset, info, addend = struct.unpack_from("<QQq", data, entry)
        kind, symbol = info & 0xFFFFFFFF, info >> 32
        where = place + offset
        target = addresses[symbol] + addend
        match kind:
            case 1:
                struct.pack_into("<Q", memory, where, target)
            case 24:
                struct.pack_into("<q", memory, where, target - base - where)
            case 2 | 4:
                struct.pack_into("<i", memory, where, target - base - where)
            case 9 | 41 | 42:
                struct.pack_into("<i", memory, where, table + 8 * symbol + addend - base - where)
            case _:
                raise ArtifactError(f"the object has a relocation of kind {kind}")
