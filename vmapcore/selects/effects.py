"""Which functions do nothing but compute, as far as that can be seen: only such run in an arm that some take."""

import ast
import functools
import types
from collections.abc import Mapping
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from ..converting import source_of
from ..converting.purity import COMPUTES, changed, read
from ..converting.walks import COMPREHENSIONS, assigned
from ..lanes.effects import READS, WRITES, computes, is_library
from ..tracer import Tracer

METHODS = frozenset(dir(np.ndarray)) - WRITES | READS
MAKES = frozenset(
    {"zeros", "ones", "empty", "full", "zeros_like", "ones_like", "empty_like", "full_like", "array", "copy"}
)
"""What makes an array that nobody else has."""

STATEMENTS = (
    *(ast.Assign, ast.AnnAssign, ast.AugAssign, ast.If, ast.For, ast.While, ast.Return, ast.Pass, ast.Break),
    *(ast.Continue, ast.Raise, ast.Assert, ast.Expr),
)


def is_pure(f: Any, within: tuple[Any, ...] = ()) -> bool:
    """Whether a function does nothing but return a value."""

    def says(f: Any) -> bool | None:
        if isinstance(f, FunctionType) and not is_library(f.__module__):
            return f.__code__ not in within and _computes(f, (*within, f.__code__))
        if isinstance(f, MethodType) and isinstance(f.__self__, Tracer):
            return f.__name__ not in WRITES
        return None

    return computes(f, says)


def _computes(f: FunctionType, within: tuple[Any, ...]) -> bool:
    """Whether a user's function does nothing but compute, with functions that do so."""
    plan = _calls(f.__code__)
    if plan is None:
        return False
    cells = dict(zip(f.__code__.co_freevars, f.__closure__ or (), strict=True))
    for path in plan:
        called = _found(f.__globals__, cells, path)
        if called is None or not is_pure(called, within):
            return False
    return True


def _found(names: Mapping[str, Any], cells: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """The object of a dotted name; None where there is none, or it is no part of a module."""
    try:
        found = cells[path[0]].cell_contents if path[0] in cells else names[path[0]]
        for name in path[1:]:
            if not isinstance(found, types.ModuleType):
                return None
            found = getattr(found, name)
    except (KeyError, ValueError, AttributeError):
        return None
    return found


@functools.cache
def _calls(code: types.CodeType) -> tuple[tuple[str, ...], ...] | None:
    """The dotted names of what a function calls; None where it does more than compute."""
    node = source_of(code)
    if node is None:
        return None
    body: list[Any] = [ast.Expr(node.body)] if isinstance(node, ast.Lambda) else node.body
    parameters = {x.arg for x in ast.walk(node.args) if isinstance(x, ast.arg)}
    own = parameters | set(assigned(body))
    allowed = (*COMPUTES, *COMPREHENSIONS, ast.comprehension, *STATEMENTS)
    found: list[tuple[str, ...]] = []
    for x in [x for s in body for x in ast.walk(s)]:
        if not isinstance(x, allowed) or (isinstance(x, ast.Attribute) and not isinstance(x.ctx, ast.Load)):
            return None
        if isinstance(x, ast.Call):
            path = _path(x.func)
            if path and path[0] not in own:
                found.append(path)
            elif not (isinstance(x.func, ast.Attribute) and x.func.attr in METHODS):
                return None
    if not changed(body) <= _made(body) - parameters:
        return None
    return tuple(dict.fromkeys(found))


def _path(node: Any) -> tuple[str, ...] | None:
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *names[::-1]) if isinstance(node, ast.Name) else None


def _made(body: list[Any]) -> set[str]:
    """The variables that are nothing but numbers and arrays which the function has made."""
    found: set[str] = set()
    others: set[str] = set()
    for x in [x for s in body for x in ast.walk(s)]:
        if isinstance(x, (ast.Assign, ast.AnnAssign)):
            targets = x.targets if isinstance(x, ast.Assign) else [x.target]
            for t in targets:
                if isinstance(t, ast.Name):
                    (found if _makes(x.value) else others).add(t.id)
                else:
                    others.update(n for n in read(t) if not isinstance(t, ast.Subscript))
                    others.update(y.id for y in ast.walk(t) if isinstance(y, ast.Name) and isinstance(y.ctx, ast.Store))
        elif isinstance(x, ast.For):
            others.update(y.id for y in ast.walk(x.target) if isinstance(y, ast.Name))
    return found - others


def _makes(value: Any) -> bool:
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Attribute) and value.func.attr in MAKES
    return isinstance(value, (ast.Constant, ast.BinOp))
