"""Which array library an array belongs to: the only module that names CuPy.

Rules receive the library as `xp` in `eval` and never ask. CuPy is never imported from here: an array
of it can only exist once its user has imported it.
"""

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from .errors import ArgumentError

Array = Any
"""A NumPy array, a CuPy array or a tracer of either."""

_NAMESPACES: dict[type, Any] = {np.ndarray: np}
LIBRARIES = ("numpy", "cupy")
"""The names of the array libraries."""

UNTRACED = frozenset({np.ndarray, int, float, bool, complex, np.float64, np.float32, np.int64, np.bool_})
"""Types common enough to be known at a glance for what they are: no tracer, and not CuPy's."""


MEANINGS = ("__add__", "__mul__", "__pow__", "__matmul__", "__array_ufunc__", "__array_function__")
"""What a subclass of NumPy's arrays has of its own if its operations are others: a mask, a unit, a matrix product."""


def _find(kind: type) -> Any:
    """The array library that defines `kind`, or None; remembered per type."""
    if issubclass(kind, (np.ndarray, np.generic)):
        if issubclass(kind, np.ndarray) and any(getattr(kind, f) is not getattr(np.ndarray, f) for f in MEANINGS):
            raise ArgumentError(
                "array",
                f"a {kind.__name__} is an array whose operations mean something else than NumPy's",
                "arrays are np.ndarray, or a subclass that computes as it does",
                "Pass np.asarray(x); of a masked array x.filled(value), or its data and its mask as two arrays",
            )
        found = np
    elif kind.__module__.partition(".")[0] == "cupy":
        found = sys.modules["cupy"]
    else:
        return None
    _NAMESPACES[kind] = found
    return found


def namespace(args: Iterable[Any]) -> Any:
    """Returns the array library of `args`: CuPy if any of them is a CuPy array, else NumPy."""
    for a in args:
        kind = type(a)
        if kind in UNTRACED:
            continue
        xp = _NAMESPACES.get(kind) or _find(kind)
        if xp is not None and xp is not np:
            return xp
    return np


def is_array(x: Any) -> bool:
    """Whether `x` is an array or array scalar of a known library (tracers are not)."""
    kind = type(x)
    return kind in _NAMESPACES or _find(kind) is not None


PLAIN_KINDS: set[type] = {np.ndarray, np.memmap}
"""NumPy's own types of arrays, and our own of such."""


def is_plain_array(x: Any) -> bool:
    """Whether `x` is an array of a known library, no scalar, and of no class of a user's own."""
    kind = type(x)
    return kind in PLAIN_KINDS or (not issubclass(kind, (np.ndarray, np.generic)) and is_array(x))


def instead_of(x: Any) -> str:
    """What to pass in place of an array, or of a dtype, of a library that is not known; empty where it can stay."""
    kind = type(x)
    if isinstance(x, type):
        return ""
    if is_array(x):  # of a dtype that is another library's, as bfloat16 is, NumPy casts and multiplies what it likes
        return "Pass x.astype(np.float32)" if x.dtype.isbuiltin == 2 else ""
    if hasattr(kind, "__dlpack_device__"):
        on_cpu = int(x.__dlpack_device__()[0]) == 1
        return "Pass np.from_dlpack(x)" if on_cpu else "It is on another device: pass a copy on the CPU"
    if hasattr(kind, "toarray"):
        return "Pass x.toarray()"
    return "Pass np.asarray(x)" if hasattr(kind, "__array__") and hasattr(kind, "shape") else ""


def asarray(x: Any, like: Any = None) -> Array:
    """Returns `x` as an array of `like`'s library, without a copy where `x` is one already."""
    xp = np if like is None else namespace((like,))
    return xp.asarray(x)


def on_host(x: Any) -> Any:
    """Returns an array or number as a NumPy array, of whatever library it is."""
    return x.get() if namespace((x,)) is not np else np.asarray(x)


def as_number(x: Any) -> Any:
    """What has no axes as the scalar that NumPy's functions return, to which no operator writes."""
    return x[()] if type(x) is np.ndarray else x
