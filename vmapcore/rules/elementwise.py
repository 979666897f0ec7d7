"""Rounding, closeness, angles: elementwise functions of NumPy that are no ufuncs.

Every primitive here works element by element and batches as itself. Ufuncs are in `ufuncs.py`, choices between values
in `selection.py`, casts and parts of complex numbers in `casts.py`.
"""

import math
from typing import Any

import numpy as np

from ..errors import DTypeError, describe
from ..numbers import number
from ..numpy_protocol import implements
from ._axes import EACH
from ._families import into, operand, pointwise, trailing
from ._ints import as_int
from ._work import each
from .casts import inexact
from .chosen import agreed

# Rounding.


@trailing(axes=EACH, work=each, zero_derivative=True)
def round_to(xp: Any, x: Any, *, decimals: int) -> Any:
    """`x` rounded to `decimals` places, halves to even."""
    return xp.round(x, decimals)


@implements(np.round, np.around)
def round_(a: Any, decimals: int = 0, out: Any = None) -> Any:
    return into("np.round", out, round_to(a, decimals=as_int("np.round", "decimals", decimals)))


@implements(np.fix)
def fix(x: Any, out: Any = None) -> Any:
    return into("np.fix", out, np.trunc(operand(x)))


# Closeness and equality.


@trailing(axes=EACH, work=each, zero_derivative=True)
def close(xp: Any, a: Any, b: Any, rtol: Any, atol: Any, *, equal_nan: bool) -> Any:
    """Whether `abs(a - b) <= atol + rtol * abs(b)`."""
    return xp.isclose(a, b, rtol, atol, equal_nan)


@implements(np.isclose)
def isclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    return close(a, b, rtol, atol, equal_nan=bool(equal_nan))


@implements(np.allclose)
def allclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    return _verdict(isclose(a, b, rtol, atol, equal_nan))


@implements(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    x, y = operand(a1), operand(a2)
    if x.shape != y.shape:
        return False
    same = np.equal(x, y)
    if equal_nan and x.dtype.kind in "fc" and y.dtype.kind in "fc":
        same = same | (np.isnan(x) & np.isnan(y))
    return _verdict(same)


@implements(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> Any:
    x, y = operand(a1), operand(a2)
    try:
        np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        return False
    return _verdict(np.equal(x, y))


def _verdict(each: Any) -> Any:
    """Whether all are true: a bool, or a tracer where there are as many answers as examples."""
    return number(bool, np.all(each))


def _implement_infinite(function: Any, infinity: float) -> None:
    """Makes `function` of NumPy, whether each element is `infinity`, run on tracers."""
    call = f"np.{function.__name__}"

    @implements(function)
    def infinite(x: Any, out: Any = None) -> Any:
        x = operand(x)
        if x.dtype.kind == "c":
            raise DTypeError(call, f"x is {describe(x)}", "complex infinities have no sign")
        return into(call, out, np.equal(x, infinity))


_implement_infinite(np.isposinf, np.inf)
_implement_infinite(np.isneginf, -np.inf)


@implements(np.real_if_close)
def real_if_close(a: Any, tol: float = 100) -> Any:
    x = operand(a)
    if x.dtype.kind != "c":
        return x
    if tol > 1:
        tol = float(np.finfo(x.dtype).eps) * tol
    return x.real if agreed(np.all(np.absolute(x.imag) < tol)) else x


# sin(pi x) / (pi x), whose derivatives at 0 that formula does not give.

SERIES = 0.5
"""Below this the power series is used: it is exact there after 12 terms, and the recurrence loses no digits above."""


@trailing(axes=EACH, work=each)
def sinc_derivative(xp: Any, x: Any, *, order: int) -> Any:
    """The derivative of `np.sinc`, so many times.

    From x s(x) = sin(pi x) / pi, differentiated n times: x s_n + n s_(n-1) = pi^(n-1) sin(pi x + n pi / 2).
    """
    if order == 0:
        return xp.sinc(x)
    small = xp.abs(x) < SERIES
    away = xp.where(small, 1, x)
    far = xp.sinc(away)
    for n in range(1, order + 1):
        far = (math.pi ** (n - 1) * xp.sin(math.pi * away + n * math.pi / 2) - n * far) / away
    inside = xp.where(small, x, 0)
    near = xp.zeros_like(inside)
    for k in range(12 + order, (order + 1) // 2 - 1, -1):  # Horner's rule in x**2
        term = (-1) ** k * math.pi ** (2 * k) / ((2 * k + 1) * math.factorial(2 * k - order))
        near = near * inside * inside + term
    return xp.where(small, near * inside if order % 2 else near, far)


pointwise(sinc_derivative, lambda out, x, *, order: sinc_derivative(x, order=order + 1))


@implements(np.sinc)
def sinc(x: Any) -> Any:
    return sinc_derivative(inexact(x), order=0)


# Modified Bessel functions of the first kind, of which NumPy has one.

ANGLES = 128
"""So many make the integral exact to rounding for all arguments below 700, beyond which its value is infinite."""


@trailing(axes=EACH, work=lambda ins, outs, **params: ANGLES * each(ins, outs))
def bessel_i(xp: Any, x: Any, *, order: int) -> Any:
    """I_n(x), the mean of exp(x cos t) cos(n t) over the half circle (DLMF 10.32.3), by the trapezoidal rule."""
    if order == 0:
        return xp.i0(x).astype(x.dtype)
    size = xp.abs(x)
    total = xp.zeros_like(x)
    for k in range(ANGLES):
        angle = math.pi * (k + 0.5) / ANGLES
        total += xp.exp(size * (math.cos(angle) - 1)) * math.cos(order * angle)
    scaled = total / ANGLES * xp.exp(size)
    return xp.where(x < 0, -scaled, scaled) if order % 2 else scaled


pointwise(bessel_i, lambda out, x, *, order: (bessel_i(x, order=abs(order - 1)) + bessel_i(x, order=order + 1)) / 2)


@implements(np.i0)
def i0(x: Any) -> Any:
    x = inexact(x)
    if x.dtype.kind == "c":
        raise DTypeError("np.i0", f"x is {describe(x)}", "it takes real numbers")
    return bessel_i(x, order=0)
