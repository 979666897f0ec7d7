"""The array kernels of convolution: every product is a matrix product of copied patches ("columns").

A convolution and its two transposes run over blocks of images. In a block the image axis is laid innermost, so that
patches of any size are copied and added in long runs, and all images of the block share one matrix product.

Leading axes come split (`Lead`): M members that both arrays have; axes of the first array alone, folded into its
images; and V variants of the second array alone, which meet one set of columns as more rows of the other matrix.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import memory, threads
from ..thresholds import BLOCK, BLOCK_OF_EIGHT, MOST_IMAGES
from .windows import Windows

DEVICE = 1 << 28
"""Bytes of a block on a GPU."""


class Lead(NamedTuple):
    """How the leading axes of two arrays, broadcast as `np.matmul` does, were split."""

    shape: tuple[int, ...]
    """The broadcast leading axes."""
    both: tuple[int, ...]
    """Those that both arrays have, and those of length 1."""
    first: tuple[int, ...]
    """Those that only the first has."""
    second: tuple[int, ...]
    """Those that only the second has."""

    def gather(self, a: Any, *kept: tuple[int, ...]) -> Any:
        """Returns `a` with the leading axes of each of `kept` joined to one axis; its others have length 1 and go."""
        rank = len(self.shape)
        order = [i for axes in kept for i in axes]
        order += [i for i in range(rank) if i not in order]
        if order != sorted(order):
            a = a.transpose(*order, *range(rank, a.ndim))
        return a.reshape(*[math.prod([self.shape[i] for i in axes]) for axes in kept], *a.shape[rank:])

    def scatter(self, out: Any, tail: Sequence[int]) -> Any:
        """Returns a result (members, variants, first's own, ...) with its leading axes in place and `tail` behind."""
        order = self.both + self.second + self.first
        out = out.reshape(*[self.shape[i] for i in order], *tail)
        back = sorted(range(len(order)), key=order.__getitem__)
        return out if back == sorted(back) else out.transpose(*back, *range(len(order), out.ndim))


def split_lead(a: Any, b: Any, core: int) -> tuple[Any, Any, Lead]:
    """Returns `a` as (M, own, ...), `b` as (M, own, ...), and the split. A zero-stride axis counts as not there."""
    rank = max(a.ndim, b.ndim) - core
    if a.ndim != b.ndim:
        a = a.reshape((1,) * (rank + core - a.ndim) + a.shape)
        b = b.reshape((1,) * (rank + core - b.ndim) + b.shape)
    if 0 in a.strides or 0 in b.strides:
        for i in range(rank):
            if a.shape[i] == b.shape[i] > 1:
                if b.strides[i] == 0:
                    b = b[(slice(None),) * i + (slice(1),)]
                elif a.strides[i] == 0:
                    a = a[(slice(None),) * i + (slice(1),)]
    lead = _lead(a.shape[:rank], b.shape[:rank])
    return lead.gather(a, lead.both, lead.first), lead.gather(b, lead.both, lead.second), lead


@functools.lru_cache(maxsize=1024)
def _lead(a: tuple[int, ...], b: tuple[int, ...]) -> Lead:
    axes = range(len(a))
    return Lead(
        np.broadcast_shapes(a, b),
        tuple([i for i in axes if a[i] == b[i]]),
        tuple([i for i in axes if a[i] != b[i] == 1]),
        tuple([i for i in axes if b[i] != a[i] == 1]),
    )


def forward(xp: Any, x: Any, w: Any, b: Any, out: Any, win: Windows) -> None:
    """Convolves x (M,A,G,C,*S) with w (M,V,G,O,C,*K) into out (M,V,A,G,O,*P); adds b (M,V,G,O) unless None."""
    members, variants, groups, height = w.shape[:4]
    depth = math.prod(w.shape[4:])
    if win.is_pointwise:  # an image is its own columns
        x = x[(..., *[slice(None, None, s) for s in win.stride])]
        _product(xp, w.reshape(members, variants, 1, groups, height, depth), _flat(x[:, None], 5), _flat(out, 5))
        if b is not None:
            out += b.reshape(members, variants, 1, groups, height, *(1,) * len(win.out))
        return
    rows = _variants_last(w.reshape(members, variants, groups, height, depth))
    bias = None if b is None else _variants_last(b[..., None])

    def block(new: _Scratch, m: slice, i: slice, parts: list[slice]) -> None:
        images = _lay(x[m, i], win, new)
        count = images.shape[-1]
        for r in parts:
            cols = _columns(xp, images, r, win, new)
            region = out[m, :, i, :, :, r]
            shape = (*rows[m].shape[:3], cols.shape[-1])
            direct = variants == count == 1  # the product is laid out as the result is
            made = region.reshape(shape) if direct else new("product", shape)
            _product(xp, rows[m], cols, made)
            if bias is not None:
                made += bias[m]
            if not direct:
                made = made.reshape(len(made), groups, variants, height, *region.shape[5:], count)
                region[...] = made.transpose(0, 2, made.ndim - 1, 1, 3, *range(4, made.ndim - 1))

    blocks = _blocks(xp, members, x.shape[1], groups * (depth + variants * height), win, out.dtype.itemsize)
    _run(xp, out.dtype, [functools.partial(block, m=m, i=i, parts=parts) for m, i, parts in blocks])


def _variants_last(a: Any) -> Any:
    """Returns (M, V, G, O, n) as (M, G, V*O, n)."""
    members, variants, groups, height, n = a.shape
    return a.swapaxes(1, 2).reshape(members, groups, variants * height, n)


def input_grad(xp: Any, g: Any, w: Any, out: Any, win: Windows) -> None:
    """The transpose of `forward` in x: from g (M,A,G,O,*P) and w (M,V,G,O,C,*K) into out (M,V,A,G,C,*S)."""
    members, variants, groups, height, channels = w.shape[:5]
    depth = math.prod(w.shape[4:])
    columns = w.reshape(members, variants, groups, height, depth).swapaxes(3, 4)
    if win.is_pointwise and win.size == win.out:
        _product(xp, columns[:, :, None], _flat(g[:, None], 5), _flat(out, 5))
        return
    inside = _inside(win)

    def block(new: _Scratch, m: slice, i: slice, parts: list[slice]) -> None:
        region = out[m, :, i]
        images = new("images", (len(region), variants, groups, channels, *win.padded, region.shape[2]))
        images[...] = 0
        for r in parts:
            part = _last(g[m, i, :, :, r], new, "g")
            made = new("columns", (len(region), variants, groups, depth, math.prod(part.shape[3:])))
            _product(xp, columns[m], _flat(part[:, None], 4), made)
            made = made.reshape(*images.shape[:4], *win.kernel, *part.shape[3:])
            for tap, where in _tap_slices(win, r.start, r.stop):
                spread = images[where]
                spread += made[(slice(None),) * 4 + tap]
        images = images[inside]
        region[...] = images.transpose(0, 1, images.ndim - 1, *range(2, images.ndim - 1))

    blocks = _blocks(xp, members, g.shape[1], groups * (height + variants * depth), win, out.dtype.itemsize)
    _run(xp, out.dtype, [functools.partial(block, m=m, i=i, parts=parts) for m, i, parts in blocks])


def weight_grad(xp: Any, x: Any, g: Any, out: Any, win: Windows) -> None:
    """Correlates x (M,A,G,C,*S) with g (M,V,A,G,O,*P), summed over the A >= 1 images, into out (M,G,V*O,C*K)."""
    members, variants, images, groups, height = g.shape[:5]

    def block(new: _Scratch, into: Any, first: bool, m: slice, i: slice, parts: list[slice]) -> None:
        laid = _lay(x[m, i], win, new)
        for r in parts:
            cols = _columns(xp, laid, r, win, new)
            part = _last(g[m, :, i, :, :, r].swapaxes(1, 2), new, "g")
            part = part.swapaxes(1, 2).reshape(len(laid), groups, variants * height, cols.shape[-1])
            if first and r.start == 0:
                _product(xp, part, cols.swapaxes(2, 3), into)
            else:
                more = new("more", into.shape)
                _product(xp, part, cols.swapaxes(2, 3), more)
                into += more

    def run_of_blocks(new: _Scratch, into: Any, run: list[Any]) -> None:
        for k, (m, i, parts) in enumerate(run):
            block(new, into, k == 0, m, i, parts)

    tasks, sums = [], []
    height_of_block = groups * (out.shape[3] + variants * height)
    blocks = list(_blocks(xp, members, images, height_of_block, win, out.dtype.itemsize))
    for start, same in itertools.groupby(blocks, key=lambda found: found[0].start):
        of_members = list(same)
        length = -(-len(of_members) // RUNS)
        runs = [of_members[k : k + length] for k in range(0, len(of_members), length)]
        target = out[start : runs[0][0][0].stop]
        parts = [target, *[memory.empty(xp, target.shape, out.dtype) for _ in runs[1:]]]
        tasks += [functools.partial(run_of_blocks, into=into, run=run) for into, run in zip(parts, runs, strict=True)]
        sums.append(parts)
    _run(xp, out.dtype, tasks)
    for target, *others in sums:
        for other in others:
            target += other


RUNS = 4
"""Into how many sums, at most, blocks that add up to one result are split; never by the count of threads."""


def _run(xp: Any, dtype: Any, tasks: Sequence[Callable[["_Scratch"], None]]) -> None:
    """Runs tasks that write to different memory: on threads, unless a GPU does the work."""
    if xp is np:
        threads.run(tasks, lambda: _Scratch(xp, dtype))
        return
    scratch = _Scratch(xp, dtype)
    for task in tasks:
        task(scratch)


class _Scratch:
    """Arrays that one kernel writes again for every block, by name and shape."""

    __slots__ = ("arrays", "dtype", "xp")

    def __init__(self, xp: Any, dtype: Any) -> None:
        self.xp = xp
        self.dtype = dtype
        self.arrays: dict[tuple[str, tuple[int, ...]], Any] = {}

    def __call__(self, name: str, shape: tuple[int, ...], zeros: bool = False) -> Any:
        """An array of that shape, as it was left; zeros the first time if `zeros`."""
        key = (name, shape)
        found = self.arrays.get(key)
        if found is None:
            found = self.arrays[key] = memory.empty(self.xp, shape, self.dtype)
            if zeros:
                found[...] = 0
        return found


def _blocks(
    xp: Any, members: int, images: int, height: int, win: Windows, itemsize: int
) -> Iterator[tuple[slice, slice, list[slice]]]:
    """Yields blocks as slices of the members, of the images, and of the rows of results computed at a time.

    `height` is how many numbers a block keeps for one position of one image's result.
    """
    row = height * math.prod(win.out[1:]) * itemsize
    image = row * win.out[0]
    small, large, most = (BLOCK, BLOCK_OF_EIGHT, MOST_IMAGES) if xp is np else (DEVICE, DEVICE, images)
    count = min(images, most, max(small // image, 8))
    while count > 1 and count * image > large:
        count = -(-count // 2)
    count = -(-images // -(-images // count))  # blocks of equal size
    group = min(members, max(1, small // (count * image))) if count == images else 1
    rows = min(win.out[0], max(1, large // (row * count)))
    parts = [slice(r, min(r + rows, win.out[0])) for r in range(0, win.out[0], rows)]
    for m in range(0, members, group):
        for i in range(0, images, count):
            yield slice(m, min(m + group, members)), slice(i, min(i + count, images)), parts


def _last(a: Any, new: _Scratch, name: str) -> Any:
    """Lays axis 1 innermost."""
    moved = a.transpose(0, *range(2, a.ndim), 1)
    if moved.shape[-1] == 1:
        return moved
    laid = new(name, moved.shape)
    laid[...] = moved
    return laid


def _lay(block: Any, win: Windows, new: _Scratch) -> Any:
    """Lays images (m, images, G, C, *S) out as (m, G, C, *padded, images)."""
    if not win.is_padded:
        return _last(block, new, "images")
    moved = block.transpose(0, *range(2, block.ndim), 1)
    laid = new("images", (*moved.shape[:3], *win.padded, moved.shape[-1]), zeros=True)  # the border stays zero
    laid[_inside(win)] = moved
    return laid


def _inside(win: Windows) -> tuple[Any, ...]:
    """Where images lie in padded ones, laid out with the images innermost."""
    return (..., *[slice(low, low + n) for n, (low, _) in zip(win.size, win.padding, strict=True)], slice(None))


def _columns(xp: Any, laid: Any, rows: slice, win: Windows, new: _Scratch) -> Any:
    """The patches that make those rows of the result, as (m, G, C*K, positions and images)."""
    step = win.stride[0]
    laid = laid[:, :, :, rows.start * step :]
    lead, spatial, last = laid.strides[:3], laid.strides[3:-1], laid.strides[-1:]
    inner = tuple([s * d for s, d in zip(spatial, win.dilation, strict=True)])
    outer = tuple([s * n for s, n in zip(spatial, win.stride, strict=True)])
    shape = (*laid.shape[:3], *win.kernel, rows.stop - rows.start, *win.out[1:], laid.shape[-1])
    patches = xp.lib.stride_tricks.as_strided(laid, shape, (*lead, *inner, *outer, *last))
    cols = new("columns", shape)
    cols[...] = patches
    return cols.reshape(*shape[:2], math.prod(shape[2 : 3 + len(spatial)]), math.prod(shape[3 + len(spatial) :]))


@functools.lru_cache(maxsize=256)
def _tap_slices(win: Windows, start: int, stop: int) -> list[tuple[tuple[int, ...], tuple[Any, ...]]]:
    """For each position in the window: the elements of a padded image that windows in rows start to stop meet there."""
    firsts, counts = (start, *[0] * (len(win.out) - 1)), (stop - start, *win.out[1:])
    found = []
    for tap in itertools.product(*[range(k) for k in win.kernel]):
        begins = [f * s + t * d for f, s, t, d in zip(firsts, win.stride, tap, win.dilation, strict=True)]
        where = [slice(b, b + (n - 1) * s + 1, s) for b, n, s in zip(begins, counts, win.stride, strict=True)]
        found.append((tap, (..., *where, slice(None))))
    return found


def _flat(a: Any, kept: int) -> Any:
    """Returns `a` with the axes after the first `kept` as one."""
    return a.reshape(*a.shape[:kept], math.prod(a.shape[kept:]))


def _product(xp: Any, a: Any, b: Any, out: Any) -> None:
    if xp is np:
        np.matmul(a, b, out=out)
    else:  # CuPy's out= must be contiguous
        out[...] = xp.matmul(a, b)
