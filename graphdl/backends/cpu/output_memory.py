"""Memory of large outputs: blocks that return to a free list when NumPy drops the array.

A fresh array of many megabytes costs a page fault per 4 KiB, more than many kernels do. So large
outputs are made with a NumPy memory handler (NEP 49) whose blocks are kept, at most `KEPT_BYTES` in
`KEPT_BLOCKS` places, and given to the next output that they fit. All functions run under the GIL.

    bytes 0..7 of a block   how many bytes the block has behind its first page
    bytes 4096..            the array's data

Data starts a page, never a little later: a store whose address is just ahead of a load's in the low
twelve bits delays that load, and NumPy's own arrays lie 16 bytes behind the start of a page.
"""

from __future__ import annotations

import ctypes
from functools import cache

EXPORTS = tuple(f"graphdl_block_{name}" for name in ("malloc", "calloc", "realloc", "free"))

LARGE = 1 << 20
"""Bytes from which an output's memory is kept."""

KEPT_BYTES = 128 << 20
KEPT_BLOCKS = 16

_PAGE = 4096
_HUGE = 4 << 20  # bytes from which a block asks for large pages
_HUGE_PAGE = 2 << 20
_MADV_HUGEPAGE = 14


class _Handler(ctypes.Structure):
    """NumPy's PyDataMem_Handler."""

    _fields_ = (
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("context", ctypes.c_void_p),
        ("malloc", ctypes.c_void_p),
        ("calloc", ctypes.c_void_p),
        ("realloc", ctypes.c_void_p),
        ("free", ctypes.c_void_p),
    )


@cache
def make_handler(malloc: int, calloc: int, realloc: int, free: int) -> object:
    """The capsule that tells NumPy to allocate with these functions. Never freed: arrays that use
    it may outlive everything."""
    handler = _Handler(b"graphdl", 1, None, malloc, calloc, realloc, free)
    make = ctypes.pythonapi.PyCapsule_New
    make.restype = ctypes.py_object
    make.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    capsule: object = make(ctypes.addressof(handler), _CAPSULE_NAME, None)
    for kept in (handler, capsule):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
    return capsule


_CAPSULE_NAME = b"mem_handler"


def output_memory_text() -> str:
    """The LLVM module of the allocator; needs libc only."""
    return _TEXT


