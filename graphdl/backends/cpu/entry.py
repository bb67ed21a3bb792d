"""The way in from Python: one native function, shared by all compiled functions of a process.

It is a METH_FASTCALL C function whose `self` is a tuple beginning with the address of a descriptor,
a table of 64-bit words (`Field`). It reads the ndarray structs, checks type, contiguity and shape,
binds the named sizes, lets the program's `prepare` check guards and compute sizes, allocates the
outputs, runs, and returns an array, a tuple or None. Whatever is unusual goes to the descriptor's
fallback, a Python callable with the same arguments; a failed statement to its failure callable.

A function's tables are used by one call at a time. Locks are plain words that change only under the
GIL: the function's own, and one per variable (`graphdl.runtime.buffer.StateWord`), which are taken
when the GIL is released, for calls that are estimated to be long.
"""

from __future__ import annotations

import enum

from graphdl.backends.cpu.output_memory import LARGE
from graphdl.runtime.buffer import WRITING


class Field(enum.IntEnum):
    """The words of a descriptor."""

    RUN = 0
    PREPARE = 1
    INPUT_COUNT = 2
    OUTPUT_COUNT = 3
    INPUT_SPECS = 4
    OUTPUT_SPECS = 5
    POINTERS = 6
    SIZES = 7
    DERIVED = 8
    OUTPUT_DIMENSIONS = 9  # address within the derived numbers
    OBJECTS = 10  # room for one object per output
    FALLBACK = 11
    FAILURE = 12
    ARENA = 13
    CAPACITY = 14
    BUSY = 15
    THREADS = 16
    RELEASE = 17  # picoseconds from which the GIL is released
    WORDS = 18  # pairs: address of a variable's state word, whether the call writes it
    WORD_COUNT = 19
    HAS_DERIVED = 20  # whether an input axis is compared with a derived number
    ARRAY_TYPE = 21
    NEW_ARRAY = 22
    NONE = 23
    SET_HANDLER = 24  # PyDataMem_SetHandler
    HANDLER = 25  # memory of large outputs
    LENGTH = 26


class Axis(enum.IntEnum):
    """What an input axis must be: the first word of its entry (kind, value, scale, offset)."""

    LITERAL = 0  # the value
    BIND = 1  # scale * sizes[value] + offset, which binds that size
    EQUAL = 2  # sizes[value]
    DERIVED = 3  # derived[value]


CALL = "graphdl_call"
CALL_STRICT = "graphdl_call_strict"
EXPORTS = (CALL, CALL_STRICT)

MISMATCH = -1
"""What the failure callable is told when strict arguments do not fit."""

# Offsets in CPython's PyObject and NumPy's PyArrayObject_fields; checked when the entry is loaded.
TYPE, DATA, RANK, DIMENSIONS, DESCRIPTOR, FLAGS = 8, 16, 24, 32, 56, 64
CONTIGUOUS_ALIGNED = 0x0101


def _word(slot: Field, name: str, kind: str = "i64") -> str:
    return (
        f"  %{name}.at = getelementptr i64, ptr %d, i64 {int(slot)}\n"
        f"  %{name} = load {kind}, ptr %{name}.at"
    )


def _field(base: str, offset: int, name: str, kind: str) -> str:
    return (
        f"  %{name}.at = getelementptr i8, ptr %{base}, i64 {offset}\n"
        f"  %{name} = load {kind}, ptr %{name}.at"
    )


def entry_text() -> str:
    """The LLVM module of the entry."""
    return "\n".join(
        (_LOCK, _BIND, _COMPARE, _ARENA, _OUTPUTS, _EXECUTE, _RESULT, _SLOW, _CALL, _DECLARATIONS)
    )


