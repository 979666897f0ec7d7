"""Python's operators on traced numbers: they make of them what Python makes, and raise what it raises.

NumPy's operations serve, where values say that they do the same (`surely`).
"""

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arrays import is_array
from ..numbers import DTYPES, RANK, Number, is_int64, kind_of, number
from ..numpy_protocol import NUMPY
from ..tracer import Tracer
from .chosen import agreed
from .numbers import convert, in_kind
from .pythons import COMPARED, EXACT, INTS, OF_INTS, ROOM, SMALL, bounded, by_python, made_by, surely

KIND = {(a, b): max(a, b, int, key=RANK.__getitem__) for a in RANK for b in RANK}
"""The type of the number that an arithmetic operator makes of two."""


def _arithmetic(name: str, a: Any, b: Any) -> Any:
    """What an operator makes of two numbers, of which one is traced."""
    kinds = kind_of(a), kind_of(b)
    kind = KIND[kinds]
    python, numpy = INTS[name]
    if (kind is complex and name in ("//", "%")) or (kind is not int and name in ("<<", ">>")):
        return python(kinds[0](1), kinds[1](1))  # raises
    if kind is not int:
        x, y = in_kind(kind, a), in_kind(kind, b)
        if name in ("+", "-", "*") or (name in ("/", "//", "%") and type(b) is not Number and b):
            return number(kind, NUMPY[numpy](x, y))
        return number(kind, checked(python, NUMPY[numpy], (kind, kind), x, y))
    if name == "**" and (agreed(np.less(b.value, 0)) if type(b) is Number else b < 0):
        return _arithmetic(name, _as_float(a), _as_float(b))
    if name == "/":
        return _divided(_as_int(a), _as_int(b))
    return _of_ints(name, _as_int(a), _as_int(b))


def _as_float(x: Any) -> Any:
    return convert(float, x) if type(x) is Number else float(x)


def _as_int(x: Any) -> Any:
    return convert(int, x) if type(x) is Number else int(x)


BOUNDS: dict[str, Callable[..., float]] = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x + y,
    "*": lambda x, y: x * y,
    "//": lambda x, y: x,
    "%": lambda x, y: y,
    "**": lambda x, y: max(x, 1.0) ** y if math.log2(max(x, 1.0)) * y < 64 else math.inf,
    "<<": lambda x, y: x * 2.0 ** min(y, 64.0),
    ">>": lambda x, y: x if y < 64 else math.inf,
    "neg": lambda x: x,
    "abs": lambda x: x,
}
"""What the result of an operator of ints is at most in size, if its operands are."""

TAKES: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("//", "%", "/"), lambda y: np.all(np.not_equal(y, 0))),
    **dict.fromkeys(("**", "<<", ">>"), lambda y: np.all(np.greater_equal(y, 0))),
}
"""What the second operand has to be, so that no operator raises."""


def _sizes(xs: Sequence[Any], least: float) -> list[float]:
    """What ints are at most in size: `least`, if that is known; else as values say."""
    found = []
    for x in xs:
        if type(x) is not Number:
            found.append(float(abs(x)))
            continue
        if x.bound is None or x.bound > least:
            x.bound = min(bounded(x.value, min(least, SMALL)), x.bound or math.inf)
        found.append(x.bound)
    return found


def _takes(name: str, xs: Sequence[Any]) -> bool:
    if name not in TAKES:
        return True
    y = xs[1]
    return surely(TAKES[name], y.value) if type(y) is Number else bool(TAKES[name](y))


def _of_ints(name: str, *xs: Any) -> Any:
    values = [x.value if type(x) is Number else in_kind(int, x) for x in xs]
    if _takes(name, xs):
        if name == "**" and type(xs[1]) is Number:
            values[1] = np.maximum(values[1], 0)  # in calls of a plan that do not count, NumPy raises of others
        for least in (ROOM, SMALL, 1.0):  # as far as has to be
            bound = BOUNDS[name](*_sizes(xs, least))
            if bound < ROOM:
                return number(int, NUMPY[INTS[name][1]](*values), bound)
    return number(int, by_python(*values, function=OF_INTS[name], dtype=DTYPES[int]))


def _divided(a: Any, b: Any) -> Any:
    x, y = [x.value if type(x) is Number else in_kind(int, x) for x in (a, b)]
    if _takes("/", (a, b)) and max(_sizes((a, b), EXACT)) <= EXACT:
        return number(float, np.divide(x, y))
    return number(float, by_python(x, y, function=operator.truediv, dtype=DTYPES[float]))


def checked(python: Any, numpy: Any, kinds: tuple[Any, ...], *xs: Any) -> Any:
    """`numpy(*xs)`, unless Python's function raises for numbers of these types."""
    with np.errstate(all="ignore"):  # Python raises, and does not warn
        made = numpy(*xs)
    return made if surely(_is_finite, made) else made_by(made, *xs, function=python, of=kinds)


