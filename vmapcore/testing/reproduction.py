"""The line of Python that shows a failure again: imports, and a call with arguments in full where they are small."""

import contextlib
import dataclasses
import functools
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..arrays import namespace
from ..errors import name_of
from ..pytree import flatten
from .compare import on_host

SHOWN_AGAIN = "Shown again by: "

IN_FULL = 1000
"""The most values of an array that are written out; for a larger one, random values stand in."""


@contextlib.contextmanager
def reproducible(check: str, fun: Any, args: Sequence[Any], options: dict[str, Any]) -> Iterator[None]:
    """Adds to what is raised meanwhile the source of `check(fun, *args, **options)`, unless it has such a note.

    Options that are None are left out.
    """
    try:
        yield
    except Exception as error:
        if not any(note.startswith(SHOWN_AGAIN) for note in getattr(error, "__notes__", ())):
            imports = [*_libraries(args), f"from vmapcore.testing import {check.partition('(')[0]}", *_imports(fun)]
            given = {name: value for name, value in options.items() if value is not None}
            arguments = [function_source(fun), *map(source_of, args), *named_sources(given)]
            error.add_note(SHOWN_AGAIN + "; ".join([*imports, f"{check}({', '.join(arguments)})"]))
        raise


def named_sources(values: dict[str, Any]) -> list[str]:
    """Python source for keyword arguments."""
    return [f"{name}={source_of(value)}" for name, value in values.items()]


def function_source(fun: Any) -> str:
    """How a call names `fun`."""
    if isinstance(fun, functools.partial):
        arguments = [function_source(fun.func), *map(source_of, fun.args), *named_sources(fun.keywords)]
        return f"partial({', '.join(arguments)})"
    module, name = _place(fun)
    return f"np.{name}" if module == "numpy" else name


def _imports(fun: Any) -> list[str]:
    """The imports by which `function_source(fun)` means `fun`."""
    if isinstance(fun, functools.partial):
        return ["from functools import partial", *_imports(fun.func)]
    module, name = _place(fun)
    return [] if module in ("numpy", "__main__", None) else [f"from {module} import {name}"]


def _libraries(args: Sequence[Any]) -> list[str]:
    """The imports of the libraries of arrays."""
    xp = namespace(flatten(list(args))[0])
    return ["import numpy as np", *([] if xp is np else [f"import {xp.__name__}"])]


def _place(fun: Any) -> tuple[str | None, str]:
    """A module that has `fun`, if one does, and its name there."""
    names = [
        (module, name)
        for module, found in list(sys.modules.items())
        for name, value in list(getattr(found, "__dict__", {}).items())
        if value is fun
    ]
    own = getattr(fun, "__module__", None)
    return min(names, key=lambda place: (place[0] != own, len(place[0]))) if names else (None, name_of(fun))


def source_of(x: Any) -> str:
    """Python source for an argument."""
    if type(x) is dict:
        return "{" + ", ".join([f"{key!r}: {source_of(value)}" for key, value in x.items()]) + "}"
    if type(x) in (tuple, list):
        parts = ", ".join([source_of(value) for value in x])
        return f"[{parts}]" if type(x) is list else f"({parts},)" if len(x) == 1 else f"({parts})"
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        fields = [f"{f.name}={source_of(getattr(x, f.name))}" for f in dataclasses.fields(x)]
        return f"{type(x).__name__}({', '.join(fields)})"
    if hasattr(x, "dtype"):
        return _array_source(x)
    if callable(x):
        return function_source(x)
    return _with_names(repr(x)) if isinstance(x, (float, complex)) else repr(x)


def _array_source(x: Any) -> str:
    xp = namespace((x,))
    source = _host_source(x)
    return source if xp is np else f"{xp.__name__}.asarray({source})"


def _host_source(x: Any) -> str:
    if x.size > IN_FULL:
        return f"np.random.default_rng(0).uniform(-2, 2, {x.shape}).astype('{x.dtype}')"
    values = on_host(x)
    if x.dtype.kind == "c" and not np.isfinite(values).all():  # the repr of a complex NaN is no Python
        pairs = np.stack([values.real, values.imag], -1).tolist()
        return f"np.array({_with_names(repr(pairs))}, '{values.real.dtype}').view('{x.dtype}')[..., 0]"
    shape = "" if x.size else f".reshape({x.shape})"
    return f"np.array({_with_names(repr(values.tolist()))}, '{x.dtype}'){shape}"


def _with_names(text: str) -> str:
    return text.replace("nan", "np.nan").replace("inf", "np.inf")
