"""Arrays that share memory, for tracers: a write through a view reaches its base, and the base's is seen by its views.

NumPy's views share bytes. A tracer's value is never overwritten, so here a group of tracers that would share
memory holds one root value; a write through a member replaces the root and then every other living member.
"""

import math
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .errors import MutationError


class View(NamedTuple):
    """How a member is read from what it is a view of, and how a write to it is carried back."""

    read: Callable[[Any], Any]
    """base -> view"""
    write: Callable[[Any, Any], Any] | None
    """(base, new view) -> new base; None where NumPy's view is read-only."""
    certain: bool = True
    """False where NumPy makes a view or a copy by the memory layout, which a tracer does not promise."""
    overwrite: Callable[[Any, Any], Any] | None = None
    """Like `write`, into the memory of a base that nobody else refers to; None for views that have no such way."""


Path = tuple[View, ...]


class Storage:
    """The members of one group, each with its path of views from the root."""

    __slots__ = ("contiguous", "members", "prune_at", "root")

    def __init__(self, base: Any) -> None:
        self.root: Any = None  # taken when the first view is made: until then `base` alone knows the value
        self.members: dict[int, tuple[weakref.ref[Any], Path]] = {id(base): (weakref.ref(base), ())}
        self.prune_at = 32
        self.contiguous = False

    def add(self, base: Any, member: Any, view: View) -> None:
        if self.root is None:
            self.root = base.snapshot()
        if len(self.members) > self.prune_at:
            self.members = {key: entry for key, entry in self.members.items() if entry[0]() is not None}
            self.prune_at = 2 * len(self.members) + 32
        self.members[id(member)] = (weakref.ref(member), (*self.path(base), view))
        member.storage = self

    def path(self, member: Any) -> Path:
        """The views that lead from the root to `member`, a tracer whose storage this is."""
        return self.members[id(member)][1]

    def let_go(self, member: Any) -> None:
        """Drops the root where `member` is it and no other is left: its value is then its own."""
        if self.path(member):
            return
        if all((other := ref()) is None or other is member for ref, _ in self.members.values()):
            self.root = None

    def write(self, call: str, writer: Any, value: Any) -> None:
        """Puts `value` into `writer` and what follows from it into the others. All or nothing."""
        path = self.path(writer)
        if any(step.write is None for step in path):
            raise MutationError(call, "the array is a read-only view, as in NumPy", "", "Write to a .copy() of it")
        others = [
            (member, p) for ref, p in self.members.values() if (member := ref()) is not None and member is not writer
        ]
        known = [(member, p) for member, p in others if _is_certain(path, p)]
        if known:
            root = self._written(path, writer, value, known)
            fresh = [(member, _read(root, p)) for member, p in known]
            self.root = root.snapshot()
            for member, state in fresh:
                member.rebind(state)
        elif path:  # nobody is left to see the write
            writer.storage = None
        else:
            self.root = None
        writer.rebind(value)
        if len(known) < len(others):
            self._forget(call, [member for member, p in others if not _is_certain(path, p)])

    def _written(self, path: Path, writer: Any, value: Any, known: Sequence[tuple[Any, Path]]) -> Any:
        """The root after `writer`, at the end of `path`, has become `value`."""
        alone = len(path) == 1 and len(known) == 1 and not known[0][1]
        if alone and path[0].overwrite is not None and writer._trace.overwrites:
            base = known[0][0]
            self.root = writer.value = None  # so that nobody but the base refers to its memory
            try:
                return path[0].overwrite(base, value)
            except BaseException:
                self.root = base.snapshot()
                writer.rebind(path[0].read(base))
                raise
        bases = [self.root] if path else []
        for step in path[:-1]:
            bases.append(step.read(bases[-1]))
        for base, step in zip(reversed(bases), reversed(path), strict=True):
            assert step.write is not None
            value = step.write(base, value)
        return value

    def _forget(self, call: str, members: list[Any]) -> None:
        """Takes the value from members that may or may not have seen a write."""
        for member in members:
            del self.members[id(member)]
            member.storage = None
            member._trace = member.value = Unknown(call, member)


class Unknown:
    """What a tracer holds, for value and for trace, once its value hangs on a memory layout: any use of it raises."""

    __slots__ = ("call", "dtype", "shape")

    level = math.inf
    ended = True
    apart = ""

    def __init__(self, call: str, member: Any) -> None:
        self.call = call
        self.shape = member.value.shape
        self.dtype = member.value.dtype

    def leaked(self) -> MutationError:
        """The error for using the tracer."""
        return MutationError(
            self.call,
            "wrote to an array that another one in use was made from by reshape or ravel, or the other way round, and "
            "NumPy lets that one see the write or not by the memory layout",
            "it is not known here",
            "Reshape a .copy(), or an array made by vmapcore.numpy.zeros and the like, which is contiguous",
        )

    def used(self, *_: Any) -> Any:
        raise self.leaked()

    process = lift = settled = holds = __bool__ = used


def _read(root: Any, path: Path) -> Any:
    for step in path:
        root = step.read(root)
    return root


def _is_certain(a: Path, b: Path) -> bool:
    """Whether members at the ends of two paths surely share what they have in common."""
    shared = 0
    while shared < min(len(a), len(b)) and a[shared] is b[shared]:
        shared += 1
    return all(step.certain for step in a[shared:] + b[shared:])


def view_of(base: Any, view: Any, how: View) -> Any:
    """Returns `view`, a new tracer, after noting that it shares memory with the tracer `base`.

    What NumPy has as a scalar has no views: it makes new arrays of one, and of no axes scalars again.
    """
    if base.storage is None and base.shape == ():
        return mark_contiguous(view) if view.shape else view
    if base.storage is None:
        base.storage = Storage(base)
    base.storage.add(base, view, how)
    return view


def mark_contiguous(tracer: Any) -> Any:
    """Returns `tracer`, just made, after noting that NumPy would lay it out in memory in the order of its indices."""
    tracer.storage = Storage(tracer)
    tracer.storage.contiguous = True
    return tracer


def is_contiguous(x: Any) -> bool:
    """Whether `x` is a tracer marked contiguous: not a view, whose layout may be another."""
    storage = getattr(x, "storage", None)
    return storage is not None and storage.contiguous and storage.path(x) == ()


def as_argument(x: Any, tracer: Any) -> Any:
    """Returns `tracer`, of the argument `x`, after noting where needed that it is an array of no axes, not a scalar."""
    is_array = x.shape == () and not (isinstance(x, np.generic) or getattr(x, "_is_scalar", False))
    return mark_contiguous(tracer) if is_array else tracer
