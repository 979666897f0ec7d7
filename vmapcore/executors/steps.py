"""How one step runs on a tile of NumPy arrays: a call that writes where it is told, if its primitive has one.

A kernel is called as `kernel(own, out, *arrays)`. It returns its result, in `out` if that is given and it can; else in
memory of `own`, the thread's, which it will write again the next time, or in fresh memory. In what order the axes of an
array lie in memory is its maker's choice; NumPy's functions keep the order of what they read.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..graph import Step
from ..planning.labels import params_for
from ..rules import activations, casts, layout, reductions, slicing
from ..rules.joining import cut

Own = dict[Any, Any]
Run = Callable[..., Any]


class Kernel(NamedTuple):
    """A call, and whether it writes into `out`."""

    run: Run
    writes: bool


VIEWS = frozenset(
    {layout.reshape, layout.transpose, layout.broadcast_to, reductions.repeat_along, slicing.slice_read, cut}
)
"""Primitives whose result may share the memory of their argument."""

UFUNCS: dict[Any, tuple[Any, tuple[Any, ...]]] = {activations.rectify: (np.maximum, (0,))}
"""For a primitive that is a ufunc with some arguments given: both."""


def kernel_of(step: Step, key: int, shape: tuple[int, ...], reuse: int | None) -> Kernel:
    """The kernel of a step for results of `shape`.

    `key` names its memory in `own`; `reuse` is the argument whose memory it may overwrite.
    """
    ufunc, more = UFUNCS.get(step.primitive, (step.primitive.ufunc, ()))
    if isinstance(ufunc, np.ufunc) and ufunc.nout == 1 and shape:
        return Kernel(_of_ufunc(ufunc, more, key, reuse), True)
    if step.primitive is casts.convert and shape:
        return Kernel(_conversion(step.params["dtype"], key), True)
    return Kernel(_of_eval(step, shape), False)


def _of_ufunc(ufunc: Any, more: tuple[Any, ...], key: int, reuse: int | None) -> Run:
    def run(own: Own, out: Any, *args: Any) -> Any:
        if out is None:
            out = own.get(key) if reuse is None else args[reuse]
            if out is None:
                out = own[key] = ufunc(*args, *more)  # in the memory order of what it reads
                return out
        return ufunc(*args, *more, out)

    return run


def _conversion(dtype: Any, key: int) -> Run:
    def run(own: Own, out: Any, x: Any) -> Any:
        if out is None:
            out = own.get(key)
            if out is None:
                out = own[key] = x.astype(dtype)
                return out
        np.copyto(out, x, casting="unsafe")
        return out

    return run


def _of_eval(step: Step, shape: tuple[int, ...]) -> Run:
    evaluate = step.primitive.eval
    params = params_for(step, shape)

    def run(own: Own, out: Any, *args: Any) -> Any:
        return evaluate(np, *args, **params)

    return run


def reusable(step: Step, shapes: Sequence[tuple[int, ...]], shape: tuple[int, ...]) -> list[int]:
    """The arguments whose memory the result may take, if nobody reads them later."""
    if step.primitive.ufunc is None and step.primitive not in UFUNCS:
        return []
    dtype = step.outputs[0].dtype
    return [k for k, a in enumerate(step.inputs) if shapes[k] == shape and getattr(a, "dtype", None) == dtype]
