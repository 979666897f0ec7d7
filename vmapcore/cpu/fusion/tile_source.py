"""Calls of NumPy as Python: expression -> source of one function that runs a tile of rows at a time.

    kernel(lo, hi, x0, x1, ..., y0, ..., s0, s1, ...)

computes the rows `lo` to `hi` of axis 0. All arrays have every axis of the expression, with length 1 where they do not
vary. `s` are scratch arrays of a tile, used again as soon as what they hold is not needed; results go straight to the
outputs where they can. It returns whether a check failed.
"""

from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ...planning.expressions.expression import Argument, Axes, Constant, Expression, Statement
from ...thresholds import TILED
from .loop_source import constant
from .operations import ASTRAY

HEAD = """import numpy as np
from vmapcore.cpu.fusion.running import select
from vmapcore.evals.reductions import largest, smallest, total

inf = np.inf


"""
REDUCE = {"any": "np.logical_or.reduce", "all": "np.logical_and.reduce"}
FAST = {"sum": "total", "max": "largest", "min": "smallest"}


class Scratch(NamedTuple):
    dtype: Any
    axes: Axes


class TileSource(NamedTuple):
    text: str
    scratch: tuple[Scratch, ...]
    rows: int
    """Rows of a tile."""


def tile_source(expression: Expression, in_place: Mapping[int, int]) -> TileSource:
    """The source, and the scratch arrays it wants."""
    return _TileWriter(expression, in_place).source()


def loads(expression: Expression) -> list[int]:
    """The statements whose arrays are the arguments x."""
    return [i for i, s in enumerate(expression.statements) if s.operation == "load"]


