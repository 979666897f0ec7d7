"""The line of Python that shows a failure again: imports, and a call with arguments in full where they are small."""

import contextlib
import dataclasses
import functools
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..arrays import namespace, on_host
from ..errors import name_of
from ..pytree import flatten

SHOWN_AGAIN = "Shown again by: "

IN_FULL = 1000
"""The most values of an array that are written out; for a larger one, random values stand in."""


@contextlib.contextmanager
def reproducible(
    check: str, fun: Any, args: Sequence[Any], options: dict[str, Any], settings: dict[str, Any] | None = None
) -> Iterator[None]:
    """Adds to what is raised meanwhile the source of `check(fun, *args, **options)`, unless it has such a note.

    Options that are None are left out. `settings` are those of a `check` that is made first, `check(**settings)`.
    """
    try:
        yield
    except Exception as error:
        if not any(note.startswith(SHOWN_AGAIN) for note in getattr(error, "__notes__", ())):
            uses: Uses = []
            made = f"{check}({', '.join(named_sources(settings, uses))})" if settings else check
            given = {name: value for name, value in options.items() if value is not None}
            arguments = [source_of(fun, uses), *[source_of(x, uses) for x in args], *named_sources(given, uses)]
            lines = [*_libraries(args), f"from vmapcore.testing import {check}", *_imports(uses)]
            error.add_note(SHOWN_AGAIN + "; ".join([*lines, f"{made}({', '.join(arguments)})"]) + _unnamed(uses))
        raise


Uses = list[Any]
"""The functions and classes that a source names."""


def named_sources(values: dict[str, Any], uses: Uses) -> list[str]:
    """Python source for keyword arguments."""
    return [f"{name}={source_of(value, uses)}" for name, value in values.items()]


def _function_source(fun: Any, uses: Uses) -> str:
    """How a call names a function or class."""
    if isinstance(fun, functools.partial):
        uses.append(functools.partial)
        arguments = [source_of(fun.func, uses), *[source_of(x, uses) for x in fun.args]]
        return f"partial({', '.join([*arguments, *named_sources(fun.keywords, uses)])})"
    uses.append(fun)
    module, name = _place(fun)
    return f"np.{name}" if module == "numpy" else name


def _imports(uses: Uses) -> list[str]:
    """The imports by which a source means what it uses."""
    places = dict.fromkeys([_place(fun) for fun in uses])
    return [f"from {module} import {name}" for module, name in places if module not in ("numpy", "builtins", *HERE)]


def _unnamed(uses: Uses) -> str:
    """A comment on what no module has, so that there is no way to import it."""
    names = dict.fromkeys([name for module, name in map(_place, uses) if module in HERE])
    return f"  # where {' and '.join(names)} can be seen" if names else ""


HERE = (None, "__main__")
"""The modules from which nothing is imported: the names are those of the place where the check was called."""


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
    if names:
        return min(names, key=lambda place: (place[0] != own, len(place[0])))
    name = name_of(fun)
    return None, name if name.isidentifier() else "fun"


def source_of(x: Any, uses: Uses | None = None) -> str:
    """Python source for an argument; appends to `uses` what it names."""
    uses = [] if uses is None else uses
    if type(x) is dict:
        return "{" + ", ".join([f"{key!r}: {source_of(value, uses)}" for key, value in x.items()]) + "}"
    if type(x) in (tuple, list):
        parts = ", ".join([source_of(value, uses) for value in x])
        return f"[{parts}]" if type(x) is list else f"({parts},)" if len(x) == 1 else f"({parts})"
    fields = _fields(x)
    if fields is not None:
        return f"{_function_source(type(x), uses)}({', '.join(named_sources(fields, uses))})"
    if isinstance(x, np.dtype):
        return f"np.dtype({x.str!r})"
    if hasattr(x, "dtype") and not isinstance(x, type):
        return _array_source(x)
    if callable(x):
        return _function_source(x, uses)
    return _with_names(repr(x)) if isinstance(x, (float, complex)) else repr(x)


def _fields(x: Any) -> dict[str, Any] | None:
    """The fields of a dataclass or a named tuple."""
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        return {f.name: getattr(x, f.name) for f in dataclasses.fields(x) if f.init}
    return x._asdict() if isinstance(x, tuple) and hasattr(x, "_asdict") else None


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
