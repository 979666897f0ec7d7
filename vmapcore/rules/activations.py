"""Activations and the softmax family, with PyTorch's meaning and argument order.

A primitive earns its place by fewer passes over memory or by a stable derivative; all batch as themselves, the
elementwise ones and those along negative axes. The losses are in `losses.py`.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import memory
from ..errors import ArgumentError
from ..evals.reductions import kept_shape, largest, total
from ._axes import ALONG
from ._families import by_element, fit, operand, pointwise, trailing
from ._ints import last_axes
from ._work import per_input
from .casts import inexact
from .selection import select
from .ufuncs import maximum

# Rectifiers.


@by_element
def rectify(xp: Any, x: Any) -> Any:
    """`maximum(x, 0)`, whose derivative at 0 is 0."""
    return maximum.eval(xp, x, 0)


rectify.def_vjp(lambda g, out, x: select(np.greater(out, 0), g, 0))
rectify.def_jvp(lambda tangents, out, x: select(np.greater(out, 0), tangents[0], 0))


def relu(x: Any) -> Any:
    """Returns `maximum(x, 0)`.

    Example:
        >>> relu(np.array([-1.0, 2.0]))
        array([0., 2.])
    """
    return rectify(operand(x))


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """Returns `x` where it is positive, else `negative_slope * x`.

    Example:
        >>> leaky_relu(np.array([-1.0, 2.0]))
        array([-0.01,  2.  ])
    """
    x = operand(x)
    return select(np.greater(x, 0), x, x * negative_slope)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """Returns `x` where it is positive, else `alpha * (exp(x) - 1)`.

    Example:
        >>> elu(np.array([-1.0, 2.0])).round(3)
        array([-0.632,  2.   ])
    """
    x = operand(x)
    positive = np.greater(x, 0)
    return select(positive, x, alpha * np.expm1(select(positive, 0, x)))


# The logistic function and its integral.


@by_element
def logistic(xp: Any, x: Any) -> Any:
    """`1 / (1 + exp(-x))`, to full relative precision."""
    out = xp.negative(x, out=xp.empty_like(x))
    with np.errstate(over="ignore"):  # 1 / (1 + inf) is right
        xp.exp(out, out=out)
    out += 1
    return xp.reciprocal(out, out=out)


pointwise(logistic, lambda out, x: out * (1 - out))


def in_cache(kernel: Callable[[Any, Any], Any], xp: Any, x: Any) -> Any:
    """`kernel(xp, x)`, which works element by element: a part at a time, so that its many temporaries stay small."""
    if xp is not np or x.size <= TILE or not x.flags.c_contiguous:
        return kernel(xp, x)
    out = memory.empty(np, x.shape, x.dtype)
    flat, flat_out = x.reshape(-1), out.reshape(-1)
    for i in range(0, x.size, TILE):
        flat_out[i : i + TILE] = kernel(np, flat[i : i + TILE])
    return out


TILE = 1 << 15
"""Elements of a part."""


@by_element
def log_one_plus_exp(xp: Any, x: Any) -> Any:
    """`log(1 + exp(x)) = max(x, 0) + log(1 + exp(-abs(x)))`."""
    return in_cache(_log_one_plus_exp, xp, x)


def _log_one_plus_exp(xp: Any, x: Any) -> Any:
    """Twice as fast as by log1p and as exact.

    With u the rounded 1 + e: log(1 + e) = log(u) + log(1 + (1 + e - u) / u), the last term (e - (u - 1)) / u.
    """
    e = xp.abs(x, out=xp.empty_like(x))
    xp.exp(xp.negative(e, out=e), out=e)
    u = e + 1
    e -= u - 1
    e /= u
    out = xp.log(u, out=xp.empty_like(e))
    out += e
    out += rectify.eval(xp, x)
    return out


pointwise(log_one_plus_exp, lambda out, x: logistic(x))


def sigmoid(x: Any) -> Any:
    """Returns `1 / (1 + exp(-x))`.

    Example:
        >>> sigmoid(np.array([0.0, 100.0]))
        array([0.5, 1. ])
    """
    return logistic(inexact(x))


def silu(x: Any) -> Any:
    """Returns `x * sigmoid(x)`.

    Example:
        >>> silu(np.zeros(2))
        array([0., 0.])
    """
    x = inexact(x)
    return x * logistic(x)


def softplus(x: Any, beta: float = 1.0) -> Any:
    """Returns `log(1 + exp(beta * x)) / beta`.

    Example:
        >>> softplus(np.array([-1000.0, 1000.0]))
        array([   0., 1000.])
    """
    x = inexact(x)
    return log_one_plus_exp(x) if beta == 1 else log_one_plus_exp(x * beta) / beta


def logsigmoid(x: Any) -> Any:
    """Returns `log(sigmoid(x))`.

    Example:
        >>> logsigmoid(np.array([-1000.0, 0.0])).round(4)
        array([-1.000e+03, -6.931e-01])
    """
    return -log_one_plus_exp(-inexact(x))


# gelu.

NORMAL_DOUBLE = (
    *(1.2530080582697296, -0.13562110612457576, -0.04756229435342038, 0.12964515870228346, -0.11927366341676002),
    *(0.06830802735638397, -0.023770514891530075, 0.0025293916672051724, 0.0018886900977441495),
    *(-0.0007798312797290158, -0.00010515831297813128, 0.00012509531076254534, 4.94412434222366e-06),
    *(-2.0089997833284275e-05, -7.187883834404266e-07, 3.454294770277738e-06, 3.3669790806407595e-07),
    *(-5.963983625522741e-07, -1.205414228648938e-07, 8.765881411730558e-08, 2.7843881265502222e-08),
    *(-7.641962892589975e-09, -3.1813541434969274e-09),
)
NORMAL_SINGLE = (
    *(1.2530078756154763, -0.13562023891915578, -0.047553119313568, 0.129627504721725, -0.11934757619385748),
    *(0.06840958165633677, -0.023561133886968576, 0.0022865137034448328, 0.001643716206599254),
    *(-0.0005138505128719338,),
)
"""Chebyshev expansions, cut off at the precision and written in powers of t = (z - 3) / (z + 3), of the smooth function
(1 + 2z) exp(z**2) erfc(z)."""


@by_element
def normal_cdf(xp: Any, x: Any) -> Any:
    """The distribution function of the standard normal distribution, to full relative precision in its left tail."""
    return in_cache(_normal_cdf, xp, x)


def _normal_cdf(xp: Any, x: Any) -> Any:
    z = xp.minimum(xp.abs(x) * math.sqrt(0.5), 40)
    t = (z - 3) / (z + 3)
    coefficients = NORMAL_SINGLE if x.dtype.itemsize <= 4 else NORMAL_DOUBLE
    tail = xp.full_like(t, coefficients[-1])
    for c in coefficients[-2::-1]:
        tail *= t
        tail += c
    tail *= xp.exp(-z * z)
    tail /= 2 + 4 * z
    return select.eval(xp, x < 0, tail, 1 - tail)


pointwise(normal_cdf, lambda out, x: np.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi)))


def gelu(x: Any, approximate: str = "none") -> Any:
    """Returns `x` times the normal distribution function of `x`, or for "tanh" an approximation of it.

    Example:
        >>> gelu(np.array([-1.0, 0.0, 1.0])).round(4)
        array([-0.1587,  0.    ,  0.8413])
    """
    x = inexact(x)
    if approximate == "none":
        return x * normal_cdf(x)
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    raise ArgumentError("gelu", f"approximate is {approximate!r}", "it must be 'none' or 'tanh'")


# The softmax family.


def _less_peak(xp: Any, x: Any, axis: Any) -> Any:
    """`x` less its largest along `axis`, in memory of its own."""
    return xp.asarray(x - largest(xp, x, axis, True)) if x.size else x.copy()


@trailing(axes=ALONG, work=per_input(5), formula=True)
def softmax_along(xp: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
    """`exp(x) / sum(exp(x))`."""
    out = _less_peak(xp, x, axis)
    xp.exp(out, out=out)
    out /= total(xp, out, axis, True)
    return out


@softmax_along.def_vjp
def softmax_derivative(t: Any, out: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
    """The product of `t` and the Jacobian, which is symmetric."""
    weighted = t * out
    return weighted - out * weighted.sum(axis, keepdims=True)


softmax_along.def_jvp(lambda tangents, out, x, *, axis: softmax_derivative(tangents[0], out, x, axis=axis))


@trailing(axes=ALONG, work=per_input(5), formula=True)
def log_softmax_along(xp: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
    """`x - log(sum(exp(x)))`."""
    out = _less_peak(xp, x, axis)
    out -= xp.log(total(xp, xp.exp(out), axis, True))
    return out


log_softmax_along.def_vjp(lambda g, out, x, *, axis: g - np.exp(out) * g.sum(axis, keepdims=True))
log_softmax_along.def_jvp(
    lambda tangents, out, x, *, axis: tangents[0] - (np.exp(out) * tangents[0]).sum(axis, keepdims=True)
)


@trailing(axes=ALONG, work=per_input(5), formula=True)
def logsumexp_along(xp: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
    """`log(sum(exp(x)))`, with length 1 left on the axes; -inf where there is nothing to add."""
    if not x.size:
        return xp.full(kept_shape(x.shape, axis), -math.inf, x.dtype)
    peak = largest(xp, x.real, axis, True)
    peak = xp.where(xp.isfinite(peak), peak, 0)
    terms = xp.asarray(x - peak)
    with np.errstate(divide="ignore", over="ignore"):  # log(0) is -inf, and beside an infinite term no other counts
        return peak + xp.log(total(xp, xp.exp(terms, out=terms), axis, True))


@by_element
def exp_share(xp: Any, x: Any, out: Any) -> Any:
    """`exp(x - out)`, the share of `exp(x)` in a sum whose logarithm is `out`; 0 where the sum is."""
    share = xp.asarray(x - xp.where(out == -math.inf, 0, out))
    return xp.exp(share, out=share)


pointwise(exp_share, lambda out, x, y: out, lambda out, x, y: -out)
logsumexp_along.def_vjp(lambda g, out, x, *, axis: g * exp_share(x, out))
logsumexp_along.def_jvp(
    lambda tangents, out, x, *, axis: fit((tangents[0] * exp_share(x, out)).sum(axis, keepdims=True), out)
)


def _axes(call: str, x: Any, axis: Any, dim: Any) -> tuple[int, ...]:
    """The negative axes meant by `axis`, or by its other name `dim`."""
    return last_axes(axis if dim is None else dim, len(x.shape), call)


def softmax(x: Any, axis: Any = -1, *, dim: Any = None) -> Any:
    """Returns `exp(x) / sum(exp(x))` along an axis, several, or all (None); `dim` is PyTorch's name for it.

    Example:
        >>> softmax(np.array([[0.0, 0.0], [0.0, 1000.0]]))
        array([[0.5, 0.5],
               [0. , 1. ]])
    """
    x = inexact(x)
    return softmax_along(x, axis=_axes("softmax", x, axis, dim))


def log_softmax(x: Any, axis: Any = -1, *, dim: Any = None) -> Any:
    """Returns `log(softmax(x, axis))`.

    Example:
        >>> log_softmax(np.array([0.0, -1000.0]))
        array([    0., -1000.])
    """
    x = inexact(x)
    return log_softmax_along(x, axis=_axes("log_softmax", x, axis, dim))


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False, *, dim: Any = None) -> Any:
    """Returns `log(sum(exp(x)))` along an axis, several, or all (None).

    Example:
        >>> logsumexp(np.array([1000.0, 1000.0])).round(4)
        np.float64(1000.6931)
    """
    x = inexact(x)
    axes = _axes("logsumexp", x, axis, dim)
    out = logsumexp_along(x, axis=axes)
    return out if keepdims else np.squeeze(out, axes)
