"""A user's functions with the traced values in them made explicit: all that they close over, in objects too."""

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ..custom import custom_jvp, custom_vjp
from ..methods import SIMPLE
from ..modules import is_library
from ..names import SeenNames
from ..remade import Remade
from ..rules.brackets import concrete
from ..tracer import Tracer

EMPTY = object()
NUMBERS = SIMPLE - {np.ndarray}
"""Types of what nobody writes to."""


def known(x: Any) -> Any:
    """A traced value that is the same for all rows and calls as a plain array, in lists and tuples too."""
    if type(x) in (list, tuple):
        return x if SIMPLE.issuperset(map(type, x)) else type(x)(map(known, x))
    return concrete(x)


class Holder:
    """An object of ours that may hold traced values, and that a user's function may close over."""


class Closed:
    """Functions, arrays and containers of such, as a function of the traced values in them, `leaves`.

    Called with others it returns the same with these in place, in which functions have the names of their modules.
    """

    def __init__(self, value: Any, every: bool = False) -> None:
        self.value = value
        self.every = every
        self.leaves: list[Tracer] = []
        self.places: dict[int, int] = {}
        self.holders: dict[int, Any] = {}  # what is made anew, since there is a tracer or a function in it
        self.met: dict[int, Any] = {}
        self._look(value)

    @classmethod
    def as_it_is_now(cls, value: Any) -> "Closed":
        """The same of a copy, which stays as it is: rules run later, when a loop has gone on, and plans much later."""
        whole = cls(value, every=True)
        return cls(whole([x.snapshot() for x in whole.leaves]))

    def __call__(self, leaves: Sequence[Any]) -> Any:
        return _Remade(self, leaves).of(self.value)

    def _look(self, x: Any) -> bool:
        """Looks for tracers in a value; whether it is to be made anew."""
        kind: Any = type(x)
        if kind in SIMPLE:
            return self.every and kind is np.ndarray
        if issubclass(kind, Tracer):
            if id(x) not in self.places:
                self.places[id(x)] = len(self.leaves)
                self.leaves.append(x)
            return True
        if id(x) in self.met:
            return id(x) in self.holders
        self.met[id(x)] = x
        found = [self._look(part) for part in parts(x)]
        is_users = kind is FunctionType and type(x.__globals__) is SeenNames
        if any(found) or is_users or (self.every and (issubclass(kind, (list, dict)) or _has_parts(kind))):
            self.holders[id(x)] = x
        return id(x) in self.holders


def parts(x: Any) -> Iterator[Any]:
    """What a value is made of, as far as traced values may be there. What passes for another is what it is."""
    kind: Any = type(x)
    if kind is FunctionType:
        yield from map(_content, x.__closure__ or ())
        yield from x.__defaults__ or ()
        yield from (x.__kwdefaults__ or {}).values()
    elif kind is MethodType:
        yield from (x.__func__, x.__self__)
    elif kind is functools.partial:
        yield from (x.func, *x.args, *x.keywords.values())
    elif issubclass(kind, dict):
        yield from () if NUMBERS.issuperset(map(type, x.values())) else x.values()
    elif issubclass(kind, (list, tuple)):
        yield from () if NUMBERS.issuperset(map(type, x)) else x
    elif _has_parts(kind):
        yield from [getattr(x, name) for name in _attributes(x)]


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return EMPTY


@functools.cache
def _has_parts(kind: type) -> bool:
    """Whether objects of a class are looked into: those of the user's, and what transforms and these forms return."""
    if issubclass(kind, (type, ModuleType, np.ndarray, Enum, BaseException)):
        return False
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return issubclass(kind, (Holder, Remade, custom_vjp, custom_jvp)) or not is_library(kind.__module__, file)


def _attributes(x: Any) -> list[str]:
    slots = [s for c in type(x).__mro__ for s in _as_tuple(vars(c).get("__slots__", ())) if s in vars(c)]
    return [*getattr(x, "__dict__", ()), *[name for name in slots if hasattr(x, name)]]


def _as_tuple(names: Any) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


class _Remade:
    """One value with other leaves."""

    def __init__(self, closed: Closed, leaves: Sequence[Any]) -> None:
        self.closed = closed
        self.leaves = leaves
        self.made: dict[int, Any] = {}

    def of(self, x: Any) -> Any:
        place = self.closed.places.get(id(x))
        if place is not None:
            return self.leaves[place]
        if type(x) is np.ndarray and self.closed.every:
            return self.made.setdefault(id(x), x.copy())
        if id(x) not in self.closed.holders:
            return x
        if id(x) not in self.made:
            make = MAKE.get(type(x)) or next(
                (m for kind, m in MAKE.items() if issubclass(type(x), kind)), _Remade._object
            )
            self.made[id(x)] = make(self, x)
        return self.made[id(x)]

    def _function(self, fun: FunctionType) -> Any:
        names = fun.__globals__
        cells = tuple([CellType() for _ in fun.__closure__ or ()])
        made = FunctionType(
            fun.__code__, names.module if type(names) is SeenNames else names, fun.__name__, None, cells or None
        )
        self.made[id(fun)] = made  # which it may close over
        for cell, theirs in zip(cells, fun.__closure__ or (), strict=True):
            content = _content(theirs)
            if content is not EMPTY:
                cell.cell_contents = self.of(content)
        if fun.__defaults__:
            made.__defaults__ = tuple(map(self.of, fun.__defaults__))
        if fun.__kwdefaults__:
            made.__kwdefaults__ = {name: self.of(x) for name, x in fun.__kwdefaults__.items()}
        made.__qualname__, made.__doc__, made.__dict__ = fun.__qualname__, fun.__doc__, fun.__dict__
        return made

    def _method(self, method: MethodType) -> Any:
        owner = self.of(method.__self__)
        if isinstance(method.__self__, Tracer):
            return getattr(owner, method.__name__)
        return MethodType(self.of(method.__func__), owner)

    def _partial(self, fun: functools.partial[Any]) -> Any:
        named = {name: self.of(x) for name, x in fun.keywords.items()}
        return functools.partial(self.of(fun.func), *map(self.of, fun.args), **named)

    def _tuple(self, x: Any) -> Any:
        return tuple.__new__(type(x), map(self.of, x))

    def _list(self, x: Any) -> Any:
        made = self.made[id(x)] = type(x)()
        made.extend(map(self.of, x))
        return made

    def _dict(self, x: Any) -> Any:
        made = self.made[id(x)] = x.copy()
        made.update({name: self.of(y) for name, y in x.items()})
        return made

    def _object(self, x: Any) -> Any:
        try:
            made = self.made[id(x)] = object.__new__(type(x))
        except TypeError:  # derived from a number, say
            return x
        for name in _attributes(x):
            value = self.of(getattr(x, name))
            if name in getattr(x, "__dict__", ()):
                made.__dict__[name] = value
            else:
                object.__setattr__(made, name, value)
        return made


MAKE: dict[type, Callable[[_Remade, Any], Any]] = {
    FunctionType: _Remade._function,
    MethodType: _Remade._method,
    functools.partial: _Remade._partial,
    tuple: _Remade._tuple,
    list: _Remade._list,
    dict: _Remade._dict,
}
