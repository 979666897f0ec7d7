"""Runs a group of steps tile by tile on the worker threads: what lies between its steps stays in a core's cache.

A tile's program is made once per lengths of a tile. Arrays that live inside a tile belong to the thread that runs it,
which writes them again for the next tile and in the next call.
"""

import functools
import itertools
from collections.abc import Collection, Sequence
from math import prod
from typing import Any

import numpy as np

from .. import threads
from ..graph import Graph, Literal, Step, Var
from ..planning.checking import check_steps, check_sum
from ..planning.groups import Group, Places
from ..planning.labels import params_for
from ..planning.lifetimes import Need, Slot
from . import compiled
from .cuts import cuts_of, images_dimension
from .kernels.lanes import lanes
from .program import Program
from .steps import Roots
from .units import Unit, is_scalar, units_of
from .workspace import Workspace, borrowed, scratch

Tile = tuple[slice, ...]


class Blocks:
    """An array between two groups that are cut alike: every tile by itself, with the images innermost in memory.

    Before the `images` are members, if these are cut, and axes of length 1.
    """

    __slots__ = ("base", "images", "lead", "rest")

    def __init__(self, base: Any, v: Var, images: int) -> None:
        self.base, self.lead = base, images
        self.images, self.rest = v.shape[images], v.shape[images + 1 :]

    def piece(self, tile: Tile) -> Any:
        """The part of a tile of images, of one member if members are cut, with its axes in order."""
        *member, images = tile
        place = sum([m.start for m in member]) * self.images + images.start
        n, count, lead = images.stop - images.start, prod(self.rest), self.lead
        block = self.base[place * count : (place + n) * count].reshape((1,) * lead + (*self.rest, n))
        return block.transpose(*range(lead), block.ndim - 1, *range(lead, block.ndim - 1))


class TiledGroup(Unit):
    """A group, ready to run on arrays of its graph's shapes. It overwrites nothing, which other tiles may read."""

    shares = True

    def __init__(self, graph: Graph, group: Group, idle: list[Workspace]) -> None:
        self.group, self.idle = group, idle
        self.numbers = sorted(group.steps)
        self.steps = [graph.steps[i] for i in self.numbers]
        made = [v for step in self.steps for v in step.outputs]
        results, readers = set(graph.outputs), graph.readers
        self.outputs = [v for v in made if v in results or not group.steps.issuperset(readers.get(v, ()))]
        found = [
            (a, group.reads[i, k])
            for i, step in zip(self.numbers, self.steps, strict=True)
            for k, a in enumerate(step.inputs)
            if (i, k) in group.reads and not is_scalar(a)
        ]
        self.reads = list(dict.fromkeys(found))
        self.inputs = [a for a, _ in self.reads]
        self.cuts = cuts_of(graph, group, lanes(self.outputs[0].dtype), compiled.AVAILABLE)
        self.has_images = images_dimension(graph, group) >= 0
        self.whole = all(len(cut) == len(cut[0]) == 1 for cut in self.cuts)
        self.blocked: set[Var] = set()
        self.programs: dict[tuple[int, ...], Program] = {}
        if not self.whole:
            self._check()
        self.slots = [Slot() for _ in self.outputs]

    def __call__(self, workspace: Workspace, outs: Sequence[Any], arrays: Sequence[Any]) -> list[Any]:
        totals = [
            self._result(workspace, v, slot) if out is None or v in self.group.sums else out
            for v, slot, out in zip(self.outputs, self.slots, outs, strict=True)
        ]
        lent: list[Workspace] = []

        def state() -> Workspace:
            mine = borrowed(self.idle)
            lent.append(mine)
            return mine

        pieces = list(itertools.product(*map(enumerate, self.cuts)))
        if len(pieces) == 1:
            self._task(arrays, totals, pieces[0], state())
        else:
            threads.run([functools.partial(self._task, arrays, totals, piece) for piece in pieces], state)
        self.idle += lent
        return [
            _total(total, len(self._parts(v)), out) if v in self.group.sums else total
            for v, total, out in zip(self.outputs, totals, outs, strict=True)
        ]

    def needs(self, told: Collection[Any]) -> list[Need]:
        sizes = [v.nbytes * (prod(self._parts(v)) if v in self.group.sums else v not in told) for v in self.outputs]
        return [Need(n) for n in sizes]

    def _result(self, workspace: Workspace, v: Var, slot: Slot) -> Any:
        """Memory for a result: an array, or terms of a sum, or blocks."""
        new = scratch(workspace, v.dtype)
        if v in self.blocked:
            return Blocks(new(slot, (prod(v.shape),)), v, self.group.places[v][-1] or 0)
        return new(slot, (*self._parts(v), *v.shape))

    def _parts(self, v: Var) -> tuple[int, ...]:
        """Into how many terms a sum is split, by the dimensions it is over: one for each piece."""
        places = self.group.places[v]
        return tuple([len(cut) for cut, axis in zip(self.cuts, places, strict=True) if axis is None])

    def _task(
        self, arrays: Sequence[Any], outs: list[Any], piece: Sequence[tuple[int, Any]], workspace: Workspace
    ) -> None:
        sums, places = self.group.sums, self.group.places
        outs = [self._part(v, out, [number for number, _ in piece]) for v, out in zip(self.outputs, outs, strict=True)]
        for numbered in itertools.product(*[enumerate(tiles) for _, tiles in piece]):
            tile = tuple([part for _, part in numbered])
            lengths = tuple([part.stop - part.start for part in tile])
            program = self.programs.get(lengths)
            if program is None:
                program = self.programs[lengths] = self._program(lengths)
            ins = [_piece(x, at, tile) for x, (_, at) in zip(arrays, self.reads, strict=True)]
            into = [_piece(out, places[v], tile) for v, out in zip(self.outputs, outs, strict=True)]
            given = [None if v in sums else out for v, out in zip(self.outputs, into, strict=True)]
            for v, out, made in zip(self.outputs, into, program(workspace, ins, given), strict=True):
                if v not in sums:
                    if made is not out:
                        out[...] = made
                elif all(n == 0 for (n, _), axis in zip(numbered, places[v], strict=True) if axis is None):
                    out[...] = made
                else:
                    out += made

    def _part(self, v: Var, out: Any, numbers: Sequence[int]) -> Any:
        if v not in self.group.sums:
            return out
        return out[(*[n for n, axis in zip(numbers, self.group.places[v], strict=True) if axis is None], ...)]

    def _check(self) -> None:
        """Raises unless the results of every step for a small tile follow from what it is given there."""
        made: dict[Any, Places] = {**self.group.places}
        group, lengths = self.group, tuple([min(n, 2) if n != 2 else 1 for n in self.group.lengths])
        steps = self._steps(lengths)[2]
        check_steps(steps)
        for i, whole, step in zip(self.numbers, self.steps, steps, strict=True):
            for d, axis in enumerate(group.places[whole.outputs[0]]):
                if axis is None and lengths[d] == 2:
                    places = [group.reads.get((i, k)) or made.get(a) for k, a in enumerate(whole.inputs)]
                    check_sum(step, {k: at for k, p in enumerate(places) if p and (at := p[d]) is not None})

    def _program(self, lengths: tuple[int, ...]) -> Program:
        """The program for tiles of these lengths."""
        read, made, steps = self._steps(lengths)
        wanted = [made[v] for v in self.outputs]
        told = {made[v] for v in self.outputs if v not in self.group.sums}
        alone = lengths == self.group.lengths
        return Program(units_of(steps, set(wanted), Roots(steps), threaded=alone), read, wanted, told)

    def _steps(self, lengths: tuple[int, ...]) -> tuple[list[Var], dict[Any, Var], list[Step]]:
        """The steps for tiles of these lengths, with variables of the shapes that arrays have there: those that are
        read, and those that are made."""
        read: dict[Any, Var] = {}
        for a, places in self.reads:
            whole = a.value if isinstance(a, Literal) else a
            read[a, places] = Var(_cut(whole.shape, places, lengths), whole.dtype)
        made: dict[Any, Var] = {}
        steps: list[Step] = []
        for i, step in zip(self.numbers, self.steps, strict=True):
            inputs = [
                a if is_scalar(a) else made[a] if a in made else read[a, self.group.reads[i, k]]
                for k, a in enumerate(step.inputs)
            ]
            outputs = [Var(_cut(v.shape, self.group.places[v], lengths), v.dtype) for v in step.outputs]
            made.update(zip(step.outputs, outputs, strict=True))
            params = params_for(step, outputs[0].shape)
            steps.append(step._replace(inputs=tuple(inputs), outputs=tuple(outputs), params=params))
        return list(read.values()), made, steps


