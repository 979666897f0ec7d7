"""Python's own functions of numbers, `float`, `max`, `math.sin` and their kin, in forms that take traced ones.

Of anything else each is what it was.
"""

import builtins
import cmath
import copyreg
import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from .arrays import on_host
from .errors import ArgumentError, describe
from .names import INSTEAD, STAND_INS, stands_for
from .refusals import TRUTH
from .rules._families import as_scalar
from .rules.chosen import require
from .rules.selected import Selection
from .seen_classes import SeenClass
from .tracer import Tracer, innermost


def _builtin(ours: Callable[..., Any]) -> Callable[..., Any]:
    """Declares the form of the built-in function of the same name, but for the underscore at its end."""
    theirs = getattr(builtins, ours.__name__.rstrip("_"))
    return stands_for(functools.update_wrapper(ours, theirs), theirs)


def one(call: str, x: Any) -> Any:
    """Returns `x`, traced or not, where it is one number."""
    if np.shape(x) != ():
        raise ArgumentError(call, f"the argument is {describe(x)}", "it takes one number", "Use NumPy's function")
    return x


# Types, which are called, compared, asked for instances, and serve as dtypes.


def kind_of(x: Any) -> Any:
    """The type of `x`; of a tracer, that of the array or scalar it stands for."""
    if not isinstance(x, Tracer):
        return x.__class__ if type(x) in STAND_INS else type(x)
    return x.dtype.type if x._is_scalar else np.ndarray


class SeenType(SeenClass):
    """The type of the forms of `float`, `int`, `bool`, `complex` and `type`."""

    of: Callable[[Any], Any]

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.of(args[0]) if len(args) == 1 and self.takes(args[0]) else self.plain(*args, **options)

    def takes(self, x: Any) -> bool:
        return isinstance(x, Tracer) or self.plain is type

    def __instancecheck__(self, x: Any) -> bool:
        return issubclass(kind_of(x), self.plain)


def _named(name: str) -> Any:
    return getattr(builtins, name)


copyreg.pickle(SeenType, lambda kind: (_named, (kind.__name__,)))  # what is pickled inside is read outside


def _kind(plain: Any, of: Callable[[Any], Any]) -> Any:
    base = int if plain is bool else plain  # from which nothing can be derived
    body = {"plain": plain, "of": staticmethod(of), "__module__": "builtins", "__slots__": ()}
    if plain is not type:
        body["dtype"] = np.dtype(plain)
    return stands_for(type.__new__(SeenType, plain.__name__, (base,), body), plain)


def _number(plain: Any) -> Callable[[Any], Any]:
    """What `plain(tracer)` is: a Python number where the value is known, else a tracer of that dtype."""

    def number(x: Any) -> Any:
        known = x._known(f"one {plain.__name__}")
        if known is not None:
            return number(known) if isinstance(known, Tracer) else plain(known)
        return one(plain.__name__, x).astype(plain)

    return number


def truth(x: Any) -> Any:
    """`bool(x)`, of a traced value that is not known a tracer."""
    if not isinstance(x, Tracer):
        return bool(x)
    known = x._known(TRUTH)
    return truth(known) if known is not None else one("bool", x) != 0


_kind(float, _number(float))
_kind(int, _number(int))
_kind(complex, _number(complex))
_kind(bool, truth)
_kind(type, lambda x: INSTEAD.get(kind_of(x), kind_of(x)))


@_builtin
def isinstance_(x: Any, kinds: Any, /) -> bool:
    return isinstance(x, kinds) or (isinstance(x, Tracer) and issubclass(kind_of(x), kinds))


@_builtin
def len_(x: Any, /) -> Any:
    return x.length if type(x) is Selection else len(x)


# Functions that compare, which choose by np.where.


def _extremum(theirs: Any, better: Any) -> None:
    def extremum(*args: Any, **options: Any) -> Any:
        items = list(args[0] if len(args) == 1 else args)
        key = options.get("key")
        ranks = items if key is None else [key(x) for x in items]
        if not any(isinstance(r, Tracer) for r in ranks):
            return theirs(*(args if len(args) > 1 else (items,)), **options)
        best, rank = items[0], ranks[0]
        for x, r in zip(items[1:], ranks[1:], strict=True):
            yes = truth(better(r, rank))
            if isinstance(yes, Tracer):
                best, rank = as_scalar(np.where(yes, x, best)), as_scalar(np.where(yes, r, rank))
            elif yes:
                best, rank = x, r
        return best

    stands_for(functools.update_wrapper(extremum, theirs), theirs)


_extremum(max, lambda a, b: a > b)
_extremum(min, lambda a, b: a < b)


def _until(theirs: Any, decided: bool, join: Any) -> None:
    def until(items: Iterable[Any], /) -> Any:
        found: Any = not decided
        for x in items:
            yes = truth(x)
            if yes is decided:
                return decided
            if isinstance(yes, Tracer):
                found = join(found, yes)
        return found

    stands_for(functools.update_wrapper(until, theirs), theirs)


