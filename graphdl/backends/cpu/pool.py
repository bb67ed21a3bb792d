"""The thread pool, as LLVM text: emitted once, shared by every compiled function of a process.

`graphdl_parallel_for` runs a kernel's tasks [0, count) in chunks that the calling thread and the
workers claim with one atomic addition each, so that a worker that wakes late costs nothing but its
absence. Which thread runs a task never changes a value: tasks are independent.

All state of a job is one 64-bit word, changed atomically:

    bits 32..63  generation: number of the job
    bits 17..31  how many workers have joined it; a worker's ticket picks its workspace
    bit  16      open: workers may still join
    bits  0..15  workers that run it now

A worker joins by compare-and-swap while the job is open; the caller closes the job when no chunk is
left and waits until nobody runs it. Idle workers spin for `SPIN_CYCLES`, then sleep in a futex on
the generation. A second caller, and a caller in the middle of another job, run their tasks alone.
After fork() the process number differs: the child starts again without workers.
"""

from __future__ import annotations

PARALLEL_FOR = "graphdl_parallel_for"
SHUTDOWN = "graphdl_pool_shutdown"
WORKERS = "graphdl_pool_workers"
EXPORTS = (PARALLEL_FOR, SHUTDOWN, WORKERS)

SPIN_CYCLES = 100_000
"""Time stamp cycles that an idle worker spins before it sleeps: 30 to 50 microseconds."""

COLD_FACTOR = 8
"""From this many grains of work on, sleeping workers are always woken."""

MAXIMUM_PENALTY = 63
"""Smaller jobs wake them too, in the hope of more jobs; each time that comes to nothing doubles the
number of such jobs that run alone, up to this."""

MAXIMUM_THREADS = 256

_FUTEX = 202  # the system call's number on x86-64 Linux
_FUTEX_WAIT_PRIVATE = 128
_FUTEX_WAKE_PRIVATE = 129
_SIG_SETMASK = 2
_OPEN = 1 << 16
_TICKET = 1 << 17


def declare_parallel_for() -> str:
    """The LLVM declaration of the pool's entry, for modules that call it."""
    return f"declare void @{PARALLEL_FOR}(ptr, ptr, ptr, ptr, i64, i64, i64, i64)"


def pool_text() -> str:
    """The LLVM module of the pool for x86-64 Linux; needs only pthreads and system calls."""
    return "\n".join(
        (
            *(_GLOBALS, _FUTEX_TEXT, _WORK, _WORKER, _START, _RESET),
            *(_PARALLEL_FOR_TEXT, _SHUTDOWN_TEXT, _DECLARATIONS),
        )
    )


_GLOBALS = f"""
%Job = type {{ ptr, ptr, ptr, ptr, i64, i64, i64, i64 }}
; kernel, buffers, sizes, workspace, workspace bytes of one thread, count, chunk, threads

@word = internal global i64 0, align 64
@next = internal global i64 0, align 64
@job = internal global %Job zeroinitializer, align 64
@busy = internal global i32 0, align 64
@sleepers = internal global i32 0
@skips = internal global i32 0
@penalty = internal global i32 0
@stop = internal global i32 0
@process = internal global i32 0
@{WORKERS} = global i64 0
@threads = internal global [{MAXIMUM_THREADS} x i64] zeroinitializer
@all_signals = internal constant [16 x i64] [{", ".join(["i64 -1"] * 16)}]
"""

_FUTEX_TEXT = f"""
define internal i64 @futex(i64 %operation, i32 %value) {{
  %address = getelementptr i8, ptr @word, i64 4
  %result = call i64 (i64, ...) @syscall(
    i64 {_FUTEX}, ptr %address, i64 %operation, i32 %value, ptr null)
  ret i64 %result
}}
"""

