"""NumPy's ufuncs, each with its partial derivatives.

All are elementwise, so they batch as themselves once the examples' axes are aligned. matmul and its kin are in
`matmul.py`. A derivative is given where it exists: at a kink it is 0 or what makes the sides agree, at a pole inf.
"""

import cmath
import math
from typing import Any

import numpy as np

from ..numpy_protocol import implements
from ._axes import EACH
from ._families import Over, elementwise, fit, linear, match, operand, pointwise, trailing
from ._work import each, of_product, of_quotient, per_result

# Arithmetic.

add = elementwise(np.add, 1, 1)
subtract = elementwise(np.subtract, 1, -1)
multiply = elementwise(np.multiply, lambda out, x, y: y, lambda out, x, y: x, work=of_product)
divide = elementwise(np.divide, Over(lambda out, x, y: y), lambda out, x, y: -out / y, work=of_quotient)
negative = elementwise(np.negative, -1)
positive = elementwise(np.positive, 1)
square = elementwise(np.square, lambda out, x: 2 * x, work=per_result(1, 6))
sqrt = elementwise(np.sqrt, Over(lambda out, x: 2 * out))
cbrt = elementwise(np.cbrt, Over(lambda out, x: 3 * out * out))
reciprocal = elementwise(np.reciprocal, lambda out, x: -out * out, work=per_result(1, 11))
fabs = elementwise(np.fabs, lambda out, x: np.sign(x))
copysign = elementwise(np.copysign, lambda out, x, y: np.sign(x) * np.copysign(1, y), None)
nextafter = elementwise(np.nextafter, 1, None)
heaviside = elementwise(np.heaviside, None, lambda out, x, y: np.equal(x, 0))
remainder = elementwise(np.remainder, 1, lambda out, x, y: -np.rint((x - out) / y))
fmod = elementwise(np.fmod, 1, lambda out, x, y: -np.rint((x - out) / y))


def nonzero(x: Any) -> Any:
    """`x` with 1 in place of 0: to divide by, or to take the logarithm of, where the result for 0 is not used."""
    return np.where(x == 0, 1, x)


def length_of(out: Any) -> Any:
    """To divide by: infinity in place of 0, where the result, and derivatives of it, are taken to be zero."""
    return np.where(out == 0, np.inf, out)


absolute = elementwise(
    np.absolute,
    lambda out, x: np.conjugate(x) / length_of(out) if x.dtype.kind == "c" else np.sign(x),
    work=per_result(1, 4),
)
hypot = elementwise(np.hypot, lambda out, x, y: x / length_of(out), lambda out, x, y: y / length_of(out))

conjugate = elementwise(np.conjugate, 1, work=per_result(0, 1))
linear(conjugate)(lambda g, out, x: np.conjugate(g))

ldexp = elementwise(np.ldexp, 1, None)
linear(ldexp)(lambda g, out, x, exponent: match(np.ldexp(g, exponent), x))

# Powers. The derivatives are finite wherever the true ones are: x**2 and x**0 have one at 0, and so has y -> 0**y.

SPECIAL_POWERS = {2: "square", 0.5: "sqrt", -1: "reciprocal"}
"""What the operator ** of NumPy's arrays computes by other functions, several times faster."""


@trailing(axes=EACH, work=per_result(1, 6), formula=True, fits=lambda ins, outs: outs[0].dtype.kind == "f")
def power(xp: Any, x: Any, y: Any) -> Any:
    """`np.power`, element by element."""
    if type(y) in (int, float) and y in SPECIAL_POWERS and getattr(x, "dtype", None) in FLOATING:
        return getattr(xp, SPECIAL_POWERS[y])(x)
    return xp.power(x, y)


FLOATING = frozenset(map(np.dtype, "fdFD"))


def power_by_base(out: Any, x: Any, y: Any) -> Any:
    if isinstance(y, (int, float, complex)):
        return y * x ** (y - 1) if y not in (0, 1) else y
    if y.dtype.kind in "biu":
        return y * x ** np.where(y == 0, 0, y - 1)
    return y * x ** np.where((x == 0) & (y == 0), 0, y - 1)


