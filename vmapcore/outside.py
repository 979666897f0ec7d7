"""Arrays that were there before a transform ran, as its function sees them: NumPy's own, but for what indexes them.

NumPy asks an index for an array of it, which a traced one has not. So a function finds, in place of an array of its
module's or of a function around it, another one in the same memory, which leaves such an index to the rules.
"""

import sys
from typing import Any

import numpy as np

from .arrays import PLAIN_KINDS
from .modules import is_library
from .numpy_protocol import NUMPY
from .tracer import Tracer


class OutsideArray(np.ndarray):
    """An array from outside, in its own memory, or a part of one, or what NumPy makes of one."""

    theirs: Any = None
    """The array from outside, if it is that."""

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, Tracer) or (type(index) is tuple and any(isinstance(i, Tracer) for i in index)):
            return NUMPY["getitem"](np.asarray(self), index)
        return np.ndarray.__getitem__(self, index)

    def __reduce__(self) -> Any:
        return np.asarray(self).__reduce__()

    def copy(self, order: Any = "C") -> Any:
        made = np.array(self, order=order)
        return made if _asked_by_library() else NUMPY["made"](made, order)

    def astype(self, dtype: Any, *args: Any, **options: Any) -> Any:
        made = np.asarray(self).astype(dtype, *args, **options)
        return made if made.base is not None or _asked_by_library() else NUMPY["made"](made, "K")


def _asked_by_library() -> bool:
    """Whether a method is called by a library's code, which computes with plain arrays."""
    frame = sys._getframe(2)
    return is_library(frame.f_globals.get("__name__"), frame.f_code.co_filename)


PLAIN_KINDS.add(OutsideArray)


def outside(x: Any) -> Any:
    """An array as a function sees it that did not make it."""
    if not x.ndim or x.dtype.kind not in "biufc":
        return x
    made = x.view(OutsideArray)
    made.theirs = x
    return made


def inside(x: Any) -> Any:
    """NumPy's array itself, of what rules and evals get."""
    if type(x) is not OutsideArray:
        return x
    return np.asarray(x) if x.theirs is None else x.theirs
