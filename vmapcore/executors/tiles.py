"""Runs a group of steps tile by tile on the worker threads: what lies between its steps stays in a core's cache.

A tile's program is made once per lengths of a tile: a list of kernels and of where they read and write. Arrays that
live inside a tile belong to the thread that runs it, which writes them again for the next tile and in the next call.
"""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import memory, threads
from ..graph import Graph, Step, Var
from ..planning.cuts import cuts_of
from ..planning.groups import Group, Places
from .steps import VIEWS, Own, kernel_of, reusable

Tile = tuple[slice, ...]


class TiledGroup:
    """A group, ready to run on arrays of its graph's shapes: `inputs` are what it takes, `outputs` what it returns."""

    def __init__(self, graph: Graph, group: Group) -> None:
        self.group = group
        order = sorted(group.steps)
        self.steps = [graph.steps[i] for i in order]
        read = {a for i, step in enumerate(graph.steps) if i not in group.steps for a in step.inputs}
        wanted = read | set(graph.outputs)
        self.outputs = [v for step in self.steps for v in step.outputs if v in wanted]
        reads: dict[tuple[Any, Places], int] = {}
        self.sources: list[list[Any]] = []  # of each step: a value made inside, or the number of what is read
        for i, step in zip(order, self.steps, strict=True):
            self.sources.append(
                [
                    reads.setdefault((a, group.reads[i, k]), len(reads)) if (i, k) in group.reads else a
                    for k, a in enumerate(step.inputs)
                ]
            )
        self.reads = list(reads)
        self.inputs = [a for a, _ in self.reads]
        self.cuts = cuts_of(graph, group)
        self.programs: dict[tuple[int, ...], _Program] = {}
        self.idle: list[Own] = []

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        """Takes the arrays of `inputs` and returns those of `outputs`."""
        outs = [memory.empty(np, (*self._parts(v), *v.shape), v.dtype) for v in self.outputs]
        lent: list[Own] = []

        def own() -> Own:
            lent.append(self.idle.pop() if self.idle else {})
            return lent[-1]

        pieces = list(itertools.product(*[enumerate(cut.pieces) for cut in self.cuts]))
        if len(pieces) == 1:
            self._task(arrays, outs, pieces[0], own())
        else:
            threads.run([functools.partial(self._task, arrays, outs, piece) for piece in pieces], own)
        self.idle += lent
        return [
            _total(out, len(self._parts(v))) if v in self.group.sums else out
            for v, out in zip(self.outputs, outs, strict=True)
        ]

    def _parts(self, v: Var) -> tuple[int, ...]:
        """Into how many terms a sum is split, by the dimensions it is over: one for each piece."""
        return tuple(
            [len(cut.pieces) for cut, axis in zip(self.cuts, self.group.places[v], strict=True) if axis is None]
        )

    def _task(
        self, arrays: Sequence[Any], outs: list[Any], piece: Sequence[tuple[int, Sequence[slice]]], own: Own
    ) -> None:
        outs = [self._part(v, out, [number for number, _ in piece]) for v, out in zip(self.outputs, outs, strict=True)]
        for numbered in itertools.product(*[enumerate(tiles) for _, tiles in piece]):
            tile = tuple([part for _, part in numbered])
            lengths = tuple([part.stop - part.start for part in tile])
            program = self.programs.get(lengths)
            if program is None:
                program = self.programs[lengths] = _Program(self, lengths)
            ins = [_piece(x, places, tile) for x, (_, places) in zip(arrays, self.reads, strict=True)]
            into = [_piece(out, self.group.places[v], tile) for v, out in zip(self.outputs, outs, strict=True)]
            program(own, ins, into, [number == 0 for number, _ in numbered])

    def _part(self, v: Var, out: Any, numbers: Sequence[int]) -> Any:
        return out[(*[n for n, axis in zip(numbers, self.group.places[v], strict=True) if axis is None], ...)]


def _total(out: Any, axes: int) -> Any:
    """The sum of the terms, in their order."""
    terms = out.reshape(-1, *out.shape[axes:])
    for term in terms[1:]:
        terms[0] += term
    return terms[0] if len(terms) == 1 else terms[0].copy()