_WORK = """
define internal void @work(i64 %ticket) {
  %kernel = load ptr, ptr @job
  %buffers = load ptr, ptr getelementptr (%Job, ptr @job, i64 0, i32 1)
  %sizes = load ptr, ptr getelementptr (%Job, ptr @job, i64 0, i32 2)
  %base = load ptr, ptr getelementptr (%Job, ptr @job, i64 0, i32 3)
  %stride = load i64, ptr getelementptr (%Job, ptr @job, i64 0, i32 4)
  %count = load i64, ptr getelementptr (%Job, ptr @job, i64 0, i32 5)
  %chunk = load i64, ptr getelementptr (%Job, ptr @job, i64 0, i32 6)
  %offset = mul i64 %ticket, %stride
  %workspace = getelementptr i8, ptr %base, i64 %offset
  br label %claim
claim:
  %begin = atomicrmw add ptr @next, i64 %chunk monotonic
  %has_work = icmp slt i64 %begin, %count
  br i1 %has_work, label %run, label %done
run:
  %stop = add i64 %begin, %chunk
  %end = call i64 @llvm.smin.i64(i64 %stop, i64 %count)
  call void %kernel(ptr %buffers, ptr %sizes, i64 %begin, i64 %end, ptr %workspace)
  br label %claim
done:
  ret void
}
"""

_WORKER = f"""
define internal ptr @worker(ptr %unused) {{
entry:
  br label %idle
idle:
  %last = phi i32 [ 0, %entry ], [ %generation, %leave ], [ %last, %slept ]
  %started = call i64 @llvm.readcyclecounter()
  br label %look
look:
  %now = load atomic i64, ptr @word acquire, align 8
  %high = lshr i64 %now, 32
  %generation = trunc i64 %high to i32
  %open_bit = and i64 %now, {_OPEN}
  %is_open = icmp ne i64 %open_bit, 0
  %is_new = icmp ne i32 %generation, %last
  %wanted = and i1 %is_open, %is_new
  br i1 %wanted, label %join, label %wait
join:
  %low = and i64 %now, 4294967295
  %before = lshr i64 %low, 17
  %ticket = add i64 %before, 1
  %limit = load i64, ptr getelementptr (%Job, ptr @job, i64 0, i32 7)
  %has_room = icmp slt i64 %ticket, %limit
  br i1 %has_room, label %swap, label %wait
swap:
  %joined = add i64 %now, {_TICKET + 1}
  %pair = cmpxchg ptr @word, i64 %now, i64 %joined acq_rel acquire
  %success = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %success, label %run, label %look
run:
  call void @work(i64 %ticket)
  br label %leave
leave:
  %left = atomicrmw sub ptr @word, i64 1 release
  br label %idle
wait:
  %stopping = load atomic i32, ptr @stop monotonic, align 4
  %must_stop = icmp ne i32 %stopping, 0
  br i1 %must_stop, label %quit, label %spin
spin:
  call void @llvm.x86.sse2.pause()
  %time = call i64 @llvm.readcyclecounter()
  %spent = sub i64 %time, %started
  %is_tired = icmp ugt i64 %spent, {SPIN_CYCLES}
  br i1 %is_tired, label %sleep, label %look
sleep:
  %counted = atomicrmw add ptr @sleepers, i32 1 seq_cst
  %again = load atomic i64, ptr @word seq_cst, align 8
  %stop_again = load atomic i32, ptr @stop seq_cst, align 4
  %same = icmp eq i64 %again, %now
  %running = icmp eq i32 %stop_again, 0
  %may_sleep = and i1 %same, %running
  br i1 %may_sleep, label %futex, label %slept
futex:
  %wait_result = call i64 @futex(i64 {_FUTEX_WAIT_PRIVATE}, i32 %generation)
  br label %slept
slept:
  %uncounted = atomicrmw sub ptr @sleepers, i32 1 seq_cst
  br label %idle
quit:
  ret ptr null
}}
"""

_START = f"""
define internal void @start_workers(i64 %threads) {{
entry:
  %saved = alloca [16 x i64]
  %allowed = call i64 @llvm.smin.i64(i64 %threads, i64 {MAXIMUM_THREADS})
  %wanted = sub i64 %allowed, 1
  %have = load i64, ptr @{WORKERS}
  %enough = icmp sge i64 %have, %wanted
  br i1 %enough, label %done, label %begin
begin:
  %masked = call i32 @pthread_sigmask(i32 {_SIG_SETMASK}, ptr @all_signals, ptr %saved)
  br label %create
create:
  %index = phi i64 [ %have, %begin ], [ %following, %created ]
  %slot = getelementptr i64, ptr @threads, i64 %index
  %failed = call i32 @pthread_create(ptr %slot, ptr null, ptr @worker, ptr null)
  %is_created = icmp eq i32 %failed, 0
  br i1 %is_created, label %created, label %restore
created:
  %following = add i64 %index, 1
  store i64 %following, ptr @{WORKERS}
  %more = icmp slt i64 %following, %wanted
  br i1 %more, label %create, label %restore
restore:
  %unmasked = call i32 @pthread_sigmask(i32 {_SIG_SETMASK}, ptr %saved, ptr null)
  br label %done
done:
  ret void
}}
"""