_until(any, True, np.logical_or)
_until(all, False, np.logical_and)


@_builtin
def round_(number: Any, ndigits: Any = None) -> Any:
    if not isinstance(number, Tracer) or ndigits is not None or number._known("one int") is not None:
        return round(number, ndigits)
    return np.rint(one("round", number)).astype(int)


@_builtin
def sorted_(iterable: Iterable[Any], /, **options: Any) -> list[Any]:
    items = list(iterable)
    if options.get("key") is not None or not any(isinstance(x, Tracer) for x in items):
        return sorted(items, **options)
    found = list(np.sort(np.stack([one("sorted", x) for x in items])))
    return found[::-1] if options.get("reverse") else found


# The functions of math and cmath.

SAME = (
    "acos acosh asin asinh atan atan2 atanh cbrt copysign cos cosh degrees exp exp2 expm1 fabs fmod gcd hypot isclose "
    "isfinite isinf isnan lcm ldexp log1p log2 log10 modf nextafter pow radians sin sinh sqrt tan tanh"
)
"""What NumPy has under the same name."""

OTHER: dict[str, Callable[..., Any]] = {
    "ceil": lambda x: np.ceil(x).astype(int),
    "dist": lambda p, q: np.sqrt(sum([(a - b) ** 2 for a, b in zip(p, q, strict=True)])),
    "floor": lambda x: np.floor(x).astype(int),
    "fsum": sum,
    "log": lambda x, *base: np.log(x) / np.log(base[0]) if base else np.log(x),
    "phase": np.angle,
    "polar": lambda z: (np.abs(z), np.angle(z)),
    "prod": lambda items, *, start=1: functools.reduce(lambda a, b: a * b, items, start),
    "rect": lambda r, phi: r * np.exp(1j * phi),
    "trunc": lambda x: np.trunc(x).astype(int),
}
"""What it has not, or returns another type."""

WHOLE = ("gcd", "lcm")
SEVERAL = ("dist", "fsum", "prod")
"""Functions of ints, and of lists of numbers; others take one number after the other."""


CHECKED = frozenset(
    {
        *("acos", "acosh", "asin", "atanh", "cos", "cosh", "exp", "exp2", "expm1", "fmod", "hypot", "ldexp"),
        *("log", "log10", "log1p", "log2", "pow", "sin", "sinh", "sqrt", "tan"),
    }
)
"""Functions of `math` that raise, for numbers that they are not for and for results that are too large."""

SINGULAR = frozenset(["atanh", "log", "log10", "log1p", "log2"])
"""Those of them that are infinite at such numbers."""


def _in_domain(name: str, args: Sequence[Any], made: Any) -> Any:
    """Returns a result of `math`, unless Python would raise: then rows do for whom it would, or an error says so."""
    if np.isfinite(on_host(innermost(made))).all():
        return made
    numbers = functools.reduce(np.logical_and, [np.logical_not(np.isnan(x)) for x in args])
    finite = functools.reduce(np.logical_and, [np.isfinite(x) for x in args])
    domain, too_large = ValueError("math domain error"), OverflowError("math range error")
    require(np.logical_not(np.isnan(made) & numbers), domain, f"math.{name}")
    require(np.logical_not(np.isinf(made) & finite), domain if name in SINGULAR else too_large, f"math.{name}")
    return made


def _of_numbers(theirs: Any, ours: Callable[..., Any], number: Any) -> Any:
    name = theirs.__name__

    def function(*args: Any, **options: Any) -> Any:
        given: Iterable[Any]
        if name in SEVERAL:
            args = tuple([list(a) if isinstance(a, (Tracer, Iterator)) else a for a in args])
            given = [x for a in args if isinstance(a, (list, tuple)) for x in a]
        else:
            given = args = tuple([number(a) if isinstance(a, Tracer) else a for a in args])
        if not any(isinstance(x, Tracer) for x in given):
            return theirs(*args, **options)
        if number is INSTEAD[complex] or name not in CHECKED:
            return ours(*args, **options)
        with np.errstate(all="ignore"):  # Python raises, and does not warn
            return _in_domain(name, args, ours(*args, **options))

    return stands_for(functools.update_wrapper(function, theirs), theirs)


def _form_of(module: ModuleType, number: Any) -> None:
    """Declares the form of `math` or `cmath`."""
    made = ModuleType(module.__name__, module.__doc__)
    made.__dict__.update(vars(module))
    for name, theirs in vars(module).items():
        ours = OTHER.get(name) or (getattr(np, name) if name in SAME.split() else None)
        if ours is not None:
            setattr(made, name, _of_numbers(theirs, ours, INSTEAD[int] if name in WHOLE else number))
    stands_for(made, module)


_form_of(math, INSTEAD[float])
_form_of(cmath, INSTEAD[complex])
