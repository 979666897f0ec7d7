"""Loops as Python for Numba: expression -> source of one function over arrays in one dimension.

    kernel(lo, hi, pieces, n0, n1, ..., x0, x1, ..., y0, ...)

computes the rows `lo` to `hi` of axis 0, or all rows in `pieces`, of which a team takes some. `n` are the lengths of
the axes, so that one kernel serves all shapes; only the length of short rows that are reduced is in the source, so that
no loop is left of them. `x` are the elements of inputs and `y` of outputs, each contiguous in the order of its
dimensions. It returns whether a check failed.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from ...planning.expressions.building import SHORT, UnfusibleError
from ...planning.expressions.expression import Argument, Axes, Constant, Dimensions, Expression, Statement
from ...thresholds import IN_A_ROW
from .loops import Item, Loop, Put, Run, Start, nest
from .operations import template

HEAD = """import math

import numpy as np
from vmapcore.cpu.compiled import numba
from vmapcore.cpu.native.intrinsics import exp, get, larger, log, plus, put, smaller, tanh
from vmapcore.cpu.team import share

"""


def loop_source(expression: Expression, in_place: Mapping[int, int]) -> str:
    """The source; `in_place` names outputs that are written to the memory of an input."""
    return _LoopWriter(expression, in_place).source()


class _LoopWriter:
    def __init__(self, expression: Expression, in_place: Mapping[int, int]) -> None:
        self.expression = expression
        self.statements = expression.statements
        self.nest = nest(expression)
        self.lines: list[str] = []
        self.in_place = in_place
        outputs = [f"x{in_place[i]}" if i in in_place else f"y{i}" for i in range(len(expression.outputs))]
        self.outputs = outputs
        self.long = {
            i
            for i, s in enumerate(self.statements)
            if s.operation == "sum" and s.dtype.kind == "f" and self.length(s.over) > IN_A_ROW
        }
        self.adding: set[int] = set()
        self.kept_in = self._stored_whole()
        buffers = [f"k{i}" for i in self.nest.kept if i not in self.kept_in]
        buffers += [f"t{i}" for i in self.nest.kept if i in self.long]
        written = dict.fromkeys([*outputs, *buffers])
        self.scope = {name: i + 1 for i, name in enumerate(written)}

    def _stored_whole(self) -> dict[int, int]:
        """For statements that are kept and also stored whole, the store: they are kept in the output."""
        return {
            store.value: i
            for i, store in enumerate(self.expression.stores)
            if store.value in self.nest.kept
            and isinstance(store.value, int)
            and store.axes == self.statements[store.value].axes
            and store.output not in self.in_place
            and store.value not in self.long
        }

    def source(self) -> str:
        e = self.expression
        names = [f"n{i}" for i in range(len(e.lengths))] + [f"x{i}" for i in range(len(e.inputs))]
        names += [f"y{i}" for i in range(len(e.outputs))]
        given = ", ".join(names)
        shared = e.splits and not e.checks
        self.lines = [HEAD]
        if shared:
            self.lines += ['@numba.njit(nogil=True, error_model="numpy")', f"def rows(lo, hi, {given}):"]
        else:
            self.lines.append(f"def kernel(lo, hi, pieces, {given}):")
        last = len(e.lengths) - 1
        if last > 0 and e.lengths[last] <= SHORT and any(last in s.over for s in e.statements):
            self.line(1, f"n{last} = {e.lengths[last]}")
        if e.checks:
            self.line(1, "wrong = False")
        for i, axes in self.nest.kept.items():
            if i not in self.kept_in:
                size = " * ".join([f"n{a}" for a in axes]) or "1"
                self.line(1, f"k{i} = np.empty({size}, {_type(self.statements[i].dtype)})")
            if i in self.long:
                self.line(1, f"t{i} = np.empty({size}, np.float64)")
        self.block(self.nest.body, 1, ())
        if shared:
            self.lines += ["", "", f"def kernel(lo, hi, pieces, {given}):"]
            self.line(1, "if pieces > 1:")
            self.line(2, f"share(rows, hi, pieces, ({given}))")
            self.line(1, "else:")
            self.line(2, f"rows(lo, hi, {given})")
        self.line(1, f"return {'wrong' if e.checks else 'False'}")
        return "\n".join(self.lines) + "\n"

    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def block(self, items: list[Item], depth: int, opened: Axes) -> None:
        for item in items:
            if isinstance(item, Loop):
                self.loop(item, depth, opened)
            elif isinstance(item, Run):
                self.run(item.statement, depth)
            elif isinstance(item, Put):
                self.put(item.store, depth)
            elif isinstance(item, Start):
                self.start(item.statement, item.axes, depth)
            else:
                self.fetch(item.statement, depth)

    def loop(self, item: Loop, depth: int, opened: Axes) -> None:
        """A loop; where long sums are added up, in pieces, after each of which they are added to their totals."""
        axis, inside = item.axis, (*opened, item.axis)
        terms = {i: self.length([a for a in self.statements[i].over if a not in inside]) for i in self.summed(item)}
        ready = {i: n for i, n in terms.items() if n <= IN_A_ROW and i not in self.adding}
        piece = IN_A_ROW >> (max(ready.values(), default=1) - 1).bit_length()
        start, stop = ("lo", "hi") if axis == 0 else ("0", f"n{axis}")
        if ready and self.expression.lengths[axis] > piece:
            self.line(depth, f"for j{axis} in range({start}, {stop}, {piece}):")
            start, stop, depth = f"j{axis}", f"min(j{axis} + {piece}, {stop})", depth + 1
        self.line(depth, f"for i{axis} in range({start}, {stop}):")
        self.adding |= ready.keys()
        self.block(item.body, depth + 1, inside)
        self.adding -= ready.keys()
        for i in ready:
            self.add_up(i, inside, depth)

    def summed(self, loop: Loop) -> list[int]:
        """The long sums over the axis of a loop in which their terms are computed."""
        runs, left = [], [loop]
        while left:
            for item in left.pop().body:
                if isinstance(item, Loop):
                    left.append(item)
                elif isinstance(item, Run) and item.statement in self.long:
                    runs.append(item.statement)
        return [i for i in sorted(runs) if loop.axis in self.statements[i].over]

    def length(self, axes: Sequence[int]) -> int:
        return prod([self.expression.lengths[a] for a in axes])

    # Numbers.

    def name(self, argument: Argument) -> str:
        return f"v{argument}" if isinstance(argument, int) else constant(argument)

    def run(self, i: int, depth: int) -> None:
        s = self.statements[i]
        if s.over:
            self.combine(i, depth)
            return
        self.line(depth, f"v{i} = {self.formula(s)}")
        if i in self.nest.kept:
            self.write(i, f"v{i}", depth)
        if i in self.expression.checks:
            self.line(depth, f"wrong |= v{i}")

    def formula(self, s: Statement) -> str:
        args = [self.name(a) for a in s.args]
        if s.operation == "load":
            return self.get(f"x{s.operand}", index(s.dims))
        if s.operation == "index":
            return f"np.int64(i{s.axes[0]})"
        if s.operation == "where":
            return f"{args[1]} if {args[0]} else {args[2]}"
        kind = self.expression.dtype_of(s.args[0])
        if s.operation == "cast":
            return f"{args[0]} != {_type(kind)}(0)" if s.dtype.kind == "b" else f"{_type(s.dtype)}({args[0]})"
        form = template(s.operation, kind)
        if not form or any(self.expression.dtype_of(a) != kind for a in s.args):
            raise UnfusibleError(f"{s.operation} of {kind}")
        text = form.format(*args, t=_type(kind))
        return f"{_type(s.dtype)}({text})" if s.dtype.kind in "iu" else text

    # Reductions: in a variable, or in the array where they are kept; of long sums also a total.

    def start(self, i: int, axes: Axes, depth: int) -> None:
        s = self.statements[i]
        first, total = _first(s), "np.float64(0)"
        if i not in self.nest.kept:
            self.line(depth, f"a{i} = {first}")
            if i in self.long:
                self.line(depth, f"t{i} = {total}")
            return
        depth = self.loops(axes, depth)
        self.write(i, first, depth)
        if i in self.long:
            self.line(depth, self.set(f"t{i}", self._kept_at(i), total))

    def loops(self, axes: Sequence[int], depth: int) -> int:
        for axis in axes:
            self.line(depth, f"for i{axis} in range({'lo, hi' if axis == 0 else f'n{axis}'}):")
            depth += 1
        return depth

    def combine(self, i: int, depth: int) -> None:
        s = self.statements[i]
        x = self.name(s.args[0])
        if i in self.nest.kept:
            self.write(i, _combined(s, self.read(i), x), depth)
        else:
            self.line(depth, f"a{i} = {_combined(s, f'a{i}', x)}")

    def add_up(self, i: int, opened: Axes, depth: int) -> None:
        """Adds a sum to its total, and begins it anew."""
        first = _first(self.statements[i])
        if i not in self.nest.kept:
            self.line(depth, f"t{i} += a{i}")
            self.line(depth, f"a{i} = {first}")
            return
        depth, at = self.loops([a for a in self.nest.kept[i] if a not in opened], depth), self._kept_at(i)
        self.line(depth, self.set(f"t{i}", at, f"{self.get(f't{i}', at)} + {self.read(i)}"))
        self.write(i, first, depth)

    def fetch(self, i: int, depth: int) -> None:
        """A number that is kept, or a reduction that is complete."""
        s = self.statements[i]
        if i in self.long:
            value = f"{_type(s.dtype)}({self.get(f't{i}', self._kept_at(i)) if i in self.nest.kept else f't{i}'})"
        elif i in self.nest.kept:
            value = self.read(i)
        else:
            value = f"{_type(s.dtype)}(a{i})" if s.dtype.kind == "f" else f"a{i}"
        self.line(depth, f"v{i} = {value}")

    # Memory.

    def put(self, i: int, depth: int) -> None:
        store = self.expression.stores[i]
        if self.kept_in.get(store.value if isinstance(store.value, int) else -1) == i:
            return  # written where it was computed
        name = self.outputs[store.output]
        self.line(depth, self.set(name, index(store.dims), self.name(store.value)))

    def read(self, i: int) -> str:
        name, at = self._place(i)
        return self.get(name, at)

    def write(self, i: int, value: str, depth: int) -> None:
        name, at = self._place(i)
        self.line(depth, self.set(name, at, value))

    def _place(self, i: int) -> tuple[str, str]:
        if i in self.kept_in:
            store = self.expression.stores[self.kept_in[i]]
            return self.outputs[store.output], index(store.dims)
        return f"k{i}", self._kept_at(i)

    def _kept_at(self, i: int) -> str:
        return _flat([(f"i{a}", f"n{a}") for a in self.nest.kept[i]])

    def get(self, array: str, at: str) -> str:
        return f"get({array}, {at}, {self.scope.get(array, 0)}, {len(self.scope)})"

    def set(self, array: str, at: str, value: str) -> str:
        return f"put({array}, {at}, {value}, {self.scope[array]}, {len(self.scope)})"


def _type(dtype: Any) -> str:
    return "np.bool_" if dtype.kind == "b" else f"np.{dtype.name}"


def _first(s: Statement) -> str:
    dtype = s.dtype
    if s.operation in ("any", "all"):
        return str(s.operation == "all")
    if s.operation == "sum":
        return f"{_type(dtype)}(0)"
    lowest = s.operation == "max"
    if dtype.kind == "f":
        return f"{_type(dtype)}({'-' if lowest else ''}np.inf)"
    if dtype.kind == "b":
        return str(not lowest)
    limits = np.iinfo(dtype)
    return f"{_type(dtype)}({limits.min if lowest else limits.max})"


def _combined(s: Statement, total: str, x: str) -> str:
    if s.operation == "sum":
        return f"plus({total}, {x})" if s.dtype.kind == "f" else f"{_type(s.dtype)}({total} + {x})"
    if s.operation in ("any", "all"):
        return f"{total} {'|' if s.operation == 'any' else '&'} {x}"
    if s.dtype.kind == "f":
        return f"{'larger' if s.operation == 'max' else 'smaller'}({total}, {x})"
    if s.dtype.kind == "b":
        return f"{total} {'|' if s.operation == 'max' else '&'} {x}"
    return f"max({total}, {x})" if s.operation == "max" else f"min({total}, {x})"


def constant(c: Constant) -> str:
    """A constant as source, in its dtype."""
    if c.dtype.kind == "b":
        return str(bool(c.value))
    if c.dtype.kind == "f" and not np.isfinite(c.value):
        return f"{_type(c.dtype)}({str(float(c.value)).replace('inf', 'np.inf').replace('nan', 'np.nan')})"
    return f"{_type(c.dtype)}({c.value.item()!r})"


def index(dims: Dimensions) -> str:
    """Where an element lies."""
    return _flat([(f"i{d.axis}", f"n{d.axis}") if d.axis >= 0 else (str(d.at), str(d.length)) for d in dims])


def _flat(walk: list[tuple[str, str]]) -> str:
    text = ""
    for at, length in walk:
        text = f"({text}) * {length} + {at}" if " " in text else f"{text} * {length} + {at}" if text else at
    return text or "0"