_LOCK = f"""
; Whether the function and its variables are free: a word is 0 when free, negative while a call
; writes, n while n calls read.
define internal i1 @can_start(ptr %d) {{
entry:
{_word(Field.BUSY, "busy")}
  %is_busy = icmp ne i64 %busy, 0
  br i1 %is_busy, label %no, label %words
words:
{_word(Field.WORDS, "pairs", "ptr")}
{_word(Field.WORD_COUNT, "count")}
  br label %each
each:
  %i = phi i64 [ 0, %words ], [ %following, %free ]
  %more = icmp slt i64 %i, %count
  br i1 %more, label %look, label %yes
look:
  %pair = getelementptr [2 x i64], ptr %pairs, i64 %i
  %word = load ptr, ptr %pair
{_field("pair", 8, "writes", "i64")}
  %state = load i64, ptr %word
  %is_writer = icmp ne i64 %writes, 0
  %any = icmp ne i64 %state, 0
  %written = icmp slt i64 %state, 0
  %taken = select i1 %is_writer, i1 %any, i1 %written
  br i1 %taken, label %no, label %free
free:
  %following = add i64 %i, 1
  br label %each
yes:
  store i64 1, ptr %busy.at
  ret i1 true
no:
  ret i1 false
}}

; Wait for the function's lock without the GIL. False when a signal handler raised.
define internal i1 @lock(ptr %d) {{
entry:
  br label %try
try:
  %started = call i1 @can_start(ptr %d)
  br i1 %started, label %yes, label %wait
wait:
  %thread = call ptr @PyEval_SaveThread()
  %slept = call i32 @usleep(i32 20)
  call void @PyEval_RestoreThread(ptr %thread)
  %signal = call i32 @PyErr_CheckSignals()
  %is_fine = icmp eq i32 %signal, 0
  br i1 %is_fine, label %try, label %no
yes:
  ret i1 true
no:
  ret i1 false
}}

; Enter (change = 1) or leave (change = -1) the variables' words.
define internal void @change_words(ptr %d, i64 %change) {{
entry:
{_word(Field.WORDS, "pairs", "ptr")}
{_word(Field.WORD_COUNT, "count")}
  br label %each
each:
  %i = phi i64 [ 0, %entry ], [ %following, %one ]
  %more = icmp slt i64 %i, %count
  br i1 %more, label %one, label %done
one:
  %pair = getelementptr [2 x i64], ptr %pairs, i64 %i
  %word = load ptr, ptr %pair
{_field("pair", 8, "writes", "i64")}
  %is_writer = icmp ne i64 %writes, 0
  %opposite = mul i64 %change, {-WRITING}
  %amount = select i1 %is_writer, i64 %opposite, i64 %change
  %state = load i64, ptr %word
  %changed = add i64 %state, %amount
  store i64 %changed, ptr %word
  %following = add i64 %i, 1
  br label %each
done:
  ret void
}}
"""

