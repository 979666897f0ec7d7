"""What two arms leave, made one value: in each row that of the arm it takes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..lanes.meeting import MISSING, NUMBERS, PLAIN, Frozen, Undecided, freeze, python_kind
from ..numbers import RANK, bound_of, is_int64, number
from ..rules._families import as_scalar
from ..rules.numbers import in_kind
from ..tracer import Tracer


def joined(test: Any, yes: Any, no: Any, others: Callable[[Any], list[Any]], error: Callable[[], BaseException]) -> Any:
    """`yes` where `test`, else `no`; `others` says what shares its memory with a value that arms have found there."""
    if yes is no:
        return yes
    kinds = type(yes), type(no)
    if Undecided in kinds:
        return Undecided(error)
    if kinds[0] is kinds[1]:
        if kinds[0] in PLAIN and repr(yes) == repr(no):
            return yes
        if kinds[0] is tuple and len(yes) == len(no):
            return tuple([joined(test, a, b, others, error) for a, b in zip(yes, no, strict=True)])
        if kinds[0] in (list, dict) and not others(yes) and not others(no) and len(yes) == len(no):
            if kinds[0] is list:
                return [joined(test, a, b, others, error) for a, b in zip(yes, no, strict=True)]
            if list(yes) == list(no):
                return {k: joined(test, yes[k], no[k], others, error) for k in yes}
    if type(None) in kinds and MISSING not in (yes, no):
        raise error()  # since `is None` would ask nobody
    python = python_kind(yes), python_kind(no)
    if None not in python:
        made = _number(test, yes, no, python)
        return Undecided(error) if made is None else made
    if not (_is_array(yes) and _is_array(no)) or np.shape(yes) != np.shape(no) or not _is_one_kind(yes, no, python):
        return Undecided(error)
    made = as_scalar(np.where(test, yes, no))
    if made.shape and (found := [*others(yes), *others(no)]):
        for x in (made, *found):
            freeze(x, error)
    return made


def _number(test: Any, yes: Any, no: Any, kinds: tuple[Any, Any]) -> Any:
    """A number of Python's of two; None where they are of types that do not go together."""
    kind = max(kinds, key=RANK.__getitem__)
    if (bool in kinds and kinds[0] is not kinds[1]) or any(type(x) is int and not is_int64(x) for x in (yes, no)):
        return None
    return number(
        kind,
        as_scalar(np.where(test, in_kind(kind, yes), in_kind(kind, no))),
        bound_of(yes, no) if kinds == (int, int) else None,
    )


def shares(x: Any) -> bool:
    """Whether an array is a view, or has some."""
    if not isinstance(x, Tracer):
        return isinstance(x, np.ndarray)
    if isinstance(x.storage, Frozen):
        return True
    members = getattr(x.storage, "members", {}).values()
    return sum(1 for ref, _ in members if ref() is not None) > 1


def _is_array(x: Any) -> bool:
    return type(x) in NUMBERS or (isinstance(x, (Tracer, np.ndarray, np.generic)) and x.dtype.kind in "biufc")


def _is_one_kind(yes: Any, no: Any, python: tuple[Any, Any]) -> bool:
    """Whether both may be of one dtype: equal ones, or one is a number of Python's that the other has room for."""
    if python == (None, None):
        return bool(yes.dtype == no.dtype)
    kind, dtype = (python[0], no.dtype) if python[1] is None else (python[1], yes.dtype)
    return (kind is bool) == (dtype.kind == "b") and np.result_type(kind(0), dtype) in (dtype, np.float64)


def may_share(x: Any, y: Any) -> bool:
    """Whether a write to one of two values may change the other."""
    if Undecided in (type(x), type(y)):
        return False
    if isinstance(x, (list, tuple, dict)):
        return any(may_share(e, y) for e in (x.values() if isinstance(x, dict) else x))
    if isinstance(y, (list, tuple, dict)):
        return may_share(y, x)
    if isinstance(x, Tracer) and x._is_scalar:
        return False
    storage = getattr(x, "storage", None)
    return x is y or (storage is not None and storage is getattr(y, "storage", None))
