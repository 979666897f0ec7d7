"""Traced numbers that Python would have as an int, a float, a complex number or a bool: what `float(x)` is.

A `Number` is a tracer around the traced value of no axes, and knows Python's type. Python's operators do on it what
they do on numbers of that type, and make others (`rules/operators.py`). NumPy's functions and arrays take the traced
value in the dtype that they would give a number of Python's (`rules/numbers.py`).
"""

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .core import Primitive, Trace
from .numpy_protocol import NUMPY
from .refusals import TEXT
from .tracer import Tracer

DTYPES = {bool: np.dtype(bool), int: np.dtype(np.int64), float: np.dtype(float), complex: np.dtype(complex)}
"""Those that NumPy makes of Python's types."""

RANK = {bool: 0, int: 1, float: 2, complex: 3}
"""Python's types of numbers: of two, an operator makes a number of the higher one."""


class NumberTrace(Trace):
    """The trace of numbers. It lies within all others, and is over: so all ask for what its tracers stand for."""

    __slots__ = ()

    adopts = False

    def __init__(self) -> None:
        Trace.__init__(self, "a number")
        self.level: Any = math.inf
        self.ended = True

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        if len(args) > 1:
            args = NUMPY["in_dtypes"](primitive, args)
        return primitive(*[a.value if type(a) is Number else a for a in args], **params)

    def settled(self, x: Any) -> Any:
        return x.value


NUMBERS = NumberTrace()


class Number(Tracer):
    """A traced number that is Python's, to who asks, and behaves as such."""

    __slots__ = ("bound",)

    bound: float | None
    """What an int is at most in size, as far as that is known: for all rows, and in all calls of a plan that count."""

    _trace = NUMBERS
    kind = Tracer.beside  # type: ignore[misc]  # that slot, by its name here: Python's type
    shape: Any = ()
    _is_scalar = True

    def __init__(self, *args: Any) -> None:
        raise TypeError("number() makes them")

    def snapshot(self) -> Any:
        return self  # to which nobody writes

    def copy(self, order: str = "C") -> Any:
        return self

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    # Questions, which the value answers.

    def _known(self, wanted: str) -> Any:
        return self.value._known(wanted)

    def _asked(self, call: str, wanted: str) -> Any:
        return self.value._asked(call, wanted)

    def _concretization(self, call: str, wanted: str, remedy: str) -> Any:
        return self.value._concretization(call, wanted, remedy)

    def _instead(self, call: str, wanted: str) -> Any:
        return self.value._instead(call, wanted)

    def outside(self, name: str) -> Any:
        return self.value.outside(name)

    differs = property(lambda self: self.value.differs)
    apart = property(lambda self: self.value.apart)
    beyond = property(lambda self: self.value.beyond)
    otherwise = property(lambda self: self.value.otherwise)

    def plain(self, call: str, wanted: str) -> Any:
        """The number itself, of those for whom the function goes on; else raises."""
        found = self.value
        while isinstance(found, Tracer):
            found = found._concrete(call, wanted)
        return self.kind(np.asarray(found).item())

    def __int__(self) -> int:
        return int(self.plain("int", "one int"))

    def __float__(self) -> float:
        return float(self.plain("float", "one float"))

    def __complex__(self) -> complex:
        return complex(self.plain("complex", "one complex number"))

    def __index__(self) -> int:
        if self.kind not in (int, bool):
            return operator.index(self.kind(0))  # raises
        return operator.index(self.plain("index", "one int"))

    def __hash__(self) -> int:
        return hash(self.plain("hash", "one key of a set or dict"))

    def __format__(self, spec: str) -> str:
        return format(self.plain("format", TEXT), spec)

    def __str__(self) -> str:
        return str(self.plain("format", TEXT))

    def __repr__(self) -> str:
        return f"{self.kind.__name__} {self.value!r}"

    # What Python's types have.

    def __round__(self, ndigits: Any = None) -> Any:
        if self.kind is complex:
            return round(0j)  # type: ignore[call-overload]  # raises
        if ndigits is None:
            return NUMPY["number"](int, self, "round")
        digits = operator.index(ndigits)
        if self.kind is not float and digits >= 0:
            return self.positive()
        kind = float if self.kind is float else int
        return NUMPY["rounded"](kind, self, digits)

    def __trunc__(self) -> Any:
        return NUMPY["number"](int, self, "trunc")

    def __floor__(self) -> Any:
        return NUMPY["number"](int, self, "floor")

    def __ceil__(self) -> Any:
        return NUMPY["number"](int, self, "ceil")

    @property
    def real(self) -> Any:
        return number(float, self.value.real) if self.kind is complex else self.positive()

    @property
    def imag(self) -> Any:
        return number(float, self.value.imag) if self.kind is complex else (0.0 if self.kind is float else 0)

    def conjugate(self) -> Any:
        return number(complex, NUMPY[np.conjugate](self.value)) if self.kind is complex else self.positive()

    @property
    def numerator(self) -> Any:
        self.of("numerator")
        return self.positive()

    @property
    def denominator(self) -> Any:
        self.of("denominator")
        return 1

    @property
    def is_integer(self) -> Any:
        self.of("is_integer")
        x = self.value
        return lambda: number(bool, np.equal(np.trunc(x), x) & np.isfinite(x))

    def positive(self) -> Any:
        """Itself; a bool as an int."""
        return NUMPY["number"](int, self) if self.kind is bool else self

    __pos__ = positive

    def of(self, name: str) -> None:
        """Raises unless Python's type has an attribute of that name."""
        if not hasattr(self.kind, name):
            raise AttributeError(f"{self.kind.__name__!r} object has no attribute {name!r}")


def _of_one(name: str) -> property:
    """A method of Python's numbers that needs the number itself."""

    def read(self: Number) -> Any:
        self.of(name)

        def method(*args: Any, **options: Any) -> Any:
            return getattr(self.plain(name, "one Python number"), name)(*args, **options)

        return method

    return property(read)


for _name in ("as_integer_ratio", "hex", "bit_length", "bit_count", "to_bytes"):
    setattr(Number, _name, _of_one(_name))


def kind_of(x: Any) -> Any:
    """The type of a number of Python's, traced or not; None of anything else."""
    kind = type(x)
    if kind is Number:
        return x.kind
    if kind in RANK:
        return kind
    return int if isinstance(x, int) and not isinstance(x, Tracer) else None


def number(kind: Any, value: Any, bound: float | None = None) -> Any:
    """A number of Python's, of a value without axes in its dtype; of one that is not traced the number itself."""
    if not isinstance(value, Tracer):
        return kind(value)
    made = new(Number)
    made.kind = kind
    made.value = value
    made.storage = None
    made.bound = bound
    return made


new = object.__new__


def settled(x: Any) -> Any:
    """What is traced of a number of Python's; any other value itself."""
    return x.value if type(x) is Number else x


def bound_of(*xs: Any) -> float | None:
    """What ints and floats of Python's are at most in size; None where that is not known."""
    most = 0.0
    for x in xs:
        bound = x.bound if type(x) is Number else abs(x)
        if bound is None:
            return None
        most = max(most, bound)
    return most


def is_int64(value: int) -> bool:
    """Whether an int is one that is traced."""
    return -(2**63) <= value < 2**63
