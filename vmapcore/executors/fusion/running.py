"""Kernels on arrays: arguments as the sources want them, and what is done where arrays do not lie so."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .expression import Dimensions, Expression
from .tile_source import TileSource, loads

Order = tuple[int, ...] | None
Bound = Callable[[int, int], Any]
"""`run(lo, hi)` computes the rows from `lo` to `hi`."""


class Shape(NamedTuple):
    """What a kernel takes: the expression, in which order axes lie, constant arrays, and what raises the error that a
    check has found of such inputs."""

    expression: Expression
    input_orders: Sequence[Order]
    output_orders: Sequence[Order]
    captured: Sequence[Any]
    explain: Callable[[Sequence[Any]], None]


class Kernel:
    """Runs a fused group on arrays: `kernel(ins, outs, lo, hi)`, or `kernel.bind(ins, outs)(lo, hi)` many times.

    Rows `lo` to `hi` are of the outermost axis; where the group does not split they must be all. Outputs share no
    memory with inputs but those in place. It is safe to call from several threads. An input that is not contiguous is
    copied when it is bound; an output that is not is written by way of one that is, all rows at once.
    """

    def __init__(self, shape: Shape, arguments: Callable[[Expression, list[Any], list[Any]], Bound]) -> None:
        self.shape, self.arguments = shape, arguments
        self.rows = shape.expression.lengths[0] if shape.expression.lengths else 1

    def __call__(self, ins: Sequence[Any], outs: Sequence[Any], lo: int = 0, hi: int | None = None) -> None:
        self.bind(ins, outs)(lo, self.rows if hi is None else hi)

    def bind(self, ins: Sequence[Any], outs: Sequence[Any]) -> Bound:
        """What computes rows of these arrays."""
        shape = self.shape
        given = [ordered(x, order) for x, order in zip(ins, shape.input_orders, strict=True)]
        wanted = [ordered(y, order) for y, order in zip(outs, shape.output_orders, strict=True)]
        results = [y if y.flags.c_contiguous else np.empty(y.shape, y.dtype) for y in wanted]
        run = self.arguments(shape.expression, [*given, *shape.captured], results)
        apart = [(y, r) for y, r in zip(wanted, results, strict=True) if y is not r]
        if not apart and not shape.expression.checks:
            return run

        def careful(lo: int, hi: int) -> None:
            if run(lo, hi):
                shape.explain(ins)
            for y, r in apart:
                np.copyto(y, r)

        return careful


def ordered(x: Any, order: Order) -> Any:
    """`x` with its axes as they lie in memory."""
    return x if order is None else x.transpose(order)


def flat(call: Any, e: Expression, ins: list[Any], outs: list[Any]) -> Bound:
    """Arguments in one dimension."""
    arguments = (*e.lengths, *[np.ascontiguousarray(x).reshape(-1) for x in ins], *[y.reshape(-1) for y in outs])
    return lambda lo, hi: call(lo, hi, *arguments)


class Tiled:
    """Arguments with every axis of the expression, and scratch for the thread that runs."""

    def __init__(self, source: TileSource, call: Any) -> None:
        self.source, self.call = source, call
        self.idle: list[Any] = []

    def __call__(self, e: Expression, ins: list[Any], outs: list[Any]) -> Bound:
        arrays = [_placed(ins[e.statements[i].operand], e.statements[i].dims, e) for i in loads(e)]
        arrays += [_placed(outs[s.output], s.dims, e) for s in e.stores]
        call, idle = self.call, self.idle

        def run(lo: int, hi: int) -> Any:
            scratch = idle.pop() if idle else self._scratch(e)
            try:
                with np.errstate(all="ignore"):
                    return call(lo, hi, *arrays, *scratch)
            finally:
                idle.append(scratch)

        return run

    def _scratch(self, e: Expression) -> list[Any]:
        lengths = (self.source.rows, *e.lengths[1:])[: len(e.lengths)]
        return [
            np.empty([n if i in s.axes else 1 for i, n in enumerate(lengths)], s.dtype) for s in self.source.scratch
        ]


def _placed(x: Any, dims: Dimensions, e: Expression) -> Any:
    """A view of `x`, whose axes lie in memory as `dims`, with the axes of the expression."""
    view = x.reshape([d.length for d in dims])
    view = view[(*[slice(None) if d.axis >= 0 else d.at for d in dims], ...)]
    axes = [d.axis for d in dims if d.axis >= 0]
    view = view.transpose(sorted(range(len(axes)), key=axes.__getitem__))
    return view[tuple([slice(None) if a in axes else None for a in range(len(e.lengths))]) + (...,)]
