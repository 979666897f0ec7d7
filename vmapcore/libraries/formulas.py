"""Formulas of distributions in place of SciPy's, where those choose by `if` or by index, or have no derivative.

They are by the classes of SciPy and their methods, of which each is as in `scipy.stats.rv_continuous`. A branch that is
not taken is given a number for which it is finite, so that derivatives are.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ops import elementwise
from .slopes import normal_ratio, owens_t_by_a, s, t_density

LOG_ROOT_2PI = math.log(2 * math.pi) / 2
NORMAL_ENTROPY = LOG_ROOT_2PI + 0.5

# What is known of any distribution, by others of its methods.


def _all_positive(law: Any) -> Any:
    good = np.True_
    for x in law.shapes:
        good = good & (x > 0)
    return good


def _log_of(near: str, far: str) -> Callable[[Any, Any], Any]:
    """The logarithm of a distribution function, of a large one by the other."""

    def log(law: Any, x: Any) -> Any:
        return _log_beside(law.hook(near, x), law.hook(far, x))

    return log


def _log_beside(value: Any, rest: Any) -> Any:
    """The logarithm of `value`, which is `1 - rest`."""
    small = value < 0.5
    return np.where(small, np.log(np.where(small, value, 1)), np.log1p(-np.where(small, 0, rest)))


def _log(name: str) -> Callable[[Any, Any], Any]:
    def log(law: Any, x: Any) -> Any:
        return np.log(law.hook(name, x))

    return log


DEFAULTS: dict[str, dict[str, Callable[..., Any]]] = {
    "rv_generic": {
        "_argcheck": _all_positive,
        "_sf": lambda law, x: 1.0 - law.hook("_cdf", x),
        "_isf": lambda law, q: law.hook("_ppf", 1.0 - q),
        "_logcdf": _log("_cdf"),
        "_logsf": _log("_sf"),
        "_rvs": lambda law, size, random_state: law.hook("_ppf", random_state.uniform(size=size)),
    },
    "rv_continuous": {
        "_logpdf": _log("_pdf"),
        "_logcdf": _log_of("_cdf", "_sf"),
        "_logsf": _log_of("_sf", "_cdf"),
    },
    "rv_discrete": {"_logpmf": _log("_pmf"), "_logcdf": _log("_cdf")},
}


# Where a formula holds for some parameters only.


def _above(x: Any, least: float, formula: Callable[[Any], Any], otherwise: float) -> Any:
    """`formula(x)` where `x` is more than `least`."""
    return np.where(x > least, formula(np.where(x > least, x, least + 1)), otherwise)


def _far(x: Any, least: float, near: Callable[[Any], Any], far: Callable[[Any], Any]) -> Any:
    """`near(x)`, and from `least` on its expansion."""
    return np.where(x >= least, far(np.where(x >= least, x, least)), near(np.where(x >= least, least, x)))


def _t_logpdf(x: Any, df: Any) -> Any:
    n = np.where(df == np.inf, 1, df)
    student = np.log(s.poch(0.5 * n, 0.5)) - 0.5 * (np.log(n) + math.log(math.pi)) - (n + 1) / 2 * np.log1p(x * x / n)
    return np.where(df == np.inf, -x * x / 2 - LOG_ROOT_2PI, student)


def _t_stats(df: Any) -> Any:
    n = np.where(df == np.inf, 1e300, df)  # of which the moments are the limits
    var = np.where(df > 2, _above(n, 2, lambda n: n / (n - 2), np.inf), np.where(df > 1, np.inf, np.nan))
    far = np.where(df > 4, _above(n, 4, lambda n: 6 / (n - 4), np.inf), np.where(df > 2, np.inf, np.nan))
    return np.where(df > 1, 0.0, np.inf), var, np.where(df > 3, 0.0, np.nan), far


def _t_entropy(df: Any) -> Any:
    def near(n: Any) -> Any:
        half, more = n / 2, (n + 1) / 2
        return more * (s.psi(more) - s.psi(half)) + np.log(np.sqrt(n) * s.beta(half, 0.5))

    def far(n: Any) -> Any:
        r = 1 / n
        return NORMAL_ENTROPY + r * (1 + r * (1 / 4 + r * (-1 / 6 + r * (-1 / 8 + r * (3 / 10 + r / 4)))))

    return _far(df, 100, near, far)


def _gamma_entropy(a: Any) -> Any:
    def far(a: Any) -> Any:
        r = 1 / a
        return 0.5 * (1 + math.log(2 * math.pi) + np.log(a)) - r * (1 / 3 + r * (1 / 12 + r * (1 / 90 - r / 120)))

    return _far(a, 250, lambda a: s.psi(a) * (1 - a) + a + s.gammaln(a), far)


def _invgamma_entropy(a: Any) -> Any:
    def far(a: Any) -> Any:
        r = 1 / a
        log = (1 - 3 * np.log(a) + math.log(2 * math.pi)) / 2
        return log + r * (2 / 3 + r * (1 / 12 - r * (1 / 90 + r / 120)))

    return _far(a, 200, lambda a: a - (a + 1) * s.psi(a) + s.gammaln(a), far)


def _beta_entropy(a: Any, b: Any) -> Any:
    return s.betaln(a, b) - (a - 1) * s.psi(a) - (b - 1) * s.psi(b) + (a + b - 2) * s.psi(a + b)


def _f_stats(n: Any, d: Any) -> Any:
    n, d = 1.0 * n, 1.0 * d

    def skewness(d: Any) -> Any:
        return math.sqrt(8) * (2 * n + d - 2) / (d - 6) * np.sqrt((d - 4) / (n * (n + d - 2)))

    return (
        _above(d, 2, lambda d: d / (d - 2), np.inf),
        _above(d, 4, lambda d: 2 * d * d * (n + d - 2) / (n * (d - 2) ** 2 * (d - 4)), np.inf),
        _above(d, 6, skewness, np.nan),
        _above(d, 8, lambda d: 1.5 * (8 + skewness(d) ** 2 * (d - 6)) / (d - 8), np.nan),
    )


def _pareto_stats(b: Any, moments: str) -> Any:
    return (
        _above(b, 1, lambda b: b / (b - 1), np.inf),
        _above(b, 2, lambda b: b / (b - 2) / (b - 1) ** 2, np.inf),
        _above(b, 3, lambda b: 2 * (b + 1) * np.sqrt(b - 2) / ((b - 3) * np.sqrt(b)), np.nan),
        _above(b, 4, lambda b: 6 * (b**3 + b**2 - 6 * b - 2) / (b * (b - 3) * (b - 4)), np.nan),
    )


def _invgamma_stats(a: Any, moments: str) -> Any:
    return (
        _above(a, 1, lambda a: 1 / (a - 1), np.inf),
        _above(a, 2, lambda a: 1 / (a - 1) ** 2 / (a - 2), np.inf),
        _above(a, 3, lambda a: 4 * np.sqrt(a - 2) / (a - 3), np.nan),
        _above(a, 4, lambda a: 6 * (5 * a - 11) / (a - 3) / (a - 4), np.nan),
    )


def _lognorm_logpdf(x: Any, shape: Any) -> Any:
    return -(np.log(x) ** 2) / (2 * shape**2) - np.log(shape * x * math.sqrt(2 * math.pi))


def _cauchy_logpdf(x: Any) -> Any:
    size = np.abs(x)
    small = size < 1
    far = np.where(small, 1, size)
    near = -np.log1p(np.where(small, x, 0) ** 2)
    return -math.log(math.pi) + np.where(small, near, -(2 * np.log(far) + np.log1p((1 / far) ** 2)))


# The normal distribution between two ends. In the right tail it is computed in the left one, where digits are.


def _log_difference(p: Any, q: Any) -> Any:
    """`log(exp(p) - exp(q))`."""
    gap = np.where(q < p, q - p, -1)
    near = np.log(-np.expm1(np.where(gap > -math.log(2), gap, -1)))
    return np.where(q < p, p + np.where(gap > -math.log(2), near, np.log1p(-np.exp(gap))), -np.inf)


def _log_mass(a: Any, b: Any) -> Any:
    """The logarithm of the probability of being between `a` and `b`."""
    central = (a <= 0) & (b > 0)
    low, high = np.where(a > 0, -b, a), np.where(a > 0, -a, b)
    tail = _log_difference(s.log_ndtr(np.where(central, -1, high)), s.log_ndtr(np.where(central, -2, low)))
    return np.where(central, np.log1p(-s.ndtr(np.where(central, a, -1)) - s.ndtr(np.where(central, -b, -1))), tail)


def _truncnorm_log(x: Any, a: Any, b: Any, is_cdf: bool) -> Any:
    """The logarithm of the distribution function, or of its complement; of a large one by the other."""
    whole = _log_mass(a, b)
    below, above = _log_mass(a, x) - whole, _log_mass(x, b) - whole
    value, other = (below, above) if is_cdf else (above, below)
    large = value > -0.1
    return np.where(large, np.log1p(-np.exp(np.where(large, other, -1))), value)


def _truncnorm_ppf(q: Any, a: Any, b: Any) -> Any:
    left, mass = a < 0, _log_mass(a, b)
    log_tail = s.log_ndtr(np.where(left, a, -b))
    log_part = np.where(left, np.log(q), np.log1p(-q)) + mass
    return np.where(left, 1, -1) * s.ndtri_exp(np.logaddexp(log_tail, log_part))


def _truncnorm_isf(q: Any, a: Any, b: Any) -> Any:
    left, mass = b < 0, _log_mass(a, b)
    log_tail = s.log_ndtr(np.where(left, b, -a))
    log_part = np.where(left, np.log(q), np.log1p(-q)) + mass
    return np.where(left, 1, -1) * s.ndtri_exp(_log_difference(log_tail, log_part))


def _truncnorm_stats(a: Any, b: Any, moments: str) -> Any:
    mass = _log_mass(a, b)
    at_a, at_b = (np.exp(-x * x / 2 - LOG_ROOT_2PI - mass) for x in (a, b))
    a, b = np.where(at_a == 0, 0, a), np.where(at_b == 0, 0, b)  # infinite ends, perhaps
    m1 = at_a - at_b
    var = 1 + at_a * (a - m1) - at_b * (b - m1)
    m2, m3 = 1 + at_a * a - at_b * b, 2 * m1 + at_a * a**2 - at_b * b**2
    m4 = 3 * m2 + at_a * a**3 - at_b * b**3
    third, fourth = m3 + m1 * (-3 * m2 + 2 * m1**2), m4 + m1 * (-4 * m3 + 3 * m1 * (2 * m2 - m1**2))
    return m1, var, third / var**1.5, fourth / var**2 - 3


# The skew normal distribution function is the normal one, less twice Owen's T. In the tail that this makes small, it is
# an integral of the density, which falls there by `rate` at least: a Gauss-Laguerre rule.

NODES, WEIGHTS = np.polynomial.laguerre.laggauss(40)


def _skewnorm_logpdf(x: Any, a: Any) -> Any:
    return math.log(2) - x * x / 2 - LOG_ROOT_2PI + s.log_ndtr(a * x)


@elementwise(lambda out, x, a: np.exp(_skewnorm_logpdf(x, a)), lambda out, x, a: -2 * owens_t_by_a(x, a))
def skewnorm_cdf(xp: Any, x: Any, a: Any) -> Any:
    """The skew normal distribution function."""
    value = xp.clip(s.ndtr(x) - 2 * s.owens_t(x, a), 0, 1)
    tail = (a > 0) & (x < 0) & (value < 1e-4)
    y, b = xp.where(tail, x, -4.0), xp.where(tail, a, 1.0)
    rate = b * normal_ratio(b * y) - y
    further = y[..., None] - xp.asarray(NODES) / rate[..., None]
    falls = _skewnorm_logpdf(further, b[..., None]) - _skewnorm_logpdf(y, b)[..., None] + xp.asarray(NODES)
    integral = xp.exp(_skewnorm_logpdf(y, b)) / rate * (xp.asarray(WEIGHTS) * xp.exp(falls)).sum(-1)
    return xp.where(tail, integral, value)


FORMULAS: dict[str, dict[str, Callable[..., Any]]] = {
    "beta_gen": {"_entropy": _beta_entropy},
    "cauchy_gen": {"_logpdf": _cauchy_logpdf},
    "chi2_gen": {"_entropy": lambda df: _gamma_entropy(df / 2) + math.log(2)},
    "f_gen": {"_stats": _f_stats},
    "gamma_gen": {"_entropy": _gamma_entropy},
    "invgamma_gen": {"_stats": _invgamma_stats, "_entropy": _invgamma_entropy},
    "lognorm_gen": {"_logpdf": _lognorm_logpdf, "_pdf": lambda x, s: np.exp(_lognorm_logpdf(x, s))},
    "pareto_gen": {"_stats": _pareto_stats},
    "poisson_gen": {"_stats": lambda mu: (mu, mu, 1 / np.sqrt(mu), 1 / mu)},
    "nbinom_gen": {
        "_logcdf": lambda k, n, p: _log_beside(s._nbinom_cdf(np.floor(k), n, p), s._nbinom_sf(np.floor(k), n, p)),
        "_stats": lambda n, p: (
            n * (1 - p) / p,
            n * (1 - p) / p**2,
            (2 - p) / np.sqrt(n * (1 - p)),
            6 / n + p * p / (n * (1 - p)),
        ),
    },
    "skewnorm_gen": {
        "_cdf": skewnorm_cdf,
        "_sf": lambda x, a: skewnorm_cdf(-x, -a),
        "_logpdf": _skewnorm_logpdf,
        "_pdf": lambda x, a: np.exp(_skewnorm_logpdf(x, a)),
    },
    "t_gen": {
        "_logpdf": _t_logpdf,
        "_pdf": lambda x, df: t_density(df, x),
        "_stats": _t_stats,
        "_entropy": _t_entropy,
    },
    "truncnorm_gen": {
        "_cdf": lambda x, a, b: np.exp(_truncnorm_log(x, a, b, True)),
        "_sf": lambda x, a, b: np.exp(_truncnorm_log(x, a, b, False)),
        "_logcdf": lambda x, a, b: _truncnorm_log(x, a, b, True),
        "_logsf": lambda x, a, b: _truncnorm_log(x, a, b, False),
        "_logpdf": lambda x, a, b: -x * x / 2 - LOG_ROOT_2PI - _log_mass(a, b),
        "_pdf": lambda x, a, b: np.exp(-x * x / 2 - LOG_ROOT_2PI - _log_mass(a, b)),
        "_ppf": _truncnorm_ppf,
        "_isf": _truncnorm_isf,
        "_stats": _truncnorm_stats,
    },
}
