"""How one step runs on a tile of NumPy arrays: a call that writes where it is told, if its primitive has one.

A kernel is called as `kernel(own, out, *arrays)`. It returns its result, in `out` if that is given and it can; else at
its home in the memory of `own`, the thread's, or in fresh memory. In what order the axes of an
array lie in memory is its maker's choice; NumPy's functions keep the order of what they read.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ..core import Memory, Primitive
from ..graph import Step, Var
from ..planning.lifetimes import Home
from ..planning.plan_primitives import ELEMENTWISE, contract_block
from ..rules import activations, casts
from ..rules.contract import contract
from ..rules.slicing import brackets, slice_write
from ..thresholds import SHARED_PRODUCT
from . import convolutions, pools, products
from .workspace import Own, kept

Run = Callable[..., Any]


class Kernel(NamedTuple):
    """A call, whether it writes into `out`, and whether by way of its home."""

    run: Run
    writes: bool
    detours: bool = False


KERNELS: dict[Any, Any] = convolutions.KERNELS | pools.KERNELS

SHARING = frozenset({contract, contract_block, *KERNELS})
"""Primitives whose kernels a team may share."""

UFUNCS: dict[Any, tuple[Any, tuple[Any, ...]]] = {activations.rectify: (np.maximum, (0,))}
"""For a primitive that is a ufunc with some arguments given: both."""


def kernel_of(step: Step, home: Home, shape: tuple[int, ...], reuse: int | None, threaded: bool = False) -> Kernel:
    """The kernel of a step for results of `shape`; `reuse` is the argument whose memory it may overwrite."""
    ufunc, more = UFUNCS.get(step.primitive, (step.primitive.ufunc, ()))
    if isinstance(ufunc, np.ufunc) and ufunc.nout == 1 and shape:
        return Kernel(_of_ufunc(ufunc, more, home, reuse), True)
    if step.primitive in KERNELS:
        return Kernel(KERNELS[step.primitive](step, home), True, True)
    if step.primitive in (contract, contract_block):
        large = threaded and step.flops >= SHARED_PRODUCT
        return Kernel(products.multiplied(step, home, large), True)
    if step.primitive is slice_write:
        return Kernel(_writing(step.params["index"], home, reuse), True)
    if step.primitive is casts.convert and shape:
        return Kernel(_conversion(step.params["dtype"], home), True)
    return Kernel(_of_eval(step), False)


def _of_ufunc(ufunc: Any, more: tuple[Any, ...], home: Home, reuse: int | None) -> Run:
    def run(own: Own, out: Any, *args: Any) -> Any:
        if out is None:
            out = own.get(home) if reuse is None else args[reuse]
            if out is None:
                return kept(own, home, ufunc(*args, *more))  # in the memory order of what it reads
        return ufunc(*args, *more, out=out)

    return run


def _conversion(dtype: Any, home: Home) -> Run:
    def run(own: Own, out: Any, x: Any) -> Any:
        if out is None:
            out = own.get(home)
            if out is None:
                return kept(own, home, x.astype(dtype))
        np.copyto(out, x, casting="unsafe")
        return out

    return run


def _writing(index: Any, home: Home, reuse: int | None) -> Run:
    """A value written into an array, which is copied first unless nobody reads it later."""
    where = brackets(index)

    def run(own: Own, out: Any, x: Any, v: Any) -> Any:
        if out is None:
            out = x if reuse == 0 else own.get(home)
        if out is None:
            out = kept(own, home, np.array(x, order="C"))
        elif out is not x:
            np.copyto(out, x)
        out[where] = v
        return out

    return run


def _of_eval(step: Step) -> Run:
    if not step.primitive.pure:  # what an author's code returns is checked
        return lambda own, out, *args: step.run(args) if step.primitive.multiple else step.run(args)[0]
    evaluate, params = step.primitive.eval, step.params

    def run(own: Own, out: Any, *args: Any) -> Any:
        return evaluate(np, *args, **params)

    return run


def reusable(step: Step) -> list[int]:
    """The arguments whose memory the result may take, if nobody reads them later."""
    if step.primitive.memory is Memory.IN_PLACE:
        return [0] if isinstance(step.inputs[0], Var) else []
    if step.primitive.ufunc is None and step.primitive not in UFUNCS:
        return []
    shape, dtype = step.outputs[0].shape, step.outputs[0].dtype
    return [k for k, a in enumerate(step.inputs) if isinstance(a, Var) and a.shape == shape and a.dtype == dtype]


def may_multiply(primitive: Primitive) -> bool:
    """Whether it may call BLAS, as an author's code may."""
    return not primitive.pure or (primitive.memory is Memory.FRESH and primitive not in ELEMENTWISE)


def shared(step: Step) -> list[Any]:
    """The inputs whose memory the result may be in: of what may be a view, and of an author's code."""
    if step.primitive.pure and step.primitive.memory not in (Memory.VIEW, Memory.EITHER):
        return []
    return [a for a in step.inputs if isinstance(a, Var) or a.shape]


class Roots:
    """For each value that steps make: the values whose memory it may be in, itself if that is its own."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self.of: dict[Any, frozenset[Any]] = {}  # without those that have memory of their own
        for step in steps:
            bases = [self[a] for a in shared(step)]
            if bases:
                self.of.update({v: frozenset({v}).union(*bases) for v in step.outputs})

    def __getitem__(self, a: Any) -> frozenset[Any]:
        return self.of.get(a, frozenset({a}))