def _piece(x: Any, places: Places, tile: Tile) -> Any:
    """The part of `x` that belongs to a tile."""
    index: list[Any] = []
    for axis, part in zip(places, tile, strict=True):
        if axis is not None:
            index += [slice(None)] * (axis + 1 - len(index))
            index[axis] = part
    return x[tuple(index)] if index else x


class _Program:
    """The kernels of a group for tiles of some lengths."""

    def __init__(self, owner: TiledGroup, lengths: tuple[int, ...]) -> None:
        self.owner = owner
        self.lengths = lengths
        group = owner.group
        slots: dict[Any, int] = {}
        for n in range(len(owner.reads)):
            slots[n] = len(slots)
        for step in owner.steps:
            for v in step.outputs:
                slots[v] = len(slots)
        self.first_output = len(slots)
        last = self._last_reads()
        self.calls = []
        outputs = {v: self.first_output + n for n, v in enumerate(owner.outputs)}
        self.copies: list[tuple[int, int]] = []
        self.sums: list[tuple[int, int, tuple[int, ...]]] = []
        for number, step in enumerate(owner.steps):
            target = outputs.get(step.outputs[0], -1) if step.outputs[0] not in group.sums else -1
            kernel = self._kernel(number, step, last)
            sources = [slots[a] for a in owner.sources[number]]
            results = [slots[v] for v in step.outputs]
            self.calls.append((kernel.run, sources, results, target, step.primitive.multiple))
            for v in step.outputs:
                if v in group.sums:
                    summed = tuple([d for d, axis in enumerate(group.places[v]) if axis is None])
                    self.sums.append((slots[v], outputs[v], summed))
                elif v in outputs and not (kernel.writes and target >= 0):
                    self.copies.append((slots[v], outputs[v]))

    def _kernel(self, number: int, step: Step, last: dict[Any, int]) -> Any:
        group = self.owner.group
        shape = self._shape(step.outputs[0])
        shapes = [self._shape(a) if a in group.places else () for a in step.inputs]
        reuse = [
            k
            for k in reusable(step, shapes, shape)
            if step.inputs[k] in last and last[step.inputs[k]] == number and step.inputs[k] not in self.owner.outputs
        ]
        return kernel_of(step, (self.lengths, number), shape, reuse[0] if reuse else None)

    def _shape(self, v: Any) -> tuple[int, ...]:
        """The shape of a value made inside, in a tile."""
        shape = list(v.shape)
        for axis, n in zip(self.owner.group.places[v], self.lengths, strict=True):
            if axis is not None:
                shape[axis] = n
        return tuple(shape)

    def _last_reads(self) -> dict[Any, int]:
        """For values made inside in memory of their own: the step that reads them last, themselves or as a view."""
        root: dict[Any, Any] = {}
        last: dict[Any, int] = {}
        for number, step in enumerate(self.owner.steps):
            for a, source in zip(step.inputs, self.owner.sources[number], strict=True):
                if source is a:
                    last[root[a]] = number
            for v in step.outputs:
                base = step.inputs[0] if step.primitive in VIEWS else v
                root[v] = root.get(base, base if step.primitive in VIEWS else v)
                if v in self.owner.outputs:
                    last[root[v]] = len(self.owner.steps)
        return {v: n for v, n in last.items() if root.get(v) is v}

    def __call__(self, own: Own, ins: list[Any], into: list[Any], first: Sequence[bool]) -> None:
        values: list[Any] = [*ins, *[None] * (self.first_output - len(ins)), *into]
        for run, sources, results, target, multiple in self.calls:
            out = run(own, values[target] if target >= 0 else None, *[values[a] for a in sources])
            if multiple:
                for slot, o in zip(results, out, strict=True):
                    values[slot] = o
            else:
                values[results[0]] = out
        for slot, target in self.copies:
            values[target][...] = values[slot]
        for slot, target, summed in self.sums:
            if all(first[d] for d in summed):
                values[target][...] = values[slot]
            else:
                values[target] += values[slot]
