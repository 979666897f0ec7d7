"""Results of foreign code as arrays, and ArraySpec, which describes a result that is not there yet."""

from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError, describe
from ..pytree import tree_map


class ArraySpec:
    """Describes an array by shape and dtype, to declare results with.

    Law:  ArraySpec(x.shape, x.dtype) describes x

    Args:
        shape: a tuple of ints.
        dtype: as NumPy takes it.

    Example:
        >>> ArraySpec((3, 4), np.float32)
        f32[3,4]
    """

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: Any = float) -> None:
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ArraySpec) and (self.shape, self.dtype) == (other.shape, other.dtype)

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))

    def __repr__(self) -> str:
        return describe(self)


def spec_of(x: Any, axes: int = 0) -> ArraySpec:
    """The spec of an array or number without its first `axes` axes."""
    if not hasattr(x, "dtype"):
        x = np.asarray(x)
    return ArraySpec(x.shape[axes:], x.dtype)


def check_spec(call: str, x: Any, spec: Any, lead: tuple[int, ...] = ()) -> None:
    """Raises unless `x` has the axes `lead` and then the declared shape, and the declared dtype."""
    shape = lead + tuple(spec.shape)
    if x.shape != shape:
        of_all = f" with {lead} in front, for the batch" if lead else ""
        raise ShapeError(call, f"a result is {describe(x)}", f"its declared shape is {spec.shape}{of_all}")
    if x.dtype != spec.dtype:
        raise DTypeError(call, f"a result is {describe(x)}", f"its declared dtype is {spec.dtype}")


def as_arrays(xp: Any, result: Any) -> Any:
    """What foreign code returned, a pytree perhaps, with arrays of the library `xp` for NumPy's and for numbers."""
    if xp is np and isinstance(result, (np.ndarray, np.generic)):
        return result
    return tree_map(lambda x: _as_array(xp, x), result)


def _as_array(xp: Any, x: Any) -> Any:
    if not isinstance(x, (np.ndarray, np.generic, int, float, complex)):
        return x  # an array of xp; or none, as whoever takes the result will say
    return np.asarray(x)[()] if xp is np else xp.asarray(x)
