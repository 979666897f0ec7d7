"""`np.where` into an array, without a branch per element, which a mask without pattern mispredicts."""

from typing import Any

import numpy as np

BITS = {4: np.dtype(np.int32), 8: np.dtype(np.int64)}


def choose(mask: Any, x: Any, y: Any, out: Any, bits: Any) -> None:
    """Writes `x` where `mask` is true, else `y`, into `out`, which shares no memory with them.

    `x` and `y` have the dtype of `out`; `bits` is scratch of its shape, of integers of its size.
    """
    kind = BITS.get(out.dtype.itemsize)
    if kind is None:
        np.copyto(out, y)
        np.copyto(out, x, where=mask)
        return
    first, last, result = x.view(kind), y.view(kind), out.view(kind)
    np.copyto(bits, mask.view(np.int8))
    np.negative(bits, out=bits)  # all bits set or none
    if not np.ndim(last) and not last:
        np.bitwise_and(bits, first, out=result)
        return
    np.bitwise_xor(first, last, out=result)
    np.bitwise_and(result, bits, out=result)
    np.bitwise_xor(result, last, out=result)
