"""Worker threads for kernels whose work falls into independent tasks, with BLAS held at one thread meanwhile.

NumPy lets other threads run while it computes, so tasks that copy, multiply and add in NumPy share the cores. BLAS's
own threads would fight them: they wait in a loop between products, and starve all else that wants a core.
"""

import contextvars
import ctypes
import functools
import os
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

from threadpoolctl import ThreadpoolController

from .errors import OptionError
from .locks import BLAS

R = TypeVar("R")
S = TypeVar("S")

_chosen: int | None = None


def set_threads(count: int | None) -> None:
    """Sets how many threads kernels and plans use, in the whole process; None goes back to the default.

    Law:  results are the same to the last bit for any number of threads

    The default is the environment variable VMAPCORE_NUM_THREADS, or else every core that the process may run on,
    as it was at the first use or at the last call of this.

    Args:
        count: at least 1.

    Raises:
        OptionError: `count` is not a positive int.

    Example:
        >>> set_threads(1)
        >>> set_threads(None)
    """
    global _chosen
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise OptionError("set_threads", f"argument 'count' is {count!r}", "it must be an int of at least 1, or None")
    _chosen = count
    _cores.cache_clear()


def available() -> int:
    """How many threads kernels use."""
    if _chosen is not None:
        return _chosen
    wanted = os.environ.get("VMAPCORE_NUM_THREADS", "")
    if not wanted:
        return _cores()
    if not (wanted.isascii() and wanted.isdigit() and int(wanted) > 0):
        raise OptionError("threads", f"VMAPCORE_NUM_THREADS is {wanted!r}", "it must be a positive int, or not be set")
    return int(wanted)


@functools.cache
def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Blas:
    """BLAS at one thread: knows who wants it, the first to come sets it, the last to go restores what was.

    Of the libraries that were loaded when it was first used.
    """

    def __init__(self) -> None:
        self.holders: set[object] = set()
        self.before: list[tuple[Any, int]] = []
        self.libraries: list[Any] | None = None  # looked for at the first use: it takes milliseconds

    def hold(self, holder: object) -> None:
        with BLAS:
            if self.libraries is None:
                self.libraries = ThreadpoolController().select(user_api="blas").lib_controllers
            if not self.holders:
                self.before = [(lib, lib.get_num_threads()) for lib in self.libraries]
            self.holders.add(holder)
            if len(self.holders) == 1:
                self._set(1)

    def let_go(self, holder: object) -> None:
        """Does so however far `hold` or an earlier call of this came."""
        with BLAS:
            if self.holders == {holder}:
                self.restore()
            self.holders.discard(holder)

    def restore(self) -> None:
        """Gives BLAS the threads that it had."""
        self._set(None)

    def _set(self, threads: int | None) -> None:
        for lib, count in self.before:
            if count > 1:
                if hasattr(lib, "clear_controlling_thread"):  # else one thread alone may set it, while that lives
                    lib.clear_controlling_thread(force=True)
                lib.set_num_threads(threads or count)


_BLAS = _Blas()
_here = threading.local()


def with_one_blas_thread(function: Callable[..., R], *args: Any) -> R:
    """Returns `function(*args)`; BLAS runs on the thread that calls it alone meanwhile, in the whole process.

    Also after an interrupt, which may come within whatever is done here, but once.
    """
    blas, holder = _BLAS, object()
    try:
        blas.hold(holder)
        return function(*args)
    finally:
        try:
            blas.let_go(holder)
        except BaseException:
            blas.let_go(holder)
            raise


_waiting = ctypes.c_int64(0)

WAITING = ctypes.addressof(_waiting)
"""Where machine code can read whether there are calls that no worker has taken yet: then it is not zero."""


class Idle(Protocol):
    """What workers do before they sleep."""

    def serve(self) -> bool:
        """Does it, and returns soon once calls are `WAITING`: whether that is why, and there is more to do after."""

    def awake(self) -> None:
        """A worker that was woken by `wake` is about to do it."""


