"""What threads share across a fork: its child has the one thread that forked, and locks as they were.

A lock that another thread held would never be released there, and what it guards would stay as it was in the middle of
a change. So who forks waits for every lock of the package first, outermost first, and both processes release them. What
belongs to threads, as workers and idle memory do, has no lock here: a child has new ones.
"""

import logging  # noqa: F401  what forks take is taken in reverse order of import, and who holds ours may write a log
import os
from collections.abc import Callable
from contextlib import ExitStack
from threading import RLock
from typing import Any, Generic, TypeVar

T = TypeVar("T")

KERNELS, IMPORTS, BLAS, LENDING = RLock(), RLock(), RLock(), RLock()
"""For who compiles kernels, imports what plans need, sets BLAS's threads, lends classes' methods. A thread may
take one again: a signal can interrupt it anywhere, and its handler run the same functions."""

_order: list[Any] = [KERNELS, IMPORTS, BLAS, LENDING]
_held = ExitStack()


def hold_across_forks(*locks: Any) -> None:
    """Adds locks of other libraries, which are taken with ours held, in this order."""
    _order.extend(locks)


def _hold() -> None:
    for lock in _order:
        _held.enter_context(lock)


def _release() -> None:
    _held.pop_all().close()  # emptied while all are held: another thread may be waiting to fork


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_release)


class cached_property(Generic[T]):  # noqa: N801  the name it has in functools
    """As in functools, without the lock that it has there before Python 3.12: two threads may both compute it."""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self.compute = compute
        self.__doc__ = compute.__doc__

    def __get__(self, instance: Any, owner: Any) -> T:
        if instance is None:
            return self  # type: ignore[return-value] # to read its docstring
        found = instance.__dict__[self.compute.__name__] = self.compute(instance)
        return found
