"""Elementwise functions that derivatives of SciPy's are made of, where a formula as it stands would lose its value."""

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import MissingRuleError
from ..ops import elementwise

ROOT_PI = math.sqrt(math.pi)


class Ufuncs:
    """The ufuncs of `scipy.special`, which is there when one of them has met a tracer."""

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.modules["scipy.special._ufuncs"], name)


s = Ufuncs()


@elementwise(lambda out, x, y, limit: 1 / _not_zero(y), lambda out, x, y, limit: -out / _not_zero(y), None)
def over(xp: Any, x: Any, y: Any, limit: Any) -> Any:
    """`x / y`; where `y` is 0 what it tends to, `limit`, of which the derivative is not known."""
    return xp.where(y == 0, limit, x / xp.where(y == 0, 1, y))


def _not_zero(y: Any) -> Any:
    return np.where(y == 0, np.nan, y)


# The densities of gamma and beta distributions. At the ends of their domain the derivative is another such density,
# with a parameter less by one; and with a parameter of 0, -1, ... it is 0.


def is_pole(a: Any) -> Any:
    """Whether the gamma function is infinite."""
    return (a <= 0) & (a == np.floor(a))


def _gamma_by_place(out: Any, a: Any, x: Any) -> Any:
    """The derivative of a density of the gamma distribution."""
    end = x == 0
    at_end = gamma_density(np.where(end, a - 1, 1), np.where(end, x, 1)) - out
    return np.where(end, at_end, out * ((a - 1) / np.where(end, 1, x) - 1))


@elementwise(lambda out, a, x: s.xlogy(out, x) - out * s.psi(a), _gamma_by_place)
def gamma_density(xp: Any, a: Any, x: Any) -> Any:
    """`x**(a - 1) * exp(-x) / gamma(a)`."""
    safe = xp.where(is_pole(a), 1, a)
    value = s.gammasgn(safe) * xp.exp(s.xlogy(safe - 1, x) - x - s.gammaln(safe))
    return xp.where(is_pole(a), 0, value)


def beta_density_by_x(out: Any, a: Any, b: Any, x: Any) -> Any:
    """The derivative of a density of the beta distribution."""
    inside = (x > 0) & (x < 1)
    p, q, end = np.where(inside, 2, a), np.where(inside, 2, b), np.where(inside, 0.5, x)
    at_end = (p + q - 1) * (beta_density(p - 1, q, end) - beta_density(p, q - 1, end))
    x = np.where(inside, x, 0.5)
    return np.where(inside, out * ((a - 1) / x - (b - 1) / (1 - x)), at_end)


@elementwise(
    lambda out, a, b, x: s.xlogy(out, x) + out * (s.psi(a + b) - s.psi(a)),
    lambda out, a, b, x: s.xlog1py(out, -x) + out * (s.psi(a + b) - s.psi(b)),
    beta_density_by_x,
)
def beta_density(xp: Any, a: Any, b: Any, x: Any) -> Any:
    """`x**(a - 1) * (1 - x)**(b - 1) / beta(a, b)`."""
    none = is_pole(a) | is_pole(b)
    a, b = xp.where(none, 1, a), xp.where(none, 1, b)
    sign = s.gammasgn(a) * s.gammasgn(b) * s.gammasgn(a + b)
    return xp.where(none, 0, sign * xp.exp(s.xlogy(a - 1, x) + s.xlog1py(b - 1, -x) - s.betaln(a, b)))


def f_density(n: Any, d: Any, x: Any) -> Any:
    """The density of the F distribution with `n` and `d` degrees of freedom."""
    whole = d + n * x
    return beta_density(n / 2, d / 2, n * x / whole) * (n / whole) * (d / whole)


def binomial_less(k: Any, n: Any, p: Any) -> Any:
    """The probability of `k` successes in one trial less than `n`."""
    there = (k >= 0) & (k < n)
    return np.where(there, s._binom_pmf(np.where(there, k, 0), np.where(there, n - 1, 0), p), 0)


def t_density(df: Any, t: Any) -> Any:
    """The density of Student's distribution; of infinitely many degrees of freedom, the normal one."""
    n = np.where(df == np.inf, 1, df)
    exponent = -s.betaln(0.5, n / 2) - np.log(n) / 2 - (n + 1) / 2 * np.log1p(t * t / n)
    return np.exp(np.where(df == np.inf, -t * t / 2 - math.log(2 * math.pi) / 2, exponent))


