"""How one step runs on a tile of NumPy arrays: a call that writes where it is told, if its primitive has one.

A kernel is called as `kernel(own, out, *arrays)`. It returns its result, in `out` if that is given and it can; else at
its home in the memory of `own`, the thread's, or in fresh memory. In what order the axes of an
array lie in memory is its maker's choice; NumPy's functions keep the order of what they read.
"""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .. import threads
from ..graph import Step, Var
from ..graph.costs import MOVES, VIEWS, flops_of
from ..planning.cuts import TASKS
from ..planning.fused import aligned, contract_block
from ..planning.kinds import ELEMENTWISE, OWN, pure
from ..rules import activations, casts
from ..rules._blas import Plan, plan_product
from ..rules.contract import contract
from . import convolutions, pools
from .homes import Home
from .kernels import gemm, stacks
from .own import Own, kept

Run = Callable[..., Any]


LARGE = 10_000_000
"""Operations of a product from which its pieces go to threads: 150 microseconds."""


class Kernel(NamedTuple):
    """A call, whether it writes into `out`, and whether by way of its home."""

    run: Run
    writes: bool
    detours: bool = False


KERNELS: dict[Any, Any] = convolutions.KERNELS | pools.KERNELS

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
        large = threaded and flops_of(step) >= LARGE
        return _of_contract(step.params["subscripts"], home, large, _epilogue(step))
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
    """How a product of operands that lie so is done: laid out by `plan`, and of matrices perhaps by a kernel of ours.

    What it makes has axes of its own, so each way has a key for it.
    """

    plan: Plan
    home: Home
    stack: stacks.Stack | None = None
    shared: gemm.Product | None = None


def _way(subscripts: str, home: Home, x: Any, y: Any, b: Any, epilogue: _Epilogue | None) -> _Way:
    plan = plan_product(subscripts, x.shape, y.shape, x.strides, y.strides, x.dtype, y.dtype, True)
    if plan.function not in ("matmul", "dot"):
        return _Way(plan, home)
    x, y = _stacked(*plan.operands(np, x, y))
    members, columns = len(y), y.shape[-1]
    wide = epilogue is None  # or a bias that is a row of numbers for the rows of each matrix, or of all
    if epilogue is not None and plan.axes is None and b.dtype == x.dtype:
        wide = epilogue.shape[-1] == columns and b.size in (columns, members * columns)
    stack = stacks.stack(x, y, epilogue is not None) if wide else None
    return _Way(plan, home, stack, None if stack else gemm.product(x, y))


def _stacked(x: Any, y: Any) -> tuple[Any, Any]:
    """Two matrices as stacks of one."""
    return (x[None], y[None]) if x.ndim == y.ndim == 2 else (x, y)


def _of_contract(subscripts: str, home: Home, threaded: bool, epilogue: _Epilogue | None) -> Kernel:
    """A product, planned once for each way that its operands lie in memory."""
    ways: dict[Any, _Way] = {}
    multiply = _multiply if threaded else np.matmul

    def run(own: Own, out: Any, x: Any, y: Any, b: Any = None) -> Any:
        lie = (x.strides, y.strides)
        way = ways.get(lie)
        if way is None:
            way = ways[lie] = _way(subscripts, home.again(), x, y, b, epilogue)
        plan = way.plan
        x, y = plan.operands(np, x, y)
        into = own.get(way.home)
        direct = out is not None and plan.shape is None and plan.axes is None
        if direct and (plan.names or out.flags.c_contiguous):
            into = out
        if plan.names:
            made = np.einsum(plan.names, x, y, out=into)
        elif way.stack is not None or way.shared is not None:
            made = np.empty((*x.shape[:-1], y.shape[-1]), x.dtype) if into is None else into
            x, y = _stacked(x, y)
            if way.stack is not None:
                way.stack(x, y, made, b, epilogue is not None and epilogue.rectified)
            elif way.shared is not None:
                way.shared(x, y, made)
        else:
            made = (np.multiply if plan.function == "multiply" else multiply)(x, y, out=into)
        if into is None and type(made) is np.ndarray:
            made = kept(own, way.home, made)
        made = plan.result(made)
        if epilogue is not None and way.stack is None:
            made = epilogue(made, b)
        if out is None or made is out:
            return made
        np.copyto(out, made)
        return out

    return Kernel(run, True)


def _multiply(x: Any, y: Any, out: Any) -> Any:
    """`np.matmul` in pieces, by the longest axis of the result, on the worker threads."""
    if out is None:
        out = np.empty(
            (*np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-1]), np.result_type(x, y)
        )
    axis = next((i for i, n in enumerate(out.shape[:-2]) if n >= TASKS), None)
    if axis is None:
        axis = max(range(out.ndim), key=lambda i: out.shape[i])
    ends = [out.shape[axis] * i // TASKS for i in range(TASKS + 1)]
    tasks = []
    for a, b in pairwise(ends):
        cut = (slice(None),) * axis + (slice(a, b),)
        rows = x[cut] if x.ndim == out.ndim and axis < out.ndim - 1 and x.shape[axis] > 1 else x
        columns = y[cut] if y.ndim == out.ndim and axis != out.ndim - 2 and y.shape[axis] > 1 else y
        tasks.append(partial(_product, rows, columns, out[cut]))
    threads.run(tasks, lambda: None)
    return out


def _product(x: Any, y: Any, out: Any, state: None) -> None:
    np.matmul(x, y, out=out)


def _conversion(dtype: Any, home: Home) -> Run:
    def run(own: Own, out: Any, x: Any) -> Any:
        if out is None:
            out = own.get(home)
            if out is None:
                return kept(own, home, x.astype(dtype))
        np.copyto(out, x, casting="unsafe")
        return out

    return run


def _of_eval(step: Step) -> Run:
    if not pure(step.primitive):  # what an author's code returns is checked
        return lambda own, out, *args: step.run(args) if step.primitive.multiple else step.run(args)[0]
    evaluate, params = step.primitive.eval, step.params

    def run(own: Own, out: Any, *args: Any) -> Any:
        return evaluate(np, *args, **params)

    return run


def reusable(step: Step) -> list[int]:
    """The arguments whose memory the result may take, if nobody reads them later."""
    if step.primitive.ufunc is None and step.primitive not in UFUNCS:
        return []
    shape, dtype = step.outputs[0].shape, step.outputs[0].dtype
    return [k for k, a in enumerate(step.inputs) if isinstance(a, Var) and a.shape == shape and a.dtype == dtype]


MULTIPLYING = frozenset({p for p in OWN if p.name not in VIEWS | MOVES}) - ELEMENTWISE
"""Primitives that may call BLAS; so may an author's code."""


def may_multiply(step: Step) -> bool:
    """Whether a step may call BLAS."""
    return step.primitive in MULTIPLYING or not pure(step.primitive)


COPIES = frozenset({"concatenate", "stack", "pad", "roll", "repeat", "previous", "set_diagonal", "slice_place"})
"""Moves whose results are new arrays, whatever they are given."""

APART = frozenset({p for p in OWN if p.name in COPIES or p.name not in VIEWS | MOVES})
"""Primitives whose results are in memory of their own."""


def shared(step: Step) -> list[Any]:
    """The inputs whose memory the result may be in: of what may be a view, and of an author's code."""
    if step.primitive in APART:
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
