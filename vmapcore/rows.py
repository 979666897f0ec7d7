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
from .scopes import AgainError, Scope, gathered, replaced
from .thresholds import (
    LIGHT_STEP_OF_ROW,
    LOSS,
    RUN_OF_ROW,
    RUN_OF_ROWS,
    STEP_OF_NUMBER,
    STEP_OF_ROW,
    STEP_OF_ROWS,
    STEP_OF_SCOPE,
)
from .tracer import Tracer

LEFT = Scope(None, np.arange(0))
"""That of tracers whose rows have gone."""


class TooFewError(BaseException):
    """Ends a run of so few rows that they cost less one by one. If it is caught, what the run returns is not used."""

    def __init__(self, rows: "Rows") -> None:
        self.rows = rows


class OneByOneError(TooFewError):
    """Ends all runs of rows that take turns at something, which one row leaves to the next."""


class Rows:
    """The rows that one run is for, as far as they have answered alike, and which have not."""

    __slots__ = (
        *("balance", "busy", "ended", "generators", "gone", "here", "light", "lines", "of_numbers"),
        *("prune_at", "root", "scope", "sites", "steps", "trace", "traced", "tracers"),
    )

    def __init__(self, here: Any, traced: bool, lines: Counter[str]) -> None:
        self.here = here
        self.traced = traced
        self.ended = False  # as too few
        self.gone: list[Any] = []
        self.lines = lines
        self.busy = 0  # operations under way, which have values of all rows in hand
        self.trace: Any = None
        self.tracers: list[weakref.ref[Any]] = []
        self.generators: list[Any] = []  # of random numbers, one for each row, which are told who goes on
        self.prune_at = 64
        self.steps = self.light = 0
        self.balance = 0.0  # microseconds that rows have cost less together than one by one
        self.root = self.scope = Scope(None, np.arange(len(here)))
        self.sites: set[int] = set()  # branches at which rows have gone apart to meet again
        self.of_numbers = False  # whether tracers stand for Python's numbers of several rows

    def note(self, tracer: Tracer, light: bool) -> None:
        """Takes note of an operation, whether it costs little where a row runs alone, and of a tracer that it made."""
        self.steps += 1
        self.light += light
        self.add(tracer)
        alone = STEP_OF_ROW if tracer.shape and not light else STEP_OF_NUMBER
        apart = self.scope is not self.root
        self.balance += alone * len(self.scope.ids) - (STEP_OF_SCOPE if apart else STEP_OF_ROWS)
        if apart and self.balance < -LOSS and not self.traced:
            self.ended = True
            raise TooFewError(self)

    def few(self) -> int:
        """How many rows cost no less together than one by one."""
        if self.traced:
            return 1
        together = RUN_OF_ROWS + STEP_OF_ROWS * self.steps
        alone = RUN_OF_ROW + STEP_OF_ROW * (self.steps - self.light) + LIGHT_STEP_OF_ROW * self.light
        return 1 + int(together / alone)

    def add(self, tracer: Any) -> None:
        """Takes note of a new tracer of the run."""
        if len(self.tracers) >= self.prune_at:
            self.tracers = [ref for ref in self.tracers if ref() is not None]
            self.prune_at = 2 * len(self.tracers) + 64
        self.tracers.append(weakref.ref(tracer))
        if tracer._trace is self.trace:
            tracer.home = self.scope

    # Scopes.

    def bring(self, x: Any) -> Any:
        """The value of a tracer for the rows of this scope."""
        scope, home = self.scope, x.home or self.root
        if home is scope:
            return x.value
        places = scope.places_in(home)
        if places is None:
            raise self.again()
        old = x.value
        new = old if len(scope.ids) == len(home.ids) else gathered(old, places)
        if new is old:  # the same rows
            new = old[:]
        if id(x) in scope.saved:  # and was written to, with what is of another scope
            scope.saved[id(x)] = *scope.saved[id(x)][:3], None
        else:
            scope.saved[id(x)] = x, old, home, new
        x.value = new
        x.home = scope
        return new

    def before(self, x: Any) -> tuple[Any, Any]:
        """The value of a tracer for the rows that it was made for, and their scope."""
        value, home = x.value, x.home or self.root
        scope: Scope | None = self.scope
        while scope is not None:
            if home is scope and id(x) in scope.saved:
                _, value, home, _ = scope.saved[id(x)]
            scope = scope.parent
        return value, home

    def enter(self, ids: Any, site: int) -> None:
        """Goes on with some rows of this scope."""
        around = self.scope
        self.scope = Scope(around, ids, site)
        self.trace.size = len(ids)
        for x in self.generators:
            self.scope.generators.append((x, x.generators))
            x.keep(self.trace, self.scope.places_in(around))

    def leave(self, scope: Any) -> None:
        """Goes back to a scope around this one: what was written in between is there for its rows."""
        while self.scope is not scope:
            inner = self.scope
            assert inner.parent is not None
            self.scope = inner.parent
            for x, old, home, new in inner.saved.values():
                value = x.value
                x.value = old
                if value is not new:
                    if x.home is not inner:
                        value = gathered(value, inner.places_in(x.home))
                    x.value = replaced(old, inner.places_in(home), value)
                x.home = home
                self._refresh(x, inner)
            for source, generators in inner.generators:
                source.generators = generators
        self.trace.size = len(scope.ids)

    def _refresh(self, x: Any, inner: Scope) -> None:
        """Has what shares the memory of `x` know it as it is for the rows around a scope."""
        root = getattr(x.storage, "root", None)
        if root is not None and root.home is inner and x.storage.path(x) == ():
            x.storage.root = self.trace.tracer(self.trace, x.value)
            self.add(x.storage.root)  # so that it keeps the rows that go on, too
            x.storage.root.home = x.home

    def again(self, site: int | None = None) -> AgainError:
        """What ends the run, where rows cannot go on apart."""
        self.ended = True
        return AgainError(self, self.scope.site if site is None else site)

    def take_turns(self) -> None:
        """Has rows go on one by one, since each of them leaves something to the next."""
        raise OneByOneError(self)

    def answer(self, tracer: Tracer, call: str, wanted: str) -> Any:
        """What the rows that go on from here all answer; None where they cannot be asked."""
        if self.busy or not len(self.here) or (call in ELEMENTS and is_written()):
            return None
        value: Any = tracer.value if self.scope is self.root else self.bring(tracer)
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
        if self.scope is not self.root:
            raise self.again()
        groups = np.split(np.argsort(inverse, kind="stable"), np.cumsum(counts)[:-1])
        kept = groups.pop(int(np.argmax(counts)))
        self.lines[callers_line()] += len(groups)
        found: dict[int, tuple[Any, Any]] = {}  # of tracers that share a value, one
        living = [x for ref in self.tracers if (x := ref()) is not None]
        for x in living:
            if x._trace is self.trace:
                here = (x.home or self.root) is self.root
                x.home = self.root if here else LEFT
                if here and type(x) is self.trace.tracer:
                    if id(x.value) not in found:
                        found[id(x.value)] = x.value, x.value[kept]
                    x.value = found[id(x.value)][1]
        for x in self.generators:
            x.keep(self.trace, kept)
        self.gone += [self.here[group] for group in groups]
        self.here = self.here[kept]
        self.trace.size = len(kept)
        self.root.ids = np.arange(len(kept))
        self.root.views.clear()
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
