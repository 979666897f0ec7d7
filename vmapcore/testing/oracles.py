"""What is right by definition: the loop for vmap, finite differences for jvp."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..methods import RUN
from ..names import call_user
from ..pytree import broadcast_prefix, flatten, unflatten
from .compare import copies

Fun = Callable[..., Any]


def call_seen(fun: Fun, *args: Any) -> Any:
    """Calls a user's function for one of ours: as it is seen where a transform runs that, else as it is."""
    return fun(*args) if RUN.get() is None else call_user(fun, args)


def vmap_loop(fun: Fun, in_axes: Any = 0, out_axes: Any = 0, *, axis_size: int | None = None) -> Fun:
    """Returns what `vmap` must equal: `fun` on one example after another, and the results stacked.

    It has `vmap`'s arguments, except that `in_axes` is an int or has an entry per argument, that the batch is not
    empty, and that an entry `None` in `out_axes` returns the first example's result.

    Example:
        >>> vmap_loop(np.dot, in_axes=(0, None))(np.ones((5, 3)), np.ones(3))
        array([3., 3., 3., 3., 3.])
    """

    def looped(*args: Any) -> Any:
        leaves, tree = flatten(args)
        axes = broadcast_prefix(tuple(in_axes) if isinstance(in_axes, list) else in_axes, args)
        size = axis_size
        if size is None:
            size = next(x.shape[a] for x, a in zip(leaves, axes, strict=True) if a is not None)
        results = []
        for i in range(size):
            examples = [x if a is None else example(x, a, i) for x, a in zip(leaves, axes, strict=True)]
            results.append(flatten(fun(*unflatten(tree, copies(examples)))))
        values, out_tree = results[0]
        columns = zip(*[values for values, _ in results], strict=True)
        out = broadcast_prefix(out_axes, unflatten(out_tree, values))
        return unflatten(out_tree, [_joined(list(column), axis) for column, axis in zip(columns, out, strict=True)])

    return looped


def example(x: Any, axis: int | None, i: int) -> Any:
    """Returns example `i` of `x`, whose batch is on `axis`: an array even where it is 0-d."""
    return x if axis is None else x[(slice(None),) * (axis % len(x.shape)) + (i, ...)]


def _joined(column: list[Any], axis: Any) -> Any:
    if axis is None:
        return column[0]
    if axis == "sum":
        return np.sum(np.stack(column), axis=0)
    if axis == "mean":
        return np.mean(np.stack(column), axis=0)
    joined = np.stack(column, axis=axis)
    dtypes = {getattr(x, "dtype", joined.dtype) for x in column}
    # np.stack turns foreign bytes native
    return joined.astype(dtypes.pop(), copy=False) if len(dtypes) == 1 else joined


def numeric_jvp(fun: Fun, primals: Sequence[Any], tangents: Sequence[Any], step: float = 1e-5) -> list[Any]:
    """Returns the derivative of `fun` along `tangents` by central differences, one array per leaf of its result.

    Along a complex tangent it is the derivative by a real step in that direction, of any function.

    Example:
        >>> numeric_jvp(np.square, (np.ones(2),), (np.ones(2),))[0].round(6)
        array([2., 2.])
    """
    ahead, _ = flatten(fun(*[x + step * t for x, t in zip(primals, tangents, strict=True)]))
    behind, _ = flatten(fun(*[x - step * t for x, t in zip(primals, tangents, strict=True)]))
    return [(a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True)]
