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
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

from .locks import LENDING
from .outside import inside
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


ABSENT = object()

RUN: ContextVar[Any] = ContextVar("run", default=None)
"""What the outermost transform of this context keeps while it runs, its loans among that."""


class Parts(dict[type, bool]):
    """By types, those derived from others among them: whether attributes of such are seen as others."""

    def __missing__(self, kind: type) -> bool:
        found = self[kind] = issubclass(kind, tuple([base for base, seen in self.items() if seen]))
        return found


PARTS = Parts()

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
        if instance is not None and id(instance) not in run.objects:
            run.meet_parts(instance)
        theirs = self.theirs
        if type(theirs) is FunctionType:  # the common case
            seen = run.function(theirs)
            return seen if instance is None else MethodType(seen, instance)
        return _seen(theirs, run.seen).__get__(instance, owner)


class Property(Method):
    """Stands for a property, which goes before what an instance has of the same name."""

    def __set__(self, instance: Any, value: Any) -> None:
        run = RUN.get()
        (self.theirs if run is None else _seen(self.theirs, run.seen)).__set__(instance, value)

    def __delete__(self, instance: Any) -> None:
        self.theirs.__delete__(instance)


class Held(Method):
    """Stands in a class for one of its attributes that is no method, or an attribute that its instances have."""

    of_instances = own = False

    def __init__(self, name: str, theirs: Any) -> None:
        self.name = name
        self.theirs = theirs  # ABSENT where instances alone have it

    @classmethod
    def instances(cls, kind: type, name: str) -> "Held":
        """For an attribute of the instances of `kind`, which may have or inherit one of that name."""
        held = cls(name, next((vars(c)[name] for c in kind.__mro__ if name in vars(c)), ABSENT))
        held.of_instances, held.own = True, name in vars(kind)
        return held

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        own: dict[str, Any] = getattr(instance, "__dict__", {})
        if self.name in own:
            value = own[self.name]
        elif self.theirs is ABSENT:
            raise AttributeError(f"{owner.__name__!r} object has no attribute {self.name!r}")
        else:
            value = self.theirs.__get__(instance, owner) if hasattr(self.theirs, "__get__") else self.theirs
        run = RUN.get()
        return value if run is None else run.seen(value)

    def __set__(self, instance: Any, value: Any) -> None:
        value = inside(value)
        if hasattr(self.theirs, "__set__"):  # a slot
            self.theirs.__set__(instance, value)
        else:
            instance.__dict__[self.name] = value

    def __delete__(self, instance: Any) -> None:
        if hasattr(self.theirs, "__delete__"):
            self.theirs.__delete__(instance)
        elif self.name in instance.__dict__:
            del instance.__dict__[self.name]
        else:
            raise AttributeError(self.name)


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


ASKING = frozenset(
    op
    for name, op in opmap.items()
    if name in ("LOAD_GLOBAL", "STORE_ATTR", "STORE_SUBSCR") or "CALL" in name or "JUMP_IF" in name or "_IF_" in name
)
"""What reads names that are not a function's own, and what rows may do apart: branch, write, call."""


def _asks(code: CodeType) -> bool:
    """Whether a function may do otherwise while a transform runs: not one of variables and operators alone."""
    inner = [c for c in code.co_consts if isinstance(c, CodeType)]
    return bool(code.co_freevars) or not ASKING.isdisjoint(code.co_code[::2]) or any(map(_asks, inner))


LENT: dict[type, tuple[int, list[tuple[str, Method]]]] = {}
"""By how many runs a class is lent, and what stands for its methods as the last of them found these."""

HELD: dict[tuple[type, str], int] = {}
"""By how many runs an attribute of its instances."""

KNOWN: weakref.WeakKeyDictionary[type, tuple[int, list[tuple[str, Method]], set[str]]] = weakref.WeakKeyDictionary()
"""How many names a class has, what stands for its methods while it is lent, and which names these may index."""

NOTHING: tuple[int, list[tuple[str, Method]], set[str]] = 0, [], set()

SUBSCRIPT = opmap.get("BINARY_SUBSCR", opmap["BINARY_OP"])


def _indexed(code: CodeType) -> set[str]:
    """Names whose values a function may index: all that it has, if it indexes at all."""
    names = set(code.co_names) if SUBSCRIPT in code.co_code[::2] else set()
    return names.union(*[_indexed(c) for c in code.co_consts if isinstance(c, CodeType)])