def _cut(shape: tuple[int, ...], places: Places, lengths: tuple[int, ...]) -> tuple[int, ...]:
    found = list(shape)
    for axis, n in zip(places, lengths, strict=True):
        if axis is not None:
            found[axis] = n
    return tuple(found)


def _piece(x: Any, places: Places, tile: Tile) -> Any:
    """The part of `x` that belongs to a tile."""
    if type(x) is Blocks:
        return x.piece(tile)
    index: list[Any] = []
    for axis, part in zip(places, tile, strict=True):
        if axis is not None:
            index += [slice(None)] * (axis + 1 - len(index))
            index[axis] = part
    return x[tuple(index)] if index else x


def _total(terms: Any, axes: int, out: Any) -> Any:
    """The sum of the terms, in their order: in the memory of the first of them, unless there is another."""
    terms = terms.reshape(-1, *terms.shape[axes:])
    if out is None:
        out = terms[0]
    else:
        np.copyto(out, terms[0])
    for term in terms[1:]:
        out += term
    return out


def keep_in_blocks(units: Sequence[Any], wanted: set[Any]) -> None:
    """Lets groups that are cut alike hand on arrays in blocks, where nobody else reads them."""
    if not any(isinstance(unit, TiledGroup) for unit in units):
        return
    readers: dict[Any, list[Any]] = {}
    for unit in units:
        for a in unit.inputs:
            readers.setdefault(a, []).append(unit)
    for unit in units:
        if isinstance(unit, TiledGroup) and unit.has_images:
            unit.blocked = {v for v in unit.outputs if v not in wanted and _alike(unit, v, readers.get(v, []))}


def _alike(unit: TiledGroup, v: Var, readers: Sequence[Any]) -> bool:
    """Whether every reader takes `v` in the tiles in which `unit` makes it."""
    frame = unit.group.places[v]
    first = frame[0] or 0
    behind = first + len(frame)
    if frame != tuple(range(first, behind)) or len(v.shape) < behind + 2 or prod(v.shape[:first]) != 1:
        return False
    return all(
        isinstance(other, TiledGroup)
        and other.has_images
        and [[*itertools.chain(*cut)] for cut in other.cuts] == [[*itertools.chain(*cut)] for cut in unit.cuts]
        and all(places == frame for a, places in other.reads if a is v)
        for other in readers
    )