def power_by_exponent(out: Any, x: Any, y: Any) -> Any:
    if isinstance(x, complex):
        return out * (cmath.log(x) if x else 0)
    if isinstance(x, (int, float)):
        return out * (math.log(x) if x > 0 else 0 if x == 0 else math.nan)
    return out * np.log(nonzero(wide(out, x)))


pointwise(power, power_by_base, power_by_exponent)
implements(np.power)(power)


@implements(np.float_power)
def float_power(x1: Any, x2: Any) -> Any:
    dtype = np.result_type(np.float64, operand(x1).dtype, operand(x2).dtype)
    return power(*[x.astype(dtype) if hasattr(x, "astype") else np.asarray(x, dtype)[()] for x in (x1, x2)])


# Extrema share the cotangent half and half on a tie, as central differences do.


@trailing(axes=EACH, work=each, fits=lambda ins, outs: outs[0].dtype.kind == "f", zero_derivative=True)
def share(xp: Any, x: Any, y: Any, out: Any) -> Any:
    """The part of `out`, the larger or the smaller of `x` and `y`, that is `x`: 1, 0, or on a tie 1/2."""
    mine, other = xp.equal(x, out), xp.equal(y, out)
    halves = xp.add(mine.view(np.int8), xp.greater(mine, other).view(np.int8))
    return xp.multiply(halves, 0.5, dtype=out.real.dtype)


@share.def_formula
def share_formula(xp: Any, x: Any, y: Any, out: Any) -> Any:
    none, half, whole = [out.dtype.type(part) for part in (0, 0.5, 1)]
    return xp.where(xp.equal(x, out), xp.where(xp.equal(y, out), half, whole), none)


def _by_clip(ufunc: Any, bounds: Any) -> Any:
    """`ufunc`, but for many float32 and a number the clip between `bounds(number)`, which NumPy does 8 times faster."""

    def extremum(x: Any, y: Any) -> Any:
        for array, number in ((x, y), (y, x)):
            is_single = type(array) is np.ndarray and array.dtype.char == "f"
            if type(number) in (int, float) and is_single and array.size >= 4096:
                return array.clip(*bounds(number))
        return ufunc(x, y)

    return extremum


ON_NUMPY = {
    np.maximum: _by_clip(np.maximum, lambda number: (number, math.inf)),
    np.minimum: _by_clip(np.minimum, lambda number: (-math.inf, number)),
}
maximum, minimum, fmax, fmin = [
    elementwise(
        ufunc, lambda out, x, y: share(x, y, out), lambda out, x, y: share(y, x, out), on_numpy=ON_NUMPY.get(ufunc)
    )
    for ufunc in (np.maximum, np.minimum, np.fmax, np.fmin)
]

# Exponentials and logarithms.

exp = elementwise(np.exp, lambda out, x: out)
exp2 = elementwise(np.exp2, lambda out, x: out * math.log(2))
expm1 = elementwise(np.expm1, lambda out, x: out + 1)
log = elementwise(np.log, Over(lambda out, x: x))
log2 = elementwise(np.log2, Over(lambda out, x: x * math.log(2)))
log10 = elementwise(np.log10, Over(lambda out, x: x * math.log(10)))
log1p = elementwise(np.log1p, Over(lambda out, x: 1 + x))


def bounded(out: Any) -> Any:
    """`out` with 0 in place of -inf: the parts of a sum of zeros are zero."""
    return np.where(out == -np.inf, 0, out)


logaddexp = elementwise(
    np.logaddexp, lambda out, x, y: np.exp(x - bounded(out)), lambda out, x, y: np.exp(y - bounded(out))
)
logaddexp2 = elementwise(
    np.logaddexp2, lambda out, x, y: np.exp2(x - bounded(out)), lambda out, x, y: np.exp2(y - bounded(out))
)


def wide(out: Any, x: Any) -> Any:
    """`x` in the dtype of `out`, so that what is computed of small ints does not wrap around."""
    return x.astype(out.dtype) if getattr(x, "dtype", out.dtype) != out.dtype else x


def by_angle(out: Any, x: Any, y: Any) -> Any:
    """`x / (x * x + y * y)`, without squares that are too large or too small; 0 where an angle has no derivative."""
    length = length_of(np.hypot(wide(out, x), wide(out, y)))
    return x / length / length