# The normal distribution.


@elementwise(lambda out, x: -out * (x + out))
def normal_ratio(xp: Any, x: Any) -> Any:
    """The normal density over the normal distribution function."""
    return math.sqrt(2 / math.pi) / s.erfcx(x * -math.sqrt(0.5))


def owens_t_by_a(h: Any, a: Any) -> Any:
    return np.exp(-h * h * (1 + a * a) / 2) / (1 + a * a) / (2 * math.pi)


def skewnorm_quantile(sign: int) -> tuple[Callable[..., Any], ...]:
    """The derivatives of a quantile of the skew normal distribution, counted from below or from above."""

    def density(out: Any, m: Any, width: Any, a: Any) -> tuple[Any, Any]:
        z = (out - m) / width
        return z, math.sqrt(2 / math.pi) * np.exp(-z * z / 2) * s.ndtr(a * z)

    def by_q(out: Any, q: Any, m: Any, width: Any, a: Any) -> Any:
        return sign * width / density(out, m, width, a)[1]

    def by_width(out: Any, q: Any, m: Any, width: Any, a: Any) -> Any:
        return (out - m) / width

    def by_a(out: Any, q: Any, m: Any, width: Any, a: Any) -> Any:
        z, slope = density(out, m, width, a)
        return 2 * width * owens_t_by_a(z, a) / slope

    return by_q, lambda out, q, m, width, a: np.ones_like(out), by_width, by_a


def noncentral_density(x: Any, df: Any, nc: Any) -> Any:
    """The density of the noncentral chi-squared distribution, by a Bessel function that is scaled."""
    apart = np.sqrt(x) - np.sqrt(nc)
    return 0.5 * np.exp(-apart * apart / 2) * (x / nc) ** (df / 4 - 0.5) * s.ive(df / 2 - 1, np.sqrt(nc * x))


# Tails. A difference there loses all digits, and a series needs few terms.

FAR = 100.0


def tail(t: Any) -> Any:
    """`t + 3 t**2 + 15 t**3 + 105 t**4`, of DLMF 7.12.1 differentiated, with `t` less than 1e-4."""
    return t * (1 + t * (3 + t * (15 + 105 * t)))


def erfcx_slope(out: Any, x: Any) -> Any:
    """The derivative of `erfcx`."""
    far = x.real > FAR
    z = np.where(far, x, FAR)
    scale = 2 / math.sqrt(math.pi)
    return np.where(far, scale * tail(-0.5 / (z * z)), np.where(far, 0, 2 * x * out - scale))


def dawsn_slope(out: Any, x: Any) -> Any:
    """The derivative of Dawson's integral."""
    far = (np.abs(x.real) > FAR) if x.dtype.kind == "f" else np.zeros_like(x.real) > 0
    z = np.where(far, x, FAR)
    return np.where(far, -tail(0.5 / (z * z)), np.where(far, 0, 1 - 2 * x * out))


# Elliptic integrals: of sin(t)**2 over d(t), and over d(t)**3, where d(t)**2 is 1 - m * sin(t)**2.


def _sine_integral_by_m(out: Any, phi: Any, m: Any) -> Any:
    at_zero = (12 * phi - 8 * np.sin(2 * phi) + np.sin(4 * phi)) / 64
    return over((sine_integral_over_cube(phi, m) - out) / 2, m, at_zero)


@elementwise(lambda out, phi, m: np.sin(phi) ** 2 / np.sqrt(1 - m * np.sin(phi) ** 2), _sine_integral_by_m)
def sine_integral(xp: Any, phi: Any, m: Any) -> Any:
    """`(ellipkinc(phi, m) - ellipeinc(phi, m)) / m`: DLMF 19.25.9, and 19.2.10 for other angles."""
    turns = xp.rint(phi / math.pi)
    phi = phi - turns * math.pi
    sine, cosine = xp.sin(phi), xp.cos(phi)
    part = sine**3 / 3 * s.elliprd(cosine * cosine, 1 - m * sine * sine, 1.0)
    return part + turns * s.elliprd(0.0, xp.where(turns == 0, 1, 1 - m), 1.0) * (2 / 3)


