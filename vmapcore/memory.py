"""Large result arrays whose memory comes back: `empty`, and the bounded pool behind it.

A fresh large array costs a page fault per page at its first write, often as much time as the operation that fills it.
Arrays made here give their memory to a pool when the last view of them dies, and later ones take it from there.
Knows no operation; may be used by every `eval`.
"""

import os
import threading
from collections import OrderedDict
from typing import Any

import numpy as np

from .thresholds import POOLED

LIMIT = 512 << 20
"""Most bytes that the pool keeps while nobody uses them."""

ALIGNMENT = 64


class _Pool:
    """Idle blocks of memory by size; the size that was returned longest ago comes first.

    What is `held` changes in one step with the blocks: an interrupt comes after a call, and then all is done.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.idle: OrderedDict[int, list[tuple[Any, int]]] = OrderedDict()
        self.held = 0

    def take(self, size: int) -> tuple[Any, int]:
        """A block and the address where `size` aligned bytes begin in it."""
        with self.lock:
            blocks = self.idle.get(size)
            if blocks:
                self.held -= size
                return blocks.pop()
        block = np.empty(size + ALIGNMENT, np.uint8)
        address = block.ctypes.data
        return block, address + -address % ALIGNMENT

    def give(self, block: tuple[Any, int], size: int) -> None:
        """Keeps `block`, in place of older ones if need be, but not during `take`: arrays die anywhere."""
        if size > LIMIT or self.lock.locked():
            return
        with self.lock:
            while self.held + size > LIMIT:
                self._drop_oldest()
            blocks = self.idle.setdefault(size, [])
            self.idle.move_to_end(size)
            self.held += size
            blocks.append(block)

    def _drop_oldest(self) -> None:
        size = next(iter(self.idle))
        blocks = self.idle[size]
        if blocks:
            del blocks[0]
            self.held -= size
        if not blocks:
            del self.idle[size]

    def clear(self) -> None:
        with self.lock:
            self.held = 0
            self.idle.clear()


_POOL = _Pool()


def _after_fork() -> None:
    global _POOL
    _POOL = _Pool()  # another thread may have been about to change it; and to write to shared pages is to copy them


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class _Lease:
    """The owner of one array's memory: the array and its views keep it alive, and its end is theirs."""

    __slots__ = ("__array_interface__", "block", "size")

    def __init__(self, size: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.size = size
        self.block = _POOL.take(size)
        self.__array_interface__ = {"shape": shape, "typestr": dtype.str, "data": (self.block[1], False), "version": 3}

    def __del__(self) -> None:
        if hasattr(self, "block"):  # else an interrupt kept it from being made
            _POOL.give(self.block, self.size)


def empty(xp: Any, shape: tuple[int, ...], dtype: Any, smallest: int = POOLED) -> Any:
    """Returns an array of undefined contents, like `xp.empty`; NumPy's large ones from the pool."""
    dtype = np.dtype(dtype)
    size = dtype.itemsize
    for n in shape:
        size *= n
    if xp is not np or size < smallest or dtype.kind not in "fciub":
        return xp.empty(shape, dtype)
    return np.asarray(_Lease(_rounded(size), shape, dtype))


def _rounded(size: int) -> int:
    """`size` rounded up to one of eight sizes per power of two, so that nearly equal requests share blocks."""
    step = 1 << (size.bit_length() - 4)
    return -(-size // step) * step


def clear() -> None:
    """Returns the memory of every idle block to the system."""
    _POOL.clear()
