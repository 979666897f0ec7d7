"""Rows that answer a question differently: those for whom a run goes on, and those that leave it.

What a function asks of a traced value (`if`, `range(n)`, a length) is answered by each row. Most of those that answer
alike go on in the run where they were asked: all its tracers keep the values of these rows alone.
"""

import weakref
from collections import Counter
from typing import Any

import numpy as np

from .arrays import on_host
from .errors import callers_line
from .refusals import BOOL, ELEMENTS, is_written
from .thresholds import LIGHT_STEP_OF_ROW, RUN_OF_ROW, RUN_OF_ROWS, STEP_OF_ROW, STEP_OF_ROWS
from .tracer import Tracer


class TooFewError(BaseException):
    """Ends a run of so few rows that they cost less one by one. If it is caught, what the run returns is not used."""

    def __init__(self, rows: "Rows") -> None:
        self.rows = rows


class OneByOneError(TooFewError):
    """Ends all runs of rows that take turns at something, which one row leaves to the next."""


class Rows:
    """The rows that one run is for, as far as they have answered alike, and which have not."""

    __slots__ = (
        *("busy", "ended", "generators", "gone", "here", "light", "lines", "prune_at", "steps", "trace", "traced"),
        "tracers",
    )

    def __init__(self, here: Any, traced: bool, lines: Counter[str]) -> None:
        self.here = here
        self.traced = traced
        self.ended = False  # as too few
        self.gone: list[Any] = []
        self.lines = lines
        self.busy = 0  # operations under way, which have values of all rows in hand
        self.trace: Any = None
        self.tracers: list[weakref.ref[Tracer]] = []
        self.generators: list[Any] = []  # of random numbers, one for each row, which are told who goes on
        self.prune_at = 64
        self.steps = self.light = 0

    def note(self, tracer: Tracer, light: bool) -> None:
        """Takes note of an operation, whether it costs little where a row runs alone, and of a tracer that it made."""
        self.steps += 1
        self.light += light
        self.add(tracer)

    def few(self) -> int:
        """How many rows cost no less together than one by one."""
        if self.traced:
            return 1
        together = RUN_OF_ROWS + STEP_OF_ROWS * self.steps
        alone = RUN_OF_ROW + STEP_OF_ROW * (self.steps - self.light) + LIGHT_STEP_OF_ROW * self.light
        return 1 + int(together / alone)

    def add(self, tracer: Tracer) -> None:
        """Takes note of a new tracer of the run."""
        if len(self.tracers) >= self.prune_at:
            self.tracers = [ref for ref in self.tracers if ref() is not None]
            self.prune_at = 2 * len(self.tracers) + 64
        self.tracers.append(weakref.ref(tracer))

    def take_turns(self) -> None:
        """Has rows go on one by one, since each of them leaves something to the next."""
        raise OneByOneError(self)

    def answer(self, tracer: Tracer, call: str, wanted: str) -> Any:
        """What the rows that go on from here all answer; None where they cannot be asked."""
        if self.busy or not len(self.here) or (call in ELEMENTS and is_written()):
            return None
        value: Any = tracer.value
        while isinstance(value, Tracer):
            value = value._concrete(call, wanted)  # by the transforms around this one, for all rows at once
        value = on_host(value)
        kinds = kinds_of(call, value)
        return value[0] if kinds is None else value[self.split(kinds)[0]]

    def split(self, kinds: Any) -> Any:
        """Goes on with those rows of which most are of one kind, and returns their places; leaves the others."""
        _, inverse, counts = np.unique(kinds, return_inverse=True, return_counts=True)
        if len(counts) == 1:
            return np.arange(len(kinds))
        groups = np.split(np.argsort(inverse, kind="stable"), np.cumsum(counts)[:-1])
        kept = groups.pop(int(np.argmax(counts)))
        self.lines[callers_line()] += len(groups)
        found: dict[int, tuple[Any, Any]] = {}  # of tracers that share a value, one
        living = [x for ref in self.tracers if (x := ref()) is not None]
        for x in living:
            if type(x) is self.trace.tracer and x._trace is self.trace:
                if id(x.value) not in found:
                    found[id(x.value)] = x.value, x.value[kept]
                x.value = found[id(x.value)][1]
        for x in self.generators:
            x.keep(self.trace, kept)
        self.gone += [self.here[group] for group in groups]
        self.here = self.here[kept]
        self.trace.size = len(kept)
        if not self.traced and len(kept) <= self.few():
            self.ended = True
            raise TooFewError(self)
        return kept


def kinds_of(call: str, value: Any) -> Any:
    """A number for each row, equal for those that answer alike; None where all do. A NaN is like any other NaN."""
    if call == BOOL:
        value = value.astype(bool)
    elif value.dtype.kind == "f" and call in ("int", "round"):
        value = (np.trunc if call == "int" else np.rint)(value) + 0.0  # which has no sign at zero
    if value.dtype == bool and value.ndim == 1:
        return None if np.count_nonzero(value) in (0, len(value)) else value
    flat = value.reshape(len(value), value[0].size)
    if flat.dtype.kind in "fc":
        flat = np.where(np.isnan(flat), np.nan, flat)
    flat = np.ascontiguousarray(flat)
    octets = flat.view(np.uint8)
    if not octets.size or (octets == octets[0]).all():
        return None
    return octets.view(f"V{octets.shape[1]}")[:, 0] if octets.shape[1] not in (1, 2, 4, 8) else _integers(octets)


def _integers(octets: Any) -> Any:
    return octets.view(f"u{octets.shape[1]}")[:, 0]
