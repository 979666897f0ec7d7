"""Python's own functions of numbers, `float`, `max`, `math.sin` and their kin, in forms that take traced ones.

Of anything else each is what it was.
"""

import builtins
import cmath
import copyreg
import functools
import math
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

from .core import at_end
from .errors import ArgumentError, describe
from .names import INSTEAD, STAND_INS, stands_for
from .numbers import RANK, Number, bound_of, kind_of, number
from .refusals import TEXT, TRUTH
from .rules._families import as_scalar
from .rules.numbers import convert
from .rules.operators import checked
from .rules.pythons import exact_sum
from .rules.selected import Selection
from .seen_classes import SeenClass
from .tracer import Tracer


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


def type_of(x: Any) -> Any:
    """The type of `x`; of a tracer, that of the array, the scalar or the number that it stands for."""
    if not isinstance(x, Tracer):
        return x.__class__ if type(x) in STAND_INS else type(x)
    return x.kind or (x.dtype.type if x._is_scalar else np.ndarray)


class SeenType(SeenClass):
    """The type of the forms of `float`, `int`, `bool`, `complex` and `type`."""

    of: Callable[[Any], Any]

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.of(args[0]) if len(args) == 1 and self.takes(args[0]) else self.plain(*args, **options)

    def takes(self, x: Any) -> bool:
        return isinstance(x, Tracer) or self.plain is type

    def __instancecheck__(self, x: Any) -> bool:
        return issubclass(type_of(x), self.plain)


def _named(name: str) -> Any:
    return getattr(builtins, name)


copyreg.pickle(SeenType, lambda kind: (_named, (kind.__name__,)))  # what is pickled inside is read outside


def _kind(plain: Any, of: Callable[[Any], Any]) -> Any:
    base = int if plain is bool else plain  # from which nothing can be derived
    body = {"plain": plain, "of": staticmethod(of), "__module__": "builtins", "__slots__": ()}
    if plain is not type:
        body["dtype"] = np.dtype(plain)
    return stands_for(type.__new__(SeenType, plain.__name__, (base,), body), plain)


def _number(plain: Any, wanted: str) -> Callable[[Any], Any]:
    """What `plain(tracer)` is: a number of Python's, traced where the value is not known."""

    def made(x: Any) -> Any:
        if type(x) is not Number:
            known = x._known(wanted)
            if known is not None:
                return made(known) if isinstance(known, Tracer) else plain(known)
            one(plain.__name__, x)
        return convert(plain, x)

    return made


def truth(x: Any) -> Any:
    """The truth value of `x`; of a traced value that is not known NumPy's, traced."""
    if not isinstance(x, Tracer):
        return bool(x)
    known = x._known(TRUTH)
    return truth(known) if known is not None else one("bool", at_end(x)) != 0


_kind(float, _number(float, "one float"))
_kind(int, _number(int, "one int"))
_kind(complex, _number(complex, "one complex"))
_kind(bool, _number(bool, TRUTH))
_kind(type, lambda x: INSTEAD.get(type_of(x), type_of(x)))


@_builtin
def isinstance_(x: Any, kinds: Any, /) -> bool:
    if not isinstance(x, Tracer):
        return isinstance(x, kinds)
    ours = isinstance(kinds, type) and issubclass(kinds, Tracer)
    return isinstance(x, kinds) if ours else issubclass(type_of(x), kinds)


@_builtin
def hasattr_(x: Any, name: str, /) -> bool:
    return hasattr(type_of(x) if isinstance(x, Tracer) else x, name)


@_builtin
def print_(*values: Any, **options: Any) -> None:
    print(*[repr(x) if type(x) is Number else x for x in values], **options)


@_builtin
def repr_(x: Any, /) -> str:
    return repr(x.plain("repr", TEXT)) if type(x) is Number else repr(x)


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
        kinds = [kind_of(x) for x in items]
        values = [x.value if type(x) is Number and None not in kinds else x for x in items]
        best, rank, which = values[0], ranks[0], 0
        for i, (x, r) in enumerate(zip(values[1:], ranks[1:], strict=True), 1):
            yes = truth(better(r, rank))
            if isinstance(yes, Tracer):
                best, rank = as_scalar(np.where(yes, x, best)), as_scalar(np.where(yes, *map(at_end, (r, rank))))
                which = -1
            elif yes:
                best, rank, which = x, r, i
        if which >= 0:
            return items[which]
        if None in kinds:
            return best
        kind = max(kinds, key=RANK.__getitem__)
        return number(kind, best, bound_of(*items) if kind is int else None)

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
        return number(bool, found)

    stands_for(functools.update_wrapper(until, theirs), theirs)


_until(any, True, np.logical_or)
_until(all, False, np.logical_and)


