"""Kernels that check where they read and write: what is outside of an array is an error, and is left as it is.

Wrong kernels run in one process, where NUMBA_BOUNDSCHECK=1; all are wrong by one number or one register.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from vmapcore import set_threads
from vmapcore.cpu import compiled
from vmapcore.cpu.compiled import kernel
from vmapcore.cpu.fusion import cache as generated
from vmapcore.cpu.fusion.loop_source import HEAD
from vmapcore.cpu.kernels import gemm
from vmapcore.cpu.kernels.blocks import COLUMNS, block_of, inner, product
from vmapcore.cpu.kernels.lanes import behind, lanes, load, pick, place, put, room_for, store, zeros
from vmapcore.cpu.kernels.reorder import square
from vmapcore.cpu.team import share

needs_numba = pytest.mark.skipif(compiled.numba is None, reason="no numba")

LENGTH = 320
WIDE = lanes(np.float64)
FLOAT = np.dtype(np.float64)
ACROSS = COLUMNS[3]


@kernel
def _pick(x, i):
    return pick(x, i)


@kernel
def _put(x, i):
    put(x, i, 1.0)


@kernel
def _load(x, i):
    store(room_for(x, 64), 0, load(zeros(x), x, i))


@kernel
def _store(x, i):
    store(x, i, zeros(x))


@kernel
def _pick_behind(x, k, i):
    return pick(behind(behind(x, 1), k - 1), i)


@kernel
def _place(steps, k):
    return place(steps, k)


@kernel
def _room(x, count, i):
    put(room_for(x, count), i, 1.0)


@kernel
def _rows(begin, end, x, i):
    for k in range(begin, end):
        put(x, k + i, 1.0)


@kernel
def _shared(x, i):
    share(_rows, x.size, 4, (x, i))


@kernel
def _sums(x, run, out):
    inner(3, ACROSS, (x, 0, 0), (x, 0, 0, 0, 0), (1, run), (out, 0, 6))


@kernel
def _square(x, at):
    square(x, at, 1, room_for(x, 64), 0, 8)


def products(x, depth):
    """Three rows by a register, out of x from its first number on."""
    rows, weights, out = block_of(3), np.ones(3 * LENGTH), np.zeros(3 * WIDE)
    product(rows, (weights, 0, 0), (np.zeros(3), 3, -np.inf), (x, 0, WIDE, depth), (out, 0, WIDE, WIDE))


def blas(x, missing):
    """x (4, 8) @ y (8, 10), or of an x that has a row less than it says."""
    first, second = x[: 32 - 8 * missing].reshape(1, -1, 8), np.ones((1, 8, 10))
    found = gemm.Product(gemm._found("d"), first, second, (gemm._lying(first), gemm._lying(second)))
    found.sizes = 1, 4, *found.sizes[2:]
    found(first, second, np.ones((1, 4, 10)))


def generate(body):
    """A generated kernel."""
    source = f"{HEAD}def kernel(lo, hi, pieces, n0, x0, y0):\n{body}    return False\n"
    return generated.kernel(source, 1, [FLOAT], [FLOAT])


def write_loops(x, count):
    run = generate("    for i0 in range(lo, hi):\n        put(y0, i0, get(x0, i0, 0, 1), 1, 1)\n")
    run(0, count, 1, count, np.ones(2 * LENGTH), x)


def read_loops(x, first):
    generate("    put(y0, 0, get(x0, lo, 0, 1), 1, 1)\n")(first, LENGTH, 1, LENGTH, x, np.ones(1))


STEPS = np.arange(4)
CALLS = {
    "reads before": (_pick, (0,), (-1,), "numbers -1 to -1 of an array of 320"),
    "reads behind": (_pick, (319,), (320,), "numbers 320 to 320 of an array of 320"),
    "writes before": (_put, (0,), (-1,), "numbers -1 to -1 of an array of 320"),
    "writes behind": (_put, (319,), (320,), "numbers 320 to 320 of an array of 320"),
    "reads a register": (_load, (LENGTH - WIDE,), (LENGTH - WIDE + 1,), "to 320 of an array of 320"),
    "writes a register": (_store, (LENGTH - WIDE,), (LENGTH - WIDE + 1,), "to 320 of an array of 320"),
    "before an address": (_pick_behind, (9, -9), (9, -10), "numbers -1 to -1 of an array of 320"),
    "behind an address": (_pick_behind, (9, 310), (9, 311), "numbers 320 to 320 of an array of 320"),
    "a place": (lambda x, k: _place(STEPS, k), (3,), (4,), "numbers 4 to 4 of an array of 4"),
    "room": (_room, (5, 4), (5, 5), "numbers 5 to 5 of an array of 5"),
    "a team": (_shared, (0,), (1,), "numbers 320 to 320 of an array of 320"),
    "products": (products, (LENGTH // WIDE,), (LENGTH // WIDE + 1,), "outer.double.equal"),
    "sums": (lambda x, run: _sums(x, run, np.zeros(64)), (LENGTH,), (LENGTH + WIDE,), "inner.double.equal"),
    "a square": (_square, (LENGTH - 2 * WIDE + 1,), (LENGTH - 2 * WIDE + 2,), "to 320 of an array of 320"),
    "BLAS": (blas, (0,), (1,), "numbers 31 to 31 of an array of 24"),
    "writes in loops": (write_loops, (LENGTH,), (LENGTH + 1,), "numbers 320 to 320 of an array of 320"),
    "reads in loops": (read_loops, (0,), (-1,), "numbers -1 to -1 of an array of 320"),
}
"""A function of an array and of numbers: with such it is right, with such it is not, and then this is printed."""


def outcome(name):
    """Of the right and of the wrong call: the name of the error, what was printed, whether the neighbours are there."""
    call, *numbers, _ = CALLS[name]
    found = []
    for given in numbers:
        whole, error, printed = np.arange(3.0 * LENGTH), "none", io.StringIO()
        before = whole.copy()
        with contextlib.redirect_stderr(printed):
            try:
                call(whole[LENGTH : 2 * LENGTH], *given)
            except Exception as e:
                error = type(e).__name__
        kept = [np.array_equal(whole[part], before[part]) for part in (slice(LENGTH), slice(2 * LENGTH, None))]
        found.append((error, printed.getvalue(), all(kept)))
    return found


def print_outcomes():
    set_threads(3)
    print(json.dumps({name: outcome(name) for name in CALLS}))


@cache
def outcomes():
    found = subprocess.run(
        [sys.executable, "-c", "from tests.test_bounds import print_outcomes as p; p()"],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "NUMBA_BOUNDSCHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


@needs_numba
@pytest.mark.parametrize("name", CALLS)
def test_what_is_outside_of_an_array_is_an_error_and_stays(name):
    right, wrong = outcomes()[name]
    assert right == ["none", "", True]
    error, printed, kept = wrong
    assert error == "IndexError" and kept
    assert printed.startswith("vmapcore: ") and CALLS[name][-1] in printed


@needs_numba
@pytest.mark.skipif(compiled.CHECKED, reason="kernels are checked")
def test_nothing_of_that_is_in_other_kernels(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))  # code that was kept cannot be read

    @kernel
    def every_way(x):
        put(x, 0, pick(behind(x, 1), 0))
        square(x, 0, 8, x, 64, 8)

    every_way(np.zeros(LENGTH))
    (code,) = every_way.inspect_llvm().values()
    assert "vmapcore.square" in code and "vmapcore_outside" not in code