_RESET = f"""
; Whether this process owns the pool; after a fork the child forgets the parent's workers.
define internal i1 @own_pool() {{
entry:
  %mine = call i32 @getpid()
  %owner = load atomic i32, ptr @process acquire, align 4
  %same = icmp eq i32 %mine, %owner
  br i1 %same, label %yes, label %claim
claim:
  %pair = cmpxchg ptr @process, i32 %owner, i32 -1 acq_rel acquire
  %won = extractvalue {{ i32, i1 }} %pair, 1
  %is_free = icmp ne i32 %owner, -1
  %go = and i1 %won, %is_free
  br i1 %go, label %reset, label %no
reset:
  store i64 0, ptr @{WORKERS}
  store i32 0, ptr @sleepers
  store i32 0, ptr @stop
  store i64 0, ptr @word
  store atomic i32 0, ptr @busy release, align 4
  store atomic i32 %mine, ptr @process release, align 4
  br label %yes
yes:
  ret i1 true
no:
  ret i1 false
}}
"""


_PARALLEL_FOR_TEXT = f"""
define void @{PARALLEL_FOR}(
    ptr %kernel, ptr %buffers, ptr %sizes, ptr %workspace, i64 %stride, i64 %count, i64 %grain,
    i64 %threads) {{
entry:
  %least = call i64 @llvm.smax.i64(i64 %grain, i64 1)
  %is_small = icmp sle i64 %count, %least
  %is_single = icmp sle i64 %threads, 1
  %alone = or i1 %is_small, %is_single
  br i1 %alone, label %direct, label %check
check:
  %owned = call i1 @own_pool()
  br i1 %owned, label %claim, label %direct
claim:
  %pair = cmpxchg ptr @busy, i32 0, i32 1 acquire monotonic
  %claimed = extractvalue {{ i32, i1 }} %pair, 1
  br i1 %claimed, label %look, label %direct
look:
  %asleep = load atomic i32, ptr @sleepers monotonic, align 4
  %is_cold = icmp ne i32 %asleep, 0
  %worth = mul i64 %grain, {COLD_FACTOR}
  %is_modest = icmp slt i64 %count, %worth
  %doubtful = and i1 %is_cold, %is_modest
  br i1 %doubtful, label %consider, label %prepare
consider:
  %skips = load i32, ptr @skips
  %must_skip = icmp sgt i32 %skips, 0
  br i1 %must_skip, label %skip, label %try
skip:
  %fewer = sub i32 %skips, 1
  store i32 %fewer, ptr @skips
  store atomic i32 0, ptr @busy release, align 4
  br label %direct
try:
  %penalty = load i32, ptr @penalty
  %twice = mul i32 %penalty, 2
  %higher = add i32 %twice, 1
  %bounded = call i32 @llvm.smin.i32(i32 %higher, i32 {MAXIMUM_PENALTY})
  store i32 %bounded, ptr @penalty
  store i32 %bounded, ptr @skips
  br label %prepare
prepare:
  call void @start_workers(i64 %threads)
  %parts = mul i64 %threads, 4
  %rounded = add i64 %count, %parts
  %less = sub i64 %rounded, 1
  %share = sdiv i64 %less, %parts
  %chunk = call i64 @llvm.smax.i64(i64 %share, i64 %grain)
  store ptr %kernel, ptr @job
  store ptr %buffers, ptr getelementptr (%Job, ptr @job, i64 0, i32 1)
  store ptr %sizes, ptr getelementptr (%Job, ptr @job, i64 0, i32 2)
  store ptr %workspace, ptr getelementptr (%Job, ptr @job, i64 0, i32 3)
  store i64 %stride, ptr getelementptr (%Job, ptr @job, i64 0, i32 4)
  store i64 %count, ptr getelementptr (%Job, ptr @job, i64 0, i32 5)
  store i64 %chunk, ptr getelementptr (%Job, ptr @job, i64 0, i32 6)
  store i64 %threads, ptr getelementptr (%Job, ptr @job, i64 0, i32 7)
  store atomic i64 0, ptr @next release, align 8
  %old = load atomic i64, ptr @word monotonic, align 8
  %high = and i64 %old, -4294967296
  %bumped = add i64 %high, {(1 << 32) + _OPEN}
  %ignored = atomicrmw xchg ptr @word, i64 %bumped seq_cst
  %sleeping = load atomic i32, ptr @sleepers seq_cst, align 4
  %must_wake = icmp ne i32 %sleeping, 0
  br i1 %must_wake, label %wake, label %run
wake:
  %others = sub i64 %threads, 1
  %sleepers32 = trunc i64 %others to i32
  %woken = call i64 @futex(i64 {_FUTEX_WAKE_PRIVATE}, i32 %sleepers32)
  br label %run
run:
  call void @work(i64 0)
  %opened = atomicrmw and ptr @word, i64 {~_OPEN} acq_rel
  %tickets = and i64 %opened, {(1 << 32) - _TICKET}
  %was_alone = icmp eq i64 %tickets, 0
  %no_news = or i1 %was_alone, %is_cold
  br i1 %no_news, label %linger, label %praise
praise:
  store i32 0, ptr @penalty
  store i32 0, ptr @skips
  br label %linger
linger:
  %started = call i64 @llvm.readcyclecounter()
  br label %wait
wait:
  %now = load atomic i64, ptr @word acquire, align 8
  %active = and i64 %now, 65535
  %finished = icmp eq i64 %active, 0
  br i1 %finished, label %release, label %pause
pause:
  call void @llvm.x86.sse2.pause()
  %time = call i64 @llvm.readcyclecounter()
  %spent = sub i64 %time, %started
  %is_tired = icmp ugt i64 %spent, {SPIN_CYCLES}
  br i1 %is_tired, label %yield, label %wait
yield:
  %yielded = call i32 @sched_yield()
  br label %wait
release:
  store atomic i32 0, ptr @busy release, align 4
  ret void
direct:
  call void %kernel(ptr %buffers, ptr %sizes, i64 0, i64 %count, ptr %workspace)
  ret void
}}
"""


