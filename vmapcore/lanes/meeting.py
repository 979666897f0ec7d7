"""What rows have, each their own, made one value for all of them, where they meet again."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..batched import BatchedTensor, SharedTensor
from ..numbers import DTYPES, Number, bound_of, is_int64, number
from ..rows import Rows
from ..scopes import joined, places_among
from ..tracer import Tracer


class Undecided:
    """Stands for a variable that some rows have as something else than others, and none may use."""

    __slots__ = ("_again",)

    def __init__(self, again: Callable[[], BaseException]) -> None:
        object.__setattr__(self, "_again", again)

    def __getattribute__(self, name: str) -> Any:
        raise object.__getattribute__(self, "_again")()


def _is_used(self: Any, *args: Any, **options: Any) -> Any:
    raise object.__getattribute__(self, "_again")()


ASKED = (
    *("bool", "int", "float", "complex", "index", "hash", "len", "iter", "getitem", "setitem", "contains", "call"),
    *("enter", "exit", "str", "repr", "format", "array", "array_ufunc", "array_function", "neg", "pos", "abs"),
    *("invert", "round", "lt", "le", "gt", "ge", "eq", "ne", "setattr", "delitem"),
)
BINARY = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow", "matmul", "and", "or", "xor", "lshift"),
    "rshift",
)
for _name in (*ASKED, *[f"{kind}{name}" for name in BINARY for kind in ("", "r", "i")]):
    setattr(Undecided, f"__{_name}__", _is_used)


NUMBERS = frozenset({int, float, complex, bool})
PLAIN = NUMBERS | {str, bytes, type(None)}

MISSING = object()
"""In place of a variable that some rows do not have."""


def decided(x: Any) -> Any:
    """A value that is one for all rows, or differs in numbers alone."""
    if type(x) is Undecided:
        bool(x)
    return x


def undecided(rows: Rows, site: int) -> Undecided:
    return Undecided(functools.partial(rows.again, site))


def merged(rows: Rows, parts: list[tuple[Any, Any]], site: int) -> Any:
    """What is one value for some rows each, for all of them."""
    first = parts[0][1]
    if first is not MISSING and all(x is first for _, x in parts):
        return first
    kinds = {type(x) for _, x in parts}
    if Undecided in kinds:
        return undecided(rows, site)
    if len(kinds) == 1 and type(first) in PLAIN and len({repr(x) for _, x in parts}) == 1:
        return first
    if kinds == {tuple} and len({len(x) for _, x in parts}) == 1:
        return tuple([merged(rows, [(ids, x[i]) for ids, x in parts], site) for i in range(len(first))])
    values = [x for _, x in parts]
    kind = of_python(rows, values)
    bound = bound_of(*values) if kind is int else None
    parts = [(ids, inner(kind, x)) for ids, x in parts]
    if not may_join(rows, [x for _, x in parts]):
        return undecided(rows, site)
    made = of_all(rows, parts, site)
    return made if kind is None else number(kind, made, bound)


def python_kind(x: Any) -> Any:
    """The type of a number of Python's, traced or not; None of others, and of those whose type derives from such."""
    return x.kind if type(x) is Number else type(x) if type(x) in NUMBERS else None


def of_python(rows: Rows, values: list[Any]) -> Any:
    """The type of numbers that are all Python's, and traced here or not at all; None of others."""
    kinds = set(map(python_kind, values))
    if len(kinds) > 1 and any(type(x) is Number for x in values):
        rows.of_numbers = True
    kind = kinds.pop() if len(kinds) == 1 else None
    return None if kind is int and any(type(x) is int and not is_int64(x) for x in values) else kind


def inner(kind: Any, x: Any) -> Any:
    """What is traced of a number, or NumPy's scalar of it."""
    return x.value if type(x) is Number else x if kind is None or type(x) is not kind else DTYPES[kind].type(x)


def may_join(rows: Rows, values: list[Any]) -> bool:
    """Whether there is an array that has these values in its rows, each as it is."""
    trace = rows.trace
    numbers = 0
    for x in values:
        if type(x) in NUMBERS:
            numbers += 1
        elif not ((isinstance(x, BatchedTensor) and x._trace is trace) or isinstance(x, np.generic)):
            return False
    first = values[0]
    dtype, shape = np.asarray(first).dtype if type(first) in NUMBERS else first.dtype, np.shape(first)
    for x in values:
        if (np.asarray(x).dtype if type(x) in NUMBERS else x.dtype) != dtype or np.shape(x) != shape:
            return False
    if dtype.kind not in "biufc":
        return False
    rows.of_numbers = rows.of_numbers or bool(numbers)
    return True


def of_all(rows: Rows, parts: list[tuple[Any, Any]], site: int) -> Any:
    """An array of the rows of this scope, of values for some of them each; nobody may write to it."""
    values = []
    for ids, x in parts:
        if type(x) is BatchedTensor:
            home = x.home or rows.root
            if home.ids is ids:
                value = x.value
            else:
                places = places_among(home.ids, ids)
                if places is None:
                    raise rows.again()
                value = x.value[places]
        else:
            value = spread(x, len(ids))
        values.append((ids, value))
    made = BatchedTensor(rows.trace, joined(values, rows.scope.ids))
    rows.add(made)
    if made.shape:
        for x in (made, *[x for _, x in parts]):
            freeze(x, functools.partial(rows.again, site))
    return made


def spread(x: Any, count: int) -> Any:
    """What is one value for all rows, for each of some."""
    row = x.row if type(x) is SharedTensor else np.asarray(x)
    return np.broadcast_to(row, (count, *row.shape))


def freeze(x: Any, again: Callable[[], BaseException]) -> None:
    """Ends the run where an array is written to that some rows have under another name than others."""
    if isinstance(x, Tracer):
        for ref, _ in list(getattr(x.storage, "members", {}).values()):
            if (other := ref()) is not None:
                other.storage = Frozen(again)
        x.storage = Frozen(again)  # type: ignore[assignment]


class Frozen:
    """The storage of an array that nobody may write to."""

    contiguous = False

    def __init__(self, again: Callable[[], BaseException]) -> None:
        self.again = again
        self.members: dict[int, Any] = {}

    def add(self, base: Any, member: Any, view: Any) -> None:
        member.storage = self

    def path(self, member: Any) -> tuple[Any, ...]:
        return ()

    def let_go(self, member: Any) -> None:
        pass

    def write(self, call: str, writer: Any, value: Any) -> None:
        raise self.again()
