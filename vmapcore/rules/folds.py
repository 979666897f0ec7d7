"""`reduce` and `accumulate` of ufuncs that combine numbers in any grouping, where no function of NumPy's does it.

Reductions combine halves; accumulations combine each number with those 1, 2, 4, ... before it.
"""

from typing import Any

import numpy as np

from ..errors import DTypeError, OptionError
from ..evals.reductions import kept_shape, reduced_shape
from ..numpy_protocol import ACCUMULATE, NUMPY, REDUCE
from ._families import into, operand
from ._ints import last_axes
from .cumulative import along, converted, in_spans, single_axis
from .reductions import masked, starting


def _folded(ufunc: Any, x: Any, axis: int) -> Any:
    while (n := x.shape[axis]) > 1:
        half = ufunc(x[along(axis, None, n // 2)], x[along(axis, n // 2, n // 2 * 2)])
        x = np.concatenate([half, x[along(axis, n - 1, None)]], axis) if n % 2 else half
    return x


def in_loop_dtype(call: str, ufunc: Any, a: Any, dtype: Any) -> Any:
    """`a` in the dtype in which NumPy would combine it, for a result of `dtype`."""
    x = operand(a)
    wanted = (None if dtype is None else np.dtype(dtype),) * 3
    try:
        return converted(x, ufunc.resolve_dtypes((x.dtype, x.dtype, None), signature=wanted, casting="unsafe")[0])
    except TypeError as error:
        raise DTypeError(call, f"the numbers are {x.dtype}", str(error)) from error


def _implement_grouping(ufunc: Any) -> None:
    def reduce(
        a: Any,
        axis: Any = 0,
        dtype: Any = None,
        out: Any = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        call = f"np.{ufunc.__name__}.reduce"
        x = in_loop_dtype(call, ufunc, a, dtype)
        initial, own = [None if n is None else starting(n, x.dtype) for n in (initial, ufunc.identity)]
        start = initial if own is None else own
        axes = last_axes(axis, len(x.shape), call)
        if start is None and (where is not True or any(x.shape[i] == 0 for i in axes)):
            raise OptionError(call, "there may be nothing to combine", "it has no identity", "Pass initial=")
        x = masked(call, x, where, start)
        for i in axes:
            x = _folded(ufunc, x, i) if x.shape[i] else np.full_like(x, start, shape=kept_shape(x.shape, (i,)))
        x = x if initial is None else ufunc(x, initial)
        return into(call, out, x if keepdims else x.reshape(reduced_shape(x.shape, axes, False)))

    def accumulate(a: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        call = f"np.{ufunc.__name__}.accumulate"
        x, at = single_axis(in_loop_dtype(call, ufunc, a, dtype), axis, call)
        return into(call, out, in_spans(np, ufunc, x, at))

    for method, table, made in (("reduce", REDUCE, reduce), ("accumulate", ACCUMULATE, accumulate)):
        table[ufunc] = ufunc, method
        NUMPY[ufunc, method] = made


GROUPING: tuple[Any, ...] = (
    *(np.logaddexp, np.logaddexp2, np.hypot, np.fmax, np.fmin),
    *(np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.gcd),
)
for _ufunc in GROUPING:
    _implement_grouping(_ufunc)