_TEXT = f"""
@blocks = internal global [{KEPT_BLOCKS} x ptr] zeroinitializer
@kept_bytes = internal global i64 0

; A kept block with at least `size` bytes, and not much more; null when there is none.
define internal ptr @take(i64 %size) {{
entry:
  %slack = lshr i64 %size, 2
  %most = add i64 %size, %slack
  br label %each
each:
  %i = phi i64 [ 0, %entry ], [ %following, %next ]
  %slot = getelementptr ptr, ptr @blocks, i64 %i
  %block = load ptr, ptr %slot
  %is_empty = icmp eq ptr %block, null
  br i1 %is_empty, label %next, label %measure
measure:
  %bytes = load i64, ptr %block
  %is_enough = icmp uge i64 %bytes, %size
  %is_modest = icmp ule i64 %bytes, %most
  %fits = and i1 %is_enough, %is_modest
  br i1 %fits, label %found, label %next
next:
  %following = add i64 %i, 1
  %more = icmp ult i64 %following, {KEPT_BLOCKS}
  br i1 %more, label %each, label %none
found:
  store ptr null, ptr %slot
  %kept = load i64, ptr @kept_bytes
  %left = sub i64 %kept, %bytes
  store i64 %left, ptr @kept_bytes
  ret ptr %block
none:
  ret ptr null
}}

define internal ptr @allocate(i64 %size) {{
entry:
  %whole = add i64 %size, {2 * _PAGE - 1}
  %rounded = and i64 %whole, {-_PAGE}
  %is_huge = icmp uge i64 %rounded, {_HUGE}
  br i1 %is_huge, label %huge, label %plain
plain:
  %small = call ptr @aligned_alloc(i64 {_PAGE}, i64 %rounded)
  br label %made
huge:
  %page_end = add i64 %rounded, {_HUGE_PAGE - 1}
  %pages = and i64 %page_end, {-_HUGE_PAGE}
  %large = call ptr @aligned_alloc(i64 {_HUGE_PAGE}, i64 %pages)
  %advised = call i32 @madvise(ptr %large, i64 %pages, i32 {_MADV_HUGEPAGE})
  br label %made
made:
  %block = phi ptr [ %small, %plain ], [ %large, %huge ]
  %failed = icmp eq ptr %block, null
  br i1 %failed, label %none, label %note
note:
  %bytes = sub i64 %rounded, {_PAGE}
  store i64 %bytes, ptr %block
  ret ptr %block
none:
  ret ptr null
}}

define ptr @graphdl_block_malloc(ptr %context, i64 %size) {{
entry:
  %kept = call ptr @take(i64 %size)
  %is_kept = icmp ne ptr %kept, null
  br i1 %is_kept, label %done, label %make
make:
  %new = call ptr @allocate(i64 %size)
  %failed = icmp eq ptr %new, null
  br i1 %failed, label %none, label %done
done:
  %block = phi ptr [ %kept, %entry ], [ %new, %make ]
  %data = getelementptr i8, ptr %block, i64 {_PAGE}
  ret ptr %data
none:
  ret ptr null
}}

define ptr @graphdl_block_calloc(ptr %context, i64 %count, i64 %size) {{
entry:
  %all = mul i64 %count, %size
  %data = call ptr @graphdl_block_malloc(ptr %context, i64 %all)
  %failed = icmp eq ptr %data, null
  br i1 %failed, label %done, label %clear
clear:
  call void @llvm.memset.p0.i64(ptr %data, i8 0, i64 %all, i1 false)
  br label %done
done:
  ret ptr %data
}}

define ptr @graphdl_block_realloc(ptr %context, ptr %data, i64 %size) {{
entry:
  %new = call ptr @graphdl_block_malloc(ptr %context, i64 %size)
  %failed = icmp eq ptr %new, null
  %is_first = icmp eq ptr %data, null
  %stop = or i1 %failed, %is_first
  br i1 %stop, label %done, label %move
move:
  %block = getelementptr i8, ptr %data, i64 {-_PAGE}
  %old = load i64, ptr %block
  %less = call i64 @llvm.umin.i64(i64 %old, i64 %size)
  call void @llvm.memcpy.p0.p0.i64(ptr %new, ptr %data, i64 %less, i1 false)
  call void @graphdl_block_free(ptr %context, ptr %data, i64 %old)
  br label %done
done:
  ret ptr %new
}}

define void @graphdl_block_free(ptr %context, ptr %data, i64 %size) {{
entry:
  %is_null = icmp eq ptr %data, null
  br i1 %is_null, label %done, label %look
look:
  %block = getelementptr i8, ptr %data, i64 {-_PAGE}
  %bytes = load i64, ptr %block
  %kept = load i64, ptr @kept_bytes
  %sum = add i64 %kept, %bytes
  %is_too_much = icmp ugt i64 %sum, {KEPT_BYTES}
  br i1 %is_too_much, label %drop, label %each
each:
  %i = phi i64 [ 0, %look ], [ %following, %next ]
  %slot = getelementptr ptr, ptr @blocks, i64 %i
  %held = load ptr, ptr %slot
  %is_empty = icmp eq ptr %held, null
  br i1 %is_empty, label %keep, label %next
next:
  %following = add i64 %i, 1
  %more = icmp ult i64 %following, {KEPT_BLOCKS}
  br i1 %more, label %each, label %drop
keep:
  store ptr %block, ptr %slot
  store i64 %sum, ptr @kept_bytes
  ret void
drop:
  call void @free(ptr %block)
  ret void
done:
  ret void
}}

declare ptr @aligned_alloc(i64, i64)
declare void @free(ptr)
declare i32 @madvise(ptr, i64, i32)
declare i64 @llvm.umin.i64(i64, i64)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
"""
