"""Kernels on arrays: arguments as the sources want them, and what is done where arrays do not lie so."""

import functools
from collections.abc import Callable, Mapping, Sequence
from operator import methodcaller
from typing import Any, NamedTuple

import numpy as np

from ...locks import cached_property
from ...planning.expressions.expression import Dimensions, Expression
from .cache import function
from .elements import IN_A_ROW, WRITEABLE, exact
from .tile_source import TileSource, loads, tile_source

Order = tuple[int, ...] | None
Bound = Callable[[int, int], Any]
"""`run(lo, hi)` computes the rows from `lo` to `hi`."""

READABLE = IN_A_ROW & ~WRITEABLE


class Shape(NamedTuple):
    """What a kernel takes: the expression, in which order axes lie, which inputs do not lie so and are to be copied,
    constant arrays, and what raises the error that a check has found of such inputs."""

    expression: Expression
    input_orders: Sequence[Order]
    output_orders: Sequence[Order]
    copied: Sequence[int]
    captured: Sequence[Any]
    explain: Callable[[Sequence[Any]], None]


class FusedKernel:
    """Runs a fused group on arrays: `kernel(ins, outs)`, or `kernel.bind(ins, outs)(lo, hi)` for some of the rows.

    Rows `lo` to `hi` are of the outermost axis; where the group does not split they must be all. Outputs share no
    memory with inputs but those in place. It is safe to call from several threads. An input that is not contiguous is
    copied when it is bound; an output that is not is written by way of one that is, so it takes all rows at once.

    All rows of arrays that lie as they must are done without a detour: in little time besides that of the kernel.
    """

    def __init__(self, shape: Shape, backend: "Compiled | Tiled") -> None:
        self.shape, self.backend = shape, backend
        e = shape.expression
        self.rows = e.lengths[0] if e.lengths else 1
        self.inputs = list(zip(shape.input_orders, map(exact, e.inputs), strict=False))  # constant arrays come after
        self.outputs = list(zip(shape.output_orders, map(exact, e.outputs), strict=True))
        self.transposed = any(order is not None for order, _ in (*self.inputs, *self.outputs))
        self.all = backend.all(shape)

    def __call__(self, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        given, wanted = list(ins), outs
        if self.transposed:
            given = [_transposed(x, order) for x, (order, _) in zip(ins, self.inputs, strict=True)]
            wanted = [_transposed(y, order) for y, (order, _) in zip(outs, self.outputs, strict=True)]
            for i in self.shape.copied:
                given[i] = np.ascontiguousarray(given[i])
        try:
            try:
                wrong = self.all(given, wanted)
            except TypeError:  # before anything was written: numbers of NumPy, say, that are no arrays
                wrong = self.all([np.asarray(x) for x in given], wanted)
        except TypeError:  # not all lie as they must
            self.bind(ins, outs)(0, self.rows)
            return
        if wrong:
            self.shape.explain(ins)

    @property
    def takes_as_they_lie(self) -> bool:
        """Whether `all` takes arrays in their own order, and sees by itself whether they are."""
        return isinstance(self.backend, Compiled) and not self.transposed

    @property
    def shared(self) -> bool:
        """Whether a team shares the rows."""
        return getattr(self.backend, "pieces", 1) > 1

    def splits(self, outs: Sequence[Any]) -> bool:
        """Whether some rows can be computed at a time: none is combined with another, or written by way of a copy."""
        orders = [order for order, _ in self.outputs]
        return self.shape.expression.splits and all(
            _is_in_a_row(_transposed(y, order), IN_A_ROW) for y, order in zip(outs, orders, strict=True)
        )

    def bind(self, ins: Sequence[Any], outs: Sequence[Any]) -> Bound:
        """What computes rows of these arrays."""
        shape = self.shape
        typed = [_typed(x, *kind) for x, kind in zip(ins, self.inputs, strict=True)]
        given = [x if _is_in_a_row(x, READABLE) else np.array(x, order="C") for x in typed]
        wanted = [_typed(y, *kind) for y, kind in zip(outs, self.outputs, strict=True)]
        results = [y if _is_in_a_row(y, IN_A_ROW) else np.empty(y.shape, y.dtype) for y in wanted]
        run = self.backend.bind(shape, given, results)
        apart = [(y, r) for y, r in zip(wanted, results, strict=True) if y is not r]
        if not apart and not shape.expression.checks:
            return run

        def careful(lo: int, hi: int) -> None:
            if apart and (lo, hi) != (0, self.rows):
                raise ValueError("some of the rows for a result that is not contiguous")  # all of it is copied
            if run(lo, hi):
                shape.explain(ins)
            for y, r in apart:
                np.copyto(y, r)

        return careful


def _is_in_a_row(x: Any, flags: int) -> bool:
    return type(x) is np.ndarray and x.flags.num & flags == flags


def _typed(x: Any, order: Order, dtype: Any) -> Any:
    """`x` with its axes as they lie in memory."""
    if x.dtype is not dtype:
        if x.dtype != dtype:
            raise TypeError(f"a kernel of {dtype} was given {x.dtype}")
        x = x.view(dtype)
    return _transposed(x, order)


def _transposed(x: Any, order: Order) -> Any:
    return x if order is None else x.transpose(order)


class Compiled:
    """Loops: a function of row numbers, lengths and the elements of arrays; all rows are shared in `pieces`."""

    def __init__(self, call: Any, pieces: int) -> None:
        self.call, self.pieces = call, pieces

    def all(self, shape: Shape) -> Callable[[Sequence[Any], Sequence[Any]], Any]:
        """Runs all rows of arrays that lie as they must."""
        call, lengths, captured = self.call, shape.expression.lengths, shape.captured
        head = (0, lengths[0] if lengths else 1, self.pieces, *lengths)
        return lambda ins, outs: call(*head, *ins, *captured, *outs)

    def bind(self, shape: Shape, ins: Sequence[Any], outs: Sequence[Any]) -> Bound:
        call, arguments = self.call, (*shape.expression.lengths, *ins, *shape.captured, *outs)
        return lambda lo, hi: call(lo, hi, 1, *arguments)


class Tiled:
    """Calls of NumPy, on arrays with every axis of the expression."""

    def __init__(self, e: Expression, in_place: Mapping[int, int]) -> None:
        self.expression, self.in_place = e, in_place
        self.rows = e.lengths[0] if e.lengths else 1
        self.places = [(e.statements[i].operand, _placing(e.statements[i].dims, e)) for i in loads(e)]
        self.targets = [(s.output, _placing(s.dims, e)) for s in e.stores]

    @cached_property
    def calls(self) -> "Calls":
        """For some of the rows, tile by tile."""
        return Calls(self.expression, tile_source(self.expression, self.in_place))

    def all(self, shape: Shape) -> Callable[[Sequence[Any], Sequence[Any]], Any]:
        """Runs all rows of arrays that lie as they must."""

        def run(ins: Sequence[Any], outs: Sequence[Any]) -> Any:
            for y in outs:
                if not y.flags.c_contiguous:
                    raise TypeError("a result that would be reshaped by a copy")
            return self.calls(0, self.rows, self._arrays(shape, ins, outs))

        return run

    def bind(self, shape: Shape, ins: Sequence[Any], outs: Sequence[Any]) -> Bound:
        arrays = self._arrays(shape, ins, outs)
        return lambda lo, hi: self.calls(lo, hi, arrays)

    def _arrays(self, shape: Shape, ins: Sequence[Any], outs: Sequence[Any]) -> list[Any]:
        if shape.captured:
            ins = [*ins, *shape.captured]
        return [place(ins[i]) for i, place in self.places] + [place(outs[i]) for i, place in self.targets]


class Calls:
    """The function of a source, with scratch for the thread that runs it."""

    def __init__(self, e: Expression, source: TileSource) -> None:
        self.call = function(source.text)
        self.idle: list[Any] = []
        lengths = (source.rows, *e.lengths[1:])[: len(e.lengths)]
        shapes = [tuple([n if i in s.axes else 1 for i, n in enumerate(lengths)]) for s in source.scratch]
        self.scratch = [(shape, s.dtype) for shape, s in zip(shapes, source.scratch, strict=True)]

    def __call__(self, lo: int, hi: int, arrays: Sequence[Any]) -> Any:
        try:
            scratch = self.idle.pop()
        except IndexError:
            scratch = [np.empty(shape, dtype) for shape, dtype in self.scratch]
        with np.errstate(all="ignore"):  # as loops are
            wrong = self.call(lo, hi, *arrays, *scratch)
        self.idle.append(scratch)
        return wrong


def _placing(dims: Dimensions, e: Expression) -> Callable[[Any], Any]:
    """Makes a view with the axes of the expression of an array whose axes lie in memory as `dims`."""
    axes = [d.axis for d in dims]
    if -1 not in axes and axes == sorted(axes):
        return methodcaller("reshape", tuple([n if i in axes else 1 for i, n in enumerate(e.lengths)]))
    return functools.partial(_placed, dims=dims, rank=len(e.lengths))


def _placed(x: Any, dims: Dimensions, rank: int) -> Any:
    view = x.reshape([d.length for d in dims])
    view = view[(*[slice(None) if d.axis >= 0 else d.at for d in dims], ...)]
    axes = [d.axis for d in dims if d.axis >= 0]
    view = view.transpose(sorted(range(len(axes)), key=axes.__getitem__))
    return view[tuple([slice(None) if a in axes else None for a in range(rank)]) + (...,)]


BITS = {4: np.dtype(np.int32), 8: np.dtype(np.int64)}


def select(mask: Any, x: Any, y: Any, out: Any, bits: Any) -> None:
    """Writes `x` where `mask` is true, else `y`, into `out`, which shares no memory with them.

    Without a branch per element, which a mask without pattern mispredicts.

    `x` and `y` have the dtype of `out`; `bits` is scratch of its shape, of integers of its size.
    """
    kind = BITS.get(out.dtype.itemsize)
    if kind is None:
        np.copyto(out, y)
        np.copyto(out, x, where=mask)
        return
    first, last, result = x.view(kind), y.view(kind), out.view(kind)
    np.copyto(bits, mask.view(np.int8))
    np.negative(bits, out=bits)  # all bits set or none
    if not np.ndim(last) and not last:
        np.bitwise_and(bits, first, out=result)
        return
    np.bitwise_xor(first, last, out=result)
    np.bitwise_and(result, bits, out=result)
    np.bitwise_xor(result, last, out=result)