def sine_integral_over_cube(phi: Any, m: Any) -> Any:
    """Twice the derivative of `ellipkinc` by `m`: DLMF 19.4.5, in a form that is not 0 / 0 for an `m` of 0."""
    sine, root = np.sin(phi), np.sqrt(1 - m * np.sin(phi) ** 2)
    return (s.ellipkinc(phi, m) - sine_integral(phi, m) - sine * np.cos(phi) / root) / (1 - m)


def agm_slope(out: Any, a: Any, b: Any) -> Any:
    """The derivative of the arithmetic-geometric mean by `a`: DLMF 19.8.5, as an integral of the mean ratio."""
    whole = a + b
    slope = s.hyp2f1(1.5, 1.5, 2, ((a - b) / whole) ** 2)
    return out / whole - 2 * (out / whole) ** 2 * slope * (b / whole) * ((a - b) / whole)


@elementwise(
    lambda out, x, y: (3 * out + 0.5 / (x * np.sqrt(x))) / (2 * (y - x)),
    lambda out, x, y: (-(0.5 * s.elliprc(x, y) + x * out) / y - 2 * out) / (2 * (y - x)),
)
def carlson_c_slope(xp: Any, x: Any, y: Any) -> Any:
    """The derivative of `elliprc` by `x`: 19.18.1, where `elliprc(x, y)` is `elliprf(x, y, y)`."""
    if np.result_type(x, y).kind == "c":
        return s.elliprd(y, y, x) / -6
    cut = y < 0  # a principal value, which is not an elliprd
    elementary = (s.elliprc(x, y) - 1 / xp.sqrt(x)) / (2 * xp.where(cut, y - x, 1))
    return xp.where(cut, elementary, s.elliprd(xp.where(cut, x, y), xp.where(cut, x, y), x) / -6)


def carlson_d_slope(out: Any, x: Any, y: Any, z: Any) -> Any:
    """The derivative of `elliprd` by `x`: DLMF 19.18.6 differentiated; not given where `x` is `z`."""
    return (s.elliprd(y, z, x) - out) / (2 * (x - z))


def carlson_d_by_last(out: Any, x: Any, y: Any, z: Any) -> Any:
    """The derivative of `elliprd` by `z`: it is homogeneous, 19.20.18."""
    return (-1.5 * out - x * carlson_d_slope(out, x, y, z) - y * carlson_d_slope(out, y, x, z)) / z


# Others, one function after the other.


def real(x: Any, call: str) -> Any:
    """`x`, which is real: with complex numbers the function is scaled by one that is not analytic."""
    if getattr(x, "dtype", np.dtype(float)).kind == "c":
        fact = "has no complex derivative: it is not analytic"
        raise MissingRuleError(f"scipy.special.{call}", fact, "", "Use the function without scaling")
    return x


def shifted(f: Any, v: Any, x: Any, sign: int) -> Any:
    """`(f(v - 1, x) + sign * f(v + 1, x)) / 2`: 10.6.1 and 10.29.1."""
    return (f(v - 1, x) + sign * f(v + 1, x)) / 2


def spherical(f: Any, n: Any, x: Any, left: int, right: int) -> Any:
    """By the orders beside: 10.51.2, 10.51.5."""
    return (left * n * f(np.maximum(n - 1, 0), x) + right * (n + 1) * f(n + 1, x)) / (2 * n + 1)


def rgamma_slope(out: Any, x: Any) -> Any:
    """Of `1 / gamma(x)`, by reflection where that has zeros: 5.5.3."""
    left = x.real < 0.5
    z = np.where(left, x, 0)
    mirrored = s.gamma(1 - z) * (np.cos(math.pi * z) - s.psi(1 - z) * np.sin(math.pi * z) / math.pi)
    return np.where(left, mirrored, -out * s.psi(np.where(left, 1, x)))


def gamma_ratio_slope(out: Any, a: Any, b: Any, scale: Any) -> Any:
    """Of `scale * gamma(a) / gamma(b)`, both of which move: 5.5.3 where both are infinite, or the second is."""
    both, alone = is_pole(a) & is_pole(b), is_pole(b) & ~is_pole(a)
    z, top = np.where(alone, b, 1), np.where(is_pole(a), 1, a)
    at_zero = out * s.psi(top) + scale * s.gamma(np.where(alone, top, 1)) * rgamma_slope(s.rgamma(z), z)
    a, b = np.where(both, 1 - a, a), np.where(both, 1 - b, np.where(alone, 1, b))
    return np.where(alone, at_zero, out * (s.psi(a) - s.psi(b)))


