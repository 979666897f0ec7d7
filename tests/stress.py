"""`python -m tests.stress --plans N`: plans of one step of three LeNet-5 by Adam, made anew, and the bits of each.

All groups are forced, plans run on one, two and three threads in turn, and a process makes a few of them: the next one
loads its kernels from disk. A plan whose bits are not those of the first is printed. VMAPCORE_TINY=1 holds here too.
"""

import argparse
import hashlib
import os
import sys
import time
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(__file__).resolve().parent.parent / "build" / "numba"))

from vmapcore import threads, trace
from vmapcore.cpu import program
from vmapcore.cpu.plan import Plan
from vmapcore.pytree import flatten

from .test_tiles import FORCED, PROGRAMS


def digest(arrays):
    return hashlib.sha256(b"".join([a.tobytes() for a in arrays])).hexdigest()[:16]


def digests(numbers):
    """Of the plans of these numbers, in a process of their own: of the first call, and of one written out."""
    for module, name, value in FORCED:
        setattr(module, name, value)
    program.OFTEN = 1
    fun, args = PROGRAMS["lenet adam"]
    graph, leaves = trace(fun)(*args), flatten(args)[0]
    found = []
    for number in numbers:
        threads.available = lambda number=number: number % 3 + 1
        plan = Plan(graph)
        found += [(number, digest(plan(leaves))) for _ in range(2)]
    return found


def options():
    parser = argparse.ArgumentParser(prog="python -m tests.stress", description=__doc__)
    parser.add_argument("--plans", type=int, default=5000, metavar="N", help="how many (default: 5000)")
    parser.add_argument("--each", type=int, default=30, metavar="K", help="of one process (default: 30)")
    parser.add_argument("--jobs", type=int, default=1, metavar="J", help="processes at a time (default: 1)")
    return parser.parse_args()


def main():
    chosen, start, made, wrong, expected = options(), time.monotonic(), 0, 0, None
    parts = [range(first, min(first + chosen.each, chosen.plans)) for first in range(0, chosen.plans, chosen.each)]
    with get_context("spawn").Pool(chosen.jobs, maxtasksperchild=1) as pool:
        for found in pool.imap_unordered(digests, parts, chunksize=1):
            expected = expected or found[0][1]
            others = [(number, bits) for number, bits in found if bits != expected]
            for number, bits in others:
                print(f"plan {number}, {number % 3 + 1} threads: {bits}, not {expected}", flush=True)
            made, wrong = made + len(found) // 2, wrong + len(others)
            print(f"{made} plans in {time.monotonic() - start:.0f} s, {wrong} calls with other bits", flush=True)
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
