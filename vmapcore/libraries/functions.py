"""The functions of `scipy.special` that are no ufuncs, in forms that take traced values; of others they are SciPy's.

A form has its function's signature. It is made of ufuncs, which have derivatives, and of the softmax family.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..derivatives import stop_gradient
from ..errors import ArgumentError, OptionError
from ..rules._families import operand
from ..rules.activations import log_softmax, logsumexp, softmax
from ..rules.casts import inexact
from ..tracer import Tracer
from .slopes import s


def logsumexp_of(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    if b is None and not return_sign:
        return logsumexp(inexact(a), axis, keepdims)
    a, b = np.broadcast_arrays(inexact(a), inexact(1 if b is None else b))
    a = np.where(b == 0, -np.inf, a)  # a weight of zero leaves out what is infinite
    peak = stop_gradient(np.max(a.real, axis=axis, keepdims=True))
    peak = np.where(np.isfinite(peak), peak, 0)
    total = np.sum(b * np.exp(a - peak), axis=axis, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN is the logarithm of a negative sum
        out = peak + np.log(np.abs(total) if return_sign else total)
    sign = np.sign(total)
    if not keepdims:
        out, sign = np.squeeze(out, axis), np.squeeze(sign, axis)
    return (out, sign) if return_sign else out


def polygamma(n: Any, x: Any) -> Any:
    n, x = operand(n), operand(x)
    return np.where(n == 0, s.psi(x), (-1.0) ** (n + 1) * s.gamma(n + 1.0) * s._zeta(n + 1.0, x))


def multigammaln(a: Any, d: Any) -> Any:
    if isinstance(d, Tracer) or np.ndim(d) or np.floor(d) != d:
        raise OptionError("scipy.special.multigammaln", "d is no positive integer", "it is the dimension")
    d = int(d)
    inside = a > 0.5 * (d - 1)  # SciPy raises elsewhere
    log = d * (d - 1) * 0.25 * math.log(math.pi) + sum([s.gammaln(np.where(inside, a, d) - j / 2) for j in range(d)])
    return np.where(inside, log, np.nan)


def zeta(x: Any, q: Any = None, out: Any = None) -> Any:
    options = {} if out is None else {"out": out}
    return s._riemann_zeta(x, **options) if q is None else s._zeta(x, q, **options)


def whole(n: Any) -> Any:
    """`n` as orders and branches are, of C's long integers."""
    return operand(n).astype(np.dtype("long"))


def lambertw(z: Any, k: Any = 0, tol: Any = 1e-8) -> Any:
    return s._lambertw(z, whole(k), tol)


# Spherical Bessel functions, which SciPy has for positive numbers and complex ones: 10.47.14 to 10.47.17.


def _spherical(name: str, even: int) -> Callable[..., Any]:
    """The function of this name, that of an even order even or odd itself."""

    def spherical(n: Any, z: Any, derivative: bool = False) -> Any:
        n, z = whole(n), operand(z)
        function = getattr(s, f"_{name}_d" if derivative else f"_{name}")
        if z.dtype.kind == "c":
            return function(n, z)
        sign = np.where(n % 2 == 0, even, -even) * (-1 if derivative else 1)
        return function(n, np.where(z < 0, -z, z)) * np.where(z < 0, sign, 1)

    return spherical


def spherical_kn(n: Any, z: Any, derivative: bool = False) -> Any:
    n, z = whole(n), operand(z)
    function = s._spherical_kn_d if derivative else s._spherical_kn
    if z.dtype.kind == "c":
        return function(n, z)
    left = function(n, np.where(z < 0, z, -1) + 0j).real
    return np.where(z < 0, left, function(n, np.where(z < 0, 1, z)))


# Derivatives of Bessel functions, so many times: 10.6.7, 10.29.5.


def _differentiated(name: str, phase: int, sign: int = 1) -> Callable[..., Any]:
    def differentiated(v: Any, z: Any, n: int = 1) -> Any:
        if isinstance(n, Tracer) or n < 0:
            raise OptionError(f"scipy.special.{name}p", f"n is {n}", "it says how often, and is known beforehand")
        function = getattr(s, name)
        terms = [phase**i * math.comb(n, i) * function(v - n + 2.0 * i, z) for i in range(n + 1)]
        return sign**n * sum(terms[1:], start=terms[0]) / 2**n

    return differentiated


# Counts, of numbers that need not be whole.


def _inexactly(name: str, exact: Any) -> None:
    if exact:
        fact = "exact=True with a traced number"
        raise ArgumentError(f"scipy.special.{name}", fact, "it computes with Python's integers", "Drop exact=True")


def comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Any:
    _inexactly("comb", exact)
    if repetition:
        return np.where((k == 0) & (N >= 0), 1.0, s.binom(N + k - 1, k))
    return np.where((k <= N) & (N >= 0) & (k >= 0), s.binom(N, k), 0)


def perm(N: Any, k: Any, exact: bool = False) -> Any:
    _inexactly("perm", exact)
    return np.where((k <= N) & (N >= 0) & (k >= 0), s.poch(N - k + 1, k), 0)


def factorial(n: Any, exact: bool = False, extend: str = "zero") -> Any:
    _inexactly("factorial", exact)
    return s.gamma(n + 1) if extend == "complex" else np.where(n < 0, 0, s.gamma(np.where(n < 0, 0, n) + 1))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "logsumexp": logsumexp_of,
    "softmax": lambda x, axis=None: softmax(x, axis),
    "log_softmax": lambda x, axis=None: log_softmax(x, axis),
    "polygamma": polygamma,
    "multigammaln": multigammaln,
    "zeta": zeta,
    "lambertw": lambertw,
    "spherical_jn": _spherical("spherical_jn", 1),
    "spherical_yn": _spherical("spherical_yn", -1),
    "spherical_in": _spherical("spherical_in", 1),
    "spherical_kn": spherical_kn,
    "jvp": _differentiated("jv", -1),
    "yvp": _differentiated("yv", -1),
    "ivp": _differentiated("iv", 1),
    "kvp": _differentiated("kv", 1, -1),
    "h1vp": _differentiated("hankel1", -1),
    "h2vp": _differentiated("hankel2", -1),
    "comb": comb,
    "perm": perm,
    "factorial": factorial,
}
