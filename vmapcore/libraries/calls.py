"""A call of a SciPy function that takes a user's functions: of traced values in them, an operation."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from types import BuiltinFunctionType
from typing import Any

import numpy as np

from ..arrays import is_array
from ..batched import BatchedTensor
from ..core import RUNNING
from ..errors import ArgumentError, ConcretizationError, MissingRuleError, OptionError, ShapeError
from ..methods import ABSENT, RUN
from ..names import call_user, seen
from ..numpy import Dispatching
from ..opaque import untraced
from ..recording import RecordTracer
from ..rules.creation import as_array
from ..tracer import Tracer
from .closures import Closed, known
from .operations import PlainRun, Rule

Path = tuple[Any, ...]


class Calling(Dispatching):
    """A function of SciPy's that calls functions of the user's; `ours(call)` where there are traced values in them."""

    def __init__(self, theirs: Any, ours: Callable[["SolverCall"], Any], name: str) -> None:
        Dispatching.__init__(self, theirs, ours)
        self.name = name
        self.signature = inspect.signature(_any if isinstance(theirs, BuiltinFunctionType) else theirs)

    def __call__(self, *args: Any, **options: Any) -> Any:
        args, options = tuple(map(known, args)), {name: known(x) for name, x in options.items()}
        closed = Closed((args, options))
        if not closed.leaves:
            result = on_plain_values(self.name, self.theirs, *args, **options)
            return self._made(result, args, options) if RUNNING.get() else result
        bound = self.signature.bind(*args, **options)
        return self.applied(SolverCall(self.name, self.theirs, bound))


def _itself(x: Any) -> Any:
    return x


def _any(*args: Any, **options: Any) -> None:
    """Has the signature of what has none, as it is compiled."""


def on_plain_values(name: str, fun: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Calls a function of SciPy's as no transform does."""
    try:
        return untraced(fun, *args, **options)
    except ConcretizationError as error:
        fact = f"a function that is passed uses a traced value in a way that cannot be seen ({error})"
        allowed = "it may close over traced values, alone, in containers and as attributes of objects"
        raise ArgumentError(name, fact, allowed, "Pass them with args=") from error


class Truth:
    """What was True for all when it was recorded, and stays so once it is asked for; until then a traced value."""

    def __init__(self, call: "SolverCall", path: Path, traced: Any) -> None:
        self.call, self.path, self.traced = call, path, traced

    def asked(self) -> Any:
        self.call.held.add(self.path)
        return np.True_


class Result(dict[str, Any]):
    """What SciPy returns as an object, of traced values."""

    def __getitem__(self, name: str) -> Any:
        value = dict.__getitem__(self, name)
        return value.asked() if isinstance(value, Truth) else value

    def __getattr__(self, name: str) -> Any:
        if name not in self:
            raise AttributeError(f"{name!r} is no part of the result where there are traced values")
        return self[name]

    def __dir__(self) -> list[str]:
        return [*self]


class SolverCall:
    """The arguments of one call, as a function of the traced values in them."""

    def __init__(self, name: str, theirs: Callable[..., Any], bound: inspect.BoundArguments) -> None:
        self.name = name
        self.theirs = theirs
        self.bound = bound
        self.closed = Closed.as_it_is_now(dict(bound.arguments))
        self.form: Returned | None = None
        self.held: set[Path] = set()  # what is True, and taken to stay so

    @property
    def leaves(self) -> list[Tracer]:
        return self.closed.leaves

    def given(self, leaves: Sequence[Any]) -> dict[str, Any]:
        """The arguments by name, those that were left out too, with other leaves; functions as they are seen here."""
        whole = inspect.BoundArguments(self.bound.signature, self.closed(leaves))
        whole.apply_defaults()
        see = seen if RUN.get() is not None else _itself
        return {name: see(x) if callable(x) else x for name, x in whole.arguments.items()}

    def of_scipy(self, *leaves: Any) -> Any:
        """What SciPy returns for these leaves, which are plain."""
        whole = inspect.BoundArguments(self.bound.signature, self.closed(leaves))
        return on_plain_values(self.name, self.theirs, *whole.args, **whole.kwargs)

    def run(self, *leaves: Any) -> list[Any]:
        """The numbers and arrays of it."""
        return self.noted(Returned(self.name, self.of_scipy(*leaves))).values

    def noted(self, form: "Returned") -> "Returned":
        """A result, which is of the form of others."""
        for path, value in zip(form.paths, form.values, strict=True):
            self.check_held(path, value)
        if self.form is None:
            self.form = form
        else:
            self.form.check(form)
        return form

    def check_held(self, path: Path, value: Any) -> None:
        """Raises if what was True for a recording is not."""
        if path in self.held and not value:
            fact = f"{path[-1]} is False, and was True for all when the call was recorded"
            raise OptionError(self.name, fact, "what a recording does then it does always")

    def solved(self, push: Rule, pull: Rule, rows: Rule | None = None, like: Rule | None = None) -> Any:
        """What SciPy returns, of traced values; of a batch of none, what `like` makes of the arguments."""
        op = PlainRun(self.name, self.run, push, pull, rows)
        if like is not None:
            op.instead = lambda *leaves: self.noted(Returned(self.name, like(self.given(leaves)))).values
        outs = op(*self.leaves)
        assert self.form is not None
        return self.form.of([self.alike(path, x) for path, x in zip(self.form.paths, outs, strict=True)])

    def alike(self, path: Path, x: Any) -> Any:
        """A bool or an int that is the same for all rows, as that; what is True for all under a recording stays so."""
        if not isinstance(x, Tracer) or x.dtype.kind not in "biu" or x.shape:
            return x
        value: Any = x
        recorded = False
        while isinstance(value, (BatchedTensor, RecordTracer)):
            recorded = isinstance(value, RecordTracer)
            value = value.value
        if not value.size and x.dtype == bool:
            return np.True_  # as all of none are
        if isinstance(value, Tracer) or not value.size or not (value == value.flat[0]).all():
            return x
        if recorded:
            return Truth(self, path, x) if x.dtype == bool and value.all() else x
        return value.flat[0]


