"""Program: units called one after the other, with the places of what they read and write."""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from math import inf
from typing import Any

import numpy as np

from ..graph import Literal
from ..memory import empty
from ..planning.lifetimes import settle
from ..thresholds import OFTEN, POOLED_RESULT
from .workspace import Workspace


class Program:
    """Runs `units` on values in numbered places.

    `inputs` and `outputs` are variables and literals. An output that is `told` is put into the array that a call gives
    for it; one that is `made`, into a new array if the call gives none. Their makers can write where they are told.
    """

    def __init__(
        self,
        units: Sequence[Any],
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        told: Collection[Any],
        made: Collection[Any] = (),
        limit: Callable[[], float] = lambda: inf,
    ) -> None:
        self.needed = settle(units, outputs, told, made, limit)
        self.made = {outputs.index(v): v for v in made}
        self.slots: dict[Any, int] = {}
        for a in inputs:
            self._slot(a)
        self.count = len(self.slots)
        places: dict[Any, int] = {}
        for i, v in enumerate(outputs):
            places.setdefault(v, i)
        calls = []
        for unit in units:
            sources = [self._slot(a) for a in unit.inputs]
            # which output of the program each is, if its maker is told to write there
            targets = [places[v] if v in told else -1 for v in unit.outputs]
            calls.append((unit, sources, [self._slot(v) for v in unit.outputs], targets))
        self.results = [self._slot(a) for a in outputs]
        self.constants = [(n, a.value) for a, n in self.slots.items() if isinstance(a, Literal) and n >= self.count]
        self.calls = self._with_ends(calls)
        self.run: Callable[[Workspace, Sequence[Any], Sequence[Any]], list[Any]] = self._one_by_one
        self.runs = 0

    def _slot(self, a: Any) -> int:
        return self.slots.setdefault(a, len(self.slots))

    def _with_ends(self, calls: list[Any]) -> list[Any]:
        """Each call with the places that nothing reads after it."""
        seen = {*self.results, *[n for n, _ in self.constants]}
        found = []
        for unit, sources, results, targets in reversed(calls):
            ends = []
            for n in (*sources, *results):
                if n not in seen:
                    seen.add(n)
                    ends.append(n)
            found.append((unit, sources, results, targets, ends))
        return found[::-1]

    def __call__(self, workspace: Workspace, ins: Sequence[Any], outs: Sequence[Any]) -> list[Any]:
        """Takes an array for each input, and for each output one or, where it is not needed, None; returns all."""
        return self.run(workspace, ins, outs)

    def _one_by_one(self, workspace: Workspace, ins: Sequence[Any], outs: Sequence[Any]) -> list[Any]:
        """Goes through the calls in a loop, and sees to it that this does not happen often."""
        self.runs += 1
        if self.runs >= OFTEN:
            self.run = self._function()
        values = [*ins, *[None] * (len(self.slots) - self.count)]
        for n, value in self.constants:
            values[n] = value
        for unit, sources, results, targets, ends in self.calls:
            given = [self._given(t, outs) for t in targets]
            made = unit(workspace, given, [values[n] for n in sources])
            for n, x in zip(results, made, strict=True):
                values[n] = x
            for n in ends:
                values[n] = None
        return [values[n] for n in self.results]

    def _given(self, t: int, outs: Sequence[Any]) -> Any:
        """Where an output is to be put, which is number `t` of the program's."""
        if t >= 0 and outs[t] is None and t in self.made:
            return empty(np, self.made[t].shape, self.made[t].dtype, POOLED_RESULT)
        return None if t < 0 else outs[t]

    def _target(self, t: int) -> str:
        """The same as source."""
        if t in self.made:
            return f"new{t}() if outs[{t}] is None else outs[{t}]"
        return "None" if t < 0 else f"outs[{t}]"

    def _function(self) -> Callable[[Workspace, Sequence[Any], Sequence[Any]], list[Any]]:
        """All calls written out one after the other: a microsecond less for each than to go through them in a loop."""
        known: dict[str, Any] = {f"v{n}": None for n in self.results}  # what a unit keeps to itself
        known |= {f"v{n}": value for n, value in self.constants}
        known |= {f"new{t}": partial(empty, np, v.shape, v.dtype, POOLED_RESULT) for t, v in self.made.items()}
        lines = ["def program(workspace, ins, outs):", f"    {_names(range(self.count))} = ins" if self.count else ""]
        for i, (unit, sources, results, targets, ends) in enumerate(self.calls):
            given = [self._target(t) for t in targets]
            args = [f"v{n}" for n in sources]
            direct = unit.direct(targets[0] >= 0)
            known[f"u{i}"] = direct or unit
            if direct:
                lines.append(f"    v{results[0]} = u{i}({', '.join(['workspace', *given, *args])})")
            else:
                lines.append(f"    {_names(results)} = u{i}(workspace, ({_list(given)}), ({_list(args)}))")
            if ends:
                lines.append(f"    {' = '.join([f'v{n}' for n in ends])} = None")
        lines.append(f"    return [{', '.join([f'v{n}' for n in self.results])}]")
        exec(compile("\n".join(lines), "<vmapcore program>", "exec"), known)  # nothing but names that were made here
        return known["program"]


def _names(numbers: Iterable[int]) -> str:
    return _list([f"v{n}" for n in numbers])


def _list(items: Iterable[str]) -> str:
    return "".join([f"{item}, " for item in items])