# Trigonometric and hyperbolic functions.
#
# Next to a branch cut the sign of a zero imaginary part is the side. Adding a number loses it (0 + -0 is 0), and so
# does subtracting from one; subtracting a number keeps it, so x + 1 is written x - (-1).


def one_less_square(x: Any) -> Any:
    """`1 - x * x` as a product, exact near 1 and -1; of complex numbers, with the sign of a zero imaginary part."""
    return -(x - 1) * (x - (-1)) if x.dtype.kind == "c" else (1 - x) * (1 + x)


sin = elementwise(np.sin, lambda out, x: np.cos(x))
cos = elementwise(np.cos, lambda out, x: -np.sin(x))
tan = elementwise(np.tan, lambda out, x: 1 + out * out)
arcsin = elementwise(np.arcsin, Over(lambda out, x: np.sqrt(one_less_square(x))))
arccos = elementwise(np.arccos, Over(lambda out, x: -np.sqrt(one_less_square(x))))
arctan = elementwise(np.arctan, Over(lambda out, x: 1 + x * x))
arctan2 = elementwise(np.arctan2, lambda out, y, x: by_angle(out, x, y), lambda out, y, x: -by_angle(out, y, x))
sinh = elementwise(np.sinh, lambda out, x: np.cosh(x))
cosh = elementwise(np.cosh, lambda out, x: np.sinh(x))
tanh = elementwise(np.tanh, lambda out, x: 1 - out * out)
arcsinh = elementwise(np.arcsinh, Over(lambda out, x: np.sqrt(x * x - (-1))))
arccosh = elementwise(np.arccosh, Over(lambda out, x: np.sqrt(x - 1) * np.sqrt(x - (-1))))
arctanh = elementwise(np.arctanh, Over(lambda out, x: (1 - x) * (1 + x)))
deg2rad, radians = [elementwise(ufunc, lambda out, x: math.pi / 180) for ufunc in (np.deg2rad, np.radians)]
rad2deg, degrees = [elementwise(ufunc, lambda out, x: 180 / math.pi) for ufunc in (np.rad2deg, np.degrees)]

# Derivative zero wherever it exists: integers, truth values, steps.

STEPS: tuple[Any, ...] = (
    *(np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal),
    *(np.logical_and, np.logical_or, np.logical_xor, np.logical_not),
    *(np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift, np.bitwise_count),
    *(np.isnan, np.isinf, np.isfinite, np.isnat, np.signbit, np.gcd, np.lcm),
    *(np.floor, np.ceil, np.rint, np.trunc, np.floor_divide, np.spacing),
)
for _ufunc in STEPS:
    elementwise(_ufunc)

real_sign = elementwise(np.sign, listed=False, work=per_result(1, 6))


@trailing(axes=EACH, work=per_result(1, 6))
def direction(xp: Any, x: Any) -> Any:
    """`x / abs(x)` of complex `x`; 0 of 0."""
    return xp.sign(x)


def _across(t: Any, out: Any, x: Any) -> Any:
    """The part of `t` that turns `x` rather than lengthening it, relative to the length."""
    size = np.absolute(x)
    return (t - (t * np.conjugate(out)).real * out) / np.where(size == 0, np.inf, size)


direction.def_vjp(lambda g, out, x: _across(g, np.conjugate(out), x))
direction.def_jvp(lambda tangents, out, x: fit(_across(tangents[0], out, x), out))


@implements(np.sign)
def sign(x: Any) -> Any:
    x = operand(x)
    return direction(x) if x.dtype.kind == "c" else real_sign(x)


# Two results.

modf = elementwise(np.modf)
modf.def_vjp(lambda g, out, x: np.zeros_like(x) if g[0] is None else g[0])
modf.def_jvp(lambda tangents, out, x: (tangents[0], None))

frexp = elementwise(np.frexp)
frexp.def_vjp(lambda g, out, x: np.zeros_like(x) if g[0] is None else np.ldexp(g[0], -out[1]))
frexp.def_jvp(lambda tangents, out, x: (np.ldexp(tangents[0], -out[1]), None))


@implements(np.divmod)
def divmod_(x1: Any, x2: Any) -> Any:
    return np.floor_divide(x1, x2), np.remainder(x1, x2)
