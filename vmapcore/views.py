"""Arrays that share memory, for tracers: a write through a view reaches its base, and the base's is seen by its views.

NumPy's views share bytes. A tracer's value is never overwritten, so here a group of tracers that would share
memory holds one root value; a write through a member replaces the root and then every other living member.
"""

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from .errors import MutationError


class View(NamedTuple):
    """How a member is read from what it is a view of, and how a write to it is carried back."""

    read: Callable[[Any], Any]
    """base -> view"""
    write: Callable[[Any, Any], Any] | None
    """(base, new view) -> new base; None where NumPy's view is read-only."""
    certain: bool = True
    """False where NumPy makes a view or a copy by the memory layout, which a tracer does not promise."""


class Storage:
    """The members of one group, each with its path of views from the root."""

    __slots__ = ("members", "prune_at", "root")

    def __init__(self, base: Any) -> None:
        self.root = base.snapshot()
        self.members: list[tuple[weakref.ref[Any], tuple[View, ...]]] = [(weakref.ref(base), ())]
        self.prune_at = 32

    def add(self, member: Any, path: tuple[View, ...]) -> None:
        if len(self.members) > self.prune_at:
            self.members = [entry for entry in self.members if entry[0]() is not None]
            self.prune_at = 2 * len(self.members) + 32
        self.members.append((weakref.ref(member), path))
        member.storage = self

    def path(self, member: Any) -> tuple[View, ...]:
        for ref, path in reversed(self.members):
            if ref() is member:
                return path
        raise AssertionError("a tracer is always a member of its own storage")

    def write(self, call: str, writer: Any, value: Any) -> None:
        """Puts `value` into `writer` and what follows from it into the others. All or nothing."""
        path = self.path(writer)
        if any(step.write is None for step in path):
            raise MutationError(call, "the array is a read-only view, as in NumPy", "", "Write to a .copy() of it")
        others = [(member, p) for ref, p in self.members if (member := ref()) is not None and member is not writer]
        for _, p in others:
            _check_certain(call, path, p)
        if others:
            bases = [self.root]
            for step in path[:-1]:
                bases.append(step.read(bases[-1]))
            new = value
            for base, step in zip(reversed(bases), reversed(path), strict=True):
                assert step.write is not None
                new = step.write(base, new)
            fresh = [(member, _read(new, p)) for member, p in others]
            self.root = new.snapshot()
            for member, state in fresh:
                member.rebind(state)
            writer.rebind(value)
        else:  # nobody else is left to see the write
            writer.rebind(value)
            writer.storage = None


def _read(root: Any, path: tuple[View, ...]) -> Any:
    for step in path:
        root = step.read(root)
    return root


def _check_certain(call: str, a: tuple[View, ...], b: tuple[View, ...]) -> None:
    shared = 0
    while shared < min(len(a), len(b)) and a[shared] is b[shared]:
        shared += 1
    if not all(step.certain for step in a[shared:] + b[shared:]):
        raise MutationError(
            call,
            "another array made from this one by reshape or ravel is still in use, and whether NumPy would let it see "
            "the write depends on the memory layout",
            "",
            "Write before reshaping, or reshape a .copy()",
        )


def view_of(
    base: Any, view: Any, read: Callable[[Any], Any], write: Callable[[Any, Any], Any] | None, certain: bool = True
) -> Any:
    """Returns `view`, a new tracer, after noting that it shares memory with the tracer `base`."""
    storage = base.storage
    if storage is None:
        storage = base.storage = Storage(base)
        path: tuple[View, ...] = ()
    else:
        path = storage.path(base)
    storage.add(view, (*path, View(read, write, certain)))
    return view
