"""The object loader against the JIT's own linker."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from graphdl.backends.cpu.load import compile_linked
from graphdl.backends.cpu.target import host_target
from graphdl.errors import ArtifactError
from graphdl.runtime.object_file import load_object

TABLE = """
@table = internal constant [4 x double] [double 1.5, double 2.5, double 3.5, double 4.5]
@count = global i64 0
declare i64 @strlen(ptr)
declare double @helper(double)
define double @probe_pick(i64 %i) {
  %n = load i64, ptr @count
  %m = add i64 %n, 1
  store i64 %m, ptr @count
  %at = getelementptr double, ptr @table, i64 %i
  %value = load double, ptr %at
  %result = call double @helper(double %value)
  ret double %result
}
define i64 @probe_length(ptr %text) {
  %n = call i64 @strlen(ptr %text)
  ret i64 %n
}
define i64 @probe_count() {
  %n = load i64, ptr @count
  ret i64 %n
}
"""
HELPER = """
define double @helper(double %x) {
  %y = fmul double %x, 2.0
  ret double %y
}
"""


def make_object(path: Path) -> Path:
    """An object of two modules with data, a call to libc and a call between them."""
    path.write_bytes(compile_linked([TABLE, HELPER], host_target(), prefix="probe_"))
    return path


def test_data_calls_and_libc_are_relocated(tmp_path: Path) -> None:
    loaded = load_object(make_object(tmp_path / "probe.o"))
    pick = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64)(loaded.address("probe_pick"))
    assert [pick(i) for i in range(4)] == [3.0, 5.0, 7.0, 9.0]
    assert loaded["probe_length"](b"seven77") == 7
    assert loaded["probe_count"]() == 4


def test_only_the_prefix_is_exported(tmp_path: Path) -> None:
    loaded = load_object(make_object(tmp_path / "probe.o"))
    with pytest.raises(KeyError):
        loaded.address("nothing")


def test_what_is_no_object_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "wrong.o"
    path.write_bytes(b"\x7fELF\x02" + bytes(60))
    with pytest.raises(ArtifactError, match="not an x86-64 ELF object"):
        load_object(path)
