"""Worker threads for kernels whose work falls into independent tasks, with BLAS held at one thread meanwhile.

NumPy lets other threads run while it computes, so tasks that copy, multiply and add in NumPy share the cores. BLAS's
own threads would fight them: they wait in a loop between products, and starve all else that wants a core.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

S = TypeVar("S")


def available() -> int:
    """How many threads kernels use: the environment's VMAPCORE_NUM_THREADS, else the cores this process may run on."""
    wanted = os.environ.get("VMAPCORE_NUM_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Blas:
    """Counts who wants BLAS at one thread: the first to come sets it, the last to go restores what was."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.holders = 0
        self.before: list[tuple[Any, int]] = []
        self.libraries: list[Any] | None = None  # looked for at the first use: it takes milliseconds

    @contextmanager
    def one_thread(self) -> Iterator[None]:
        with self.lock:
            if self.libraries is None:
                self.libraries = ThreadpoolController().select(user_api="blas").lib_controllers
            if self.holders == 0:
                self.before = [(lib, lib.get_num_threads()) for lib in self.libraries]
                for lib, count in self.before:
                    if count > 1:
                        lib.set_num_threads(1)
            self.holders += 1
        try:
            yield
        finally:
            with self.lock:
                self.holders -= 1
                if self.holders == 0:
                    for lib, count in self.before:
                        if count > 1:
                            lib.set_num_threads(count)


_BLAS = _Blas()
_here = threading.local()
_pool: tuple[int, int, ThreadPoolExecutor] | None = None  # of which process, how many threads


def _workers(count: int) -> ThreadPoolExecutor:
    """The pool, made anew after a fork, where threads are gone, or for another count."""
    global _pool
    if _pool is None or _pool[:2] != (os.getpid(), count):
        _pool = (os.getpid(), count, ThreadPoolExecutor(count, "vmapcore"))
    return _pool[2]


def run(tasks: Sequence[Callable[[S], None]], state: Callable[[], S]) -> None:
    """Runs every task once, on this thread and on workers; each thread hands its tasks a `state()` of its own.

    Tasks must not write to the same memory. Inside a task, `run` stays on its thread.
    """
    count = min(available(), len(tasks)) if not getattr(_here, "inside", False) else 1
    with _BLAS.one_thread():
        if count < 2:
            mine = state()
            for task in tasks:
                task(mine)
            return
        left = iter(tasks)
        lock = threading.Lock()

        def work() -> None:
            _here.inside = True
            try:
                mine = state()
                while True:
                    with lock:
                        task = next(left, None)
                    if task is None:
                        return
                    task(mine)
            finally:
                _here.inside = False

        helpers = [_workers(count - 1).submit(work) for _ in range(count - 1)]
        try:
            work()
        finally:
            for helper in helpers:
                if not helper.cancel():
                    helper.result()