_BIND = f"""
; Check the arguments' types and sizes, bind the named sizes, note the data addresses.
define internal i1 @bind(ptr %d, ptr %args, i64 %given) {{
entry:
{_word(Field.INPUT_COUNT, "wanted")}
  %fits = icmp eq i64 %given, %wanted
  br i1 %fits, label %start, label %no
start:
{_word(Field.INPUT_SPECS, "specs", "ptr")}
{_word(Field.POINTERS, "pointers", "ptr")}
{_word(Field.SIZES, "sizes", "ptr")}
{_word(Field.ARRAY_TYPE, "array_type", "ptr")}
  br label %each
each:
  %i = phi i64 [ 0, %start ], [ %next_input, %bound ]
  %spec = phi ptr [ %specs, %start ], [ %axis, %bound ]
  %more = icmp slt i64 %i, %wanted
  br i1 %more, label %input, label %yes
input:
  %arg.at = getelementptr ptr, ptr %args, i64 %i
  %arg = load ptr, ptr %arg.at
{_field("arg", TYPE, "type", "ptr")}
  %is_array = icmp eq ptr %type, %array_type
  br i1 %is_array, label %array, label %no
array:
  %descriptor_wanted = load ptr, ptr %spec
{_field("spec", 8, "rank_wanted", "i64")}
{_field("arg", DESCRIPTOR, "descriptor", "ptr")}
{_field("arg", FLAGS, "flags", "i32")}
{_field("arg", RANK, "rank32", "i32")}
{_field("arg", DIMENSIONS, "dimensions", "ptr")}
{_field("arg", DATA, "data", "ptr")}
  %rank = sext i32 %rank32 to i64
  %same_type = icmp eq ptr %descriptor, %descriptor_wanted
  %same_rank = icmp eq i64 %rank, %rank_wanted
  %low = and i32 %flags, {CONTIGUOUS_ALIGNED}
  %dense = icmp eq i32 %low, {CONTIGUOUS_ALIGNED}
  %same = and i1 %same_type, %same_rank
  %usable = and i1 %same, %dense
  br i1 %usable, label %keep, label %no
keep:
  %pointer.at = getelementptr ptr, ptr %pointers, i64 %i
  store ptr %data, ptr %pointer.at
  %first = getelementptr i8, ptr %spec, i64 16
  br label %axes
axes:
  %j = phi i64 [ 0, %keep ], [ %next_axis, %good ]
  %axis = phi ptr [ %first, %keep ], [ %following, %good ]
  %has_axis = icmp slt i64 %j, %rank
  br i1 %has_axis, label %check, label %bound
check:
  %size.at = getelementptr i64, ptr %dimensions, i64 %j
  %size = load i64, ptr %size.at
  %kind = load i64, ptr %axis
{_field("axis", 8, "value", "i64")}
  %slot = getelementptr i64, ptr %sizes, i64 %value
  switch i64 %kind, label %good [
    i64 {Axis.LITERAL:d}, label %literal
    i64 {Axis.BIND:d}, label %binding
    i64 {Axis.EQUAL:d}, label %equal
  ]
literal:
  %is_literal = icmp eq i64 %size, %value
  br i1 %is_literal, label %good, label %no
equal:
  %known = load i64, ptr %slot
  %is_equal = icmp eq i64 %size, %known
  br i1 %is_equal, label %good, label %no
binding:
{_field("axis", 16, "scale", "i64")}
{_field("axis", 24, "offset", "i64")}
  %shifted = sub i64 %size, %offset
  %is_plain = icmp eq i64 %scale, 1
  br i1 %is_plain, label %store_size, label %divide
divide:
  %quotient = sdiv i64 %shifted, %scale
  %rest = srem i64 %shifted, %scale
  %is_multiple = icmp eq i64 %rest, 0
  br i1 %is_multiple, label %store_size, label %no
store_size:
  %solved = phi i64 [ %shifted, %binding ], [ %quotient, %divide ]
  store i64 %solved, ptr %slot
  %is_natural = icmp sge i64 %solved, 0
  br i1 %is_natural, label %good, label %no
good:
  %next_axis = add i64 %j, 1
  %following = getelementptr i8, ptr %axis, i64 32
  br label %axes
bound:
  %next_input = add i64 %i, 1
  br label %each
yes:
  ret i1 true
no:
  ret i1 false
}}
"""

_COMPARE = f"""
; Compare input axes that are expressions with the derived numbers.
define internal i1 @compare(ptr %d, ptr %args) {{
entry:
{_word(Field.HAS_DERIVED, "has_derived")}
  %skip = icmp eq i64 %has_derived, 0
  br i1 %skip, label %yes, label %start
start:
{_word(Field.INPUT_COUNT, "wanted")}
{_word(Field.INPUT_SPECS, "specs", "ptr")}
{_word(Field.DERIVED, "derived", "ptr")}
  br label %each
each:
  %i = phi i64 [ 0, %start ], [ %next_input, %bound ]
  %spec = phi ptr [ %specs, %start ], [ %axis, %bound ]
  %more = icmp slt i64 %i, %wanted
  br i1 %more, label %input, label %yes
input:
  %arg.at = getelementptr ptr, ptr %args, i64 %i
  %arg = load ptr, ptr %arg.at
{_field("spec", 8, "rank", "i64")}
{_field("arg", DIMENSIONS, "dimensions", "ptr")}
  %first = getelementptr i8, ptr %spec, i64 16
  br label %axes
axes:
  %j = phi i64 [ 0, %input ], [ %next_axis, %good ]
  %axis = phi ptr [ %first, %input ], [ %following, %good ]
  %has_axis = icmp slt i64 %j, %rank
  br i1 %has_axis, label %check, label %bound
check:
  %kind = load i64, ptr %axis
  %is_derived = icmp eq i64 %kind, {Axis.DERIVED:d}
  br i1 %is_derived, label %measure, label %good
measure:
{_field("axis", 8, "value", "i64")}
  %number.at = getelementptr i64, ptr %derived, i64 %value
  %number = load i64, ptr %number.at
  %size.at = getelementptr i64, ptr %dimensions, i64 %j
  %size = load i64, ptr %size.at
  %is_equal = icmp eq i64 %size, %number
  br i1 %is_equal, label %good, label %no
good:
  %next_axis = add i64 %j, 1
  %following = getelementptr i8, ptr %axis, i64 32
  br label %axes
bound:
  %next_input = add i64 %i, 1
  br label %each
yes:
  ret i1 true
no:
  ret i1 false
}}
"""

