"""Exponential, logarithm and hyperbolic tangent as instructions without a branch, so that loops run on vectors.

The range is reduced by bits of the number, and a polynomial or a quotient of two does the rest; the coefficients are
Cephes's. All are within 1 unit in the last place. Powers of two are put together from bits in two factors, so that
results may overflow to inf or underflow gradually; nan comes through as no comparison with it is true.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

FUSED = ("contract",)
"""A product and a sum may be one instruction, where the processor has it."""


class Format(NamedTuple):
    """Of one floating-point type: bits, and coefficients from the highest power."""

    dtype: Any
    bits: int
    mantissa: int
    largest: float
    smallest: float
    ln2: tuple[float, float]
    exp_over: tuple[float, ...]
    exp_under: tuple[float, ...]
    log_over: tuple[float, ...]
    log_under: tuple[float, ...]
    log_root: int
    tanh_over: tuple[float, ...]
    tanh_under: tuple[float, ...]


SINGLE = Format(
    np.float32,
    *(32, 23, 89.0, -104.5),
    (0.693359375, -2.12194440e-4),
    (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1),
    (),
    (
        *(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1),
        *(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
    ),
    (),
    0x3F3504F3,
    (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1),
    (),
)
DOUBLE = Format(
    np.float64,
    *(64, 52, 710.0, -746.0),
    (6.93145751953125e-1, 1.42860682030941723212e-6),
    (1.26177193074810590878e-4, 3.02994407707441961300e-2, 9.99999999999999999910e-1),
    (3.00198505138664455042e-6, 2.52448340349684104192e-3, 2.27265548208155028766e-1, 2.0),
    (
        *(1.01875663804580931796e-4, 4.97494994976747001425e-1, 4.70579119878881725854e0),
        *(1.44989225341610930846e1, 1.79368678507819816313e1, 7.70838733755885391666e0),
    ),
    (
        *(1.0, 1.12873587189167450590e1, 4.52279145837532221105e1),
        *(8.29875266912776603211e1, 7.11544750618563894466e1, 2.31251620126765340583e1),
    ),
    0x3FE6A09E667F3BCD,
    (-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3),
    (1.0, 1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3),
)


def call(builder: Any, name: str, *args: Any) -> Any:
    """LLVM's function `name` of numbers of one type."""
    kind = args[0].type
    signature = ir.FunctionType(kind, [kind] * len(args))
    return builder.call(builder.module.declare_intrinsic(f"llvm.{name}", [kind], signature), args)


class Numbers:
    """Arithmetic on one floating-point type."""

    def __init__(self, builder: Any, like: Any) -> None:
        single = like.type == ir.FloatType()
        self.builder, self.real = builder, like.type
        self.format = SINGLE if single else DOUBLE
        self.integer = ir.IntType(self.format.bits)

    def of(self, x: Any) -> Any:
        return ir.Constant(self.real, float(self.format.dtype(x))) if isinstance(x, (int, float)) else x

    def add(self, x: Any, y: Any) -> Any:
        return self.builder.fadd(self.of(x), self.of(y), flags=FUSED)

    def sub(self, x: Any, y: Any) -> Any:
        return self.builder.fsub(self.of(x), self.of(y), flags=FUSED)

    def mul(self, x: Any, y: Any) -> Any:
        return self.builder.fmul(self.of(x), self.of(y), flags=FUSED)

    def div(self, x: Any, y: Any) -> Any:
        return self.builder.fdiv(self.of(x), self.of(y))

    def polynomial(self, x: Any, coefficients: Sequence[float]) -> Any:
        total = self.of(coefficients[0])
        for c in coefficients[1:]:
            total = self.add(self.mul(total, x), c)
        return total

    def when(self, comparison: str, x: Any, y: Any, then: Any, other: Any) -> Any:
        return self.builder.select(self.builder.fcmp_ordered(comparison, x, self.of(y)), self.of(then), self.of(other))

    def absolute(self, x: Any) -> Any:
        return call(self.builder, "fabs", x)

    def like_sign(self, x: Any, sign: Any) -> Any:
        return call(self.builder, "copysign", x, sign)

    def int(self, x: int) -> Any:
        return ir.Constant(self.integer, x)

    def as_int(self, x: Any) -> Any:
        return self.builder.bitcast(x, self.integer)

    def as_real(self, x: Any) -> Any:
        return self.builder.bitcast(x, self.real)

    def power_of_two(self, n: Any) -> Any:
        bias = (1 << (self.format.bits - self.format.mantissa - 2)) - 1
        return self.as_real(self.builder.shl(self.builder.add(n, self.int(bias)), self.int(self.format.mantissa)))


