"""What `vmap(f, branches=...)` does: which rows run together and which apart, and what comes of all of them.

Rows that leave a run (see `rows`) run apart, from the start. So there is one run for each way through the function that
some rows take, and none is done twice. Where too few take one for that to pay, they run one by one.
"""

import heapq
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .arrays import is_array, on_host
from .converting import OFF
from .core import OBSERVER, at_end
from .errors import ArgumentError, OptionError, ShapeError, StructureError, VmapcoreError, describe, warn_caller
from .pytree import flatten, unflatten
from .rows import OneByOneError, Rows, TooFewError
from .scopes import AgainError
from .thresholds import LOSS
from .tracer import Tracer
from .words import meant

WAYS = ("error", "split", "loop")
MOST = 1000
"""How many runs there are at most, by default, before the rows that are left run one by one."""

LATELY = 4
"""From the runs that came last is told whether it pays to go on."""

AGAIN = 16
"""Calls after one in vain, of a function that `vmap` has made, until it is tried again to run rows together."""

SAMPLED, MOST_SAMPLED = 32, 16
"""Of so many rows one runs alone where it is measured whether rows cost less together; and how many do at most."""

WORTH_A_WORD = 50
"""Rows that ran one by one, from which a warning says so, if they are more than half of all."""


def check_branches(branches: Any, max_paths: Any) -> None:
    """Raises unless the options of `vmap` are such."""
    if branches not in WAYS:
        allowed = f"it must be {', '.join(map(repr, WAYS[:-1]))} or {WAYS[-1]!r}"
        remedy = meant(branches, WAYS) if isinstance(branches, str) else ""
        raise OptionError("vmap", f"branches is {branches!r}", allowed, remedy)
    if isinstance(max_paths, bool) or not isinstance(max_paths, int) or max_paths < 1:
        raise OptionError("vmap", f"max_paths is {max_paths!r}", "it must be an int >= 1")


class Part(NamedTuple):
    """What a function returned for some rows."""

    rows: Any
    tree: Any
    leaves: list[tuple[Any, bool]]
    """The leaves, each with whether the rows are its axis 0."""


def each_row(part: Part) -> Iterator[tuple[int, Any]]:
    """The rows of a part, each with what it returned."""
    for i, row in enumerate(part.rows):
        yield int(row), unflatten(part.tree, [x[i] if mapped else x for x, mapped in part.leaves])


