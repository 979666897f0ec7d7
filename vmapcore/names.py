"""What the names in a user's function mean while a transform runs it: `np`, `math`, `float`, `max`, other functions.

A function that is transformed runs as another of the same code, whose globals are a view of its module's. The view
finds what the module has, but in place of NumPy, `math` and Python's built-in functions forms of them that know traced
values, which `vmapcore.numpy` and `scalars` declare here; and the user's functions and modules are seen the same way.
Nothing is put into the user's module or into NumPy; libraries' code is left as it is. Methods are lent: see `methods`.
"""

import builtins
import functools
import operator
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from opcode import opmap
from types import CellType, CodeType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any

import numpy as np

from .converting import APART, code_of
from .errors import PACKAGE
from .methods import ABSENT, PARTS, RUN, SIMPLE, Loans
from .modules import LATER, declare_imported, is_library
from .outside import inside, outside
from .tracer import Tracer

INSTEAD: dict[Any, Any] = {}
"""What a name means that means this in the user's module."""

KINDS: set[type] = set()
"""The types of what is there: anything of another is not looked for, and need not have a hash."""

STAND_INS: set[type] = set()
"""The types of what stands for a value of another: it says by `__class__` of which."""

BUILTINS: dict[str, Any] = {}
"""The forms of Python's built-in functions, by name."""

PLAIN = frozenset({int, float, str, bool, complex, bytes, type(None), set, np.float64})
"""Types common enough to be known at a glance for having one meaning."""


def stands_for(ours: Any, theirs: Any) -> Any:
    """Declares that a name of `theirs` means `ours` while a transform runs, and returns it."""
    INSTEAD[theirs] = ours
    KINDS.add(type(theirs))
    name = str(getattr(theirs, "__name__", ""))
    if getattr(builtins, name, None) is theirs:
        BUILTINS[name] = ours
    return ours


# Runs.


class NamesRun(Loans):
    """What is kept for as long as the outermost transform of a context runs."""

    __slots__ = ("cells", "containers", "functions")

    def __init__(self) -> None:
        Loans.__init__(self)
        self.containers: dict[int, tuple[Any, Any, Any]] = {}
        self.cells: dict[int, tuple[CellType, CellType, Any]] = {}
        self.functions: dict[tuple[int, bool], tuple[Any, Any]] = {}

    def seen(self, value: Any) -> Any:
        return given(value)

    def function(self, fun: FunctionType) -> Any:
        return INSTEAD.get(fun) or _function(fun)

    def is_users(self, cls: type) -> bool:
        return not is_library(cls.__module__, getattr(sys.modules.get(cls.__module__), "__file__", None))

    def end(self) -> None:
        """Carries over what was assigned, and gives classes their methods back."""
        if ASSIGNED:
            for view in list(ASSIGNED.values()):
                view.carry_over()
        for theirs, cell, value in self.cells.values():
            if cell.cell_contents is not value:
                theirs.cell_contents = inside(cell.cell_contents)
        for theirs, ours, was in self.containers.values():
            _carry_over_items(theirs, ours, was)
        self.give_back()


