"""How one step runs on a tile of NumPy arrays: a call that writes where it is told, if its primitive has one.

A kernel is called as `kernel(workspace, out, *arrays)`. It returns its result, in `out` if that is given and
it can; else in its slot of the thread's `workspace`, or in fresh memory. In what order the axes of an array lie in
memory is its maker's choice; NumPy's functions keep the order of what they read.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ..core import Memory, Primitive
from ..graph import Step, Var
from ..planning.lifetimes import Slot
from ..planning.plan_primitives import ELEMENTWISE, contract_block
from ..rules import activations, casts
from ..rules.contract import contract
from ..rules.slicing import brackets, slice_write
from ..thresholds import SHARED_PRODUCT
from . import contractions, convolutions, pools
from .fusion.operations import ASTRAY
from .workspace import Workspace, kept

Run = Callable[..., Any]


class StepKernel(NamedTuple):
    """A call, whether it writes into `out`, and whether by way of its slot."""

    run: Run
    writes: bool
    detours: bool = False


KERNELS: dict[Any, Any] = convolutions.KERNELS | pools.KERNELS

SHARING = frozenset({contract, contract_block, *KERNELS})
"""Primitives whose kernels a team may share."""

UFUNCS: dict[Any, tuple[Any, tuple[Any, ...]]] = {activations.rectify: (np.maximum, (0,))}
"""For a primitive that is a ufunc with some arguments given: both."""


def kernel_of(step: Step, slot: Slot, reuse: int | None, threaded: bool) -> StepKernel:
    """The kernel of a step; `reuse` is the argument whose memory it may overwrite."""
    shape = step.outputs[0].shape
    ufunc, more = UFUNCS.get(step.primitive, (step.primitive.ufunc, ()))
    if isinstance(ufunc, np.ufunc) and ufunc.nout == 1 and shape and ufunc.__name__ not in ASTRAY:
        return StepKernel(_of_ufunc(ufunc, more, slot, reuse), True)
    if step.primitive in KERNELS:
        return StepKernel(KERNELS[step.primitive](step, slot), True, True)
    if step.primitive in (contract, contract_block):
        large = threaded and step.flops >= SHARED_PRODUCT
        return StepKernel(contractions.multiplied(step, slot, large), True)
    if step.primitive is slice_write:
        return StepKernel(_writing(step.params["index"], slot, reuse), True)
    if step.primitive is casts.convert and shape:
        return StepKernel(_conversion(step.params["dtype"], slot), True)
    return StepKernel(_of_eval(step), False)


def _of_ufunc(ufunc: Any, more: tuple[Any, ...], slot: Slot, reuse: int | None) -> Run:
    def run(workspace: Workspace, out: Any, *args: Any) -> Any:
        if out is None:
            out = workspace.get(slot) if reuse is None else args[reuse]
            if out is None:
                return kept(workspace, slot, ufunc(*args, *more))  # in the memory order of what it reads
        return ufunc(*args, *more, out=out)

    return run


def _conversion(dtype: Any, slot: Slot) -> Run:
    def run(workspace: Workspace, out: Any, x: Any) -> Any:
        if out is None:
            out = workspace.get(slot)
            if out is None:
                return kept(workspace, slot, x.astype(dtype))
        np.copyto(out, x, casting="unsafe")
        return out

    return run


def _writing(index: Any, slot: Slot, reuse: int | None) -> Run:
    """A value written into an array, which is copied first unless nobody reads it later."""
    where = brackets(index)

    def run(workspace: Workspace, out: Any, x: Any, v: Any) -> Any:
        if out is None:
            out = x if reuse == 0 else workspace.get(slot)
        if out is None:
            out = kept(workspace, slot, np.array(x, order="C"))
        elif out is not x:
            np.copyto(out, x)
        out[where] = v
        return out

    return run


def _of_eval(step: Step) -> Run:
    if not step.primitive.pure:  # what an author's code returns is checked
        return lambda workspace, out, *args: step.run(args) if step.primitive.multiple else step.run(args)[0]
    evaluate, params = step.primitive.eval, step.params

    def run(workspace: Workspace, out: Any, *args: Any) -> Any:
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
