"""Convolution of one tile by Winograd's F(4x4, 3x3), compiled; see `transforms` for the algorithm."""

from typing import Any

import numpy as np

from ...evals.windows import Windows
from ...locks import cached_property
from ...thresholds import WINOGRAD_CACHE, WINOGRAD_CHANNELS
from .blocks import block_of
from .lanes import lanes
from .winograd_loops import GAP, inputs, inputs_back, outputs, outputs_back, pack, pooled_outputs, products
from .winograd_tiles import New, Tiles


class Winograd(Tiles):
    """Compiled, for images that fill registers."""

    @staticmethod
    def fits(win: Windows, channels: int, height: int, images: int, dtype: Any) -> bool:
        if not Tiles.plain(win, dtype) or images == 0:
            return False
        return images % lanes(dtype) == 0 and min(channels, height) >= WINOGRAD_CHANNELS

    def weights(self, w: Any, new: New) -> Any:
        return self._weights(w, (self.height, self.channels), (9 * self.channels, 9), "weights", new)

    def back_weights(self, w: Any, new: New) -> Any:
        return self._weights(w, (self.channels, self.height), (9, 9 * self.channels), "back weights", new)

    def _weights(self, w: Any, sizes: tuple[int, int], steps: tuple[int, int], name: str, new: New) -> Any:
        """G w G' as 36 packed matrices of rows and columns that lie so many numbers apart."""
        rows, _ = block_of(sizes[0])
        blocks = -(-sizes[0] // rows)
        laid = new("terms of " + name, (len(w), 9, blocks * sizes[1] * rows))
        pack(np.ascontiguousarray(w).reshape(-1), len(w), sizes, steps, rows, laid.reshape(-1))
        out = new(name, (len(w), 36, blocks * sizes[1] * rows))
        return np.matmul(self._kernel, laid, out=out)

    def forward(self, x: Any, weights: Any, bias: Any, relu: bool, out: Any, new: New) -> None:
        self._forward(x, weights, bias, relu, out, new, outputs)

    def forward_pooled(self, x: Any, weights: Any, bias: Any, relu: bool, out: Any, new: New) -> None:
        self._forward(x, weights, bias, relu, out, new, pooled_outputs)

    def _forward(self, x: Any, weights: Any, bias: Any, relu: bool, out: Any, new: New, finish: Any) -> None:
        floor = self.dtype.type(0) if relu else self._low
        v, m = self._room("inputs", self.channels, new), self._room("outputs", self.height, new)
        size, shape = (self.channels, *self._reach, self.images), out.shape[1:]
        none, block = np.zeros(self.height, self.dtype), block_of(self.height)
        for group in range(len(x)):
            laid = self._padded(x[group], new).reshape(-1)
            flat, u, more = out[group].reshape(-1), weights[group].reshape(-1), none if bias is None else bias[group]
            for first, count in self._steps:
                inputs(laid, size, v, first, count, self._across)
                products(u, block, none, self._low, v, self.channels, m, count * self.images)
                finish(m, more, floor, flat, shape, first, count, self._across)

    def input_grad(self, g: Any, weights: Any, out: Any, new: New) -> None:
        v, m = self._room("outputs", self.height, new), self._room("inputs", self.channels, new)
        size, shape = (self.channels, *self._reach, self.images), (self.height, *self._whole, self.images)
        none, block = np.zeros(self.channels, self.dtype), block_of(self.channels)
        direct = out.shape[2:-1] == self._reach
        for group in range(len(g)):
            laid = self._cotangent(g[group], new).reshape(-1)
            image = out[group] if direct else new("padded", size)
            image[...] = 0
            flat, u = image.reshape(-1), weights[group].reshape(-1)
            for first, count in self._steps:
                outputs_back(laid, shape, v, first, count, self._across)
                products(u, block, none, self._low, v, self.height, m, count * self.images)
                inputs_back(m, flat, size, first, count, self._across)
            if not direct:
                out[group] = image[self._inside]

    def weight_grad(self, x: Any, g: Any, out: Any, new: New) -> None:
        v, m = self._room("inputs", self.channels, new), self._room("outputs", self.height, new)
        size, shape = (self.channels, *self._reach, self.images), (self.height, *self._whole, self.images)
        total, more = (new(name, (36, self.height, self.channels)) for name in ("total", "more"))
        for group in range(len(x)):
            laid, back = (
                self._padded(x[group], new).reshape(-1),
                self._cotangent(g[group], new).reshape(-1),
            )
            for first, count in self._steps:
                inputs(laid, size, v, first, count, self._across)
                outputs_back(back, shape, m, first, count, self._across)
                a, b = self._matrices(m, self.height, count), self._matrices(v, self.channels, count)
                np.matmul(a, b.swapaxes(1, 2), out=more if first else total)
                if first:
                    total += more
            self._put_weight_grad(total, out[group])

    @cached_property
    def _low(self) -> Any:
        return self.dtype.type(-np.inf)

    @cached_property
    def _most(self) -> int:
        """How many tiles a step takes: threes, as that many registers are summed at a time."""
        run = WINOGRAD_CACHE // (36 * (self.channels + self.height) * self.dtype.itemsize)
        return min(3 * max(1, run // (3 * self.images)), self._down * self._across)

    @cached_property
    def _steps(self) -> list[tuple[int, int]]:
        """The first tile and the count of tiles of each step."""
        tiles = self._down * self._across
        return [(first, min(self._most, tiles - first)) for first in range(0, tiles, self._most)]

    def _room(self, name: str, rows: int, new: New) -> Any:
        """Memory for 36 matrices of a step."""
        return new(name, (36 * (rows * self._most * self.images + GAP),))

    def _matrices(self, v: Any, rows: int, count: int) -> Any:
        """What is in such memory, as (36, rows, numbers)."""
        length = rows * count * self.images
        return v[: 36 * (length + GAP)].reshape(36, length + GAP)[:, :length].reshape(36, rows, count * self.images)