class Returned:
    """What a function returned: its numbers and arrays by their paths, and what is none."""

    def __init__(self, call: str, result: Any) -> None:
        self.call = call
        self.result = result
        self.paths: list[Path] = []
        self.values: list[Any] = []
        self.texts: dict[Path, set[Any]] = {}
        for path, value in _items(result, ()):
            if is_array(value) or isinstance(value, (bool, int, float, complex)):
                self.paths.append(path)
                self.values.append(np.asarray(value)[()])
            else:
                self.texts[path] = {str(value)} if isinstance(value, str) else set()

    def check(self, other: "Returned") -> None:
        """Raises unless another result is of this form."""
        for path, a, b in zip(self.paths, self.values, other.values, strict=False):
            if np.shape(a) != np.shape(b):
                name = ".".join(map(str, path)) or "the result"
                fact = f"{name} has shape {np.shape(b)}, and for another row or call {np.shape(a)}"
                raise ShapeError(self.call, fact, "it must have one shape for all")
        if self.paths != other.paths:
            raise ShapeError(self.call, "its result has other parts than for another row or call")
        for path, texts in other.texts.items():
            self.texts.setdefault(path, set()).update(texts)

    def of(self, values: Sequence[Any]) -> Any:
        """The result with these numbers and arrays."""
        return _rebuilt(self.result, (), dict(zip(self.paths, values, strict=True)), self.texts)


def _items(x: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(x, dict):
        for name, part in x.items():
            yield from _items(part, (*path, name))
    elif isinstance(x, (list, tuple)):
        for i, part in enumerate(x):
            yield from _items(part, (*path, i))
    elif is_array(x) and x.dtype.kind not in "biufc":
        yield path, None
    else:
        yield path, x


def _rebuilt(x: Any, path: Path, values: dict[Path, Any], texts: dict[Path, set[Any]]) -> Any:
    if isinstance(x, dict):
        parts = {name: _rebuilt(part, (*path, name), values, texts) for name, part in x.items()}
        return Result({name: part for name, part in parts.items() if part is not ABSENT})
    if isinstance(x, (list, tuple)):
        found = [_rebuilt(part, (*path, i), values, texts) for i, part in enumerate(x)]
        return type(x)([part.traced if isinstance(part, Truth) else part for part in found])
    if path in values:
        return values[path]
    if texts.get(path):
        return " | ".join(sorted(texts[path]))
    return None if x is None else ABSENT  # an object of one row is none of the others


# What derivatives are made of.


def applied(fun: Callable[..., Any], *args: Any) -> Any:
    """What a function of the user's returns, as an array."""
    return as_array(call_user(fun, args), None)


def _values_of(x: Any) -> Any:
    while isinstance(x, Tracer):
        x = x.value
    return x


def unknown(call: str, form: Returned, known: Sequence[Path], gs: Sequence[Any]) -> None:
    """Raises if a part of the result has a cotangent that is none of `known`."""
    for path, g in zip(form.paths, gs, strict=True):
        if g is not None and path not in known and np.any(_values_of(g)):
            name = ".".join(map(str, path))
            remedy = "Take it as a constant, with stop_gradient"
            raise MissingRuleError(call, f"{name} of its result has no derivative", "", remedy)
