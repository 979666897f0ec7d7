"""Methods of the user's classes, which exist before a transform runs, and see its names while it does.

A class that a running function meets is lent: in place of each method stands a descriptor, which in the context of the
run gives the method as it is seen there, and in any other, such as another thread's, the method itself. When the last
run that has met the class ends, it has its methods back.
"""

import functools
import weakref
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from itertools import islice
from opcode import opmap
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from .locks import LENDING
from .tracer import Tracer

SIMPLE = frozenset({int, float, str, bool, complex, bytes, type(None), object, np.ndarray, np.float64})
"""Types and classes without methods of a user's."""

KEPT = {
    *("__new__", "__init_subclass__", "__class_getitem__", "__del__", "__hash__", "__repr__", "__str__", "__format__"),
    *("__getattribute__", "__getattr__", "__setattr__", "__delattr__", "__reduce__", "__reduce_ex__", "__getstate__"),
    *("__setstate__", "__bool__", "__len__", "__index__", "__int__", "__float__", "__complex__", "__array__"),
}
"""Methods that Python and NumPy call by themselves: to find others, to copy, to have a value of one type."""

MOST = 64
"""How many elements of a container are looked at."""


RUN: ContextVar[Any] = ContextVar("run", default=None)
"""What the outermost transform of this context keeps while it runs, its loans among that."""

KINDS = frozenset({FunctionType, staticmethod, classmethod, property, functools.cached_property})
"""What methods are in the dict of a class."""


class Method:
    """Stands in a class for one of its methods while that is lent."""

    def __init__(self, theirs: Any) -> None:
        self.theirs = theirs
        self.__doc__ = theirs.__doc__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        run = RUN.get()
        if run is None:
            return self.theirs.__get__(instance, owner)
        if instance is not None:
            run.meet_parts(instance)
        return _seen(self.theirs, run.seen).__get__(instance, owner)


class Property(Method):
    """Stands for a property, which goes before what an instance has of the same name."""

    def __set__(self, instance: Any, value: Any) -> None:
        run = RUN.get()
        (self.theirs if run is None else _seen(self.theirs, run.seen)).__set__(instance, value)

    def __delete__(self, instance: Any) -> None:
        self.theirs.__delete__(instance)


def _seen(theirs: Any, seen: Callable[[Any], Any]) -> Any:
    """A method, of whichever kind, as it is seen in a run."""
    if type(theirs) is FunctionType:
        return seen(theirs)
    if type(theirs) is property:
        return property(*[f and seen(f) for f in _functions(theirs)])
    made = type(theirs)(*map(seen, _functions(theirs)))
    if type(theirs) is functools.cached_property:
        made.attrname = theirs.attrname
    return made


def _functions(method: Any) -> tuple[Any, ...]:
    """The functions of which a method, of whichever kind, is made."""
    if type(method) is FunctionType:
        return (method,)
    if type(method) is property:
        return method.fget, method.fset, method.fdel
    return (method.func if type(method) is functools.cached_property else method.__func__,)


def _asks(code: CodeType) -> bool:
    """Whether a function reads names that are not its own."""
    inner = [c for c in code.co_consts if isinstance(c, CodeType)]
    return bool(code.co_freevars) or opmap["LOAD_GLOBAL"] in code.co_code[::2] or any(map(_asks, inner))


LENT: dict[type, int] = {}
"""By how many runs a class is lent."""

KNOWN: weakref.WeakKeyDictionary[type, tuple[int, list[tuple[str, Method]]]] = weakref.WeakKeyDictionary()
"""How many names a class has, and what stands for its methods while it is lent."""


class Loans:
    """The classes that one run has met, and objects of theirs."""

    __slots__ = ("ended", "kinds", "objects")

    def __init__(self) -> None:
        self.ended = False  # what was begun inside may go on
        self.kinds: dict[type, bool] = {}
        self.objects: dict[int, Any] = {}

    def seen(self, value: Any) -> Any:
        """What a value is to the run."""
        raise NotImplementedError

    def is_users(self, cls: type) -> bool:
        """Whether a class is not a library's."""
        raise NotImplementedError

    def meet_all(self, values: Iterable[Any]) -> None:
        """Borrows the classes of values, of what is in those that are containers, and so on."""
        for x in values:
            kind = type(x)
            if kind is dict:
                self.meet_all(list(islice(x.values(), MOST)))
            elif kind is list or kind is tuple:
                self.meet_all(x[:MOST])
            else:
                self.meet(x)

    def meet_parts(self, instance: Any) -> None:
        """Borrows the classes of what an object has as its attributes."""
        if id(instance) not in self.objects:
            self.objects[id(instance)] = instance
            self.meet_all(list(getattr(instance, "__dict__", {}).values()))

    def meet(self, x: Any) -> None:
        """Borrows a class, or that of an object."""
        kind = type(x)
        if kind in SIMPLE or isinstance(x, Tracer):
            return
        kind = x if isinstance(x, type) else kind
        if kind in self.kinds or self.ended:
            return
        for cls in kind.__mro__:
            if cls is not object and cls not in self.kinds:
                self.kinds[cls] = False  # which its methods may refer to
                self.kinds[cls] = self.is_users(cls) and self._borrow(cls)

    def _borrow(self, cls: type) -> bool:
        names = vars(cls)
        with LENDING:
            size, methods = KNOWN.get(cls, (0, []))
            if size != len(names) or not all((x := names.get(n)) is ours.theirs or x is ours for n, ours in methods):
                methods = [(n, ours) for n, x in list(names.items()) if (ours := self._standing_for(n, x))]
                KNOWN[cls] = len(names), methods
            for name, ours in methods:
                if names[name] is not ours:
                    type.__setattr__(cls, name, ours)
            if methods:
                LENT[cls] = LENT.get(cls, 0) + 1
        return bool(methods)

    def _standing_for(self, name: str, x: Any) -> Method | None:
        """What stands for an attribute of a class while that is lent, if it is a method that is seen as another."""
        if isinstance(x, Method):
            return x
        if type(x) not in KINDS or name in KEPT:
            return None
        functions = [f for f in _functions(x) if type(f) is FunctionType]
        changes = any(_asks(f.__code__) and self.seen(f) is not f for f in functions)
        return (Property(x) if isinstance(x, property) else Method(x)) if changes else None

    def give_back(self) -> None:
        """Ends the loans of this run."""
        self.ended = True
        for cls, borrowed in self.kinds.items():
            if borrowed:
                with LENDING:
                    LENT[cls] -= 1
                    if not LENT[cls]:
                        del LENT[cls]
                        self._restore(cls)

    def _restore(self, cls: type) -> None:
        names = vars(cls)
        for name, ours in KNOWN[cls][1]:
            if names.get(name) is ours:
                type.__setattr__(cls, name, ours.theirs)
