"""Convolution and its gradients for one tile by copies of all patches ("columns") and one matrix product.

Needs no compiler. This and faster kernels are for a few images on one thread, the images innermost in memory, and have

    weights(w, new), forward(x, weights, bias, relu, out, new), forward_pooled(x, weights, bias, relu, out, new)
    back_weights(w, new), input_grad(g, weights, out, new)
    weight_grad(x, g, out, accumulate, new)

for x (G, C, *size, n), w (G, O, C, *kernel), bias (G, O) or None, out and g (G, O, *out, n) and gradients of the same
shapes, all C-contiguous and of one dtype, float32 or float64. `new(name, shape)` hands out memory that is the kernel's
until it is asked for the same name and shape again. `weights` are made once for all tiles that share w, and live in
such memory too. `forward_pooled` writes only the maxima of 2x2 windows, (G, O, *out // 2, n).
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...evals.windows import Windows, windows
from ...locks import cached_property
from .pooling import max_pool

New = Callable[[str, tuple[int, ...]], Any]
"""Hands out memory by name and shape."""


class Columns:
    """Any windows over any number of axes, in groups."""

    def __init__(self, win: Windows, channels: int, height: int, images: int, dtype: Any) -> None:
        self.win = win
        self.channels = channels
        self.height = height
        self.images = images
        self.dtype = dtype
        self.depth = channels * math.prod(win.kernel)
        self.width = math.prod(win.out) * images

    @staticmethod
    def fits(win: Windows, channels: int, height: int, images: int, dtype: Any) -> bool:
        """Whether this way can be taken and is worth it."""
        return True

    def weights(self, w: Any, new: New) -> Any:
        """What `forward` needs of w."""
        return w.reshape(len(w), self.height, self.depth)

    def back_weights(self, w: Any, new: New) -> Any:
        """What `input_grad` needs of w."""
        return w.reshape(len(w), self.height, self.depth).swapaxes(1, 2)

    def forward(self, x: Any, weights: Any, bias: Any, relu: bool, out: Any, new: New) -> None:
        """Writes the convolution into `out`, plus `bias`, cut at 0 from below if `relu`."""
        for group in range(len(x)):
            made = out[group].reshape(self.height, self.width)
            np.matmul(weights[group], self._columns(x[group], new), out=made)
            if bias is not None:
                made += bias[group, :, None]
            if relu:
                np.maximum(made, 0, out=made)

    def forward_pooled(self, x: Any, weights: Any, bias: Any, relu: bool, out: Any, new: New) -> None:
        """Writes the maxima of windows of 2 along each axis, next to one another, of what `forward` writes."""
        whole = new("unpooled", (len(x), self.height, *self.win.out, self.images))
        self.forward(x, weights, bias, relu, whole, new)
        for group in range(len(x)):
            max_pool(whole[group], out[group], self._pooling)

    @cached_property
    def _pooling(self) -> Windows:
        two, one = ((k,) * len(self.win.out) for k in (2, 1))
        return windows("max_pool", self.win.out, two, two, ((0, 0),) * len(two), one)

    def input_grad(self, g: Any, weights: Any, out: Any, new: New) -> None:
        """Writes the transpose of `forward`, without bias and relu, into `out`."""
        win = self.win
        taps = (self.channels, *win.kernel, *win.out, self.images)
        for group in range(len(g)):
            columns = new("columns", taps)
            flat = columns.reshape(self.depth, self.width)
            np.matmul(weights[group], g[group].reshape(self.height, self.width), out=flat)
            image = new("padded", (self.channels, *win.padded, self.images)) if win.is_padded else out[group]
            image[...] = 0
            for tap in np.ndindex(*win.kernel):
                part = image[self._tap(tap)]
                part += columns[(slice(None), *tap)]
            if win.is_padded:
                out[group] = image[self._inside]

    def weight_grad(self, x: Any, g: Any, out: Any, accumulate: bool, new: New) -> None:
        """Writes the gradient of w into `out`, or adds it."""
        for group in range(len(x)):
            made = out[group].reshape(self.height, self.depth)
            into = new("more", made.shape) if accumulate else made
            np.matmul(g[group].reshape(self.height, self.width), self._columns(x[group], new).T, out=into)
            if accumulate:
                made += into

    @cached_property
    def _inside(self) -> tuple[slice, ...]:
        """Where an image lies in a padded one."""
        starts = zip(self.win.size, self.win.padding, strict=True)
        return (slice(None), *[slice(low, low + n) for n, (low, _) in starts])

    def _tap(self, tap: tuple[int, ...]) -> tuple[slice, ...]:
        """The elements of a padded image that meet the element `tap` of the windows."""
        win = self.win
        each = zip(tap, win.dilation, win.stride, win.out, strict=True)
        return (slice(None), *[slice(t * d, t * d + (m - 1) * s + 1, s) for t, d, s, m in each])

    def _padded(self, x: Any, shape: tuple[int, ...], new: New) -> Any:
        """x in zeros of `shape`, behind as many as the padding says; x itself if that is its shape."""
        if x.shape[1:-1] == shape:
            return x
        laid = new("padded", (len(x), *shape, self.images))
        laid[...] = 0
        laid[self._inside] = x
        return laid

    def _columns(self, x: Any, new: New) -> Any:
        win = self.win
        x = self._padded(x, win.padded, new)
        over = x.strides[1:-1]
        strides = (
            x.strides[0],
            *[s * d for s, d in zip(over, win.dilation, strict=True)],
            *[s * n for s, n in zip(over, win.stride, strict=True)],
            x.strides[-1],
        )
        shape = (self.channels, *win.kernel, *win.out, self.images)
        columns = new("columns", shape)
        columns[...] = np.lib.stride_tricks.as_strided(x, shape, strides)
        return columns.reshape(self.depth, self.width)
