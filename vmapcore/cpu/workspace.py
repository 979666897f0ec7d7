"""Memory that belongs to one thread while it runs tiles: handed out by name and shape, the same again the next time."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from ..memory import empty
from ..planning.lifetimes import ALIGNMENT, Slot
from .kernels.reorder import copy

Workspace = dict[Any, Any]

BLOCK = "block"
"""The key of the bytes in which arrays with a slot lie."""


def borrowed(idle: list[Workspace]) -> Workspace:
    """Memory that no thread is using, of `idle` or new, taken in one step, for another may come between."""
    try:
        return idle.pop()
    except IndexError:
        return {}


def scratch(workspace: Workspace, dtype: Any) -> Callable[[Any, tuple[int, ...]], Any]:
    """Returns `new(name, shape)`, which hands out arrays of `dtype`."""

    def new(name: Any, shape: tuple[int, ...]) -> Any:
        key = (name, shape, dtype)
        found = workspace.get(key)
        if found is None:
            found = room(workspace, name, shape, dtype)
            if type(name) is not Slot or not name.passing:
                workspace[key] = found
        return found

    return new


def contiguous(x: Any, new: Callable[[Any, tuple[int, ...]], Any], name: str) -> Any:
    """`x` as it is if it lies in its own order, else copied into memory of this name."""
    if x.flags.c_contiguous:
        return x
    laid = new(name, x.shape)
    copy(laid, x)
    return laid


def room(workspace: Workspace, slot: Any, shape: Sequence[int], dtype: Any) -> Any:
    """An array of undefined contents: in a slot if it has the room, else in memory of its own."""
    size = prod(shape) * dtype.itemsize
    if type(slot) is not Slot or not 0 < size <= slot.size or dtype.kind not in "fciub":
        return empty(np, tuple(shape), dtype)
    block = workspace.get(BLOCK)
    if block is None or len(block) < slot.whole:
        for key in [
            key for key, x in workspace.items() if _lies_in(x, block)
        ]:  # of another program, which makes them anew
            del workspace[key]
        block = workspace[BLOCK] = _aligned(slot.whole)
    return block[slot.start : slot.start + size].view(dtype).reshape(shape)


def _lies_in(x: Any, block: Any) -> bool:
    return block is not None and getattr(x, "base", None) is block.base


def _aligned(size: int) -> Any:
    whole = np.empty(size + ALIGNMENT, np.uint8)
    start = -whole.ctypes.data % ALIGNMENT
    return whole[start : start + size]


def kept(workspace: Workspace, slot: Slot, made: Any) -> Any:
    """`made`, put into its slot and remembered there, its axes in the same order in memory; or as it is, if passing."""
    if slot.passing:
        return made
    if made.flags.c_contiguous:
        laid = room(workspace, slot, made.shape, made.dtype)
    else:
        order = sorted(range(made.ndim), key=lambda i: -made.strides[i])
        laid = room(workspace, slot, [made.shape[i] for i in order], made.dtype).transpose(np.argsort(order))
    np.copyto(laid, made)
    workspace[slot] = laid
    return laid


def held(workspaces: Sequence[Workspace]) -> int:
    """The bytes of what they hold; an array in a block has none of its own."""
    apart = [
        x
        for workspace in workspaces
        for x in workspace.values()
        if isinstance(x, np.ndarray) and not _lies_in(x, workspace.get(BLOCK))
    ]
    return sum([x.nbytes for x in apart]) + sum([len(workspace.get(BLOCK, ())) for workspace in workspaces])