class _TileWriter:
    def __init__(self, expression: Expression, in_place: Mapping[int, int]) -> None:
        self.expression, self.in_place, self.tiled = expression, in_place, expression.splits
        self.statements = expression.statements
        self.scratch: list[Scratch] = []
        self.free: list[int] = []
        self.slots: dict[int, int] = {}
        self.last = self._last_uses()
        self.direct = {
            s.value: i
            for i, s in reversed(list(enumerate(expression.stores)))
            if isinstance(s.value, int)
            and s.axes == self.statements[s.value].axes
            and s.output not in in_place
            and self.statements[s.value].operation not in ("load", "index")
        }
        self.lines: list[str] = []
        self.loads = loads(expression)

    def source(self) -> TileSource:
        e = self.expression
        once = [i for i, s in enumerate(self.statements) if not (self.tiled and 0 in s.axes)]
        often = [i for i, s in enumerate(self.statements) if self.tiled and 0 in s.axes]
        for i in once:
            self.run(i, 1)
        if self.tiled:
            self.line(1, f"for start in range(lo, hi, {self.rows()}):")
            self.line(2, f"stop = min(start + {self.rows()}, hi)")
            self.line(2, "n = stop - start")
        for i in often:
            self.run(i, 2)
        for i in range(len(e.stores)):
            self.store(i, 2 if self.tiled else 1)
        arrays = [f"x{i}" for i in range(len(self.loads))]
        arrays += [f"y{i}" for i in range(len(e.stores))] + [f"s{i}" for i in range(len(self.scratch))]
        head = [HEAD + f"def kernel({', '.join(['lo', 'hi', *arrays])}):"]
        head += ["    wrong = False"] if e.checks else []
        text = "\n".join([*head, *self.lines, f"    return {'wrong' if e.checks else 'False'}"]) + "\n"
        return TileSource(text, tuple(self.scratch), self.rows())

    def rows(self) -> int:
        """How many rows make a tile."""
        lengths = self.expression.lengths
        if not self.tiled:
            return lengths[0] if lengths else 1
        row = max([prod([lengths[a] for a in s.evaluated if a]) for s in self.statements if 0 in s.axes], default=1)
        return min(lengths[0], max(1, TILED // row))

    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def _last_uses(self) -> dict[int, int]:
        last: dict[int, int] = {}
        for i, s in enumerate(self.statements):
            for a in s.args:
                if isinstance(a, int):
                    last[a] = i if not self.tiled or 0 in self.statements[a].axes else len(self.statements)
        for store in self.expression.stores:
            if isinstance(store.value, int):
                last[store.value] = len(self.statements)
        return last

    # Where results go.

    def take(self, wanted: Scratch) -> int:
        for i in self.free:
            if self.scratch[i] == wanted:
                self.free.remove(i)
                return i
        self.scratch.append(wanted)
        return len(self.scratch) - 1

    def target(self, i: int, s: Statement) -> str:
        """The output that is this number, or scratch: that of an argument which nothing reads later, if it may be."""
        early = not s.over and s.operation != "where"
        if early:
            self.release(s.args, i)
        if i in self.direct:
            name = self.tile(f"y{self.direct[i]}", s.axes)
        else:
            self.slots[i] = self.take(Scratch(s.dtype, s.axes))
            name = self.part(self.slots[i], s.axes)
        if not early:
            self.release(s.args, i)
        return name

    def part(self, slot: int, axes: Axes) -> str:
        return f"s{slot}[:n]" if self.tiled and 0 in axes else f"s{slot}"

    def release(self, args: tuple[Argument, ...], at: int) -> None:
        for a in dict.fromkeys(args):
            if isinstance(a, int) and self.last.get(a) == at and a in self.slots:
                self.free.append(self.slots.pop(a))

    def name(self, argument: Argument) -> str:
        return f"v{argument}" if isinstance(argument, int) else constant(argument)

    # Statements.

    def run(self, i: int, depth: int) -> None:
        s = self.statements[i]
        if s.operation == "load":
            self.line(depth, f"v{i} = {self.tile(f'x{self.loads.index(i)}', s.axes)}")
            return
        if s.operation == "index":
            self.line(depth, f"v{i} = {self.positions(s)}")
            return
        bits = self.take(Scratch(np.dtype(f"i{s.dtype.itemsize}"), s.axes)) if s.operation == "where" else -1
        self.line(depth, f"v{i} = {self.target(i, s)}")
        self.line(depth, self.call(s, f"v{i}", self.part(bits, s.axes)))
        if bits >= 0:
            self.free.append(bits)
        if i in self.expression.checks:
            self.line(depth, f"wrong |= bool(v{i}.any())")

    def call(self, s: Statement, out: str, bits: str) -> str:
        args = [self.name(a) for a in s.args]
        if s.over:
            return self.reduction(s, args[0], out)
        if s.operation == "cast":
            return f'np.copyto({out}, {args[0]}, casting="unsafe")'
        if s.operation == "where":
            return f"select({', '.join(args)}, {out}, {bits})"
        if s.operation in ("maximum", "minimum") and s.dtype.char == "f":
            for x, bound in (args, args[::-1]):
                if bound.startswith("np.") and not x.startswith("np."):  # several times faster
                    low, high = (bound, "inf") if s.operation == "maximum" else ("-inf", bound)
                    return f"{x}.clip({low}, {high}, out={out})"
        if s.operation in ASTRAY:
            return f"np.copyto({out}, np.{s.operation}({args[0]}))"
        return f"np.{s.operation}({', '.join(args)}, out={out})"

    def reduction(self, s: Statement, x: str, out: str) -> str:
        rank = len(self.expression.lengths)
        lacking = [a for a in s.over if a not in self.expression.axes_of(s.args[0])]
        if lacking or isinstance(s.args[0], Constant):
            lengths = [f"{self.expression.lengths[a]}" if a in s.over else f"np.shape({x})[{a}]" for a in range(rank)]
            if isinstance(s.args[0], Constant):
                lengths = [f"{self.expression.lengths[a]}" if a in s.over else "1" for a in range(rank)]
            x = f"np.broadcast_to({x}, ({', '.join(lengths)},))"
        axis = "(" + ", ".join([str(a - rank) for a in s.over]) + ",)"
        if s.operation in REDUCE:
            return f"{REDUCE[s.operation]}({x}, axis={axis}, keepdims=True, out={out})"
        return f"np.copyto({out}, {FAST[s.operation]}(np, {x}, {axis}, True))"

    def positions(self, s: Statement) -> str:
        (axis,) = s.axes
        rank = len(self.expression.lengths)
        shape = tuple([-1 if a == axis else 1 for a in range(rank)])
        bounds = "start, stop" if self.tiled and axis == 0 else str(self.expression.lengths[axis])
        return f"np.arange({bounds}).reshape({shape})"

    def tile(self, array: str, axes: Axes) -> str:
        return f"{array}[start:stop]" if self.tiled and 0 in axes else array

    def store(self, i: int, depth: int) -> None:
        store = self.expression.stores[i]
        if not (isinstance(store.value, int) and self.direct.get(store.value) == i):
            self.line(depth, f"np.copyto({self.tile(f'y{i}', store.axes)}, {self.name(store.value)})")