def _is_finite(x: Any) -> Any:
    return np.all(np.isfinite(x))


def _divmod(a: Any, b: Any) -> Any:
    if complex in (kind_of(a), kind_of(b)):
        return divmod(0j, 1)  # type: ignore[operator]  # raises
    return _arithmetic("//", a, b), _arithmetic("%", a, b)


def _bits(name: str, a: Any, b: Any) -> Any:
    kind = max(kind_of(a), kind_of(b), key=RANK.__getitem__)
    python, numpy = BITS[name]
    if kind in (float, complex):
        return python(kind_of(a)(1), kind_of(b)(1))  # raises
    return number(kind, NUMPY[numpy](in_kind(kind, a), in_kind(kind, b)))


BITS: dict[str, tuple[Callable[..., Any], Any]] = {
    "&": (operator.and_, np.bitwise_and),
    "|": (operator.or_, np.bitwise_or),
    "^": (operator.xor, np.bitwise_xor),
}


def _compared(name: str, a: Any, b: Any) -> Any:
    python, numpy = COMPARED[name]
    kinds = {kind_of(a), kind_of(b)}
    if complex in kinds and name not in ("==", "!="):
        return python(0j, 0j)  # raises
    if float in kinds and int in kinds:
        x, y = [x.value if type(x) is Number else x for x in (a, b)]
        if max(_sizes([a if kind_of(a) is int else b], EXACT)) <= EXACT:
            return number(bool, NUMPY[numpy](x, y))
        return number(bool, by_python(x, y, function=python, dtype=DTYPES[bool]))
    kind = max(*kinds, int, key=RANK.__getitem__)
    if any(type(x) is int and not is_int64(x) for x in (a, b)):
        a, b = _as_float(a), _as_float(b)  # an int that no traced one is
        kind = float
    return number(bool, NUMPY[numpy](in_kind(kind, a), in_kind(kind, b)))


def _install(method: str, apply: Callable[[Any, Any], Any], reflected: bool = True) -> None:
    """Installs `__method__`, `__rmethod__` and `__imethod__`, which makes another number."""
    forward, backward = getattr(Tracer, f"__{method}__"), getattr(Tracer, f"__r{method}__", None)

    def first(self: Any, other: Any) -> Any:
        if kind_of(other) is not None:
            return apply(self, other)
        return forward(self, other) if _is_numpys(other) else NotImplemented

    def second(self: Any, other: Any) -> Any:
        if kind_of(other) is not None:
            return apply(other, self)
        return backward(self, other) if _is_numpys(other) else NotImplemented  # type: ignore[misc]

    setattr(Number, f"__{method}__", first)
    if reflected:
        setattr(Number, f"__r{method}__", second)
        setattr(Number, f"__i{method}__", first)


def _is_numpys(x: Any) -> bool:
    return isinstance(x, Tracer) or is_array(x)


ARITHMETIC = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "truediv": "/",
    "floordiv": "//",
    "mod": "%",
    "pow": "**",
    "lshift": "<<",
    "rshift": ">>",
}
for _method, _name in ARITHMETIC.items():
    _install(_method, functools.partial(_arithmetic, _name))


def _at_once(method: str) -> None:
    """Has an operator that raises for no floats make one of two at once, and otherwise do what it does."""
    numpy = NUMPY[INTS[ARITHMETIC[method]][1]]

    def between(before: Any, turned: bool) -> Any:
        def apply(self: Any, other: Any) -> Any:
            kind = type(other)
            y = other.value if kind is Number and other.kind is float else other if kind in (float, int) else None
            if self.kind is not float or y is None:
                return before(self, other)
            return number(float, numpy(y, self.value) if turned else numpy(self.value, y))

        return apply

    for name, turned in ((method, False), (f"i{method}", False), (f"r{method}", True)):
        setattr(Number, f"__{name}__", between(getattr(Number, f"__{name}__"), turned))


for _method in ("add", "sub", "mul"):
    _at_once(_method)
for _method, _name in {"and": "&", "or": "|", "xor": "^"}.items():
    _install(_method, functools.partial(_bits, _name))
for _method, _name in {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}.items():
    _install(_method, functools.partial(_compared, _name), reflected=False)
_install("divmod", _divmod)
_install("matmul", lambda a, b: operator.matmul(0, 0))  # raises


def _unary(name: str) -> None:
    def apply(self: Any) -> Any:
        if self.kind in (bool, int):
            return _of_ints(name, _as_int(self))
        return number(float if name == "abs" else self.kind, NUMPY[INTS[name][1]](self.value))

    setattr(Number, f"__{name}__", apply)


def _invert(self: Any) -> Any:
    if self.kind in (float, complex):
        return ~self.kind(0)  # raises
    return number(int, np.invert(in_kind(int, self)))


_unary("neg")
_unary("abs")
setattr(Number, "__invert__", _invert)  # noqa: B010
