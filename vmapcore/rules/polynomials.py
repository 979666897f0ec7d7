"""Polynomials by their coefficients, highest power first: values, arithmetic, calculus, roots, least squares.

Products, quotients and roots drop leading zeros, so whether there are some is asked; a plan checks that there are none.
"""

from typing import Any

import numpy as np

from ..core import Memory
from ..errors import ArgumentError, OptionError, ShapeError, describe
from ..numpy_protocol import implements
from ._families import operand, trailing
from ._ints import as_int
from ._work import nothing
from .chosen import agreed


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    x = operand(x)
    y = np.zeros_like(x)
    for coefficient in operand(p):
        y = y * x + coefficient
    return y


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    first, second = _as_long("np.polyadd", a1, a2)
    return first + second


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    first, second = _as_long("np.polysub", a1, a2)
    return first - second


def _as_long(call: str, *polynomials: Any) -> list[Any]:
    found = [_coefficients(call, p) for p in polynomials]
    most = max([p.shape[0] for p in found])
    return [np.concatenate([np.zeros_like(p, shape=most - p.shape[0]), p]) for p in found]


def _coefficients(call: str, p: Any) -> Any:
    p = operand(p)
    if len(p.shape) > 1:
        raise ShapeError(call, f"the coefficients are {describe(p)}", "they must have one axis")
    return p if p.shape else p.reshape(1)


@trailing(work=nothing, memory=Memory.VIEW)
def led(xp: Any, p: Any, *, call: str) -> Any:
    """The coefficients `p`, or an error of `call` if the first is zero."""
    if not (p[..., 0] != 0).all():
        raise OptionError(call, "the leading coefficient is zero, which it was not when jit recorded it")
    return p


led.def_vjp(lambda g, out, p, *, call: g)
led.def_jvp(lambda tangents, out, p, *, call: tangents[0])


def _without_leading_zeros(call: str, p: Any) -> Any:
    p = p if p.shape[0] else np.zeros_like(p, shape=1)
    while p.shape[0] > 1 and agreed(p[0] == 0):
        p = p[1:]
    return led(p, call=call) if p.shape[0] > 1 else p


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    return np.convolve(*[_without_leading_zeros("np.polymul", _coefficients("np.polymul", p)) for p in (a1, a2)])


@implements(np.polydiv)
def polydiv(u: Any, v: Any) -> tuple[Any, Any]:
    rest, v = (_coefficients("np.polydiv", p) + 0.0 for p in (u, v))
    n, dtype = v.shape[0], (rest[0] + v[0]).dtype
    rest, quotient = rest.astype(dtype), []
    for k in range(rest.shape[0] - n + 1):
        quotient.append(rest[k] / v[0])
        rest = np.concatenate([rest[:k], rest[k : k + n] - quotient[-1] * v, rest[k + n :]])
    while rest.shape[0] > 1 and agreed(np.isclose(rest[0], 0, rtol=1e-14)):
        rest = rest[1:]
    return (np.stack(quotient) if quotient else np.zeros_like(rest, shape=1)), rest


@implements(np.roots)
def roots(p: Any) -> Any:
    """The eigenvalues of the companion matrix, and zeros for trailing zeros."""
    p, zeros = _without_leading_zeros("np.roots", _coefficients("np.roots", p)), 0
    if p.shape[0] == 1:
        return np.zeros_like(p, shape=0, dtype=float)
    while p.shape[0] > 1 and agreed(p[-1] == 0):
        p, zeros = p[:-1], zeros + 1
    n = p.shape[0] - 1
    if not n:
        return np.zeros_like(p, shape=zeros, dtype=float)
    p = p if p.dtype.kind in "fc" else p.astype(float)
    found = np.linalg.eigvals(np.concatenate([(-p[1:] / p[0])[None], np.eye(n - 1, n, dtype=p.dtype)]))
    return np.concatenate([found, np.zeros_like(found, shape=zeros)])


