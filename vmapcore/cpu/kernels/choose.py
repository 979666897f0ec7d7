"""Convolution and its gradients for one tile: a few images on one thread, the images innermost in memory.

`convolution(win, channels, height, images, dtype)` chooses how; what it returns has

    weights(w, new), forward(x, weights, bias, relu, out, new), forward_pooled(x, weights, bias, relu, out, new)
    back_weights(w, new), input_grad(g, weights, out, new)
    weight_grad(x, g, out, accumulate, new)

for x (G, C, *size, n), w (G, O, C, *kernel), bias (G, O) or None, out and g (G, O, *out, n) and gradients of the same
shapes, all C-contiguous and of one dtype, float32 or float64. `new(name, shape)` hands out memory that is the kernel's
until it is asked for the same name and shape again. `weights` are made once for all tiles that share w, and live in
such memory too. `forward_pooled` writes only the maxima of 2x2 windows, (G, O, *out // 2, n).
"""

from functools import lru_cache
from typing import Any

import numpy as np

from ...evals.windows import Windows
from .. import compiled
from .direct import Direct
from .patches import Columns
from .winograd import Winograd
from .winograd_numpy import WinogradNumPy


def convolution(win: Windows, channels: int, height: int, images: int, dtype: Any) -> Columns:
    """The fastest way for tiles of so many images of `channels` channels, per group, into `height` channels."""
    return _convolution(win, channels, height, images, np.dtype(dtype), compiled.AVAILABLE)


@lru_cache(maxsize=256)
def _convolution(win: Windows, channels: int, height: int, images: int, dtype: Any, native: bool) -> Columns:
    ways: tuple[type[Columns], ...] = (Winograd, Direct) if native else (WinogradNumPy,)
    for kind in ways:
        if kind.fits(win, channels, height, images, dtype):
            return kind(win, channels, height, images, dtype)
    return Columns(win, channels, height, images, dtype)