_ARENA = f"""
; Make the arena and the workspaces large enough.
define internal i1 @grow_arena(ptr %d) {{
entry:
{_word(Field.DERIVED, "derived", "ptr")}
{_word(Field.THREADS, "threads")}
{_word(Field.CAPACITY, "capacity")}
  %bytes = load i64, ptr %derived
{_field("derived", 8, "workspace", "i64")}
  %all = mul i64 %workspace, %threads
  %needed = add i64 %bytes, %all
  %enough = icmp sle i64 %needed, %capacity
  br i1 %enough, label %yes, label %grow
grow:
{_word(Field.ARENA, "arena", "ptr")}
  call void @free(ptr %arena)
  store ptr null, ptr %arena.at
  store i64 0, ptr %capacity.at
  %new = call ptr @aligned_alloc(i64 64, i64 %needed)
  %failed = icmp eq ptr %new, null
  br i1 %failed, label %no, label %keep
keep:
  store ptr %new, ptr %arena.at
  store i64 %needed, ptr %capacity.at
  br label %yes
yes:
  ret i1 true
no:
  %raised = call ptr @PyErr_NoMemory()
  ret i1 false
}}
"""

_OUTPUTS = f"""
define internal void @drop_outputs(ptr %d, i64 %count) {{
entry:
{_word(Field.OBJECTS, "objects", "ptr")}
  br label %each
each:
  %i = phi i64 [ 0, %entry ], [ %following, %drop ]
  %more = icmp slt i64 %i, %count
  br i1 %more, label %drop, label %done
drop:
  %object.at = getelementptr ptr, ptr %objects, i64 %i
  %object = load ptr, ptr %object.at
  call void @Py_DecRef(ptr %object)
  %following = add i64 %i, 1
  br label %each
done:
  ret void
}}

define internal ptr @make_array(ptr %d, ptr %spec, ptr %dimensions) {{
{_word(Field.ARRAY_TYPE, "array_type", "ptr")}
{_word(Field.NEW_ARRAY, "new_array", "ptr")}
  %descriptor = load ptr, ptr %spec
{_field("spec", 8, "rank", "i64")}
  %rank32 = trunc i64 %rank to i32
  call void @Py_IncRef(ptr %descriptor)
  %object = call ptr %new_array(
    ptr %array_type, ptr %descriptor, i32 %rank32, ptr %dimensions, ptr null, ptr null, i32 0,
    ptr null)
  ret ptr %object
}}

define internal i1 @make_outputs(ptr %d) {{
entry:
{_word(Field.INPUT_COUNT, "inputs")}
{_word(Field.OUTPUT_COUNT, "count")}
{_word(Field.OUTPUT_SPECS, "specs", "ptr")}
{_word(Field.OUTPUT_DIMENSIONS, "first", "ptr")}
{_word(Field.POINTERS, "pointers", "ptr")}
{_word(Field.OBJECTS, "objects", "ptr")}
  br label %each
each:
  %i = phi i64 [ 0, %entry ], [ %following, %keep ]
  %dimensions = phi ptr [ %first, %entry ], [ %rest, %keep ]
  %more = icmp slt i64 %i, %count
  br i1 %more, label %make, label %yes
make:
  %spec = getelementptr [3 x i64], ptr %specs, i64 %i
{_field("spec", 8, "rank", "i64")}
{_field("spec", 16, "item", "i64")}
  br label %axes
axes:
  %axis = phi i64 [ 0, %make ], [ %next_axis, %multiply ]
  %bytes = phi i64 [ %item, %make ], [ %product, %multiply ]
  %has_axis = icmp slt i64 %axis, %rank
  br i1 %has_axis, label %multiply, label %choose
multiply:
  %size.at = getelementptr i64, ptr %dimensions, i64 %axis
  %size = load i64, ptr %size.at
  %product = mul i64 %bytes, %size
  %next_axis = add i64 %axis, 1
  br label %axes
choose:
  %is_large = icmp sge i64 %bytes, {LARGE}
  br i1 %is_large, label %large, label %small
small:
  %usual = call ptr @make_array(ptr %d, ptr %spec, ptr %dimensions)
  br label %made
large:
{_word(Field.SET_HANDLER, "set_handler", "ptr")}
{_word(Field.HANDLER, "handler", "ptr")}
  %old = call ptr %set_handler(ptr %handler)
  %special = call ptr @make_array(ptr %d, ptr %spec, ptr %dimensions)
  %ours = call ptr %set_handler(ptr %old)
  call void @Py_DecRef(ptr %ours)
  call void @Py_DecRef(ptr %old)
  br label %made
made:
  %object = phi ptr [ %usual, %small ], [ %special, %large ]
  %failed = icmp eq ptr %object, null
  br i1 %failed, label %no, label %keep
keep:
  %object.at = getelementptr ptr, ptr %objects, i64 %i
  store ptr %object, ptr %object.at
{_field("object", DATA, "data", "ptr")}
  %position = add i64 %inputs, %i
  %pointer.at = getelementptr ptr, ptr %pointers, i64 %position
  store ptr %data, ptr %pointer.at
  %rest = getelementptr i64, ptr %dimensions, i64 %rank
  %following = add i64 %i, 1
  br label %each
yes:
  ret i1 true
no:
  call void @drop_outputs(ptr %d, i64 %i)
  ret i1 false
}}
"""