@implements(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    x = np.atleast_1d(operand(seq_of_zeros))
    if len(x.shape) == 2 and x.shape[0] == x.shape[1] and x.shape[0]:
        x = np.linalg.eigvals(x)
    if len(x.shape) != 1:
        raise ShapeError("np.poly", f"the argument is {describe(x)}", "it must be a line of roots or a square matrix")
    if not x.shape[0]:
        return 1.0
    p = np.ones_like(x[:1])
    for z in x:
        p = np.concatenate([p, p[:1] * 0]) - np.concatenate([p[:1] * 0, p * z])
    if x.dtype.kind == "c" and agreed(np.all(np.sort(x) == np.sort(x.conj()))):
        return np.copy(p.real)
    return p


@implements(np.polyder)
def polyder(p: Any, m: Any = 1) -> Any:
    p = _coefficients("np.polyder", p)
    for _ in range(_times("np.polyder", m)):
        p = p[:-1] * np.arange(p.shape[0] - 1, 0, -1)
    return p


@implements(np.polyint)
def polyint(p: Any, m: Any = 1, k: Any = None) -> Any:
    p, m = _coefficients("np.polyint", p), _times("np.polyint", m)
    constants = np.zeros(m) if k is None else np.atleast_1d(k)
    if constants.shape == (1,):
        constants = np.broadcast_to(constants, m)
    if constants.shape[0] < m:
        raise ShapeError("np.polyint", f"k has {constants.shape[0]} constants", f"it needs one, or m = {m}")
    for i in range(m):
        p = np.concatenate([p / np.arange(p.shape[0], 0, -1), constants[i : i + 1]])
    return p


def _times(call: str, m: Any) -> int:
    m = as_int(call, "m", m)
    if m < 0:
        raise OptionError(call, f"m is {m}", "it must be 0 or more")
    return m


@implements(np.polyfit)
def polyfit(x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False) -> Any:
    """By least squares of columns scaled to length one. That these depend on one another is not warned of."""
    x, y, size = 0.0 + operand(x), 0.0 + operand(y), as_int("np.polyfit", "deg", deg) + 1
    if size < 1:
        raise OptionError("np.polyfit", f"deg is {deg}", "it must be 0 or more")
    if len(x.shape) != 1 or not 1 <= len(y.shape) <= 2 or y.shape[0] != x.shape[0] or not x.shape[0]:
        allowed = "x must be a vector that is not empty, y one of its length or a matrix of as many rows"
        raise ShapeError("np.polyfit", f"x is {describe(x)} and y {describe(y)}", allowed)
    if cov and not full and x.shape[0] <= size and not (isinstance(cov, str) and cov == "unscaled"):
        raise ArgumentError("np.polyfit", f"{x.shape[0]} points determine all", "cov needs more than deg + 1")
    powers, wanted = np.vander(x, size), y
    if w is not None:
        w = 0.0 + operand(w)
        if w.shape != x.shape:
            raise ShapeError("np.polyfit", f"w is {describe(w)}", f"it must be as x is, {describe(x)}")
        powers = (powers * w[:, None]).astype(x.dtype)
        wanted = (wanted * (w if len(y.shape) == 1 else w[:, None])).astype(y.dtype)
    scale = np.sqrt(np.sum(powers * powers, axis=0))
    powers = powers / scale
    rcond = x.shape[0] * np.finfo(x.dtype).eps if rcond is None else rcond
    fitted, residuals, rank, values = np.linalg.lstsq(powers, wanted, rcond)
    fitted = (fitted.T / scale).T
    if full:
        return fitted, residuals, rank, values, rcond
    return (fitted, _covariance(powers, scale, residuals, cov, len(y.shape))) if cov else fitted


def _covariance(powers: Any, scale: Any, residuals: Any, cov: Any, axes: int) -> Any:
    """Of the coefficients: of weights that are known if `cov` is "unscaled", else scaled by what is left over."""
    found = np.linalg.inv(powers.T @ powers) / np.outer(scale, scale)
    known = isinstance(cov, str) and cov == "unscaled"
    factor = 1 if known else residuals / (powers.shape[0] - powers.shape[1])
    return found * factor if axes == 1 else found[:, :, None] * factor
