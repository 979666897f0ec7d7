"""Units: what a program calls one after the other. A step, a fused run of steps, or a group in tiles."""

from collections.abc import Collection, Sequence
from functools import partial
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from .. import threads
from ..core import Memory
from ..graph import Literal, Step, Var
from ..memory import empty
from ..planning.expressions.lowering import fusible
from ..planning.expressions.repeats import cut
from ..planning.lifetimes import Need, Slot
from ..planning.runs import runs_of
from ..rules.reductions import reduce_max, reduce_min, reduce_sum
from ..thresholds import ENOUGH, TASKS, TILED
from . import compiled
from .fusion.fused import Fused, fuse, worth_compiling
from .kernels.reorder import copied
from .steps import SHARING, Roots, kernel_of, reusable, shared
from .workspace import Workspace, scratch


class Unit:
    """Has `inputs` and `outputs`, and is called as `unit(workspace, outs, arrays)`.

    `outs` has an array for each output that is to be put somewhere, and None where the unit may choose. It returns its
    results, in those arrays where it was given them. It has a slot for each output, and `needs` says what each needs if
    some are `told` where to go. It `shares` what it does if a team may take part.
    """

    writes = True

    def overwrites(self, v: Var, given: Var) -> bool:
        """Whether it can write a result into the memory of this input; from then on it must be told to."""
        return False

    def direct(self, told: bool) -> Any:
        """What computes the one result, as `run(workspace, out, *arrays)`, if it does what it is `told`; or None."""
        return None


class StepUnit(Unit):
    """One step. A ufunc could overwrite an input, but its kernel is not asked."""

    def __init__(self, step: Step, reuse: int | None, threaded: bool) -> None:
        self.inputs = list(step.inputs)
        self.outputs = list(step.outputs)
        self.slots = [Slot() for _ in step.outputs]
        self.reuse = reuse
        self.run, self.writes, self.detours = kernel_of(step, self.slots[0], reuse, threaded)
        self.multiple = step.primitive.multiple
        self.shares = step.primitive in SHARING
        self.steps = [step]

    def __call__(self, workspace: Workspace, outs: Sequence[Any], arrays: Sequence[Any]) -> Sequence[Any]:
        if self.multiple:
            made = self.run(workspace, None, *arrays)
        elif self.writes or outs[0] is None:
            return (self.run(workspace, outs[0], *arrays),)
        else:
            made = (self.run(workspace, None, *arrays),)
        return [copied(m, out) for m, out in zip(made, outs, strict=True)]

    def needs(self, told: Collection[Any]) -> list[Need]:
        step, v = self.steps[0], self.outputs[0]
        if not self.writes:
            fresh = [0 if step.primitive.memory is Memory.VIEW else v.nbytes for v in self.outputs]
            return [Need(fresh=n, shared=shared(step)) for n in fresh]
        if v in told:
            return [Need(v.nbytes if self.detours else 0)]
        return [Need(v.nbytes) if self.reuse is None else Need(shared=[step.inputs[self.reuse]])]

    def direct(self, told: bool) -> Any:
        return None if self.multiple or (told and not self.writes) else self.run


