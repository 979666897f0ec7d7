"""The loop that runs an operation without a vmap rule example by example, and what is said about it.

All loops of one outermost vmap call are told in one PerformanceWarning when it ends; `strict` forbids them.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from itertools import repeat
from typing import Any

import numpy as np

from ..batching import BatchTrace
from ..core import RUNNING
from ..errors import MissingRuleError, ShapeError, describe, warn_caller

Run = Callable[..., Any]

_STRICT: ContextVar[bool] = ContextVar("strict", default=False)

LISTENER: ContextVar[Callable[[Any, int], None] | None] = ContextVar("listener", default=None)
"""Called with an operation and how many examples it looped over, by `explain`."""


@contextlib.contextmanager
def strict() -> Iterator[None]:
    """Makes it an error, not a warning, that an operation without a vmap rule would loop.

    Law:  with strict(): vmap(f)(x) loops nowhere, or raises

    Loops that an author declared, with `vmap_by_loop()` or `vmap_method="loop"`, go on.

    Raises:
        MissingRuleError: a `vmap` called in the block meets an operation without a vmap rule.

    Example:
        >>> from vmapcore import custom_op, vmap
        >>> import vmapcore as vc
        >>> @vc.custom_op
        ... def total(xp, x):
        ...     return xp.sum(x)
        >>> with strict():
        ...     vc.vmap(total)(np.ones((3, 2)))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        vmapcore.errors.MissingRuleError: vmap(total): 'total' has no vmap rule, and strict() forbids to loop. ...
    """
    token = _STRICT.set(True)
    try:
        yield
    finally:
        _STRICT.reset(token)


def check_allowed(op: Any) -> None:
    """Raises if a loop of `op`, which its author did not declare, is forbidden."""
    if _STRICT.get():
        trace = _outermost()
        raise MissingRuleError(
            trace.call if trace else "vmap",
            f"'{op.name}' has no vmap rule, and strict() forbids to loop",
            "",
            op.remedy("vmap"),
        )


def _outermost() -> BatchTrace | None:
    return next((trace for trace in RUNNING.get() if isinstance(trace, BatchTrace)), None)


class _Tally:
    """The loops during one outermost vmap call, and the warning that sums them up."""

    def __init__(self, call: str) -> None:
        self.call = call
        self.loops: dict[int, tuple[Any, int, float]] = {}

    def add(self, op: Any, calls: int, seconds: float) -> None:
        _, before, spent = self.loops.get(id(op), (op, 0, 0.0))
        self.loops[id(op)] = (op, before + calls, spent + seconds)

    def tell(self) -> None:
        # One digit of the seconds: calls that repeat say the same, and Python shows a repeated warning once.
        told = [
            f"'{op.name}' has no vmap rule and ran in a loop: {calls} calls, {seconds:.1g} s"
            for op, calls, seconds in self.loops.values()
        ]
        ops = [op for op, _, _ in self.loops.values()]
        remedy = ops[0].remedy("vmap") if len(ops) == 1 else "Declare vmap rules for them, or that the loops are meant"
        warn_caller(self.call, "; ".join(told), "", remedy)


def note_loop(op: Any, declared: bool, calls: int, seconds: float) -> None:
    """Takes down that `op` ran `calls` times in a loop."""
    listener = LISTENER.get()
    if listener is not None:
        listener(op, calls)
    if declared:
        return
    trace = _outermost()
    if trace is None:
        tally = _Tally("vmap")
        tally.add(op, calls, seconds)
        tally.tell()
        return
    if trace.report is None:
        trace.report = _Tally(trace.call)
    trace.report.add(op, calls, seconds)


def loop(
    form: Any,
    first: Run,
    then: Callable[[], tuple[Run, bool]],
    xp: Any,
    size: int,
    mapped: Sequence[bool],
    args: Sequence[Any],
) -> tuple[Any, ...]:
    """Runs a form on one example after another, `size` of them and at least one, and stacks each result.

    `first(*example)` returns a tuple of arrays and is run on the first example. After it, `then()` says what is run on
    the others, and whether that returns just one array instead of as many.
    """
    examples = zip(*[iter(x) if m else repeat(x) for x, m in zip(args, mapped, strict=True)], strict=False)
    outs = []
    for result in first(*next(examples)):
        out = xp.empty((size, *result.shape), result.dtype)
        out[0] = result
        outs.append(out)
    again, single = then()
    if single:
        return (_fill(form.name, outs[0], again, examples),)
    return _fill_several(form, outs, again, examples)


def _fill(call: str, out: Any, run: Run, examples: Iterator[Any]) -> Any:
    """`out` with the results of `run` from example 1 on; each put there at once, for the next may overwrite it."""
    shape, dtype = out.shape[1:], out.dtype
    for i, example in enumerate(examples, 1):
        result = run(*example)
        try:
            fits = result.dtype is dtype and result.shape == shape
        except AttributeError:
            fits = False
        if fits:
            out[i] = result
        else:
            out = _put(call, out, i, result)
            dtype = out.dtype
    return out


def _fill_several(form: Any, outs: list[Any], run: Run, examples: Iterator[Any]) -> tuple[Any, ...]:
    """The same, for a `run` of several results."""
    places = [(k, out, out.dtype, out.shape[1:]) for k, out in enumerate(outs)]
    for i, example in enumerate(examples, 1):
        results = run(*example)
        if type(results) is not tuple or len(results) != len(places):
            results = form.outputs(results)
        for result, (k, out, dtype, shape) in zip(results, places, strict=False):
            if getattr(result, "dtype", None) is dtype and result.shape == shape:
                out[i] = result
            else:
                out = _put(form.name, out, i, result)
                places[k] = (k, out, out.dtype, shape)
    return tuple([out for _, out, _, _ in places])


def _put(call: str, out: Any, i: int, result: Any) -> Any:
    """`out` with `result` as example `i`, in the dtype that stacking the examples would give."""
    if getattr(result, "shape", None) != out.shape[1:]:
        raise ShapeError(
            call,
            f"the result of example {i} is {describe(result)}, that of the first {describe(out[0])}",
            "the results of all examples must have one shape",
        )
    if result.dtype != out.dtype:
        out = out.astype(np.promote_types(out.dtype, result.dtype), copy=False)
    out[i] = result
    return out


def timed(op: Any, declared: bool, calls: int, run: Callable[[], Any]) -> Any:
    """Returns `run()`, which loops over `calls` examples, and takes the loop down."""
    if not declared:
        check_allowed(op)
    start = time.perf_counter()
    result = run()
    note_loop(op, declared, calls, time.perf_counter() - start)
    return result
