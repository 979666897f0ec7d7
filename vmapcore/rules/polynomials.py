"""Polynomials by their coefficients, highest power first: values, sums, derivatives, integrals, least squares.

Plain functions. NumPy's products and quotients drop leading zeros: their lengths depend on values, and are not here.
"""

from typing import Any

import numpy as np

from ..errors import ArgumentError, OptionError, ShapeError, describe
from ..numpy_protocol import implements
from ._families import operand
from ._ints import as_int


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
