"""Memory that belongs to one thread while it runs tiles: handed out by name and shape, the same again the next time."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from ..memory import empty
from ..planning.lifetimes import ALIGNMENT, Home

Own = dict[Any, Any]

BLOCK = "block"
"""The key of the bytes in which arrays with a home lie."""


def borrowed(idle: list[Own]) -> Own:
    """Memory that no thread is using, of `idle` or new, taken in one step, for another may come between."""
    try:
        return idle.pop()
    except IndexError:
        return {}


def scratch(own: Own, dtype: Any) -> Callable[[Any, tuple[int, ...]], Any]:
    """Returns `new(name, shape)`, which hands out arrays of `dtype`."""

    def new(name: Any, shape: tuple[int, ...]) -> Any:
        key = (name, shape, dtype)
        found = own.get(key)
        if found is None:
            found = room(own, name, shape, dtype)
            if type(name) is not Home or not name.passing:
                own[key] = found
        return found

    return new


def room(own: Own, home: Any, shape: Sequence[int], dtype: Any) -> Any:
    """An array of undefined contents: at a home if it has the room, else in memory of its own."""
    size = prod(shape) * dtype.itemsize
    if type(home) is not Home or not 0 < size <= home.size or dtype.kind not in "fciub":
        return empty(np, tuple(shape), dtype)
    block = own.get(BLOCK)
    if block is None or len(block) < home.whole:
        for key in [key for key, x in own.items() if _lies_in(x, block)]:  # of another program, which makes them anew
            del own[key]
        block = own[BLOCK] = _aligned(home.whole)
    return block[home.start : home.start + size].view(dtype).reshape(shape)


def _lies_in(x: Any, block: Any) -> bool:
    return block is not None and getattr(x, "base", None) is block.base


def _aligned(size: int) -> Any:
    whole = np.empty(size + ALIGNMENT, np.uint8)
    start = -whole.ctypes.data % ALIGNMENT
    return whole[start : start + size]


def kept(own: Own, home: Home, made: Any) -> Any:
    """`made`, moved home and remembered there, with its axes in the same order in memory; or as it is, if passing."""
    if home.passing:
        return made
    if made.flags.c_contiguous:
        laid = room(own, home, made.shape, made.dtype)
    else:
        order = sorted(range(made.ndim), key=lambda i: -made.strides[i])
        laid = room(own, home, [made.shape[i] for i in order], made.dtype).transpose(np.argsort(order))
    np.copyto(laid, made)
    own[home] = laid
    return laid


def held(owns: Sequence[Own]) -> int:
    """The bytes of what they hold; an array in a block has none of its own."""
    apart = [x for own in owns for x in own.values() if isinstance(x, np.ndarray) and not _lies_in(x, own.get(BLOCK))]
    return sum([x.nbytes for x in apart]) + sum([len(own.get(BLOCK, ())) for own in owns])