_SHUTDOWN_TEXT = f"""
; Stop and join all workers; the next parallel_for starts new ones.
define void @{SHUTDOWN}() {{
entry:
  %owned = call i1 @own_pool()
  br i1 %owned, label %claim, label %done
claim:
  %pair = cmpxchg ptr @busy, i32 0, i32 1 acquire monotonic
  %claimed = extractvalue {{ i32, i1 }} %pair, 1
  br i1 %claimed, label %ask, label %done
ask:
  store atomic i32 1, ptr @stop seq_cst, align 4
  %old = atomicrmw add ptr @word, i64 {1 << 32} seq_cst
  %woken = call i64 @futex(i64 {_FUTEX_WAKE_PRIVATE}, i32 {MAXIMUM_THREADS})
  %count = load i64, ptr @{WORKERS}
  br label %each
each:
  %index = phi i64 [ 0, %ask ], [ %following, %join ]
  %more = icmp slt i64 %index, %count
  br i1 %more, label %join, label %clear
join:
  %slot = getelementptr i64, ptr @threads, i64 %index
  %thread = load i64, ptr %slot
  %joined = call i32 @pthread_join(i64 %thread, ptr null)
  %following = add i64 %index, 1
  br label %each
clear:
  store i64 0, ptr @{WORKERS}
  store atomic i32 0, ptr @stop seq_cst, align 4
  store atomic i32 0, ptr @busy release, align 4
  br label %done
done:
  ret void
}}
"""

_DECLARATIONS = """
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_join(i64, ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @sched_yield()
declare i32 @getpid()
declare i64 @syscall(i64, ...)
declare i64 @llvm.readcyclecounter()
declare i32 @llvm.smin.i32(i32, i32)
declare i64 @llvm.smin.i64(i64, i64)
declare i64 @llvm.smax.i64(i64, i64)
declare void @llvm.x86.sse2.pause()
"""