_EXECUTE = f"""
; Run the program, without the GIL when it is estimated to be long.
define internal i64 @execute(ptr %d) {{
entry:
{_word(Field.RUN, "run", "ptr")}
{_word(Field.POINTERS, "pointers", "ptr")}
{_word(Field.SIZES, "sizes", "ptr")}
{_word(Field.ARENA, "arena", "ptr")}
{_word(Field.THREADS, "threads")}
{_word(Field.RELEASE, "limit")}
{_word(Field.DERIVED, "derived", "ptr")}
{_field("derived", 16, "cost", "i64")}
  %is_long = icmp sge i64 %cost, %limit
  br i1 %is_long, label %release, label %keep
keep:
  %code = call i64 %run(ptr %pointers, ptr %sizes, ptr %arena, i64 %threads)
  ret i64 %code
release:
  call void @change_words(ptr %d, i64 1)
  %thread = call ptr @PyEval_SaveThread()
  %result = call i64 %run(ptr %pointers, ptr %sizes, ptr %arena, i64 %threads)
  call void @PyEval_RestoreThread(ptr %thread)
  call void @change_words(ptr %d, i64 -1)
  ret i64 %result
}}
"""

_RESULT = f"""
; The outputs as None, an array or a tuple.
define internal ptr @result(ptr %d) {{
entry:
{_word(Field.OUTPUT_COUNT, "count")}
{_word(Field.OBJECTS, "objects", "ptr")}
{_word(Field.NONE, "none", "ptr")}
  switch i64 %count, label %several [ i64 0, label %nothing i64 1, label %one ]
nothing:
  call void @Py_IncRef(ptr %none)
  ret ptr %none
one:
  %only = load ptr, ptr %objects
  ret ptr %only
several:
  %tuple = call ptr @PyTuple_New(i64 %count)
  %failed = icmp eq ptr %tuple, null
  br i1 %failed, label %drop, label %each
drop:
  call void @drop_outputs(ptr %d, i64 %count)
  ret ptr null
each:
  %i = phi i64 [ 0, %several ], [ %following, %each ]
  %object.at = getelementptr ptr, ptr %objects, i64 %i
  %object = load ptr, ptr %object.at
  %set = call i32 @PyTuple_SetItem(ptr %tuple, i64 %i, ptr %object)
  %following = add i64 %i, 1
  %more = icmp slt i64 %following, %count
  br i1 %more, label %each, label %done
done:
  ret ptr %tuple
}}
"""

