"""From which sizes on things are done otherwise: how plans are cut, what goes to threads, which kernel is worth it.

All of it stands here, as measured (docs/performance.md), and is read when modules are imported. With the environment
variable VMAPCORE_TINY=1 the sizes are tiny instead, so that arrays of a few numbers take every way there is: for tests.
Results depend on these sizes, by rounding, never on how many threads there are; and where rows part at branches, on
whether they were faster together or one by one, as measured.
"""

import os
from typing import TypeVar

Size = TypeVar("Size", int, float)

TINY = os.environ.get("VMAPCORE_TINY", "0") not in ("", "0")
"""Whether sizes are tiny."""


def _size(measured: Size, tiny: Size) -> Size:
    return tiny if TINY else measured


# Which steps go together (planning).

MEMBER = _size(1 << 19, 64)
"""Bytes of a tile that a core's own cache holds beside what a kernel needs for itself: larger members are cut too."""

ROWS_AGAIN = _size(40, 2)
"""Rows of a tile from which a product may read again, for every tile, a large operand that the tiles share."""

FEW = _size(64, 2)
"""Elements of an array so small that a kernel for all that reads it would join what else has nothing in common."""

STEPS_OF_A_KERNEL = _size(96, 6)
"""Numba takes a few milliseconds to compile each, once."""

FOLDED = 1 << 20
"""Bytes up to which a constant may outgrow what it is made of: a broadcast is better made again than kept."""

COMPARED = 1 << 16
"""Bytes up to which arrays among the constants are compared by value: recording has merged equal ones of one array."""

LITTLE = _size(1 << 18, 64)
"""Bytes of memory that are no matter."""

# How a group is cut (cpu/cuts.py).

FOOTPRINT = _size(3 << 19, 128)
"""Bytes that the largest step of a tile may read and write."""

ROOM = _size(1 << 23, 256)
"""The same for groups without images: calls cost more than what a cache that all cores share would save."""

TASK = _size(30_000_000, 8)
"""Multiply-adds for which it pays to hand a task to a thread: as long as half a millisecond."""

TASKS = 4
"""How many pieces one step's work is cut into: more than threads, so that one that is disturbed gets less."""

MOST_TASKS = 16
"""How many tasks a group becomes at most."""

CALL_APART, CALL_SHARED = _size(6_000_000, 4), _size(16_000_000, 8)
"""Multiply-adds of a step, on average, from which threads that run steps at once seldom wait for the interpreter; and
from which that is better than one thread whose steps a team shares."""

# Fused runs (cpu/fusion, cpu/units.py).

TILED = _size(1 << 15, 4)
"""Elements from which a run in NumPy's calls is worth tiles, and of the largest array of one: fewer stay in a cache."""

ENOUGH = 4 * TILED
"""Elements of a task of NumPy's calls."""

PAYS = _size(12_000.0, 0.0)
"""Nanoseconds to be saved in a call by a compiled kernel: some 40 000 calls, then, repay half a second."""

# Teams (cpu/team.py, cpu/plan.py).

TEAMWORK = _size(200_000, 0)
"""Operations and bytes from which a plan may have kernels that a team should share."""

PIECE = _size(2000.0, 1e-3)
"""Nanoseconds of a piece: enough to be worth the way of its numbers between two cores."""

OFTEN = _size(8, 3)
"""In which call a program is written out: to do so takes as long as it saves in so many."""

# Products.

SHARED_PRODUCT = _size(10_000_000, 16)
"""Operations of a product from which its pieces go to threads: 150 microseconds."""

SHARED_TERMS = _size(6_000_000, 8)
"""Terms from which one product of BLAS's is divided among a team: two tenths of a millisecond, on a core without
registers of 64 bytes."""

STACKED_TERMS = _size(1_000_000, 8)
"""Products that are added up in a part of one member of a stack, which is a piece for a team: 10 microseconds."""

STACKED_NUMBERS, STACKED_DEPTH = _size(1 << 14, 1), _size(32, 1)
"""For smaller operands calls cost more than what stacks save; shorter sums leave registers half empty."""

EAGER_PRODUCT = _size(100_000_000, 8)
"""Multiplications and additions from which, without jit, handing out pieces costs nothing: two milliseconds."""

# Convolutions.

WINOGRAD_CHANNELS = _size(8, 1)
"""With fewer, the transforms of compiled kernels cost more than the products save."""

WINOGRAD_CACHE = _size(1_500_000, 4096)
"""Bytes that the matrices of one of their steps may fill: more leaves a CPU's caches, less is more steps."""

WINOGRAD_NUMPY_CHANNELS, WINOGRAD_NUMPY_IMAGES = _size(16, 1), _size(4, 1)
"""With fewer, copies and transforms of NumPy cost more than the products save."""

WINOGRAD_NUMPY_CACHE = _size(3_000_000, 4096)
"""Bytes that one step of NumPy's may fill."""

BLOCK, BLOCK_OF_EIGHT, MOST_IMAGES = _size(2 << 20, 256), _size(8 << 20, 512), _size(32, 3)
"""Without jit a block has as many images as fit so many bytes, or 8 if those fit the second, and at most the third.
Eight float32 are one copy of 32 bytes; many more would be too many memory streams at once."""

# Elements (evals).

LARGE = _size(1 << 18, 8)
"""Elements from which tiles on threads pay, without jit: 65 microseconds of work and more."""

TILE = _size(1 << 15, 3)
"""Elements of such a tile; 8 are a piece for a thread."""

HEAVY, HEAVY_PIECE = _size(3 << 14, 8), _size(1 << 14, 3)
"""The same of functions that take 5 ns for an element and more, as sines do; and a piece of theirs."""

REORDERED = _size(1 << 12, 1)
"""Numbers from which a copy in another order is compiled, and columns of a matrix that are turned together."""

MANY_ROWS = _size(128, 2)
"""The fewest rows that ways of their own pay for, to be added up or searched."""

IN_A_ROW = _size(128, 2)
"""Terms that are added up one after the other; longer sums are sums of such."""

ROWS_AS_COLUMNS = _size(1024, 3)
"""Rows turned into columns at once."""

# Memory.

POOLED = _size(1 << 20, 64)
"""Bytes below which NumPy's own allocator is as fast as the pool."""

POOLED_RESULT = _size(1 << 18, 64)
"""The same for results, which a caller keeps for a while: meanwhile that allocator may give memory back to the system,
and ask for it anew in every call. A step of training LeNets, whose largest results are of 770 kB, took 1.8 ms instead
of 0.7."""

# How rows run that answer differently (branches.py), in microseconds.

RUN_OF_ROWS, STEP_OF_ROWS = _size(30.0, 0.0), _size(9.0, 0.01)
"""What a run of rows together takes, and an operation in it, beside the work on elements."""

RUN_OF_ROW, STEP_OF_ROW = 1.0, 0.4
"""The same of a row that runs alone."""

LIGHT_STEP_OF_ROW = 0.06
"""Where the operation is one of Python's operators on numbers, or reads or writes by an index."""

STEP_OF_SCOPE, STEP_OF_NUMBER = _size(14.0, 0.01), 0.03
"""An operation of some of the rows, which takes their values along; and one of a row that runs alone, on numbers."""

LOSS = _size(3000.0, 1e9)
"""How much more rows may have cost together, all operations counted, before they run one by one."""