def call_user(fun: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """Calls a user's function, for a transform: the names that it sees are those that know traced values."""
    run = RUN.get()
    if run is not None and not run.ended:
        return seen(fun)(*_arguments(args), **_named(kwargs))
    if LATER:
        declare_imported()
    before, run = run, NamesRun()
    try:
        RUN.set(run)
        return seen(fun)(*_arguments(args), **_named(kwargs))
    finally:  # as set, since an interrupt may come after each call
        RUN.set(before)
        run.end()


def _named(kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    return dict(zip(kwargs, _arguments([*kwargs.values()]), strict=True)) if kwargs else kwargs


def _arguments(args: Sequence[Any]) -> list[Any]:
    return [x if isinstance(x, Tracer) or type(x) in PLAIN or type(x) is np.ndarray else seen(x) for x in args]


def plain(fun: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a function that transforms run with the names of its module as they are.

    Law:  plain(fun)(x) == fun(x)

    Inside a transform, `np.zeros`, `float` or `max` in `fun` and in what it calls are then NumPy's and Python's own.

    Example:
        >>> from vmapcore import vmap
        >>> vmap(plain(lambda x: x * float(2)))(np.arange(3.0))
        array([0., 2., 4.])
    """

    names = getattr(fun, "__globals__", None)
    if type(fun) is FunctionType and type(names) is SeenNames:  # called inside a transform
        fun = _with_names(fun, names.module, fun.__closure__)

    @functools.wraps(fun)
    def with_its_own_names(*args: Any, **kwargs: Any) -> Any:
        run = RUN.get()
        try:
            RUN.set(None)
            return fun(*args, **kwargs)
        finally:
            RUN.set(run)

    return with_its_own_names


# Views of globals.


class Builtins(dict[str, Any]):
    """The `__builtins__` of a view: what Python takes from there by itself, and for other names the view."""

    __slots__ = ("view",)

    def __init__(self, view: "SeenNames") -> None:
        self.view = weakref.ref(view)
        self.update({name: getattr(builtins, name) for name in ("__build_class__", "getattr", "iter", "reversed")})
        self["__import__"] = functools.partial(_import, view.module)

    def __missing__(self, name: str) -> Any:
        view = self.view()
        assert view is not None  # the function that asks has it
        return view[name]


def _import(names: Any, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
    module = builtins.__import__(name, names, locals, fromlist, level)
    if LATER:
        declare_imported()
    return seen(module)


PASSED_ON = ("__name__", "__package__", "__spec__", "__loader__", "__builtins__", "__warningregistry__")
"""What C code takes from the memory of globals."""


class SeenNames(dict[str, Any]):
    """The globals of a user's module as a transformed function sees them.

    The interpreter reads them by `__getitem__`, and writes (`global x; x = v`) to the memory of the dict, from which
    that is carried over to the module.
    """

    __slots__ = ("__weakref__", "found", "functions", "module", "proxy")

    def __init__(self, module: dict[str, Any]) -> None:
        self.module = module
        self.found: dict[str, tuple[Any, Any]] = {}
        self.functions: dict[tuple[str, int, bool], tuple[FunctionType, FunctionType, Any]] = {}
        self.proxy: UsersModule | None = None
        self.update({name: module.get(name) for name in PASSED_ON})
        self["__builtins__"], self["__warningregistry__"] = Builtins(self), module.get("__warningregistry__", {})

    def __getitem__(self, name: str) -> Any:
        if len(self) > len(PASSED_ON):
            self.carry_over()
        value = self.module.get(name, ABSENT)
        kind = type(value)
        if kind in PLAIN:
            return value
        if kind is np.ndarray:
            return outside(value)
        if value is ABSENT:
            return BUILTINS[name] if name in BUILTINS else self._builtin(name)
        if kind is FunctionType:  # whose code and defaults may be set to others
            return INSTEAD.get(value) or _function(value)
        if kind not in KINDS or kind is type:
            return seen(value)  # by each run anew
        found = self.found.get(name)
        if found is None or found[0] is not value:
            found = self.found[name] = value, seen(value)
        return found[1]

    def _builtin(self, name: str) -> Any:
        if name == "globals":
            return lambda: self.module
        if name == "__import__":
            return functools.partial(_import, self.module)
        theirs = self.module.get("__builtins__", builtins)
        return (theirs if isinstance(theirs, dict) else vars(theirs))[name]

    def carry_over(self) -> None:
        """Puts into the module what was assigned to its globals."""
        for name in list(self):
            if name not in PASSED_ON:
                self.module[name] = inside(self.pop(name))


VIEWS: dict[int, SeenNames] = {}
"""Of modules that were imported, which stay, by the id of their globals."""

OTHERS: weakref.WeakValueDictionary[int, SeenNames] = weakref.WeakValueDictionary()
"""Of other globals, as those of a doctest: a view goes with the last function that has it."""

ASSIGNED: dict[int, SeenNames] = {}
"""Those to which a function that was seen may assign."""


def view_of(names: dict[str, Any]) -> SeenNames | None:
    """The view of the globals of a user's module; None for a library's."""
    view = VIEWS.get(id(names)) or OTHERS.get(id(names))
    if view is None and not is_library(name := names.get("__name__"), names.get("__file__")):
        view = SeenNames(names)
        stays = getattr(sys.modules.get(name or ""), "__dict__", None) is names
        (VIEWS if stays else OTHERS)[id(names)] = view
    return view


class UsersModule(ModuleType):
    """A module of the user's, in which functions are seen as in a view."""

    def __init__(self, theirs: ModuleType, view: SeenNames) -> None:
        self.__dict__.clear()
        self.__dict__.update(_theirs=theirs, _view=view)

    def __getattr__(self, name: str) -> Any:
        return self._view[name] if name in self._view.module else seen(getattr(self._theirs, name))

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._theirs, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._theirs, name)

    def __dir__(self) -> list[str]:
        return dir(self._theirs)

    def __repr__(self) -> str:
        return repr(self._theirs)


# Values, as they are seen.


def seen(value: Any) -> Any:
    """What a name of `value` means to a transformed function: a form of it that knows traced values, or itself."""
    kind = type(value)
    if kind in KINDS and (found := INSTEAD.get(value)) is not None:
        return found
    see = SEES.get(kind)
    if see is not None:
        return see(value)
    if PARTS[kind]:
        return sees_as_base(kind)(value)
    if isinstance(value, tuple) and _changes(value):  # a named one
        return tuple.__new__(kind, map(seen, value))
    run = RUN.get()
    if run is not None:
        run.meet(value)
    return value


def _names_for(fun: FunctionType) -> dict[str, Any] | None:
    """The globals with which a function is seen; None where it is as it is."""
    names = fun.__globals__
    if type(names) is SeenNames:
        return None
    view = view_of(names)
    if view is None and hasattr(fun, "__wrapped__") and not fun.__code__.co_filename.startswith(PACKAGE):
        return names  # what a library makes of a user's function, as contextlib does: other cells, and the same names
    return view


def _function(fun: FunctionType) -> Any:
    names = VIEWS.get(id(fun.__globals__)) or _names_for(fun)
    if names is None:
        return fun
    apart = APART.get()
    if fun.__closure__ is None and isinstance(names, SeenNames):
        key = fun.__qualname__, fun.__code__.co_firstlineno, apart  # methods and lambdas have names of others
        known = names.functions.get(key)
        if (
            known is None
            or known[0] is not fun
            or known[1].__code__ is not code_of(fun.__code__, apart)
            or known[2] is not fun.__defaults__
        ):
            known = fun, _with_names(fun, names, None, apart), fun.__defaults__
            names.functions[key] = known
        elif fun.__kwdefaults__ or known[1].__kwdefaults__:
            known[1].__kwdefaults__ = _given_by_name(fun)
        return known[1]
    run = RUN.get()
    if run is None:
        return fun
    each = id(fun), apart
    if each not in run.functions:
        cells = tuple([_cell(run, cell) for cell in fun.__closure__ or ()]) or None
        run.functions.setdefault(each, (fun, _with_names(fun, names, cells, apart)))  # a cell may have had it
    return run.functions[each][1]


def _with_names(fun: FunctionType, names: dict[str, Any], cells: Any, apart: bool = False) -> FunctionType:
    """The same function, with other globals and cells."""
    defaults = fun.__defaults__ and tuple(map(given, fun.__defaults__))
    made = FunctionType(code_of(fun.__code__, apart), names, fun.__name__, defaults, cells)
    made.__kwdefaults__ = _given_by_name(fun)
    made.__qualname__, made.__doc__, made.__dict__ = fun.__qualname__, fun.__doc__, fun.__dict__
    if isinstance(names, SeenNames) and _assigns(fun.__code__):
        ASSIGNED[id(names)] = names
    return made


def given(value: Any) -> Any:
    """What a function is given of outside, not as an argument: as it is seen, an array that takes traced indices."""
    return outside(value) if type(value) is np.ndarray else seen(value)


def _given_by_name(fun: FunctionType) -> Any:
    return fun.__kwdefaults__ and {name: given(x) for name, x in fun.__kwdefaults__.items()}


def _assigns(code: CodeType) -> bool:
    """Whether a function, or one in it, assigns to globals."""
    return opmap["STORE_GLOBAL"] in code.co_code[::2] or any(_assigns(c) for c in code.co_consts if type(c) is CodeType)


def _cell(run: NamesRun, cell: CellType) -> CellType:
    """A cell with what is in `cell`, as it is seen; the same one where that is itself."""
    try:
        value = cell.cell_contents
    except ValueError:  # not bound yet
        return cell
    if not _changes(value) and type(value) is not np.ndarray:
        seen(value)
        return cell
    if id(cell) not in run.cells:
        made = CellType()
        run.cells[id(cell)] = cell, made, None
        made.cell_contents = given(value)
        run.cells[id(cell)] = cell, made, made.cell_contents
    return run.cells[id(cell)][1]


def _method(method: MethodType) -> Any:
    if PARTS[type(method.__self__)]:
        return getattr(seen(method.__self__), method.__name__)
    run = RUN.get()
    if run is not None:
        run.meet(method.__self__)
        run.meet_parts(method.__self__)
    return MethodType(seen(method.__func__), method.__self__)


def _module(module: ModuleType) -> Any:
    view = view_of(vars(module))
    if view is None:
        return module
    if view.proxy is None:
        view.proxy = UsersModule(module, view)
    return view.proxy


def _partial(fun: functools.partial[Any]) -> Any:
    named = {name: seen(x) for name, x in fun.keywords.items()}
    return functools.partial(seen(fun.func), *map(seen, fun.args), **named)


def _container(value: Any) -> Any:
    """A list, tuple or dict of functions, as they are seen; any other itself. The first items show which it is."""
    items = value.values() if isinstance(value, dict) else value
    run = RUN.get()
    if run is None:
        return value
    if not _changes(value):
        others = [x for x in islice(items, FEW) if type(x) not in SIMPLE]
        if others:
            run.meet_all(others)
        return value
    _, ours, was = run.containers.get(id(value), (None, (), None))
    if was is None or len(was) != len(value):
        seen_items = map(seen, items)
        ours = dict(zip(value, seen_items, strict=True)) if isinstance(value, dict) else type(value)(seen_items)
        run.containers[id(value)] = value, ours, ours if isinstance(ours, tuple) else ours.copy()
    return ours


def _changes(x: Any) -> bool:
    """Whether a value is seen as another, or holds such."""
    kind = type(x)
    if kind in CONTAINERS or isinstance(x, tuple):
        return any(map(_changes, islice(x.values() if kind is dict else x, FEW)))
    return kind in SEES or PARTS[kind] or (kind in KINDS and x in INSTEAD)


def _carry_over_items(theirs: Any, ours: Any, was: Any) -> None:
    """Does to a container what was done to the one that stood for it."""
    if isinstance(ours, list) and (len(ours) != len(was) or any(map(operator.is_not, ours, was))):
        back = {id(x): y for x, y in zip(was, theirs, strict=False)}
        theirs[:] = [back.get(id(x), x) for x in ours]
    elif isinstance(ours, dict):
        theirs.update({name: x for name, x in ours.items() if name not in was or was[name] is not x})
        for name in was.keys() - ours.keys():
            theirs.pop(name, None)


def sees_as_base(kind: type) -> Callable[[Any], Any]:
    """What is seen of a value whose type derives from one of `SEES`, and from now on of all such."""
    see = SEES[kind] = next(SEES[base] for base in kind.__mro__ if base in SEES)
    return see


CONTAINERS = (list, tuple, dict)
FEW = 8

SEES: dict[type, Callable[[Any], Any]] = {
    FunctionType: _function,
    MethodType: _method,
    ModuleType: _module,
    functools.partial: _partial,
    list: _container,
    tuple: _container,
    dict: _container,
}
"""By types: what is seen of a value."""