class Paths:
    """The runs of one call: of rows together, largest groups first, and in the end of rows one by one."""

    def __init__(
        self, call: str, together: Callable[[Rows], Part], alone: Callable[[int], Any], most: int, lists: bool = False
    ) -> None:
        self.call = call
        self.lists = lists  # results that may differ in shape
        self.together = together
        self.alone = alone
        self.most = most
        self.parts: list[Part] = []
        self.lines: Counter[str] = Counter()
        self.error: tuple[int, Exception] | None = None
        self.results: dict[int, Any] = {}  # of rows that ran one by one already
        self.unable: Exception | None = None  # raised by rows together, and by none alone
        self.vain = False  # whether most rows ran one by one, after all, or it is measured that they should have
        self.doubtful = False  # whether rows went apart, and took so long that it should be measured

    def run(self, size: int, traced: bool, measured: bool) -> None:
        """Runs all rows; raises what the first raises, in their order, that does.

        If it is `measured` whether that pays, a few rows run alone, and a clock says what the others would have taken.
        """
        rows = np.arange(size)
        chosen = rows[:: max(SAMPLED, -(-size // MOST_SAMPLED))] if measured else rows[:0]
        try:
            alone = self._seconds_alone(chosen) * (size - len(chosen)) if measured else math.inf
            start = time.perf_counter()
            self._run_all(np.delete(rows, chosen), chosen.tolist(), traced)
            taken = time.perf_counter() - start
            self.doubtful = self.doubtful and taken > 1e-6 * LOSS
            self.vain = self.vain or taken - alone > max(1e-6 * LOSS, 0.1 * alone)
        except OneByOneError as end:
            if end.rows.lines is not self.lines:
                raise
            self.doubtful = False
            self.results.clear()
            self.parts.clear()
            self.error = None
            self.loop(range(size))

    def _seconds_alone(self, rows: Any) -> float:
        """How long one of these rows takes, which run alone."""
        start = time.perf_counter()
        for row in rows.tolist():
            try:
                self.results[row] = self.alone(row)
            except Exception as error:
                self.error = row, error
                break
        return (time.perf_counter() - start) / len(rows)

    def _run_all(self, rows: Any, left: list[int], traced: bool) -> None:
        size = len(rows) + len(left)
        waiting = [(-len(rows), 0, rows)]
        lately: list[int] = []  # how many rows came through together, in each run
        few = 0
        while waiting:
            rows = self._in_question(heapq.heappop(waiting)[2])
            vain = len(lately) >= LATELY and sum(lately[-LATELY:]) <= LATELY * few
            if len(rows) <= few or len(lately) >= self.most or vain:
                left += rows.tolist()
                continue
            run = Rows(rows, traced, self.lines)
            try:
                came_through = self._run_together(run)
            except AgainError as end:
                if end.rows is not run:
                    raise
                new = ({end.site} if end.site >= 0 and end.site not in OFF else run.sites) - OFF
                if new:
                    OFF.update(new)
                    heapq.heappush(waiting, (-len(rows), int(rows[0]), rows))
                else:
                    left += rows.tolist()
                continue
            self.doubtful = self.doubtful or bool(run.sites or run.gone)
            left += [] if came_through else run.here.tolist()
            lately.append(len(run.here) * came_through)
            few = run.few()
            for gone in run.gone:
                heapq.heappush(waiting, (-len(gone), int(gone[0]), gone))
        self.loop(sorted(left))
        if (observer := OBSERVER.get()) is not None:
            observer.split(self.call, size, len(lately), len(left), self.most, list(self.lines))
        self.vain = len(left) >= WORTH_A_WORD and 2 * len(left) > size
        if self.unable is not None or self.vain:
            self._warn(len(left), size, len(lately))

    def _in_question(self, rows: Any) -> Any:
        """Those of some rows to which a loop would come."""
        return rows if self.error is None else rows[rows < self.error[0]]

    def _run_together(self, run: Rows) -> bool:
        """Whether the rows came through, to their results or to an error of their own; else they are to run alone."""
        try:
            part = self.together(run)
        except OneByOneError:
            raise
        except TooFewError as end:
            if end.rows is not run:
                raise
        except VmapcoreError:
            if not run.ended:
                raise
        except Exception as error:  # which C code may have put in the place of one that ended the run
            if not run.ended:
                return self._raise_alone(run.here, error)
        else:
            if not run.ended:
                self.parts.append(part)
        return not run.ended

    def _raise_alone(self, rows: Any, error: Exception) -> bool:
        """Whether one of these rows, that raised together, raises alone: and that is what a loop would."""
        for row in self._in_question(rows).tolist():
            try:
                self.results[row] = self.alone(row)
            except Exception as own:
                self.error = row, own
                return True
        if self.error is None:
            self.unable = error
        return self.error is not None

    def loop(self, rows: Sequence[int]) -> None:
        """Runs these rows one by one."""
        results = []
        try:
            for row in rows if self.error is None else [r for r in rows if r < self.error[0]]:
                results.append(self.results.pop(row) if row in self.results else self.alone(row))
        except Exception as error:
            self.error = row, error
        if self.error is not None:
            raise self.error[1]
        if not results:
            return
        if self.lists:
            for row, result in zip(rows, results, strict=True):
                found, tree = flatten(result)
                self.parts.append(Part(np.array([row]), tree, [(at_end(x), False) for x in found]))
            return
        leaves, treedef = flatten(results)
        trees = treedef.children()
        for row, tree in zip(rows, trees, strict=True):
            if tree != trees[0]:
                raise self._structures(rows[0], trees[0], row, tree)
        count = trees[0].num_leaves
        columns = [self._stacked(rows, [at_end(x) for x in leaves[i::count]]) for i in range(count)]
        self.parts.append(Part(np.array(rows), trees[0], columns))

    def _stacked(self, rows: Sequence[int], column: list[Any]) -> tuple[Any, bool]:
        """A leaf of rows that ran one by one."""
        kinds = set(map(type, column))
        if kinds <= NUMBERS:
            return np.array(column), True
        if not all(map(_is_numeric, column)):
            return self._joined([Part(np.array([r]), None, [(x, False)]) for r, x in zip(rows, column, strict=True)], 0)
        shape = np.shape(column[0])
        for row, x in zip(rows, column, strict=True):
            if np.shape(x) != shape:
                raise self._shapes(rows[0], column[0], row, x)
        if kinds == {np.ndarray} and shape:
            return np.concatenate(column).reshape(len(column), *shape), True
        return np.stack(column), True

    def listed(self) -> list[Any]:
        """What each row returned, in their order."""
        found = dict(pair for part in self.parts for pair in each_row(part))
        return [found[row] for row in sorted(found)]

    def merged(self) -> tuple[Any, list[tuple[Any, bool]]]:
        """The tree and the leaves of all rows, in their order."""
        first = self.parts[0]
        if len(self.parts) == 1:
            return first.tree, first.leaves
        for part in self.parts:
            if part.tree != first.tree:
                raise self._structures(first.rows[0], first.tree, part.rows[0], part.tree)
        return first.tree, [self._joined(self.parts, i) for i in range(len(first.leaves))]

    def _joined(self, parts: Sequence[Part], i: int) -> tuple[Any, bool]:
        """Leaf `i` of all parts."""
        columns = [(part.rows, *part.leaves[i]) for part in parts]
        _, first, _ = columns[0]
        if not any(mapped for _, _, mapped in columns) and all(_is_same(first, x) for _, x, _ in columns):
            return first, False
        values = []
        for rows, x, mapped in columns:
            if not (mapped or _is_numeric(x)):
                fact = f"a result is {describe(x)} for example {rows[0]}, and another for others"
                raise ArgumentError(self.call, fact, "results that differ must be arrays or numbers")
            x = x if hasattr(x, "shape") else np.asarray(x)
            values.append(x if mapped else np.broadcast_to(x, (len(rows), *x.shape)))
        for (rows, _, _), x in zip(columns, values, strict=True):
            if x.shape[1:] != values[0].shape[1:]:
                raise self._shapes(columns[0][0][0], values[0][0], rows[0], x[0])
        order = np.argsort(np.concatenate([rows for rows, _, _ in columns]))
        return np.concatenate(values)[order], True

    def _shapes(self, i: int, a: Any, j: int, b: Any) -> ShapeError:
        fact = f"a result is {describe(a)} for example {i}, {describe(b)} for example {j}"
        return ShapeError(self.call, fact, "the results of all examples must have one shape", LISTED)

    def _structures(self, i: int, a: Any, j: int, b: Any) -> StructureError:
        fact = f"the result has structure {a} for example {i}, {b} for example {j}"
        return StructureError(self.call, fact, "the results of all examples must have one structure", LISTED)

    def _warn(self, left: int, size: int, runs: int) -> None:
        loop = "branches='loop' if this is meant"
        if self.unable is not None:
            fact = f"{left} of {size} rows ran one by one, as they raise together, and not alone: {self.unable!r:.200}"
            warn_caller(self.call, fact, "", f"Use {loop}")
            return
        line = next(iter(self.lines.most_common(1)), ("branches", 0))[0]
        why = f"max_paths is {self.most}" if runs >= self.most else "few answer alike"
        fact = f"rows answer differently at {line}, and {left} of {size} ran one by one, as {why}"
        warn_caller(self.call, fact, "", f"Use np.where there, or {loop}")


LISTED = "vmap(f, out_axes=list) makes a list of them"

NUMBERS = frozenset({float, int, bool, complex, np.float64, np.float32, np.int64, np.bool_, np.complex128})


def _is_numeric(x: Any) -> bool:
    return is_array(x) or isinstance(x, (Tracer, int, float, complex))


def _is_same(a: Any, b: Any) -> bool:
    """Whether two leaves that do not depend on mapped arguments are one, to the last bit."""
    if a is b or isinstance(a, Tracer) or isinstance(b, Tracer) or not (_is_numeric(a) and _is_numeric(b)):
        return a is b or (type(a) is type(b) and not isinstance(a, Tracer) and not is_array(a) and a == b)
    a, b = on_host(a), on_host(b)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