def exponential(builder: Any, x: Any) -> Any:
    """exp(x) = 2**n exp(r), with r at most half of log(2)."""
    m = Numbers(builder, x)
    f = m.format
    x = m.when(">", x, f.largest, f.largest, x)
    x = m.when("<", x, f.smallest, f.smallest, x)
    shift = 1.5 * 2.0**f.mantissa  # adding it rounds to whole numbers, and leaves them in the low bits
    shifted = m.add(m.mul(x, 1.4426950408889634), shift)
    n = m.builder.sub(m.as_int(shifted), m.as_int(m.of(shift)))
    whole = m.builder.fsub(shifted, m.of(shift))
    r = m.sub(m.sub(x, m.mul(whole, f.ln2[0])), m.mul(whole, f.ln2[1]))
    square = m.mul(r, r)
    if f.exp_under:
        over = m.mul(r, m.polynomial(square, f.exp_over))
        fraction = m.div(over, m.sub(m.polynomial(square, f.exp_under), over))
        out = m.add(m.add(fraction, fraction), 1)
    else:
        out = m.add(m.add(m.mul(m.polynomial(r, f.exp_over), square), r), 1)
    half = builder.ashr(n, m.int(1))
    return builder.fmul(builder.fmul(out, m.power_of_two(half)), m.power_of_two(builder.sub(n, half)))


def logarithm(builder: Any, given: Any) -> Any:
    """log(x) = e log(2) + log(1 + f), with 1 + f from sqrt(1/2) to sqrt(2)."""
    m = Numbers(builder, given)
    f = m.format
    tiny = float(np.finfo(f.dtype).tiny)
    x = m.when("<", given, tiny, builder.fmul(given, m.of(2.0**f.mantissa)), given)
    bits = builder.sub(m.as_int(x), m.int(f.log_root))
    exponent = builder.sitofp(builder.ashr(bits, m.int(f.mantissa)), m.real)
    e = m.when("<", given, tiny, m.sub(exponent, f.mantissa), exponent)
    part = builder.and_(bits, m.int((1 << f.mantissa) - 1))
    x = builder.fsub(m.as_real(builder.add(part, m.int(f.log_root))), m.of(1))
    square = m.mul(x, x)
    y = m.polynomial(x, f.log_over)
    if f.log_under:
        y = m.div(y, m.polynomial(x, f.log_under))
    y = m.mul(x, m.mul(square, y))
    y = m.add(y, m.mul(e, -2.121944400546905827679e-4))
    y = m.sub(y, m.mul(square, 0.5))
    out = m.add(m.add(x, y), m.mul(e, 0.693359375))
    out = m.when("==", given, 0, -np.inf, out)
    infinite_or_nan = builder.fcmp_unordered(">", given, m.of(float(np.finfo(f.dtype).max)))
    out = builder.select(infinite_or_nan, given, out)
    return m.when("<", given, 0, np.nan, out)


def hyperbolic_tangent(builder: Any, x: Any) -> Any:
    """Near 0 a polynomial, else 1 - 2 / (exp(2 abs(x)) + 1)."""
    m = Numbers(builder, x)
    f = m.format
    size = m.absolute(x)
    square = builder.fmul(x, x)
    y = m.polynomial(square, f.tanh_over)
    if f.tanh_under:
        y = m.div(y, m.polynomial(square, f.tanh_under))
    near = m.add(m.mul(m.mul(y, square), x), x)
    e = exponential(builder, builder.fadd(size, size))
    far = m.sub(1, m.div(2, builder.fadd(e, m.of(1))))
    return m.like_sign(m.when("<", size, 0.625, near, far), x)