_SLOW = f"""
; Hand all arguments to the fallback.
define internal ptr @call_fallback(ptr %d, ptr %args, i64 %count) {{
entry:
{_word(Field.FALLBACK, "fallback", "ptr")}
  %tuple = call ptr @PyTuple_New(i64 %count)
  %failed = icmp eq ptr %tuple, null
  br i1 %failed, label %no, label %each
each:
  %i = phi i64 [ 0, %entry ], [ %following, %set ]
  %more = icmp slt i64 %i, %count
  br i1 %more, label %set, label %call
set:
  %arg.at = getelementptr ptr, ptr %args, i64 %i
  %arg = load ptr, ptr %arg.at
  call void @Py_IncRef(ptr %arg)
  %done = call i32 @PyTuple_SetItem(ptr %tuple, i64 %i, ptr %arg)
  %following = add i64 %i, 1
  br label %each
call:
  %result = call ptr @PyObject_Call(ptr %fallback, ptr %tuple, ptr null)
  call void @Py_DecRef(ptr %tuple)
  ret ptr %result
no:
  ret ptr null
}}

; Tell the failure callable a number; it raises.
define internal ptr @call_failure(ptr %d, i64 %code) {{
entry:
{_word(Field.FAILURE, "failure", "ptr")}
  %number = call ptr @PyLong_FromLongLong(i64 %code)
  %tuple = call ptr @PyTuple_New(i64 1)
  %set = call i32 @PyTuple_SetItem(ptr %tuple, i64 0, ptr %number)
  %result = call ptr @PyObject_Call(ptr %failure, ptr %tuple, ptr null)
  call void @Py_DecRef(ptr %tuple)
  ret ptr %result
}}
"""

_CALL = f"""
define internal ptr @call(ptr %self, ptr %args, i64 %given, i1 %is_strict) {{
entry:
  %address = call ptr @PyTuple_GetItem(ptr %self, i64 0)
  %d = call ptr @PyLong_AsVoidPtr(ptr %address)
  %locked = call i1 @lock(ptr %d)
  br i1 %locked, label %begin, label %raised
begin:
{_word(Field.BUSY, "busy")}
  %bound = call i1 @bind(ptr %d, ptr %args, i64 %given)
  br i1 %bound, label %prepare, label %mismatch
prepare:
{_word(Field.PREPARE, "function", "ptr")}
{_word(Field.SIZES, "sizes", "ptr")}
{_word(Field.DERIVED, "derived", "ptr")}
  %guard = call i64 %function(ptr %sizes, ptr %derived)
  %holds = icmp eq i64 %guard, 0
  br i1 %holds, label %compare, label %mismatch
compare:
  %equal = call i1 @compare(ptr %d, ptr %args)
  br i1 %equal, label %arena, label %mismatch
arena:
  %grown = call i1 @grow_arena(ptr %d)
  br i1 %grown, label %outputs, label %unlock
outputs:
  %made = call i1 @make_outputs(ptr %d)
  br i1 %made, label %execute, label %unlock
execute:
  %code = call i64 @execute(ptr %d)
  %is_fine = icmp eq i64 %code, 0
  br i1 %is_fine, label %finish, label %failed
finish:
  %result = call ptr @result(ptr %d)
  store i64 0, ptr %busy.at
  ret ptr %result
failed:
{_word(Field.OUTPUT_COUNT, "count")}
  call void @drop_outputs(ptr %d, i64 %count)
  store i64 0, ptr %busy.at
  %error = call ptr @call_failure(ptr %d, i64 %code)
  ret ptr %error
mismatch:
  store i64 0, ptr %busy.at
  br i1 %is_strict, label %strict, label %fallback
strict:
  %refused = call ptr @call_failure(ptr %d, i64 {MISMATCH})
  ret ptr %refused
fallback:
  %slow = call ptr @call_fallback(ptr %d, ptr %args, i64 %given)
  ret ptr %slow
unlock:
  store i64 0, ptr %busy.at
  br label %raised
raised:
  ret ptr null
}}

define ptr @{CALL}(ptr %self, ptr %args, i64 %given) {{
  %result = call ptr @call(ptr %self, ptr %args, i64 %given, i1 false)
  ret ptr %result
}}

define ptr @{CALL_STRICT}(ptr %self, ptr %args, i64 %given) {{
  %result = call ptr @call(ptr %self, ptr %args, i64 %given, i1 true)
  ret ptr %result
}}
"""

_DECLARATIONS = """
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare i32 @PyErr_CheckSignals()
declare ptr @PyErr_NoMemory()
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyTuple_New(i64)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare ptr @PyTuple_GetItem(ptr, i64)
declare ptr @PyLong_AsVoidPtr(ptr)
declare ptr @PyLong_FromLongLong(i64)
declare ptr @PyObject_Call(ptr, ptr, ptr)
declare i32 @usleep(i32)
declare void @free(ptr)
declare ptr @aligned_alloc(i64, i64)
"""