_idle: Idle | None = None


def while_idle(idle: Idle) -> None:
    """Gives workers something to do before they sleep."""
    global _idle
    _idle = idle


class _Workers:
    """Threads that wait for calls, as many as were ever wanted at once."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[list[Callable[[], None]] | None] = SimpleQueue()
        self.count = 0
        self.lock = threading.Lock()

    def call(self, handed: Sequence[list[Callable[[], None]]]) -> None:
        """Hands out calls, each a list of a function; one that no worker has taken yet is taken back by `pop`."""
        self._start(len(handed))
        for call in handed:
            self.calls.put(call)
        self._count(len(handed))

    def wake(self, times: int, count: int) -> None:
        """Has so many workers that sleep, of at least `count`, do what they do before they sleep again."""
        self._start(count)
        for _ in range(times):
            self.calls.put(None)

    def _start(self, times: int) -> None:
        if self.count < times:
            with self.lock:
                while self.count < times:
                    name = f"vmapcore-{self.count}"
                    threading.Thread(target=self._work, name=name, daemon=True).start()
                    self.count += 1

    def _count(self, more: int) -> None:
        with self.lock:
            _waiting.value += more

    def _work(self) -> None:
        while True:
            self._take(self.calls.get())
            while _idle is not None and _idle.serve():
                try:
                    call = self.calls.get_nowait()
                except Empty:  # another worker has it, or an interrupt kept its caller from counting it
                    _waiting.value = 0
                else:
                    self._take(call)

    def _take(self, call: list[Callable[[], None]] | None) -> None:
        if call is None:
            if _idle is not None:
                _idle.awake()
            return
        self._count(-1)
        try:
            function = call.pop()
        except IndexError:
            return
        function()


_workers = _Workers()


def wake(times: int, count: int) -> None:
    """Wakes so many workers, of at least `count`, who do what is to be done while they are idle."""
    _workers.wake(times, count)


def inside() -> bool:
    """Whether this thread runs a task."""
    return bool(getattr(_here, "inside", False))


def _after_fork() -> None:
    global _workers, _BLAS
    _waiting.value = 0
    if _BLAS.holders:
        _BLAS.restore()
    _workers, _BLAS = _Workers(), _Blas()  # threads are gone, and locks may have been held by them


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def run(tasks: Sequence[Callable[[S], None]], state: Callable[[], S]) -> None:
    """Runs every task once, on this thread and on workers; each thread hands its tasks a `state()` of its own.

    Tasks must not write to the same memory. Inside a task, `run` stays on its thread. Workers that are busy with tasks
    of another thread leave more to this one.
    """
    count = min(available(), len(tasks)) if not inside() else 1
    with_one_blas_thread(_run, tasks, state, count)


def _run(tasks: Sequence[Callable[[S], None]], state: Callable[[], S], count: int) -> None:
    if count < 2:
        mine = state()
        for task in tasks:
            task(mine)
        return
    left = iter(tasks)
    lock = threading.Lock()
    done: SimpleQueue[BaseException | None] = SimpleQueue()

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

    context = contextvars.copy_context()  # such as np.errstate of the caller

    def help_out() -> None:
        try:
            context.copy().run(work)
        except BaseException as error:
            done.put(error)
        else:
            done.put(None)

    handed = [[help_out] for _ in range(count - 1)]
    try:
        _workers.call(handed)
        work()
    finally:
        started = sum([_is_taken(call) for call in handed])
        failed = [error for error in [done.get() for _ in range(started)] if error is not None]
    if failed:
        try:
            raise failed[0]
        finally:
            del failed  # else the error refers to this frame, and this frame to the error


def _is_taken(call: list[Callable[[], None]]) -> bool:
    """Whether a worker has a call; else it is taken back."""
    try:
        call.pop()
    except IndexError:
        return True
    return False
