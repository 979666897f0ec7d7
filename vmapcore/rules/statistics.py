"""Variance, averages, covariance and counts: plain functions of reductions.

Two primitives, which batch as themselves: `deviation` is the sum of squares that a variance is of, and `root` makes a
standard deviation of a variance.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, DTypeError, OptionError, ShapeError, describe
from ..evals.reductions import kept_shape, total
from ..numpy_protocol import implements
from ..refusals import refuse
from ..tracer import Tracer
from ._axes import REDUCED
from ._families import Over, as_new_array, by_element, into, loop_dtype, operand, pointwise, trailing
from ._ints import as_size, last_axes, named_axes
from ._work import per_input
from .brackets import concrete
from .cumulative import converted
from .reductions import count_over, masked, mean, mean_dtypes, reduce_sum, sum_, within
from .sorting import scatter_along


@trailing(axes=REDUCED, work=per_input(4), formula=True)
def deviation(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Sum of the squared distances of `x` from its mean over the axes `axis`."""
    d = x - total(xp, x, axis, True) / count_over(x, axis, True)
    if d.dtype.kind == "c":
        d = squared(d)
    else:
        d *= d
    return total(xp, d, axis, keepdims)


def _twice_centred(x: Any, axis: tuple[int, ...]) -> Any:
    """The derivative by each element: that the mean moves with it changes nothing."""
    d = x - reduce_sum(x, axis=axis, keepdims=True) / max(count_over(x, axis, True), 1)
    return 2 * (d.conj() if d.dtype.kind == "c" else d)


deviation.def_vjp(lambda g, out, x, *, axis, keepdims: g.reshape(kept_shape(x.shape, axis)) * _twice_centred(x, axis))


@deviation.def_jvp
def deviation_jvp(tangents: Sequence[Any], out: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    change = tangents[0] * _twice_centred(x, axis)
    return reduce_sum(change.real if change.dtype.kind == "c" else change, axis=axis, keepdims=keepdims)


@by_element
def root(xp: Any, x: Any) -> Any:
    """Square root of a variance. Its derivative at zero is taken to be zero, as of a norm."""
    return xp.sqrt(x)


root.ufunc = np.sqrt
pointwise(root, Over(lambda out, x: np.where(out == 0, np.inf, 2 * out)))


def _variance(call: str, skip_nan: bool) -> Callable[..., Any]:
    """`np.var`, or what passes over NaN, and is NaN where no degree of freedom is left."""

    def variance(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        ddof: Any = 0,
        keepdims: bool = False,
        *,
        where: Any = True,
        mean: Any = None,
        correction: Any = None,
    ) -> Any:
        x = operand(a)
        passing = skip_nan and x.dtype.kind in "fc"
        wide, final = mean_dtypes(x.dtype, loop_dtype(x, dtype, out) if x.dtype.kind in "fc" else dtype)
        if mean is not None and dtype is None and not passing:
            final = np.result_type(final, mean)
        where = numbers(x, where) if passing else where
        x = converted(x, wide)
        axes = last_axes(axis, len(x.shape), call)
        if mean is None and where is True:
            squares = deviation(x, axis=axes, keepdims=bool(keepdims))
        else:
            x = masked(call, x, where, 0)
            if mean is None:
                mean = reduce_sum(x, axis=axes, keepdims=True) / count_over(x, axes, True, where)
            squares = reduce_sum(masked(call, squared(x - mean), where, 0), axis=axes, keepdims=bool(keepdims))
        freedom = count_over(x, axes, keepdims, where) - freedom_lost(call, ddof, correction)
        if isinstance(freedom, (int, float)):
            result = squares / max(freedom, 0)
        else:
            result = squares / np.where(freedom > 0, freedom, np.nan if passing else 0)
        return into(call, out, converted(result, real_dtype(final)))

    return variance


def numbers(x: Any, where: Any = True) -> Any:
    """Where `x` is not NaN, of what the mask `where` chooses."""
    return ~np.isnan(x) if where is True else np.logical_and(where, ~np.isnan(x))


var = implements(np.var)(_variance("np.var", skip_nan=False))
nanvar = implements(np.nanvar)(_variance("np.nanvar", skip_nan=True))


def _root_of(call: str, variance: Callable[..., Any]) -> Callable[..., Any]:
    """The standard deviation of a `variance`, called as that is."""

    @functools.wraps(variance)
    def spread(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, *args: Any, **options: Any) -> Any:
        return into(call, out, root(variance(a, axis, dtype, None, *args, **options)))

    return spread


std = implements(np.std)(_root_of("np.std", var))
nanstd = implements(np.nanstd)(_root_of("np.nanstd", nanvar))


def freedom_lost(call: str, ddof: Any, correction: Any) -> Any:
    """The degrees of freedom to subtract, by whichever of its two names they were given."""
    if correction is None:
        return ddof
    if ddof != 0:
        raise OptionError(call, "got both ddof= and correction=", "they mean the same")
    return correction


def squared(x: Any) -> Any:
    """The squared magnitude of `x`."""
    return (x * x.conj()).real if x.dtype.kind == "c" else x * x


def real_dtype(dtype: Any) -> Any:
    """The dtype of the magnitude of numbers of `dtype`."""
    return np.zeros(0, dtype).real.dtype if dtype.kind == "c" else dtype


# Averages and covariance.


@implements(np.average)
def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False) -> Any:
    x = operand(a)
    axes = last_axes(axis, len(x.shape), "np.average")
    if weights is None:
        result = mean(x, axis, keepdims=keepdims)
        if not result.size:
            raise ShapeError("np.average", f"the result would be {describe(result)}", "NumPy averages no empty array")
        return (result, np.full_like(result, count_over(x, axes, keepdims))) if returned else result
    w = weights_over("np.average", x, axis, weights)
    dtype = np.result_type(x.dtype, w.dtype, *([np.float64] if x.dtype.kind in "iub" else []))
    total = sum_(w, axes, dtype, keepdims=keepdims)
    if not count_over(x, axes, False) or not (isinstance(total, Tracer) or (total != 0).all()):
        raise ZeroDivisionError("np.average: weights sum to zero.")
    result = sum_(converted(x, dtype) * converted(w, dtype), axes, keepdims=keepdims) / total
    return (result, np.broadcast_to(total, result.shape)) if returned else result