def _at_zero(zero: Any, n: Any, q: Any, x: Any, by_q: Any) -> Any:
    """Of `beta(n + 1, q) * sin(pi * x) / pi` by `x`, with the logarithmic derivative of beta: 5.5.3."""
    n, q, x = np.where(zero, n, 1), np.where(zero, q, 1), np.where(zero, x, 0)
    return s.beta(n + 1, q) * (np.cos(math.pi * x) + np.sin(math.pi * x) / math.pi * by_q(n, q))


def binom_by_n(out: Any, n: Any, k: Any) -> Any:
    """Of `gamma(n + 1) / gamma(k + 1) / gamma(n - k + 1)`, the last of which is infinite where that is 0."""
    b = n - k + 1
    zero = is_pole(b)
    at_zero = _at_zero(zero, n, k - n, b, lambda n, q: s.psi(n + 1) - s.psi(q))
    return np.where(zero, at_zero, out * (s.psi(np.where(zero, 1, n + 1)) - s.psi(np.where(zero, 1, b))))


def binom_by_k(out: Any, n: Any, k: Any) -> Any:
    """The same, or both of the last are."""
    a, b = k + 1, n - k + 1
    left, right = is_pole(a), is_pole(b)
    at_left = _at_zero(left, n, -k, a, lambda n, q: s.psi(n + 1 + q) - s.psi(q))
    at_right = -_at_zero(right, n, k - n, b, lambda n, q: s.psi(n + 1 + q) - s.psi(q))
    inside = out * (s.psi(np.where(right, 1, b)) - s.psi(np.where(left, 1, a)))
    return np.where(left, at_left, np.where(right, at_right, inside))


def beta_slope(out: Any, a: Any, b: Any) -> Any:
    """Of `gamma(a) / gamma(a + b) * gamma(b)` by `a`."""
    return gamma_ratio_slope(out, a, a + b, s.gamma(np.where(is_pole(a + b), b, 1)))


def psi_slope(out: Any, x: Any) -> Any:
    """5.15.1; SciPy has it of real numbers."""
    return complex_polygamma(x, order=1) if x.dtype.kind == "c" else s._zeta(2.0, x)


BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)
"""Those of even index: 24.2.1."""


MOST_STEPS = 1e4
"""How far from the right a number may be; farther to the left the result is NaN."""


def _next(out: Any, z: Any, *, order: int) -> Any:
    return complex_polygamma(z, order=order + 1)


@elementwise(_next)
def complex_polygamma(xp: Any, z: Any, *, order: int) -> Any:
    """The derivative of `psi`, so many times: 5.15.9, and for numbers nearer to the poles 5.15.5."""
    sign, far = (-1) ** (order - 1), 15.0 + order
    missing = xp.where(xp.abs(z.imag) < far, far - z.real, 0)
    missing = xp.where(missing < MOST_STEPS, missing, 0)  # NaN is no number of steps, nor is infinity
    steps = int(xp.ceil(xp.max(missing, initial=0)))
    total = sum([1 / (z + k) ** (order + 1) for k in range(steps)], start=0 * z) * (sign * math.factorial(order))
    z = xp.where(xp.abs(z.imag) < far, xp.where(z.real + steps < far - 1, xp.nan, z), z) + steps
    series = math.factorial(order - 1) / z**order + math.factorial(order) / (2 * z ** (order + 1))
    for k, number in enumerate(BERNOULLI, 1):
        series = series + number * math.factorial(2 * k + order - 1) / math.factorial(2 * k) / z ** (2 * k + order)
    return total + sign * series


def _by_divisor(out: Any, x: Any, y: Any) -> Any:
    return -ratio(out, y)


@elementwise(lambda out, x, y: 1 / y, _by_divisor)
def ratio(xp: Any, x: Any, y: Any) -> Any:
    """`x / y`; 0 where both are."""
    return x / xp.where((x == 0) & (y == 0), 1, y)


def boxcox_by_power(x: Any, power: Any, log: Any) -> Any:
    """The derivative of `(x**power - 1) / power`, whose power may be 0, as may `x`; of a power series in the log."""
    at_end = (x == 0) & (power > 0)
    return np.where(at_end, 1 / np.where(at_end, power, 1) ** 2, log * log * s.hyp1f1(2, 3, power * log) / 2)