class FusedUnit(Unit):
    """A run of steps as one kernel, made anew for each order in which the axes of its arguments lie in memory."""

    def __init__(self, fused: Fused, inputs: Sequence[Var], outputs: Sequence[Var], threaded: bool) -> None:
        self.inputs, self.outputs = inputs, outputs
        self.slots = [Slot() for _ in outputs]
        self.fused = fused
        self.tasks = _tasks_of(fused) if threaded else 0
        self.shares = worth_compiling(fused)
        self.kernels: dict[Any, Any] = {}
        self.usual: Any = None
        self.passing = False
        self.keys = [(slot, v.shape, v.dtype) for slot, v in zip(self.slots, outputs, strict=True)]

    def __call__(self, workspace: Workspace, outs: Sequence[Any], arrays: Sequence[Any]) -> Sequence[Any]:
        usual = self.usual
        if usual is None:
            return self._in_any_order(workspace, outs, arrays)
        given = [workspace.get(key) if out is None else out for out, key in zip(outs, self.keys, strict=True)]
        if self.passing:
            given = [empty(np, *key[1:]) if y is None else y for y, key in zip(given, self.keys, strict=True)]
        try:
            wrong = usual.all(arrays, given)
        except TypeError:  # nothing was written: an array does not lie in its own order, or is not there yet
            return self._in_any_order(workspace, outs, arrays)
        if wrong:
            usual.shape.explain(arrays)
        return given

    def _in_any_order(self, workspace: Workspace, outs: Sequence[Any], arrays: Sequence[Any]) -> Sequence[Any]:
        orders = tuple([_order(x) for x in (*arrays, *outs)])
        found = self.kernels.get(orders)
        if found is None:
            found = self._kernel(orders)
            plain = not any(found[1]) and found[0].takes_as_they_lie
            self.passing = any(slot.passing for slot in self.slots)
            self.usual = found[0] if plain and not self.kernels else None
            self.kernels[orders] = found
        kernel, out_orders, copied = found
        if copied:
            arrays = [x.copy() if i in copied else x for i, x in enumerate(arrays)]
        given = [
            self._empty(workspace, i, v, order) if out is None else out
            for i, (v, order, out) in enumerate(zip(self.outputs, out_orders, outs, strict=True))
        ]
        if self.tasks < 2 or kernel.shared or not kernel.splits(given):
            kernel(arrays, given)
            return given
        run, rows = kernel.bind(arrays, given), kernel.rows
        tasks = min(self.tasks, rows)
        ends = [rows * i // tasks for i in range(tasks + 1)]
        threads.run([partial(lambda a, b, state: run(a, b), a, b) for a, b in pairwise(ends)], lambda: None)
        return given

    def needs(self, told: Collection[Any]) -> list[Need]:
        return [Need(0 if v in told else v.nbytes) for v in self.outputs]

    def overwrites(self, v: Var, given: Var) -> bool:
        old, in_place = self.fused, {self.outputs.index(v): self.inputs.index(given)}
        new = fuse(old.steps, old.inputs, old.outputs, {**old.in_place, **in_place})
        self.fused = new or old
        return new is not None

    def _kernel(self, orders: Sequence[Any]) -> Any:
        """The kernel for arguments and results that lie so, how results lie that are not given, and which arguments
        must be copied, since as the others lie they are not read just where they are overwritten."""
        fused = self.fused
        known = {v: order for v, order in zip(fused.inputs, orders, strict=False) if order}
        wanted = dict(zip(fused.outputs, orders[len(fused.inputs) :], strict=True))
        for v, order in wanted.items():
            if order is None:
                like = [order for u, order in known.items() if u.shape == v.shape]
                wanted[v] = like[0] if like else ()
        transposed = {**known, **{v: order for v, order in wanted.items() if order}}
        if transposed:
            parts = (fused.steps, fused.inputs, fused.outputs)
            fused = fuse(*parts, fused.in_place, transposed) or Fused(*parts, {}, transposed)
        copied = set(self.fused.in_place.values()).difference(fused.in_place.values())
        kernel = ((fused if known else fused.transposed() or fused).numba()) if worth_compiling(fused) else None
        return kernel or fused.numpy(), list(wanted.values()), copied

    def _empty(self, workspace: Workspace, i: int, v: Var, order: Any) -> Any:
        new = scratch(workspace, v.dtype)
        if not order:
            return new(self.slots[i], v.shape)
        laid = new(self.slots[i], tuple([v.shape[a] for a in order]))
        return laid.transpose(np.argsort(order))


def _tasks_of(fused: Fused) -> int:
    """Into how many tasks a kernel is cut where it is made of NumPy's calls; loops have a team."""
    calls = fused.expression.computed
    many = len(calls) > MOST_CALLS * max([s.dtype.itemsize for s in calls], default=1)
    return 0 if many else min(TASKS, prod(fused.expression.lengths) // ENOUGH)


def _order(x: Any) -> tuple[int, ...] | None:
    """The axes of an array from the outermost in memory: () for their own order, None where there are gaps."""
    if x is None:
        return None
    if x.flags.c_contiguous:
        return ()
    order = tuple(sorted(range(x.ndim), key=lambda i: (-x.strides[i], i)))
    return order if x.transpose(order).flags.c_contiguous else None


MOST_CALLS = 4
"""Calls for a tile, for each byte of an element: more short ones wait for the interpreter longer than they take."""

SUMS = frozenset({reduce_sum, reduce_max, reduce_min})
"""Reductions, for which NumPy is slow where arrays do not lie in their own order."""


def units_of(steps: Sequence[Step], wanted: set[Any], roots: Roots, threaded: bool = False) -> list[Unit]:
    """The units of a program that makes `wanted` and may write again, for the next call, into all else it made.

    `roots` may be those of a graph with more steps.
    """
    arrays = [a for step in steps for a in (*step.inputs, *step.outputs) if isinstance(a, Var)]
    fusing = compiled.AVAILABLE or any(a.size >= TILED for a in arrays)
    runs = [part for run in runs_of(steps, fusible) for part in cut(run)] if fusing else [[step] for step in steps]
    order = [step for run in runs for step in run]
    last = last_reads(order, wanted, roots)
    read = {a: i for i, step in enumerate(order) for a in step.inputs}
    units: list[Unit] = []
    known: dict[Any, Fused | None] = {}
    number = 0
    for run in runs:
        end = number + len(run)
        unit = None
        if fusing and _is_much(run):
            outputs = [v for step in run for v in step.outputs if v in wanted or read.get(v, -1) >= end]
            unit = _fused(run, outputs, threaded, known)
        if unit is not None:
            units.append(unit)
        else:
            for i, step in enumerate(run, number):
                reuse = [k for k in reusable(step) if last.get(step.inputs[k]) == i]
                units.append(StepUnit(step, reuse[0] if reuse else None, threaded))
        number = end
    return units


def _is_much(run: Sequence[Step]) -> bool:
    """Whether it does more than one step that touches numbers, or adds some up."""
    return sum([2 if step.primitive in SUMS else step.primitive.memory is not Memory.VIEW for step in run]) > 1


def _fused(
    run: Sequence[Step], outputs: Sequence[Var], threaded: bool, known: dict[Any, Fused | None]
) -> FusedUnit | None:
    """The run as one kernel, if it can be one and that pays."""
    made = {v for step in run for v in step.outputs}
    inputs = list(dict.fromkeys([a for step in run for a in step.inputs if isinstance(a, Var) and a not in made]))
    small = max([v.size for v in (*inputs, *outputs)]) < TILED
    if small and not compiled.AVAILABLE:
        return None
    pattern = _pattern(run, inputs, outputs)
    if pattern not in known:
        known[pattern] = fuse(run, inputs, outputs)
    fused = known[pattern]
    if fused is None:
        return None
    if small and not worth_compiling(fused):
        return None
    return FusedUnit(fused, inputs, outputs, threaded)


def _pattern(run: Sequence[Step], inputs: Sequence[Var], outputs: Sequence[Var]) -> Any:
    """What is equal of two runs that are the same kernel: of the rounds of a loop, say."""
    names = {v: i for i, v in enumerate(inputs)}
    for step in run:
        for v in step.outputs:
            names[v] = len(names)
    arrays = [(v.shape, v.dtype) for v in names]
    steps = [
        (
            id(step.primitive),
            repr(step.params),
            *[names[a] if isinstance(a, Var) else _constant(a) for a in step.inputs],
        )
        for step in run
    ]
    return tuple(arrays), tuple(steps), tuple([names[v] for v in outputs])


def _constant(a: Literal) -> Any:
    return id(a) if a.shape else (type(a.value), repr(a.value))


def last_reads(steps: Sequence[Step], wanted: set[Any], roots: Roots) -> dict[Any, int]:
    """For the values that steps make: the number of the step that reads their memory last, also by way of a view."""
    last: dict[Any, int] = {}
    for number, step in enumerate(steps):
        for a in step.inputs:
            for root in roots.of.get(a, (a,)):
                last[root] = number
    last.update(dict.fromkeys([root for v in wanted for root in roots[v]], len(steps)))
    return {v: last.get(v, -1) for step in steps for v in step.outputs if v not in roots.of}


def is_scalar(a: Any) -> bool:
    """Whether an input is a number that is part of the program."""
    return isinstance(a, Literal) and not getattr(a.value, "shape", ())
