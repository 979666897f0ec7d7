"""Groups of steps that run tile by tile: a tile of members, or of members and their images.

A group has a *frame*: one or two dimensions that its arrays are cut along, of lengths such as (members, images). Every
array made in a group has all of them; an array from outside may lack one, and is then the same for all tiles along it,
as a shared weight is. A result that is summed over a dimension leaves the group, as a sum of what its tiles give.

Convolutions start groups, whose frame has the images if there is more work in them than a cache holds; then products;
the steps between them join the group that they read from or that reads them. A group may not be left and entered again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

from ..graph import Graph, Step, Var
from ..rules.contract import contract
from ..rules.conv import conv, conv_input_grad, conv_weight_grad
from ..rules.pooling import max_pool, max_pool_scatter
from ..thresholds import MEMBER, ROWS_AGAIN
from .dependencies import Dependencies
from .labels import Label, Labels, Names, labels_of, sizes_of
from .plan_primitives import contract_block, conv_block, max_pool_scatter_rectified

IMAGES = frozenset(
    [conv, conv_block, conv_input_grad, conv_weight_grad, max_pool, max_pool_scatter, max_pool_scatter_rectified]
)
"""Primitives whose images may be cut into tiles."""

PRODUCTS = frozenset({contract, contract_block})

ANCHORS = IMAGES | PRODUCTS
"""Primitives that groups start with."""

Places = tuple[int | None, ...]
"""For each dimension of a frame, which axis of an array it is; None if the array lacks it."""


@dataclass
class Group:
    """Steps with a frame; `places` of the arrays made in it, `reads` of those from outside, by step and position.

    `number` tells the groups of a graph apart.
    """

    lengths: tuple[int, ...]
    steps: set[int] = field(default_factory=set)
    places: dict[Var, Places] = field(default_factory=dict)
    reads: dict[tuple[int, int], Places] = field(default_factory=dict)
    sums: set[Var] = field(default_factory=set)
    number: int = 0


class Grouping:
    """The groups of a graph's steps, while they grow."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.known: dict[int, Labels | None] = {}
        self.owner: list[Group | None] = [None] * len(graph.steps)
        self.groups: list[Group] = []
        self.dependencies = Dependencies(graph)

    def labels(self, i: int) -> Labels | None:
        """The labels of step `i`."""
        if i not in self.known:
            self.known[i] = labels_of(self.graph.steps[i])
        return self.known[i]

    def run(self) -> list[Group]:
        """Grows all groups."""
        self._grow(IMAGES)
        self._grow(PRODUCTS)
        self._join_readers()
        return [group for group in self.groups if group.steps]

    def _grow(self, anchors: frozenset[Any]) -> None:
        """Goes through the steps in order: an anchor joins a group it reads from or starts one, others only join."""
        for i in self.dependencies.forwards():
            if not self._joins_a_maker(i) and self.graph.steps[i].primitive in anchors:
                self._start(i, 2 if anchors is IMAGES else 1)

    def _joins_a_maker(self, i: int) -> bool:
        groups = [self.owner[m] for m in reversed(self.dependencies.makers[i])]
        return any(group is not None and self._join(group, i) for group in groups)

    def _join_readers(self) -> None:
        """Steps still alone join the one group that reads all they make."""
        for i in range(len(self.graph.steps) - 1, -1, -1):
            made = self.graph.steps[i].outputs
            if self.owner[i] is not None or not set(made).isdisjoint(self.graph.outputs):
                continue
            readers = {id(self.owner[r]): self.owner[r] for v in made for r in self._readers(v)}
            for group in readers.values():
                if len(readers) == 1 and group is not None:
                    self._join(group, i)

    def _readers(self, v: Var) -> list[int]:
        return self.graph.readers.get(v, [])

    def _reads(self, group: Group, v: Var) -> Iterator[tuple[int, int]]:
        """Where steps of the group read `v`, by step and position."""
        found = [r for r in dict.fromkeys(self._readers(v)) if r in group.steps]
        return ((r, k) for r in found for k, a in enumerate(self.graph.steps[r].inputs) if a is v)

    def _start(self, i: int, rank: int) -> None:
        labels = self.labels(i)
        if labels is None or not self.graph.steps[i].outputs[0].shape:
            return
        frame = _frame(self.graph.steps[i], labels, rank)
        if frame:
            group = Group(tuple([n for _, n in frame]), number=len(self.groups))
            if self._join(group, i, {label: d for d, (label, _) in enumerate(frame)}):
                self.groups.append(group)

    def _join(self, group: Group, i: int, dims: dict[Label, int] | None = None) -> bool:
        """Puts step `i` into `group` if its labels fit the frame; `dims` says which label is which dimension."""
        step, labels = self.graph.steps[i], self.labels(i)
        if labels is None or any(0 in v.shape for v in step.outputs):
            return False
        dims = dims or self._dims(group, i)
        if dims is None or not _pays(group, step, labels, dims):
            return False
        reads = [_places(axes, dims, len(group.lengths)) for axes in labels.inputs]
        makes = [_places(axes, dims, len(group.lengths)) for axes in labels.outputs]
        read_back = [(at, makes[k]) for k, v in enumerate(step.outputs) for at in self._reads(group, v)]
        sums = any(None in p for p in makes)
        if sums and (len(makes) > 1 or read_back or len(dims) < len(group.lengths)):
            return False
        if any(group.reads[at] != place for at, place in read_back) or self.dependencies.arise(i, group.number):
            return False  # as where an array meets itself: the tile of one operand is not that of the other
        for k, a in enumerate(step.inputs):
            if a in group.sums or (a in group.places and group.places[a] != reads[k]):
                return False
        for v, place in zip(step.outputs, makes, strict=True):
            if sums:
                group.sums.add(v)
            group.places[v] = place
        for k, a in enumerate(step.inputs):
            if a not in group.places:
                group.reads[i, k] = reads[k]
        for at, _ in read_back:
            del group.reads[at]
        group.steps.add(i)
        self.dependencies.join(i, group.number)
        self.owner[i] = group
        return True

    def _dims(self, group: Group, i: int) -> dict[Label, int] | None:
        """Which labels of step `i` are the dimensions of the group, by the arrays that they have in common."""
        step, labels = self.graph.steps[i], self.labels(i)
        assert labels is not None
        found: dict[Label, int] = {}
        pairs = [(labels.inputs[k], group.places[a]) for k, a in enumerate(step.inputs) if a in group.places]
        pairs += [
            (labels.outputs[k], group.reads[at]) for k, v in enumerate(step.outputs) for at in self._reads(group, v)
        ]
        for axes, places in pairs:
            for d, axis in enumerate(places):
                if axis is not None and (axes[axis] is None or found.setdefault(axes[axis], d) != d):
                    return None
        return found if len(set(found.values())) == len(group.lengths) == len(found) else None


