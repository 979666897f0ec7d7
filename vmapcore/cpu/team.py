"""A team inside compiled kernels: the rows of one call, shared with threads that wait for them in machine code.

A thread of Python needs the interpreter's lock to take a task, and 50 microseconds to wake up: too much for kernels of
20. Workers of a team wait in compiled code, and take rows as soon as a kernel offers some. Who offers never waits for a
worker to come: it goes through the rows itself, takes back what nobody took, and waits only for those who took part. So
it makes no difference but in time whether a worker is there, busy, preempted or in another's call.

Workers leave when nothing was offered for `PATIENCE`, or as soon as Python has a task for their threads.
"""

import ctypes
import functools
import heapq
import os
import threading
import time
from typing import Any

from .. import threads
from ..thresholds import PIECE
from .compiled import CHECKED, kernel, numba

if numba is not None:
    from numba import extending

    from .native import atomics
    from .native.addresses import was_outside
    from .native.atomics import add, board, call, let_others, outlined, read, rest, stack, swap, write

PATIENCE = 1e-3
"""Seconds."""

MOST = 64
"""Workers of a team at most."""

LINE = 64
"""Bytes of a cache line. The board has one for the number of places, and one for each place: an offer."""

FREE, TAKEN = 0, 1
"""Offers that are none; any other is the address of a job."""

FUNCTION, ARGUMENTS, COUNT, PIECES, NEXT, DONE, FAILED = range(0, 56, 8)
"""Where what a job consists of is in it."""

_memory = (ctypes.c_char * (LINE * (MOST + 2)))()
BOARD = ctypes.addressof(_memory) + -ctypes.addressof(_memory) % LINE
_places = ctypes.c_int64.from_address(BOARD)


def pieces(count: int, nanoseconds: float) -> int:
    """Into how many pieces `count` rows that take so long are cut: by sizes alone, so that results are the same."""
    return max(1, min(count, 32, int(nanoseconds / PIECE)))


def share(rows: Any, count: int, pieces: int, args: Any) -> None:
    """Calls `rows(first, last, *args)` for `pieces` parts of `count` rows, which write to different memory.

    For compiled kernels; `rows` is one that returns nothing. What a piece is must be decided by sizes alone. The caller
    must have the arrays among the arguments for as long as that takes.
    """
    rows(0, count, *args)


if numba is not None:
    atomics.name_symbols(BOARD)

    @extending.overload(share)
    def _share(rows: Any, count: Any, pieces: Any, args: Any) -> Any:
        def shared(rows: Any, count: Any, pieces: Any, args: Any) -> None:
            function, arguments = outlined(rows, args)
            _run(function, arguments, count, pieces)

        return shared


@kernel
def _run(function: int, arguments: int, count: int, pieces: int) -> None:
    job = stack()
    write(job + FUNCTION, function)
    write(job + ARGUMENTS, arguments)
    write(job + COUNT, count)
    write(job + PIECES, pieces)
    write(job + NEXT, 0)
    write(job + DONE, 0)
    write(job + FAILED, 0)
    first = board() + LINE
    behind = first + LINE * min(read(board()), pieces - 1)
    offered = 0
    for place in range(first, behind, LINE):  # who comes late may still take some
        if swap(place, FREE, job):
            offered += 1
    _work(job)
    if offered:
        for place in range(first, behind, LINE):
            if swap(place, job, FREE):
                offered -= 1
        patience = 0
        while read(job + DONE) < offered:
            rest()
            patience += 1
            if patience % 512 == 0:
                let_others()
    if read(job + FAILED):
        if CHECKED and was_outside():
            raise IndexError("a kernel is outside of an array")
        raise MemoryError("a kernel has no room")


@kernel
def _work(job: int) -> None:
    count, pieces = read(job + COUNT), read(job + PIECES)
    k = add(job + NEXT, 1)
    while k < pieces:
        if call(read(job + FUNCTION), read(job + ARGUMENTS), count * k // pieces, count * (k + 1) // pieces):
            write(job + FAILED, 1)
        k = add(job + NEXT, 1)


@kernel
def _serve(place: int, waiting: int, patience: int) -> bool:
    """Does what is offered at a place, until nothing was for `patience` rounds or a call is waiting in Python: whether
    that is why."""
    idle = 0
    while idle < patience and not read(waiting):
        job = read(place)
        if job > TAKEN and swap(place, job, TAKEN):
            _work(job)
            add(job + DONE, 1)  # from here on the job may be gone
            write(place, FREE)
            idle = 0
        else:
            rest()
            idle += 1
            if idle % 512 == 0:
                let_others()
    return idle < patience


@kernel
def _pause(rounds: int) -> None:
    for _ in range(rounds):
        rest()


class _Team:
    """How many workers wait in `_serve`, how many are on their way, and the places that nobody has."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.there = self.coming = 0
        self.free = list(range(1, MOST + 1))  # a heap: those who come take the first ones, which get the offers
        self.rounds = 0
        ctypes.memset(BOARD, 0, LINE * (MOST + 1))

    def assemble(self) -> None:
        wanted = min(threads.available() - 1, MOST)
        _places.value = wanted
        if self.there + self.coming >= wanted:
            return
        # compiled here: a child would find the compiler locked by a worker, which it has not
        self.rounds = self.rounds or _rounds()
        missing = 0
        try:
            with self.lock:
                missing = max(wanted - self.there - self.coming, 0)
                self.coming += missing
            threads.wake(missing, wanted)
        except BaseException:  # a thread that cannot be started, or an interrupt
            with self.lock:
                self.coming -= missing
            raise

    def awake(self) -> None:
        with self.lock:
            self.coming = max(self.coming - 1, 0)  # less have come than are on their way, if `assemble` was interrupted

    def serve(self) -> bool:
        if not self.rounds:
            return False
        with self.lock:
            if not self.free:
                return False
            place = heapq.heappop(self.free)
            self.there += 1
        called = _serve(BOARD + LINE * place, threads.WAITING, self.rounds)
        with self.lock:
            heapq.heappush(self.free, place)
            self.there -= 1
        return bool(called)


@functools.cache
def _rounds() -> int:
    """Rounds of a loop that take as long as `PATIENCE`: a pause is 10 to 140 cycles."""
    _serve(BOARD + LINE, threads.WAITING, 0)
    _pause(1)
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        _pause(200)
        taken.append(time.perf_counter() - start)
    return max(512, int(200 * PATIENCE / min(taken)))


_team = _Team()


def _after_fork() -> None:
    global _team
    _team = _Team()  # its threads are gone
    _register()


def _register() -> None:
    if numba is not None:
        threads.while_idle(_team)


_register()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def assemble() -> None:
    """Wakes workers, unless they are awake: at the start of what will have work for them."""
    if numba is not None and not threads.inside():
        _team.assemble()
