"""What may be done by some rows alone: all that does nothing but return a value."""

import functools
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import numpy as np

from ..converting import CONVERTED, converted
from ..tracer import Tracer
from .meeting import PLAIN

VALUES = PLAIN | {tuple, frozenset, type, slice}
READS = frozenset({"get", "keys", "values", "items", "index", "count", "copy", "union", "intersection", "difference"})
WRITES = frozenset({"sort", "fill", "put", "partition", "resize", "itemset", "setflags", "setfield"})
LIBRARIES = ("builtins", "numpy", "math", "cmath", "scipy", "operator", "vmapcore", "statistics")
EFFECTS = frozenset(
    {"setattr", "delattr", "exec", "eval", "open", "input", "next"}
    | {"copyto", "put", "place", "putmask", "fill_diagonal", "put_along_axis", "shuffle", "at"}
)


def is_library(module: Any) -> bool:
    module = module or ""
    return module.partition(".")[0] in LIBRARIES and "random" not in module


def is_pure(rows: Any, f: Any) -> bool:
    """Whether a function does nothing but return a value, or draw numbers for each row, or says what it does."""

    def says(f: Any) -> bool | None:
        if isinstance(f, FunctionType):
            code = f.__code__
            return code in CONVERTED or (converted(code) is None and code in CONVERTED) or None
        if isinstance(f, MethodType):
            return isinstance(f.__self__, Tracer) or None
        sharing = getattr(getattr(f, "source", None), "lanes", None)  # of a method of a generator
        if sharing is not None:
            return rows.trace in sharing
        return (isinstance(f, BuiltinFunctionType) and id(f.__self__) in rows.scope.fresh) or None

    return computes(f, says)


def computes(f: Any, says: Callable[[Any], bool | None]) -> bool:
    """Whether a function does nothing but return a value, as `says` of those that it knows."""
    if getattr(f, "__name__", "") in EFFECTS:
        return False
    if (known := says(f)) is not None:
        return known
    if isinstance(f, FunctionType):
        return is_library(f.__module__)
    if isinstance(f, MethodType):
        return computes(f.__func__, says)
    if isinstance(f, BuiltinFunctionType):
        owner = f.__self__
        if type(owner) in (list, dict, set):
            return f.__name__ in READS
        if isinstance(owner, np.ndarray):
            return f.__name__ not in WRITES
        return type(owner) in VALUES or is_library(f.__module__) or f.__module__ == "builtins"
    if isinstance(f, functools.partial):
        return computes(f.func, says)
    if isinstance(f, type):
        return f in VALUES or f in (list, dict, set, range, enumerate, zip, map) or issubclass(f, Exception)
    return isinstance(f, np.ufunc) or (is_library(type(f).__module__) and is_library(getattr(f, "__module__", "")))