def _frame(step: Step, labels: Labels, rank: int) -> list[tuple[Label, int]]:
    """The dimensions that a group which starts with this step is cut along."""
    sizes = sizes_of(step, labels)
    x = labels.inputs[0]
    candidates: list[Label] = [a for a in x if a is not None and (a in labels.outputs[0] or rank == 2)]
    frame = [(a, sizes[a]) for a in candidates if sizes[a] > 1][:rank]
    largest = max([prod(v.shape) * v.dtype.itemsize for v in step.outputs + step.inputs if isinstance(v, Var)])
    if len(frame) == 2 and largest <= MEMBER * frame[0][1]:  # the images of one member are a tile
        frame = frame[:1]
    return frame


def _pays(group: Group, step: Step, labels: Labels, dims: dict[Label, int]) -> bool:
    """Whether lengths fit, and operands that the tiles share are small or there is enough work to read them again."""
    sizes = sizes_of(step, labels)
    if any(sizes[label] != group.lengths[d] for label, d in dims.items()):
        return False
    if step.primitive not in PRODUCTS:
        return True
    work = prod(sizes.values())
    for a, axes in zip(step.inputs, labels.inputs, strict=True):
        lacking = [group.lengths[d] for label, d in dims.items() if label not in axes]
        if lacking and a.size * 4 > MEMBER and work // max(a.size, 1) // prod(lacking) < ROWS_AGAIN:
            return False
    return True


def _places(axes: Names, dims: dict[Label, int], rank: int) -> Places:
    found: list[int | None] = [None] * rank
    for i, label in enumerate(axes):
        if label in dims:
            found[dims[label]] = i
    return tuple(found)


def groups_of(graph: Graph) -> list[Group]:
    """The groups of a graph; a step in none of them runs by itself."""
    return Grouping(graph).run() if any(step.primitive in ANCHORS for step in graph.steps) else []
