"""Convolution of one tile by Winograd's F(4x4, 3x3) in NumPy: each transform is one product with a Kronecker matrix."""

from typing import Any

import numpy as np

from ...evals.windows import Windows
from ...locks import cached_property
from ...thresholds import WINOGRAD_NUMPY_CACHE, WINOGRAD_NUMPY_CHANNELS, WINOGRAD_NUMPY_IMAGES
from .winograd_tiles import INPUT, OUTPUT, New, Tiles


class WinogradNumPy(Tiles):
    """A few rows of tiles at a time: gathered, transformed, multiplied, transformed, scattered."""

    @staticmethod
    def fits(win: Windows, channels: int, height: int, images: int, dtype: Any) -> bool:
        return (
            Tiles.plain(win, dtype)
            and images >= WINOGRAD_NUMPY_IMAGES
            and min(channels, height) >= WINOGRAD_NUMPY_CHANNELS
        )

    def weights(self, w: Any, new: New) -> Any:
        return self._weights(w, "weights", new)

    def back_weights(self, w: Any, new: New) -> Any:
        return self._weights(w.swapaxes(1, 2), "back weights", new)

    def _weights(self, w: Any, name: str, new: New) -> Any:
        """G w G' as 36 matrices."""
        terms = new("terms of " + name, (len(w), 9, *w.shape[1:3]))
        terms[...] = w.reshape(*w.shape[:3], 9).transpose(0, 3, 1, 2)
        out = new(name, (len(w), 36, *w.shape[1:3]))
        np.matmul(self._kernel, terms.reshape(len(w), 9, -1), out=out.reshape(len(w), 36, -1))
        return out

    def forward(self, x: Any, weights: Any, bias: Any, relu: bool, out: Any, new: New) -> None:
        self._forward(x, weights, bias, relu, out, new, 4)

    def forward_pooled(self, x: Any, weights: Any, bias: Any, relu: bool, out: Any, new: New) -> None:
        self._forward(x, weights, bias, relu, out, new, 2)

    def _forward(self, x: Any, weights: Any, bias: Any, relu: bool, out: Any, new: New, side: int) -> None:
        """A tile makes `side` by `side` results: 4, or 2 by taking maxima."""
        rows, columns = out.shape[2:4]
        for group in range(len(x)):
            laid = self._padded(x[group], new)
            for first, count in self._steps:
                m = self._product(weights[group], self._gather(INPUT, "inputs", laid, first, count, new), new)
                made = new("results", (16, m[0].size))
                np.matmul(self._matrix(OUTPUT), m.reshape(36, -1), out=made)
                if bias is not None:
                    lines = made.reshape(16, self.height, -1)
                    lines += bias[group, :, None]
                if relu:
                    np.maximum(made, 0, out=made)
                if side == 2:
                    halves = made.reshape(2, 2, 2, 2, -1).max(1)
                    made = np.maximum(halves[:, :, 0], halves[:, :, 1])
                shape = (side, side, self.height, count, self._across, self.images)
                tiles = made.reshape(shape).transpose(2, 3, 0, 4, 1, 5)
                part = out[group, :, side * first : side * (first + count)]
                if part.shape[1:3] == (side * count, side * self._across):
                    part.reshape(tiles.shape)[...] = tiles
                else:
                    whole = tiles.reshape(self.height, side * count, side * self._across, self.images)
                    part[...] = whole[:, : max(0, rows - side * first), :columns]

    def input_grad(self, g: Any, weights: Any, out: Any, new: New) -> None:
        direct = out.shape[2:-1] == self._reach
        for group in range(len(g)):
            laid = self._cotangent(g[group], new)
            image = out[group] if direct else new("padded", (self.channels, *self._reach, self.images))
            image[...] = 0
            for first, count in self._steps:
                m = self._product(weights[group], self._gather(OUTPUT.T, "outputs", laid, first, count, new), new)
                made = new("back", (36, m[0].size))
                np.matmul(self._matrix(INPUT.T), m.reshape(36, -1), out=made)
                tiles = made.reshape(6, 6, self.channels, count, self._across, self.images)
                for i, j in np.ndindex(6, 6):
                    part = image[:, 4 * first + i :: 4, j::4][:, :count, : self._across]
                    part += tiles[i, j]
            if not direct:
                out[group] = image[self._inside]

    def weight_grad(self, x: Any, g: Any, out: Any, new: New) -> None:
        total, more = (new(name, (36, self.height, self.channels)) for name in ("total", "more"))
        for group in range(len(x)):
            laid, back = self._padded(x[group], new), self._cotangent(g[group], new)
            for first, count in self._steps:
                a = self._gather(OUTPUT.T, "outputs", back, first, count, new)
                b = self._gather(INPUT, "inputs", laid, first, count, new)
                np.matmul(a, b.swapaxes(1, 2), out=more if first else total)
                if first:
                    total += more
            self._put_weight_grad(total, out[group])

    @cached_property
    def _steps(self) -> list[tuple[int, int]]:
        """The first row of tiles and the count of rows of each step."""
        row = 36 * 2 * (self.channels + self.height) * self._across * self.images * self.dtype.itemsize
        most = max(1, WINOGRAD_NUMPY_CACHE // row)
        return [(first, min(most, self._down - first)) for first in range(0, self._down, most)]

    def _matrix(self, a: Any) -> Any:
        return a.astype(self.dtype)

    def _gather(self, transform: Any, name: str, x: Any, first: int, count: int, new: New) -> Any:
        """`transform` of all tiles of some rows of x (C, H, W, n), as (36, C, numbers)."""
        side = 6 if transform.shape[1] == 36 else 4
        x = x[:, 4 * first :]
        c, row, column, n = x.strides
        shape = (side, side, len(x), count, self._across, self.images)
        tiles = new("tiles of " + name, shape)
        tiles[...] = np.lib.stride_tricks.as_strided(x, shape, (row, column, c, 4 * row, 4 * column, n))
        out = new(name, (36, len(x), count * self._across * self.images))
        np.matmul(self._matrix(transform), tiles.reshape(side * side, -1), out=out.reshape(36, -1))
        return out

    def _product(self, u: Any, v: Any, new: New) -> Any:
        m = new("products", (36, u.shape[1], v.shape[2]))
        np.matmul(u, v, out=m)
        return m