def weights_over(call: str, x: Any, axis: Any, weights: Any) -> Any:
    """Weights broadcast to the shape of `x`; they may have the axes `axis` alone, in their order."""
    w = operand(weights)
    if w.shape == x.shape:
        return w
    fact = f"weights is {describe(w)} and the array {describe(x)}"
    if axis is None:
        raise ArgumentError(call, fact, "with axis=None they must have the same shape")
    order = named_axes(axis, len(x.shape), call)
    if w.shape != tuple([x.shape[i] for i in order]):
        raise ShapeError(call, fact, f"weights must have its shape or, in this order, its axes {axis}")
    w = w.transpose(sorted(range(len(order)), key=order.__getitem__))
    shape = [x.shape[i] if i in order else 1 for i in range(-len(x.shape), 0)]
    return np.broadcast_to(w.reshape(tuple(shape)), x.shape)


@implements(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    arrays = [operand(v) for v in (m, y) if v is not None]
    if dtype is None:
        dtype = np.result_type(np.float64, *[v.dtype for v in arrays])
    variables = [_variables(converted(v, dtype), rowvar, i) for i, v in enumerate(arrays)]
    if not variables[0].shape[0]:
        return converted(variables[0][:, :0], np.float64)
    x = np.concatenate(variables, 0)
    if ddof is None:
        ddof = 0 if bias else 1
    w, freedom = _cov_weights(x, ddof, fweights, aweights)
    d = x - average(x, 1, w, keepdims=True)
    c = d @ (d if w is None else d * w).conj().T
    return as_new_array(np.squeeze(converted(c * np.true_divide(1, np.maximum(freedom, 0)), dtype)))


def _variables(x: Any, rowvar: bool, which: int) -> Any:
    """`x` with one variable a row. A single row stays one where the second array gives observations by column."""
    if len(x.shape) > 2:
        raise ShapeError("np.cov", f"an array has shape {x.shape}", "it must have two axes at most")
    if len(x.shape) < 2:
        return x.reshape(1, -1)
    return x if rowvar or (which and x.shape[0] == 1) else x.T


def _cov_weights(x: Any, ddof: Any, fweights: Any, aweights: Any) -> tuple[Any, Any]:
    """The weights of observations, if any, and the degrees of freedom."""
    f, a = (None if w is None else converted(w, np.float64) for w in (fweights, aweights))
    for given in (f, a):
        if given is not None and given.shape != x.shape[1:]:
            raise ShapeError("np.cov", f"weights have shape {given.shape}", f"there are {x.shape[1]} observations")
    if f is None and a is None:
        return None, x.shape[1] - ddof
    w: Any = a if f is None else f if a is None else f * a
    total = w.sum()
    if a is None:
        return w, total - ddof
    return w, total - ddof * (w * a).sum() / total


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    c = cov(x, y, rowvar, dtype=dtype)
    if not c.shape:
        return c / c
    deviation = np.sqrt(np.diagonal(c).real)
    r = c / deviation[:, None] / deviation[None, :]
    if r.dtype.kind == "c":
        return np.clip(r.real, -1, 1) + 1j * np.clip(r.imag, -1, 1)
    return np.clip(r, -1, 1)


# Counts.


BINS = "Pass a minlength above all of them, so that the result has one length"


@implements(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    x, minlength = operand(x), as_size("np.bincount", "minlength", minlength)
    if len(x.shape) != 1 or x.dtype.kind not in "iub":
        raise DTypeError("np.bincount", f"x is an array of {x.dtype} of shape {x.shape}", "it must be 1-d, of ints")
    known, length = concrete(x), minlength
    if not isinstance(known, Tracer):
        length = max(minlength, int(known.max()) + 1 if known.size else 0)
    elif x.shape[0] and not minlength and (top := x.max().answered()) is not None:
        length = int(top) + 1
    elif x.shape[0] and not minlength:
        fact = f"the length of its result depends on the values of {describe(x)}, which {x.differs}"
        raise refuse(known._trace, "np.bincount", fact, "", BINS)
    x = within(converted(x, np.intp), low=0, high=length - 1, call="np.bincount", remedy=BINS)
    weightless = weights is None or not x.shape[0]
    counted = np.ones_like(x, dtype=np.float64) if weightless else converted(weights, np.float64)
    if counted.shape != x.shape:
        raise ShapeError("np.bincount", f"weights has shape {counted.shape}", f"x has {x.shape}")
    result = scatter_along(counted, x, axis=-1, unique=False, length=length)
    return result.astype(np.intp) if weightless else result
