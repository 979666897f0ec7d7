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

from ..batched import BatchTrace
from ..core import OBSERVER, RUNNING
from ..errors import MissingRuleError, ShapeError, describe, warn_caller

Run = Callable[..., Any]

_STRICT: ContextVar[bool] = ContextVar("strict", default=False)


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
    observer = OBSERVER.get()
    if observer is not None:
        observer.loop(op, calls)
    if declared:
        return
    trace = _outermost()
    tally = (trace and trace.report) or _Tally(trace.call if trace else "vmap")
    tally.add(op, calls, seconds)
    if trace is None:
        tally.tell()
    else:
        trace.report = tally


SMALL = 1024
"""Bytes of a result up to which those of many examples are collected, as a plain loop would, before they are joined."""

CHUNK = 4096
"""How many examples at a time."""

NUMBERS = frozenset({float, int, complex, bool})


def loop(
    form: Any,
    first: Run,
    then: Callable[[], tuple[Run, bool, Run]],
    xp: Any,
    size: int,
    mapped: Sequence[bool],
    args: Sequence[Any],
) -> tuple[Any, ...]:
    """Runs a form on one example after another, `size` of them and at least one, and stacks each result.

    `first(*example)` returns a tuple of arrays and is run on the first example. After it, `then()` says what is run on
    the others, whether that returns just one result, and what makes a tuple of arrays of whatever it returns.
    """
    outs = []
    for result in first(*[x[0] if m else x for x, m in zip(args, mapped, strict=True)]):
        out = xp.empty((size, *result.shape), result.dtype)
        out[0] = result
        outs.append(out)
    run, single, tidy = then()
    fast = xp is np and all(out.itemsize * out[0].size <= SMALL for out in outs)
    for start in range(1, size, CHUNK):
        stop = min(start + CHUNK, size)
        columns = [iter(x[start:stop]) if m else repeat(x, stop - start) for x, m in zip(args, mapped, strict=True)]
        collected = list(map(run, *columns)) if fast else None
        joined = None if collected is None else _join(collected, single, outs)
        if joined is not None:
            for out, column in zip(outs, joined, strict=True):
                out[start:stop] = column
            continue
        columns = [iter(x[start:stop]) if m else repeat(x, stop - start) for x, m in zip(args, mapped, strict=True)]
        for i, example in enumerate(zip(*columns, strict=True), start):
            for k, result in enumerate(tidy(run(*example))):
                outs[k] = _put(form.name, outs[k], i, result)
    return tuple(outs)


def _join(results: list[Any], single: bool, outs: list[Any]) -> list[Any] | None:
    """Each result of several examples as one array; None unless all are as the first, in memory of their own.

    An example may overwrite the result of the one before it, where a function hands out a buffer of its own.
    """
    if single:
        columns: list[Any] = [results]
    elif set(map(type, results)) == {tuple} and set(map(len, results)) == {len(outs)}:
        columns = list(zip(*results, strict=True))
    else:
        return None
    joined = []
    for column, out in zip(columns, outs, strict=True):
        kinds = set(map(type, column))
        if kinds == {np.ndarray}:
            if len(set(map(id, column))) < len(column) or any(x.base is not None for x in column):
                return None
            if {x.dtype for x in column} != {out.dtype} or {x.shape for x in column} != {out.shape[1:]}:
                return None
            joined.append(
                np.concatenate(column).reshape(len(column), *out.shape[1:]) if out.ndim > 1 else np.array(column)
            )
        else:
            if out.ndim > 1 or not all(kind in NUMBERS or issubclass(kind, np.generic) for kind in kinds):
                return None
            array = np.array(column)
            if array.dtype != out.dtype:
                return None
            joined.append(array)
    return joined


def _put(call: str, out: Any, i: int, result: Any) -> Any:
    """`out` with `result` as example `i`, in the dtype that stacking the examples would give."""
    if result.shape != out.shape[1:]:
        fact = f"the result of example {i} is {describe(result)}, that of the first {describe(out[0])}"
        raise ShapeError(call, fact, "the results of all examples must have one shape")
    if result.dtype != out.dtype:
        out = out.astype(np.promote_types(out.dtype, result.dtype), copy=False)
    out[i] = result
    return out


def timed(op: Any, declared: bool, calls: int, run: Callable[[], Any]) -> Any:
    """Returns `run()`, which loops over `calls` examples, and takes the loop down; raises if it is forbidden."""
    if not declared and _STRICT.get():
        trace = _outermost()
        fact = f"'{op.name}' has no vmap rule, and strict() forbids to loop"
        raise MissingRuleError(trace.call if trace else "vmap", fact, "", op.remedy("vmap"))
    start = time.perf_counter()
    result = run()
    note_loop(op, declared, calls, time.perf_counter() - start)
    return result
