"""explain: what a function's operations cost, and which of them loop."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .arrays import namespace
from .core import Primitive, Trace, observed
from .ops.forms import Form
from .ops.levels import Batched
from .ops.op import CustomOp
from .pytree import flatten
from .tracer import innermost

MOVERS = {"casts", "diagonals", "gather", "joining", "layout", "repeating", "slicing"}
"""The modules of rules whose operations move elements and compute nothing."""

FAMILIES = {"trailing_vmap": "trailing", "unary_vmap": "elementwise", "binary_vmap": "elementwise"}
"""Names of vmap rules that many primitives share, and what they are called here."""


class Entry(NamedTuple):
    """What one operation did."""

    op: str
    """Its name."""
    rule: str
    """How it batches: "elementwise", "trailing" (as itself), "gufunc", "reduction", "own" (by a rule written for it),
    "expand_dims", "broadcast_all", "loop", or "none"."""
    calls: int
    """How often it was applied."""
    bytes: int
    """The sizes of the arrays it read and wrote; a view is neither."""
    copies: int
    """How often it moved elements to new memory, computing nothing."""
    loops: int
    """How many examples it ran one by one."""
    seconds: float
    """The time spent in it, that of operations within left out."""


class SplitEntry(NamedTuple):
    """What one call of a `vmap(f, branches="split")` did."""

    call: str
    """The vmap."""
    rows: int
    """How many rows it had."""
    runs: int
    """How often `f` ran for rows together: once for each way that rows took for good, and those that were too few."""
    alone: int
    """How many rows ran one by one."""
    max_paths: int
    """The most runs that there may be."""
    lines: list[str]
    """Where rows parted for good; where they met again, nothing was lost."""


class Explanation:
    """What `explain` found: `rows` by operation, slowest first; `splits`, by calls of vmaps with split branches;
    `result` of the function; `seconds` in all."""

    def __init__(self, result: Any, rows: list[Entry], splits: list[SplitEntry], seconds: float) -> None:
        self.result = result
        self.rows = rows
        self.splits = splits
        self.seconds = seconds

    @property
    def outside(self) -> float:
        """The seconds spent outside of operations: in Python, in transforms, in NumPy on arrays no transform traces."""
        return max(0.0, self.seconds - sum(row.seconds for row in self.rows))

    def __str__(self) -> str:
        titles = ("operation", "rule", "calls", "bytes", "copies", "loops", "time")
        cells = [
            (row.op, row.rule, f"{row.calls}", _amount(row.bytes), f"{row.copies}", f"{row.loops}", _time(row.seconds))
            for row in self.rows
        ]
        total = [sum(column) for column in zip(*[row[2:6] for row in self.rows], strict=True)] or [0] * 4
        cells.append(("(outside)", "", "", "", "", "", _time(self.outside)))
        cells.append(("(all)", "", f"{total[0]}", _amount(total[1]), f"{total[2]}", f"{total[3]}", _time(self.seconds)))
        widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
        table = "\n".join(
            "  ".join(
                [c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))]
            ).rstrip()
            for line in (titles, *cells)
        )
        return "\n".join([table, *[_sentence(split) for split in self.splits]])

    __repr__ = __str__


def explain(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Explanation:
    """Runs `fun` once and tells what every operation in it did, on the values that transforms trace.

    Law:  explain(fun, *args).result == fun(*args)

    Args:
        fun: a function, most often one that `vmap`, `grad` or `jvp` made.
        *args: its arguments.
        **kwargs: its keyword arguments.

    Returns:
        An `Explanation`, whose text is a table: per operation how it batches, calls, bytes read and written, copies,
        examples looped over, and time. Formulas of derivatives that run on plain arrays count as outside, and so does
        the plan of a jitted function: explain the function itself. Of each `vmap(f, branches="split")` a line says in
        how many runs its rows went, of at most `max_paths`, how many one by one, and where they parted.

    Example:
        >>> import numpy as np
        >>> from vmapcore import vmap
        >>> found = explain(vmap(lambda x: np.sum(np.sin(x))), np.ones((5, 3)))
        >>> [(row.op, row.rule, row.calls, row.bytes) for row in sorted(found.rows)]
        [('reduce_sum', 'trailing', 1, 160), ('sin', 'elementwise', 1, 240)]
    """
    notes = _Notes()
    with observed(notes):
        start = time.perf_counter()
        result = fun(*args, **kwargs)
        seconds = time.perf_counter() - start
    rows = [Entry(*entry) for entry in notes.entries.values()]
    return Explanation(result, sorted(rows, key=lambda row: -row.seconds), notes.splits, seconds)


class _Notes:
    """An entry per operation, and the applications that are running, innermost last."""

    def __init__(self) -> None:
        self.entries: dict[int, list[Any]] = {}
        self.running: list[list[Any]] = []  # operation, number of applications within, their seconds
        self.splits: list[SplitEntry] = []
        self.kept: list[Any] = []  # operations, so that none takes the id of another

    def entry(self, op: Any) -> list[Any]:
        found = self.entries.get(id(op))
        if found is None:
            self.kept.append(op)
            found = self.entries[id(op)] = [op.name, _rule(op), 0, 0, 0, 0, 0.0]
        return found

    def apply(self, primitive: Primitive, trace: Trace | None, args: Any, params: dict[str, Any]) -> Any:
        """Applies `primitive`, by `trace` if any, and takes it down."""
        op = _operation(primitive)
        entry = self.entry(op)
        outer = self.running[-1] if self.running else None
        mine: list[Any] = [op, 0, 0.0]
        self.running.append(mine)
        start = time.perf_counter()
        try:
            if trace is None:
                out = primitive.eval(namespace(args), *args, **params)
            else:
                out = trace.process(primitive, args, params)
        finally:
            self.running.pop()
            spent = time.perf_counter() - start
            entry[6] += spent - mine[2]
            if outer is not None:
                outer[1] += 1
                outer[2] += spent
        if outer is None or outer[0] is not op:
            entry[2] += 1
        if not mine[1]:
            self._note_memory(op, entry, args, out)
        return out

    def _note_memory(self, op: Any, entry: list[Any], args: Any, out: Any) -> None:
        read, written = [[innermost(x) for x in flatten(tree)[0]] for tree in (args, out)]
        module = getattr(op.eval, "__module__", None) or ""  # of a ufunc, none
        if module.rpartition(".")[2] in MOVERS:
            written = [x for x in written if not any(_shares(x, y) for y in read)]
            if not written:
                return  # views, which move nothing
            entry[4] += len(written)
        entry[3] += sum(_bytes(x) for x in read + written)

    def split(self, *what: Any) -> None:
        """Takes down a call of a vmap whose rows may part."""
        self.splits.append(SplitEntry(*what))

    def loop(self, op: Any, calls: int) -> None:
        """Takes down a loop of `op` over `calls` examples."""
        entry = self.entry(op)
        entry[1] = "loop"
        entry[5] += calls


def _sentence(split: SplitEntry) -> str:
    counts = (
        f"{split.rows} rows in {split.runs} runs of at most {split.max_paths}, and {split.alone} of them one by one"
    )
    parted = f"; they parted at {', '.join(split.lines)}" if split.lines else ""
    return f"{split.call}: {counts}{parted}"


def _amount(size: int) -> str:
    """Bytes, in the unit that leaves three digits."""
    units = ["B", "kB", "MB", "GB", "TB"]
    amount = float(size)
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:.3g} {units[0]}"


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.3f} ms"


def _operation(primitive: Any) -> Any:
    """The operation that a primitive is, or is a form of."""
    if isinstance(primitive, Batched):
        primitive = primitive.form
    return primitive.op if isinstance(primitive, Form) else primitive


def _rule(op: Any) -> str:
    if isinstance(op, CustomOp):
        return op.kind or "none"
    return "none" if op.vmap is None else FAMILIES.get(getattr(op.vmap, "__name__", ""), "own")


def _bytes(x: Any) -> int:
    """The memory that an array refers to: what is broadcast counts once."""
    if not hasattr(x, "nbytes"):
        return 0
    size = x.dtype.itemsize
    for n, step in zip(x.shape, x.strides, strict=True):
        size *= n if step else min(n, 1)
    return size


def _shares(x: Any, y: Any) -> bool:
    if isinstance(x, np.ndarray):
        return isinstance(y, np.ndarray) and np.may_share_memory(x, y)
    return getattr(x, "base", None) is not None
