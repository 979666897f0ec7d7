"""Products: each way that operands lie in memory is planned once, and of matrices perhaps done by a kernel of ours."""

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..evals.products import Layout, ProductPlan, blocks, plan_product
from ..evals.products import multiplied as multiply_named
from ..evals.threaded import in_pieces
from ..graph import Step
from ..planning.lifetimes import Slot
from ..planning.plan_primitives import aligned
from ..rules.contract import contract
from .kernels import gemm, stacks
from .workspace import Workspace, kept

Multiply = Callable[[Any, Any, Any, Any], Any]
"""Writes the product of two arrays into a third, or a new one, and returns it; the fourth may be a bias."""


class _Epilogue(NamedTuple):
    """What comes after a product: the `shape` of a bias as it is added to it, and whether the sum is rectified."""

    shape: tuple[int, ...]
    rectified: bool

    def __call__(self, made: Any, b: Any) -> Any:
        made = np.add(made, b.reshape(self.shape), out=made)
        return np.maximum(made, 0, out=made) if self.rectified else made


def _epilogue(step: Step) -> _Epilogue | None:
    if step.primitive is contract:
        return None
    subscripts, bias = step.params["subscripts"], step.params["bias"]
    return _Epilogue(aligned(step.inputs[2].shape, subscripts, bias), step.params["rectified"])


class _Way(NamedTuple):
    """How a product of operands that lie so is done: laid out by `plan`, then multiplied, then what is left to do.

    What it makes has axes of its own, so each way has a key for it.
    """

    plan: ProductPlan
    slot: Slot
    multiply: Multiply
    epilogue: _Epilogue | None


def multiplied(step: Step, slot: Slot, threaded: bool) -> Callable[..., Any]:
    """The call of a `contract` or `contract_block`, of which BLAS may take pieces on several threads."""
    ways: dict[Any, _Way] = {}
    subscripts, epilogue = step.params["subscripts"], _epilogue(step)

    def run(workspace: Workspace, out: Any, x: Any, y: Any, b: Any = None) -> Any:
        lie = (x.strides, y.strides)
        way = ways.get(lie)
        if way is None:
            way = ways[lie] = _way(subscripts, slot.again(), threaded, epilogue, (x, y, b))
        plan = way.plan
        x, y = plan.operands(np, x, y)
        into = workspace.get(way.slot)
        if out is not None and plan.shape is None and plan.axes is None and (plan.names or out.flags.c_contiguous):
            into = out
        made = way.multiply(x, y, into, b)
        if into is None and type(made) is np.ndarray:
            made = kept(workspace, way.slot, made)
        made = plan.result(made)
        if way.epilogue is not None:
            made = way.epilogue(made, b)
        if out is None or made is out:
            return made
        np.copyto(out, made)
        return out

    return run


def _way(subscripts: str, slot: Slot, threaded: bool, epilogue: _Epilogue | None, args: Any) -> _Way:
    x, y, b = args
    plan = plan_product(subscripts, x.shape, y.shape, x.strides, y.strides, x.dtype, y.dtype, True)
    if plan.names:
        return _Way(plan, slot, lambda x, y, out, b: multiply_named(plan.names, x, y, out), epilogue)
    if plan.function == "blocks":
        return _Way(plan, slot, _by_blocks, epilogue)
    if plan.function == "multiply":
        return _Way(plan, slot, lambda x, y, out, b: np.multiply(x, y, out=out), epilogue)
    given, operands = (y, x) if plan.swap else (x, y), plan.operands(np, x, y)
    laid = _stacked(*operands)
    shape = (*laid[0].shape[:-1], laid[1].shape[-1])
    stack = stacks.stack(*laid, epilogue is not None) if _in_rows(plan, epilogue, shape, x.dtype, b) else None
    result = plan.shape or (*operands[0].shape[:-1], operands[1].shape[-1])
    bare = [_bare(*each) for each in zip((plan.x, plan.y), given, laid, strict=True)]
    if plan.axes is None and result == shape and all(bare):
        plan = plan._replace(x=bare[0][0], y=bare[1][0], shape=None)  # stacks of matrices as they are
    if stack:
        return _Way(plan, slot, _by(partial(stack, relu=epilogue is not None and epilogue.rectified)), None)
    product = gemm.product(*laid)
    if product:
        return _Way(plan, slot, _by(lambda x, y, out, b: product(x, y, out)), epilogue)
    multiply = in_pieces if threaded else np.matmul
    return _Way(plan, slot, lambda x, y, out, b: multiply(x, y, out=out), epilogue)


def _by_blocks(x: Any, y: Any, out: Any, b: Any) -> Any:
    made = blocks(x, y)
    if out is None:
        return made
    np.copyto(out, made)
    return out


def _in_rows(plan: ProductPlan, epilogue: _Epilogue | None, shape: tuple[int, ...], dtype: Any, b: Any) -> bool:
    """Whether a bias, if any, is a row of numbers for the rows of each matrix, or of all; `shape` is the product's."""
    if epilogue is None:
        return True
    columns = shape[-1]
    if plan.axes is not None or epilogue.shape[-1] != columns or b.dtype != dtype:
        return False
    members = shape[0] if len(shape) == 3 else 1
    if b.size == columns:
        return True
    result = plan.shape or shape
    leading = [k for k in range(len(result)) if prod(result[:k]) == members]
    return b.size == members * columns and any(epilogue.shape[:k] == result[:k] for k in leading)


def _by(kernel: Callable[..., Any]) -> Multiply:
    """A kernel takes stacks, and an array to write into."""

    def multiply(x: Any, y: Any, out: Any, b: Any) -> Any:
        if out is None:
            out = np.empty((*x.shape[:-1], y.shape[-1]), x.dtype)
        kernel(*_stacked(x, y), out, b)
        return out

    return multiply


def _stacked(x: Any, y: Any) -> tuple[Any, Any]:
    """Two matrices as stacks of one."""
    return (x[None], y[None]) if x.ndim == y.ndim == 2 else (x, y)


TRANSPOSED = Layout(None, False, None, flip=True)


def _bare(layout: Layout | None, given: Any, laid: Any) -> list[Layout | None]:
    """What does the same as the layout of an operand that is a stack of matrices as it is, or transposed; else nothing.

    Then the layout dropped axes of length 1, which came back.
    """
    if given.ndim != 3 or (layout is not None and layout.copy) or not np.may_share_memory(given, laid):
        return []
    views = {None: given, TRANSPOSED: given.swapaxes(1, 2)}
    return [how for how, view in views.items() if _is(view, laid)][:1]


def _is(x: Any, y: Any) -> bool:
    """Whether two views of one array are the same, but for the strides of axes of length 1."""
    lie = [[s for s, n in zip(a.strides, a.shape, strict=True) if n != 1] for a in (x, y)]
    return bool(x.shape == y.shape and lie[0] == lie[1])