def log_of_boxcox_by_power(y: Any, power: Any) -> Any:
    """The derivative of `log(1 + power * y) / power`: 15.4.1."""
    return -y * y * s.hyp2f1(2, 2, 3, -power * y) / 2


def sinhc(x: Any) -> Any:
    """`sinh(x) / x`."""
    return s._spherical_in(0, x if x.dtype.kind == "c" else np.where(x < 0, -x, x))


def expn_slope(out: Any, n: Any, x: Any) -> Any:
    """8.19.13; `expn(0, x)` is `exp(-x) / x`."""
    return np.where(n == 0, -out * (1 + 1 / np.where(n == 0, x, 1)), -s.expn(np.maximum(n - 1, 0), x))


def ellipkm1_slope(out: Any, p: Any) -> Any:
    """Of `ellipk(1 - p)`: 19.4.1, exact for small `p`; near 1, where that is 0 / 0, by the series."""
    small = p < 0.5
    q, r = np.where(small, p, 0.25), np.where(small, 1, p)
    exact = (q * s.ellipkm1(q) - s.ellipe(1 - q)) / (2 * q * (1 - q))
    return np.where(small, exact, -math.pi / 8 * s.hyp2f1(1.5, 1.5, 2, 1 - r))


def amplitude_by_m(u: Any, m: Any, out: Any) -> Any:
    sn, cn, dn, phi = out
    return -dn * (u - sine_integral(phi, m) - sn * cn / dn) / (1 - m) / 2


def ellipj_by_m(out: Any, u: Any, m: Any) -> Any:
    """By the amplitude, whose elliptic integral `u` stays what it is."""
    sn, cn, dn, _ = out
    turn = amplitude_by_m(u, m, out)
    return cn * turn, -sn * turn, -(sn * sn + 2 * m * sn * cn * turn) / (2 * dn), turn


def airye_slope(out: Any, z: Any) -> Any:
    """Of Airy functions, times exponentials of `2/3 z**1.5`; for negative `z` those are none, or not real."""
    root = np.sqrt(np.maximum(real(z, "airye"), 0))
    a, da, b, db = out
    return da + root * a, z * a + root * da, db - root * b, z * b - root * db


def kelvin_slope(x: Any) -> Any:
    """The second derivative of `ber(x) + 1j * bei(x)`, a Bessel function along a diagonal: 10.61.1."""
    z = (-1 + 1j) * math.sqrt(0.5) * x
    return (s.jv(0, z) - s.jv(2, z)) * 0.5j


def struve_slope(f: Any, v: Any, x: Any, sign: int) -> Any:
    """11.4.24, 11.4.28; of order 0 by one more order only, since that of -1 has a derivative that cancels another."""
    extra = (x / 2) ** v * s.rgamma(v + 1.5) / ROOT_PI
    left = f(np.where(v == 0, 1, v) - 1, x)
    right = sign * f(v + 1, x) + extra
    return np.where(v == 0, right, (left + right) / 2)


def voigt_by_x(x: Any, sigma: Any, gamma: Any) -> tuple[Any, Any]:
    """Where `voigt_profile` takes the values of `wofz`, and its derivative by `x` before the real part: 7.19.1."""
    sharp, place = sigma == 0, x + 1j * gamma
    sigma = np.where(sharp, 1, sigma)
    z = place / (sigma * math.sqrt(2))
    lorentz = -1j / math.pi / np.where(sharp, place * place, 1)
    return z, np.where(sharp, lorentz, (1j / ROOT_PI - z * s.wofz(z)) / (sigma * sigma * ROOT_PI))


def voigt_by_width(out: Any, x: Any, sigma: Any, gamma: Any) -> Any:
    sharp = sigma == 0
    z, slope = voigt_by_x(x, np.where(sharp, 1, sigma), gamma)
    at_zero = sigma * (2j / math.pi / np.where(sharp, x + 1j * gamma, 1) ** 3).real  # as heat spreads
    return np.where(sharp, at_zero, -out / np.where(sharp, 1, sigma) - math.sqrt(2) * (z * slope).real)


def power_of(n: Any, f: Any, *args: Any) -> Any:
    """`f` of a degree less by one, for the derivative of a polynomial; that of a constant is 0."""
    return np.where(n == 0, 0, f(np.where(n == 0, 0, n - 1), *args))