class Loans:
    """The classes that one run has met, and objects of theirs."""

    __slots__ = ("ended", "held", "indexed", "kinds", "objects", "seeded", "users")

    def __init__(self) -> None:
        self.ended = False  # what was begun inside may go on
        self.kinds: dict[type, bool] = {}
        self.indexed: set[str] = set()
        self.seeded: dict[Any, tuple[Any, Callable[[], None]]] = {}
        """By keys of generators that the function has seeded: what it draws from since, and what leaves that behind."""
        self.held: set[tuple[type, str]] = set()
        self.users: set[type] = set()
        self.objects: dict[int, Any] = {}

    def seen(self, value: Any) -> Any:
        """What a value is to the run."""
        raise NotImplementedError

    def function(self, fun: FunctionType) -> Any:
        """What a user's function is to the run."""
        raise NotImplementedError

    def is_users(self, cls: type) -> bool:
        """Whether a class is not a library's."""
        raise NotImplementedError

    def meet_all(self, values: Iterable[Any]) -> None:
        """Borrows the classes of values, of what is in those that are containers, and so on."""
        for x in values:
            kind = type(x)
            if kind in SIMPLE:
                continue
            if kind is dict:
                self.meet_all(list(islice(x.values(), MOST)))
            elif kind is list or kind is tuple:
                self.meet_all(x[:MOST])
            else:
                self.meet(x)

    def meet_parts(self, instance: Any) -> None:
        """Borrows the classes of what an object has as its attributes."""
        if id(instance) in self.objects:
            return
        self.objects[id(instance)] = instance
        parts = getattr(instance, "__dict__", None) or {}
        slots = getattr(instance, "__slots__", ())
        if slots:
            slots = (slots,) if isinstance(slots, str) else slots
            parts = {**parts, **{name: getattr(instance, name, None) for name in slots}}
        others = [(name, x) for name, x in parts.items() if type(x) not in SIMPLE]
        for name, x in parts.items():
            if name in self.indexed and type(x) is np.ndarray and x.ndim:
                self._hold(type(instance), name)
        for name, x in others:
            if PARTS[type(x)] or (not isinstance(x, Tracer) and self.seen(x) is not x):
                self._hold(type(instance), name)
        if others:
            self.meet_all([x for _, x in others])
        if isinstance(instance, (tuple, list, dict)):
            items = instance.values() if isinstance(instance, dict) else instance
            self.meet_all(list(islice(items, MOST)))

    def meet(self, x: Any) -> None:
        """Borrows a class, or that of an object."""
        kind = type(x)
        if kind in self.users and not self.ended:
            self.meet_parts(x)
            return
        if kind in SIMPLE or self.ended or isinstance(x, Tracer):
            return
        kind = x if isinstance(x, type) else kind
        if kind not in self.kinds:
            for cls in kind.__mro__:
                if cls is not object and cls not in self.kinds:
                    self.kinds[cls] = False  # which its methods may refer to
                    if cls in KNOWN or self.is_users(cls):
                        self.users.add(cls)
                        self.kinds[cls] = self._borrow(cls)
        if kind in self.users and kind is not x:
            self.meet_parts(x)

    def _hold(self, cls: type, name: str) -> None:
        """Has an attribute of the instances of a class seen as another."""
        if (cls, name) in self.held or not self.is_users(cls):
            return
        with LENDING:
            there = vars(cls).get(name)
            if isinstance(there, Held) and not there.of_instances:  # of the class's own attribute
                return
            self.held.add((cls, name))
            HELD[cls, name] = HELD.get((cls, name), 0) + 1
            if HELD[cls, name] == 1:
                type.__setattr__(cls, name, Held.instances(cls, name))

    def _borrow(self, cls: type) -> bool:
        names = vars(cls)
        with LENDING:
            size, methods, indexed = KNOWN.get(cls, NOTHING)
            there = [(n, ours) for n, ours in methods if (x := names.get(n)) is ours.theirs or x is ours]
            if size != len(names) or len(there) != len(methods):
                methods = [(n, ours) for n, x in list(names.items()) if (ours := self._standing_for(n, x))]
                kinds = [*names.values(), *[ours.theirs for _, ours in methods]]
                functions = [f for x in kinds if type(x) in KINDS for f in _functions(x)]
                indexed = set().union(*[_indexed(f.__code__) for f in functions if type(f) is FunctionType])
                KNOWN[cls] = len(names), methods, indexed
            self.indexed |= indexed
            for name, ours in methods:
                if names[name] is not ours:
                    type.__setattr__(cls, name, ours)
            if methods:
                LENT[cls] = (LENT[cls][0] if cls in LENT else 0) + 1, methods
        return bool(methods)

    def _standing_for(self, name: str, x: Any) -> Method | None:
        """What stands for an attribute of a class while that is lent, if it is a method that is seen as another."""
        if isinstance(x, Method):
            return None if isinstance(x, Held) and x.of_instances else x
        if PARTS[type(x)]:
            return Held(name, x)
        if type(x) not in KINDS or name in KEPT:
            return None
        functions = [f for f in _functions(x) if type(f) is FunctionType]
        changes = any(_asks(f.__code__) and self.seen(f) is not f for f in functions)
        return (Property(x) if isinstance(x, property) else Method(x)) if changes else None

    def give_back(self) -> None:
        """Ends the loans of this run."""
        self.ended = True
        for _, leave in self.seeded.values():
            leave()
        for cls, borrowed in self.kinds.items():
            if borrowed:
                with LENDING:
                    runs, methods = LENT.pop(cls)
                    if runs > 1:
                        LENT[cls] = runs - 1, methods
                    else:
                        self._restore(cls, methods)
        for cls, name in self.held:
            with LENDING:
                HELD[cls, name] -= 1
                if not HELD[cls, name]:
                    del HELD[cls, name]
                    self._let_go(cls, name)

    def _restore(self, cls: type, methods: list[tuple[str, Method]]) -> None:
        names = vars(cls)
        for name, ours in methods:
            if names.get(name) is ours:
                type.__setattr__(cls, name, ours.theirs)

    def _let_go(self, cls: type, name: str) -> None:
        ours = vars(cls).get(name)
        if isinstance(ours, Held) and ours.of_instances:
            type.__delattr__(cls, name)
            if ours.own:
                type.__setattr__(cls, name, ours.theirs)
