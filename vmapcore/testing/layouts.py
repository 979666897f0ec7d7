"""The same values, laid out otherwise in memory."""

from typing import Any

import numpy as np

LAYOUTS = ("strided", "reversed", "Fortran-ordered", "read-only")


def laid_out(x: Any, layout: str) -> Any:
    """The values of `x`, laid out otherwise in memory.

    Example:
        >>> laid_out(np.ones((2, 3)), "reversed").strides
        (-24, -8)
    """
    if layout == "contiguous":
        return x
    if layout == "strided":
        wide = np.zeros_like(x, shape=(*[2 * n for n in x.shape], 2))
        index: Any = (*[slice(None, None, 2)] * x.ndim, 0, ...)
        new = wide[index]
        new[...] = x
        return new
    if layout == "reversed":
        back = (slice(None, None, -1),) * x.ndim
        return x[back].copy()[(*back, ...)]
    if layout == "Fortran-ordered":
        return x.T.copy(order="C").T
    new = x.copy()
    if isinstance(new, np.ndarray):
        new.flags.writeable = False
    return new
