"""ArraySpec: the shape and dtype of an array that is not there, and what declared results are compared with."""

from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError, describe


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
