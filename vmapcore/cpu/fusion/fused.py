"""`fuse`: a group of steps as one kernel, by either source."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from ...graph import Graph, Literal, Step, Var
from ...locks import cached_property
from ...planning.expressions.building import SHORT, Builder, UnfusibleError
from ...planning.expressions.expression import Expression
from ...planning.expressions.formulas import Formulas
from ...planning.expressions.lowering import lower
from ...planning.expressions.numbering import LONGEST, finish
from ...thresholds import PAYS
from .. import compiled, team
from . import elements
from .cache import kernel
from .loop_source import loop_source
from .loops import Loop, nest
from .operations import SLOWER
from .running import Compiled, FusedKernel, Shape, Tiled

FLOP, BYTE = 0.05, 0.01
"""Nanoseconds, roughly, in loops over registers."""


def fuse(
    steps: Sequence[Step],
    inputs: Sequence[Var],
    outputs: Sequence[Var],
    in_place: Mapping[int, int] | None = None,
    orders: Mapping[Var, tuple[int, ...]] | None = None,
) -> "Fused | None":
    """The kernel of a group, or None if there is none.

    Args:
        steps: in an order in which they can run.
        inputs: what they read that they do not make.
        outputs: what is wanted of them.
        in_place: output -> input whose memory it gets; see `Fused.in_place` for those that are possible.
        orders: the axes of a variable from the outermost in memory; those of others lie in their own order.
    """
    try:
        return Fused(steps, inputs, outputs, in_place or {}, orders or {})
    except UnfusibleError:
        return None


LEAST = 16
"""How long the neighbour of a `transposed` axis must be, and how many numbers must come of one that is copied."""


def _last_moved(shape: tuple[int, ...], length: int) -> tuple[int, ...] | None:
    """The axes with the last one, of this length, before the one that precedes it; axes of length 1 do not count."""
    long = [i for i, n in enumerate(shape) if n > 1]
    if len(long) < 2 or shape[long[-1]] != length:
        return None
    order = [i for i in range(len(shape)) if i != long[-1]]
    order.insert(order.index(long[-2]), long[-1])
    return tuple(order)


class Fused:
    """A group of steps as an expression, and what runs it."""

    def __init__(
        self,
        steps: Sequence[Step],
        inputs: Sequence[Var],
        outputs: Sequence[Var],
        in_place: Mapping[int, int],
        orders: Mapping[Var, tuple[int, ...]],
    ) -> None:
        self.steps, self.inputs, self.outputs = steps, inputs, outputs
        self.orders = orders
        self.copied: frozenset[Var] = frozenset()
        self.captured: list[Any] = []
        self.expression = self._expression(orders)
        self.in_place = in_place
        self._check_in_place()
        self.splits = self.expression.splits
        self.rows = self.expression.lengths[0] if self.expression.lengths else 1

    def _expression(self, orders: Mapping[Var, tuple[int, ...]]) -> Expression:
        builder = Builder()
        xp = Formulas(builder)
        if any(0 in v.shape for s in self.steps for v in (*s.inputs, *s.outputs) if isinstance(v, Var)):
            raise UnfusibleError("an axis of length 0")
        values: dict[Var, Any] = {}
        for i, v in enumerate(self.inputs):
            values[v] = builder.operand(i, v.shape, v.dtype, orders.get(v, range(len(v.shape))))
        for step in self.steps:
            args = [xp.made(values[a]) if isinstance(a, Var) else self._literal(xp, a) for a in step.inputs]
            values[step.outputs[0]] = lower(xp, step, args)
        for i, v in enumerate(self.outputs):
            builder.store(values[v], i, orders.get(v, range(len(v.shape))))
        inputs = [*[v.dtype for v in self.inputs], *[a.dtype for a in self.captured]]
        return finish(builder, inputs, [v.dtype for v in self.outputs])

    def _check_in_place(self) -> None:
        """An input may be overwritten if all that is read of it is the element at the place of the result, once."""
        e = self.expression
        if not self.in_place:
            return
        rounds = sum([isinstance(item, Loop) and item.axis == 0 for item in nest(e).body])
        if e.checks or any(s.over for s in e.statements) or rounds > 1:
            raise UnfusibleError("memory in place that is read again")
        for output, number in self.in_place.items():
            loads = [i for i, s in enumerate(e.statements) if s.operation == "load" and s.operand == number]
            stores = [s for s in e.stores if s.output == output]
            same = {e.statements[i].dims for i in loads} == {s.dims for s in stores} and len(stores) == 1
            copied = any(s.value in loads and s.output != output for s in e.stores)
            if not same or copied or (e.splits and 0 not in stores[0].axes):
                raise UnfusibleError("memory in place that is read at other positions")

    def _literal(self, xp: Formulas, literal: Literal) -> Any:
        """A Python number, a scalar, or an array that becomes one more input."""
        value, shape = literal.value, literal.shape
        if not shape:
            return value if type(value) in (int, float) else xp.made(xp.builder.constant(value))
        self.captured.append(value.astype(elements.exact(value.dtype), order="C"))
        number = len(self.inputs) + len(self.captured) - 1
        return xp.made(xp.builder.operand(number, shape, value.dtype, range(len(shape))))

    @cached_property
    def source(self) -> str:
        """The loops, to read."""
        return loop_source(self.expression, self.in_place)

    @property
    def favours_numpy(self) -> bool:
        """Whether it holds a function that is slower in loops than in NumPy."""
        return any(s.operation in SLOWER and s.dtype.char == "f" for s in self.expression.statements)

    def numba(self) -> FusedKernel | None:
        """Loops compiled by Numba; None where it is not installed, or cannot do an operation exactly."""
        if not (compiled.AVAILABLE and elements.AVAILABLE):
            return None
        try:
            source = self.source
        except UnfusibleError:
            return None
        e = self.expression
        call = kernel(source, len(e.lengths), e.inputs, e.outputs)
        return None if call is None else FusedKernel(self._shape(), Compiled(call, self._pieces()))

    def transposed(self) -> "Fused | None":
        """The same with the small arrays that are multiplied out copied, so that their short last axis is none.

        If an axis is innermost that is summed, every sum is one of the numbers of a register, and its root one number:
        of the distances of all points to all points, say. With that axis outside, registers hold many sums.
        """
        e = self.expression
        last = len(e.lengths) - 1
        if last < 1 or not SHORT < e.lengths[last] <= LONGEST or e.lengths[last - 1] < LEAST or self.in_place:
            return None
        if not any(last in s.over for s in e.statements):
            return None
        orders = dict(self.orders)
        for s in e.statements:
            axes = [d.axis for d in s.dims]
            if s.operation == "load" and axes[-2:] == [last - 1, last]:
                v = self.inputs[s.operand] if s.operand < len(self.inputs) else None
                if v is None or v in orders or v.size * LEAST > prod(e.lengths[:last]):
                    return None
                order = _last_moved(v.shape, e.lengths[last])
                if order is None:
                    return None
                orders[v] = order
        found = fuse(self.steps, self.inputs, self.outputs, {}, orders) if len(orders) > len(self.orders) else None
        if found is None or any(len(found.expression.lengths) - 1 in s.over for s in found.expression.statements):
            return None
        found.copied = frozenset(orders).difference(self.orders)
        return found

    def _pieces(self) -> int:
        """Into how many pieces rows are cut, for a team to share."""
        if not self.splits or self.expression.checks:
            return 1
        moved = sum([v.nbytes for v in (*self.inputs, *self.outputs)])
        return team.pieces(self.rows, self.expression.flops * FLOP + moved * BYTE)

    def numpy(self) -> FusedKernel:
        """Calls of NumPy, tile by tile."""
        return FusedKernel(self._shape(), Tiled(self.expression, self.in_place))

    def _shape(self) -> Shape:
        orders = [[self.orders.get(v) for v in vs] for vs in (self.inputs, self.outputs)]
        copied = [i for i, v in enumerate(self.inputs) if v in self.copied]
        return Shape(self.expression, orders[0], orders[1], copied, self.captured, self.explain)

    def explain(self, ins: Sequence[Any]) -> None:
        """Runs the steps one by one, of which one raises the error that a check has found."""
        Graph(tuple(self.inputs), tuple(self.steps), tuple(self.outputs))(*ins)


CALL, STATEMENT, ELEMENT = 3000.0, 1000.0, 0.2
"""Nanoseconds that loops save over NumPy in a call, for each statement, and for each number that a statement makes."""


def saved(fused: Fused) -> float:
    """Nanoseconds that a compiled kernel saves in each call, roughly."""
    return CALL + STATEMENT * len(fused.expression.computed) + ELEMENT * fused.expression.flops


def worth_compiling(fused: Fused) -> bool:
    """Whether the kernel is to be compiled: by its statements and sizes alone, so that every process decides alike.

    Compiling takes from 0.2 to 2 seconds, once; loading what an earlier process has compiled takes a few milliseconds.
    """
    return not fused.favours_numpy and saved(fused) >= PAYS