@_builtin
def round_(number: Any, ndigits: Any = None) -> Any:
    if not isinstance(number, Tracer) or ndigits is not None or number._known("one int") is not None:
        return round(number, ndigits)
    return convert(int, one("round", number), "round")


@_builtin
def pow_(base: Any, exp: Any, mod: Any = None) -> Any:
    if mod is None:
        return pow(base, exp)
    return pow(*[x.plain("pow", "one int") if type(x) is Number else x for x in (base, exp, mod)])


@_builtin
def sorted_(iterable: Iterable[Any], /, **options: Any) -> list[Any]:
    items = list(iterable)
    if options.get("key") is not None or not any(isinstance(x, Tracer) for x in items):
        return sorted(items, **options)
    kinds = {kind_of(x) for x in items}
    found = list(np.sort(np.stack([one("sorted", x) for x in items])))
    if None not in kinds:
        found = [number(max(kinds, key=RANK.__getitem__), x) for x in found]
    return found[::-1] if options.get("reverse") else found


# The functions of math and cmath.

SAME = (
    "acos acosh asin asinh atan atan2 atanh cbrt copysign cos cosh degrees exp exp2 expm1 fabs fmod gcd hypot isclose "
    "isfinite isinf isnan lcm ldexp log1p log2 log10 modf nextafter pow radians sin sinh sqrt tan tanh"
)
"""What NumPy has under the same name."""

OTHER: dict[str, Callable[..., Any]] = {
    "dist": lambda p, q: np.sqrt(sum([(a - b) ** 2 for a, b in zip(p, q, strict=True)])),
    "fsum": lambda items: exact_sum(np.stack([INSTEAD[float](x) for x in items])),
    "log": lambda x, *base: np.log(x) / np.log(base[0]) if base else np.log(x),
    "phase": np.angle,
    "polar": lambda z: (np.abs(z), np.angle(z)),
    "prod": lambda items, *, start=1: functools.reduce(lambda a, b: a * b, items, start),
    "rect": lambda r, phi: r * np.exp(1j * phi),
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
"""Functions of `math` and `cmath` that raise, of numbers that they are not for and where results are too large."""

TYPES: dict[str, Any] = {
    **dict.fromkeys(("isclose", "isfinite", "isinf", "isnan"), bool),
    **dict.fromkeys(WHOLE, int),
    "frexp": (float, int),
    "modf": (float, float),
    "phase": float,
    "polar": (float, float),
}
"""What they return, where it is no number of the type that the module is of."""

WAYS = ("ceil", "floor", "trunc")
"""Functions that make ints."""


def _of_numbers(theirs: Any, ours: Callable[..., Any], kind: Any) -> Any:
    name = theirs.__name__
    as_given = INSTEAD[int if name in WHOLE else kind]
    made_of = TYPES.get(name, kind)
    most = 1 if name == "ldexp" else math.inf  # whose second argument is an int

    def function(*args: Any, **options: Any) -> Any:
        given: Iterable[Any]
        if name in SEVERAL:
            args = tuple([list(a) if isinstance(a, (Tracer, Iterator)) else a for a in args])
            given = [x for a in args if isinstance(a, (list, tuple)) for x in a]
        else:
            given = args = tuple([as_given(a) if isinstance(a, Tracer) and i < most else a for i, a in enumerate(args)])
        if not any(isinstance(x, Tracer) for x in given):
            return theirs(*args, **options)
        if name in SEVERAL:
            made = ours(*args, **options)
            return made if isinstance(made, Number) else convert(float, made)
        values = [at_end(x) for x in args]
        if name in CHECKED or (kind is complex and name in ("atan", "tanh")):
            kinds = tuple([kind_of(x) or kind for x in args])
            return number(kind, checked(theirs, ours, kinds, *values))
        made = ours(*values, **options)
        if isinstance(made_of, tuple):
            return tuple([number(*pair) for pair in zip(made_of, made, strict=True)])
        return number(made_of, made)

    return stands_for(functools.update_wrapper(function, theirs), theirs)


def _as_int(theirs: Any) -> Any:
    """The form of a function that makes ints of floats."""

    def function(x: Any, /) -> Any:
        return convert(int, one(theirs.__name__, x), theirs.__name__) if isinstance(x, Tracer) else theirs(x)

    return stands_for(functools.update_wrapper(function, theirs), theirs)


def _form_of(module: ModuleType, kind: Any) -> None:
    """Declares the form of `math` or `cmath`."""
    made = ModuleType(module.__name__, module.__doc__)
    made.__dict__.update(vars(module))
    for name, theirs in vars(module).items():
        ours = OTHER.get(name) or (getattr(np, name) if name in SAME.split() else None)
        if name in WAYS:
            setattr(made, name, _as_int(theirs))
        elif ours is not None:
            setattr(made, name, _of_numbers(theirs, ours, kind))
    stands_for(made, module)


_form_of(math, float)
_form_of(cmath, complex)
