"""Numbers the axes of a finished program: outermost first, as its arrays lie in memory, and as few as possible."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any

from .building import Builder
from .expression import Axes, Constant, Dimension, Dimensions, Expression, Statement, Store

LONGEST = 64
"""How long an axis may be that goes outside of another for the sake of any array that lies so."""


def finish(builder: Builder, inputs: Sequence[Any], outputs: Sequence[Any]) -> Expression:
    """The expression of what is stored and checked; statements that neither needs are left out."""
    wanted = builder.reached([*[s.value for s in builder.stores], *builder.checks])
    order = _order(builder, wanted)
    merged = _merged(builder, wanted, order)
    number = {node: i for i, run in enumerate(merged) for node in run}
    lengths = tuple([prod([builder.nodes.lengths[node] for node in run]) for run in merged])
    place = _Renumbered(builder, number, lengths)
    statements: list[Statement] = []
    names: dict[int, int] = {}
    for i in wanted:
        place.statement(builder.statements[i], statements, names, i)
    stores = [Store(_argument(s.value, names), s.output, place.dims(s.dims)) for s in builder.stores]
    checks = tuple([names[c] for c in dict.fromkeys(builder.checks)])
    return Expression(lengths, tuple(inputs), tuple(outputs), tuple(statements), tuple(stores), checks)


def _argument(value: Any, names: dict[int, int]) -> Any:
    return value if isinstance(value, Constant) else names[value]


def _walks(builder: Builder, wanted: list[int]) -> list[tuple[int, ...]]:
    """The nodes of every array in memory order, those of outputs first, and the largest of them."""

    def nodes(dims: Dimensions) -> tuple[int, ...]:
        return tuple([builder.find(d.axis) for d in dims if d.axis >= 0])

    def size(walk: tuple[int, ...]) -> int:
        return prod([builder.nodes.lengths[n] for n in walk])

    stored = {nodes(s.dims) for s in builder.stores}
    loaded = {nodes(s.dims) for i in wanted if (s := builder.statements[i]).operation == "load"}
    return [w for group in (stored, loaded) for w in sorted(group, key=lambda w: (-size(w), w))]


def _order(builder: Builder, wanted: list[int]) -> list[int]:
    """All nodes, an axis that some arrays lack put before the axis that it precedes in those that have it."""
    order: list[int] = []
    walks = _walks(builder, wanted)
    for walk in walks:
        for node in walk:
            if node not in order:
                # a long axis would be summed in less precise numbers outside of another
                known = walks if builder.nodes.lengths[node] <= LONGEST else [walk]
                behind = [n for w in known if node in w for n in w[w.index(node) :] if n in order]
                order.insert(min([order.index(n) for n in behind], default=len(order)), node)
    for i in wanted:
        s = builder.statements[i]
        order += [n for node in dict.fromkeys((*s.axes, *s.over)) if (n := builder.find(node)) not in order]
    return order


def _merged(builder: Builder, wanted: list[int], order: list[int]) -> list[tuple[int, ...]]:
    """Runs of neighbours that every array has next to one another or not at all, and every reduction takes as one."""
    statements = [builder.statements[i] for i in wanted]
    arrays = [s.dims for s in statements if s.operation == "load"] + [s.dims for s in builder.stores]
    walks = [[builder.find(d.axis) if d.axis >= 0 else -1 for d in dims if d.length > 1] for dims in arrays]
    sets = [{builder.find(n) for n in s.over} for s in statements if s.over]
    alone = {builder.find(n) for s in statements if s.operation == "index" for n in s.axes}
    runs: list[tuple[int, ...]] = []
    for a, b in pairwise([-1, *order]):
        together = (
            runs
            and a not in alone
            and b not in alone
            and all((a in w) == (b in w) and (a not in w or (a, b) in pairwise(w)) for w in walks)
            and all((a in s) == (b in s) for s in sets)
        )
        if together:
            runs[-1] += (b,)
        else:
            runs.append((b,))
    return runs


class _Renumbered:
    """Statements with numbered axes."""

    def __init__(self, builder: Builder, number: dict[int, int], lengths: tuple[int, ...]) -> None:
        self.builder, self.number, self.lengths = builder, number, lengths

    def axes(self, nodes: Sequence[int]) -> Axes:
        return tuple(sorted({self.number[self.builder.find(n)] for n in nodes}))

    def dims(self, dims: Dimensions) -> Dimensions:
        found: list[Dimension] = []
        for d in dims:
            if d.length == 1:
                continue
            if d.axis < 0:
                found.append(d)
                continue
            axis = self.number[self.builder.find(d.axis)]
            if not (found and found[-1].axis == axis):
                found.append(Dimension(axis, self.lengths[axis]))
        return tuple(found)

    def statement(self, s: Statement, made: list[Statement], names: dict[int, int], name: int) -> None:
        """Adds `s`; a reduction of inner and outer axes around one that stays is two, the inner one first."""
        dims = self.dims(s.dims)
        args = tuple([_argument(a, names) for a in s.args])
        below = {a for arg in args if isinstance(arg, int) for a in made[arg].axes}
        over = self.axes(s.over)
        axes = {*below, *self.axes(s.axes), *[d.axis for d in dims if d.axis >= 0]}
        kept = axes - set(over)
        inner = tuple([a for a in over if a > max(kept, default=-1)])
        if over and inner and len(inner) < len(over):
            first = s._replace(args=args, axes=tuple(sorted((axes | set(over)) - set(inner))), over=inner)
            made.append(first)
            args, over = (len(made) - 1,), tuple([a for a in over if a not in inner])
        names[name] = len(made)
        made.append(s._replace(args=args, axes=tuple(sorted(kept)), over=over, dims=dims))
