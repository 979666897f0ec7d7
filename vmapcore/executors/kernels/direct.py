"""Convolution of one tile by compiled sums over the images as they lie, with no copy of patches."""

import math
from functools import cached_property
from typing import Any

import numpy as np

from ...rules._windows import Windows, windows
from ..compiled import kernel
from .columns import Columns, New
from .lanes import lanes
from .products import ROWS, packed, packed_shape, product

LEAST_TERMS = 8
"""Sums of fewer terms are no dearer as columns and a matrix product."""


@kernel
def convolve(x: Any, places: Any, down: int, w: Any, bias: Any, floor: Any, out: Any, rows: int, run: int) -> None:
    """out[o, p] = max(floor, bias[o] + sum over k of w[o, k] * x[p * down + places[k] :]) for rows p of `run` numbers.

    All are flat; `w` is packed.
    """
    for p in range(rows):
        product(w, 0, bias, floor, x, p * down, places, places.size, out, p * run, rows * run, run)


class Direct(Columns):
    """Compiled sums over the images as they lie, for windows next to each other in a row."""

    @staticmethod
    def fits(win: Windows, channels: int, height: int, images: int, dtype: Any) -> bool:
        if len(win.size) != 2 or win.stride[1] != 1 or dtype.char not in "fd" or height < ROWS:
            return False
        return channels * math.prod(win.kernel) >= LEAST_TERMS and win.out[1] * images >= lanes(dtype)

    def weights(self, w: Any, new: New) -> Any:
        w = w.reshape(len(w), self.height, self.depth)
        made = new("packed", packed_shape(w.shape))
        packed(w, made)
        return made

    def forward(self, x: Any, weights: Any, bias: Any, relu: bool, out: Any, new: New) -> None:
        rows, columns = self.win.out
        down = self.win.stride[0] * self.win.padded[1] * self.images
        for group in range(len(x)):
            laid = self._padded(x[group], self.win.padded, new).reshape(-1)
            more = self._zeros if bias is None else bias[group]
            flat = weights[group].reshape(-1), more, self._floors[relu], out[group].reshape(-1)
            convolve(laid, self._places, down, *flat, rows, columns * self.images)

    @cached_property
    def _floors(self) -> tuple[Any, Any]:
        """The least result without and with relu."""
        return self.dtype.type(-np.inf), self.dtype.type(0)

    @cached_property
    def _zeros(self) -> Any:
        return np.zeros(self.height, self.dtype)

    @cached_property
    def _places(self) -> Any:
        """Where each term of a sum lies, from the first."""
        (rows, columns), (tall, wide), (down, right) = self.win.padded, self.win.kernel, self.win.dilation
        c, i, j = np.ogrid[: self.channels, :tall, :wide]
        return (((c * rows + i * down) * columns + j * right) * self.images).ravel()

    @cached_property
    def _turned(self) -> "Direct":
        """The convolution of cotangents that is the input gradient: its weights are flipped, its padding is all."""
        win = self.win
        reach = [d * (k - 1) for k, d in zip(win.kernel, win.dilation, strict=True)]
        padding = tuple([(r - low, r - high) for r, (low, high) in zip(reach, win.padding, strict=True)])
        turned = windows("conv_input_grad", win.out, win.kernel, (1, 1), padding, win.dilation)
        return Direct(turned, self.height, self.channels, self.images, self.dtype)

    @cached_property
    def _turns(self) -> bool:
        """Whether the input gradient is a convolution that a compiled kernel takes."""
        reach = [d * (k - 1) for k, d in zip(self.win.kernel, self.win.dilation, strict=True)]
        inside = all(max(pair) <= r for r, pair in zip(reach, self.win.padding, strict=True))
        if not inside or self.win.stride != (1, 1):
            return False
        return self.fits(self._turned.win, self.height, self.channels, self.images, self.dtype)

    def back_weights(self, w: Any, new: New) -> Any:
        if not self._turns:
            return super().back_weights(w, new)
        return self._turned.weights(w.swapaxes(1, 2)[..., ::-1, ::-1], lambda name, shape: new("back " + name, shape))

    def input_grad(self, g: Any, weights: Any, out: Any, new: New) -> None:
        if self._turns:
            self._turned.forward(g, weights, None, False, out, new)
        else:
            super().input_grad(g, weights, out, new)
