"""What both ways of Winograd's F(4x4, 3x3) share: its matrices, and how tiles cover a result.

They are for a few images of one member on one thread, the images innermost in memory, and have

    weights(w, new), forward(x, weights, bias, relu, out, new), forward_pooled(x, weights, bias, relu, out, new)
    back_weights(w, new), input_grad(g, weights, out, new)
    weight_grad(x, g, out, new)

for x (G, C, *size, n), w (G, O, C, 3, 3), bias (G, O) or None, out and g (G, O, *out, n) and gradients of the same
shapes, all C-contiguous and of one dtype, float32 or float64. `new(name, shape)` hands out memory that is the kernel's
until it is asked for the same name and shape again. `weights` are made once for all tiles that share w, and live in
such memory too. `forward_pooled` writes only the maxima of 2x2 windows, (G, O, *out // 2, n).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...evals.windows import Windows
from ...locks import cached_property
from .. import compiled

New = Callable[[str, tuple[int, ...]], Any]
"""Hands out memory by name and shape."""

G = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
KERNEL = np.kron(G, G)
"""G w G' as a matrix (36, 9)."""
INPUT = np.kron(
    B := np.array(
        [
            [4, 0, -5, 0, 1, 0],
            [0, -4, -4, 1, 1, 0],
            [0, 4, -4, -1, 1, 0],
            [0, -2, -1, 2, 1, 0],
            [0, 2, -1, -2, 1, 0],
            [0, 4, 0, -5, 0, 1],
        ]
    ),
    B,
)
"""B' x B as a matrix (36, 36)."""
OUTPUT = np.kron(A := np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]), A)
"""A' m A as a matrix (16, 36)."""


class Tiles:
    """3x3 windows of stride 1 over two axes.

    Its rounding errors are those of sums of products with numbers up to 8 times as large: in float32 1e-6 of the
    results' size, where a direct sum makes 3e-7. An infinite or NaN input reaches all 16 results of its tiles.
    """

    def __init__(self, win: Windows, channels: int, height: int, images: int, dtype: Any) -> None:
        self.win, self.channels, self.height, self.images, self.dtype = win, channels, height, images, dtype

    @staticmethod
    def plain(win: Windows, dtype: Any) -> bool:
        """Whether the algorithm is for such windows and numbers."""
        return win.kernel == (3, 3) and win.stride == win.dilation == (1, 1) and compiled.is_plain_float(dtype)

    @cached_property
    def _inside(self) -> tuple[slice, ...]:
        """Where an image lies in a padded one."""
        starts = zip(self.win.size, self.win.padding, strict=True)
        return (slice(None), *[slice(low, low + n) for n, (low, _) in starts])

    def _padded(self, x: Any, new: New) -> Any:
        """x in zeros as far as tiles reach, behind as many as the padding says; x itself if that is its shape."""
        if x.shape[1:-1] == self._reach:
            return x
        laid = new("padded", (len(x), *self._reach, self.images))
        laid[...] = 0
        laid[self._inside] = x
        return laid

    def _put_weight_grad(self, total: Any, out: Any) -> None:
        """Writes G' total G into `out` (O, C, 3, 3)."""
        made = np.matmul(self._kernel.T, total.reshape(36, -1))
        out[...] = made.reshape(3, 3, *out.shape[:2]).transpose(2, 3, 0, 1)

    @cached_property
    def _kernel(self) -> Any:
        return KERNEL.astype(self.dtype)

    @cached_property
    def _down(self) -> int:
        return -(-self.win.out[0] // 4)

    @cached_property
    def _across(self) -> int:
        """How many tiles a row has."""
        return -(-self.win.out[1] // 4)

    @cached_property
    def _whole(self) -> tuple[int, int]:
        """The results of whole tiles."""
        return 4 * self._down, 4 * self._across

    @cached_property
    def _reach(self) -> tuple[int, int]:
        """The inputs of whole tiles."""
        return 4 * self._down + 2, 4 * self._across + 2

    def _cotangent(self, g: Any, new: New) -> Any:
        """g of one group with zeros behind it up to whole tiles."""
        if g.shape[1:-1] == self._whole:
            return g
        laid = new("cotangent", (self.height, *self._whole, self.images))
        laid[...] = 0
        laid[:, : g.shape[1], : g.shape[2]] = g
        return laid
