"""Convolution of one tile by compiled sums over the images as they lie, with no copy of patches."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...evals.windows import Windows, windows
from ...locks import cached_property
from .. import compiled, team
from .blocks import COLUMNS, block_of
from .direct_loops import Geometry, Lengths, convolve, needed_for, weight_grads
from .lanes import WIDE, lanes

LEAST_TERMS, LEAST_HEIGHT = 8, 3
"""Sums of fewer terms are no dearer as columns and a matrix product; and that many rows are multiplied at a time."""

MOST_WEIGHTS = 1 << 16 if WIDE == 64 else 1 << 12
"""More have their gradients made faster by BLAS from columns: blocks of few sums read the images more often."""


TERM = 0.05
"""Nanoseconds, roughly, of a product that is added up."""


Lead = tuple[int, int, int]
Call = Callable[..., None]


class Direct:
    """Compiled sums over the images as they lie, for windows next to each other in a row.

    The methods whose names end in `all` return a call for all members of a tile at once, `lead` members, variants and
    groups: of images (members, G * C, *size, n) if `innermost`, else (members, n, G * C, *size), and of w (members,
    variants, G * O, C, *kernel). Results have their images innermost.
    """

    def __init__(self, win: Windows, channels: int, height: int, images: int, dtype: Any) -> None:
        self.win, self.channels, self.height, self.images, self.dtype = win, channels, height, images, dtype
        self.depth = channels * math.prod(win.kernel)

    @staticmethod
    def fits(win: Windows, channels: int, height: int, images: int, dtype: Any) -> bool:
        if len(win.size) != 2 or win.stride[1] != 1 or not compiled.is_plain_float(dtype) or height < LEAST_HEIGHT:
            return False
        return channels * math.prod(win.kernel) >= LEAST_TERMS and win.out[1] * images >= lanes(dtype)

    def forward_all(self, lead: Lead, innermost: bool, relu: bool, pooled: bool) -> Call:
        """forward(x, w, bias, out) of flat arrays; `bias` is of all weights' rows, of one group's for all, or None."""
        return self._convolving(lead, innermost, False, relu, pooled)

    def input_grad_all(self, lead: Lead, innermost: bool) -> Call:
        """input_grad(g, w, None, out) of flat arrays, if it `flips`."""
        return self._flipped._convolving(lead, innermost, True, False, False)

    def weight_grad_all(self, lead: Lead, x_innermost: bool, g_innermost: bool) -> Call:
        """weight_grad(x, g, out) of flat arrays, of members without variants, if the weights are `few`."""
        pieces = self._pieces(lead, math.prod(self.win.out))
        layer = self._places, self._needed, self._lengths(lead), self._geometry, block_of(self.height, COLUMNS)

        def run(x: Any, g: Any, out: Any) -> None:
            weight_grads(x, x_innermost, g, g_innermost, out, layer, pieces)

        return run

    def _convolving(self, lead: Lead, innermost: bool, flipped: bool, relu: bool, pooled: bool) -> Call:
        floor, none = self._floors[relu], self._zeros
        pieces = self._pieces(lead, lead[1] * math.prod(self.win.out))
        layer = self._places_by_rows, self._needed, self._lengths(lead), self._geometry, block_of(self.height)

        def run(x: Any, w: Any, bias: Any, out: Any) -> None:
            finish = none if bias is None else bias, floor, pooled
            convolve(x, innermost, w, flipped, finish, out, layer, pieces)

        return run

    def _pieces(self, lead: Lead, results: int) -> int:
        """Into how many pieces the groups of all members are cut; each makes so many results of a row of weights."""
        members, _, groups = lead
        terms = results * self.images * self.height * self.depth
        return team.pieces(members * groups, members * groups * terms * TERM)

    @property
    def few(self) -> bool:
        """Whether the weights are few enough to sum their gradients one by one: images are read for each three rows."""
        return self.height * self.depth <= MOST_WEIGHTS

    def _lengths(self, lead: tuple[int, int, int]) -> Lengths:
        return (*lead, self.channels, self.win.size[0], self.win.size[1], self.height, self.images)

    @cached_property
    def _needed(self) -> int:
        return needed_for(self._lengths((1, 1, 1)), self._geometry, lanes(self.dtype))

    @cached_property
    def _geometry(self) -> Geometry:
        (above, below), (left, right) = self.win.padding
        (tall, across), (dilation, apart), (down, over) = self.win.kernel, self.win.dilation, self.win.out
        return tall, across, self.win.stride[0], dilation, apart, above, below, left, right, down, over

    @cached_property
    def _floors(self) -> tuple[Any, Any]:
        """The least result without and with relu."""
        return self.dtype.type(-np.inf), self.dtype.type(0)

    @cached_property
    def _zeros(self) -> Any:
        return np.zeros(self.height, self.dtype)

    def _offsets(self, rows: int) -> Any:
        """Where each term of a sum lies, from the first, by channel, row and column of a window."""
        columns, (tall, wide), (down, right) = self.win.padded[1], self.win.kernel, self.win.dilation
        c, i, j = np.ogrid[: self.channels, :tall, :wide]
        return ((c * rows + i * down) * columns + j * right) * self.images

    @cached_property
    def _places(self) -> Any:
        """In images with zeros on all sides."""
        return self._offsets(self.win.padded[0]).ravel()

    @cached_property
    def _places_by_rows(self) -> Any:
        """In images with no zeros above and below, rows of the window first, so that some of them are a range."""
        return self._offsets(self.win.size[0]).transpose(1, 0, 2).ravel()

    @cached_property
    def _flipped(self) -> "Direct":
        """The convolution of cotangents that is the input gradient: its weights are flipped, its padding is all."""
        win = self.win
        reach = [d * (k - 1) for k, d in zip(win.kernel, win.dilation, strict=True)]
        padding = tuple([(r - low, r - high) for r, (low, high) in zip(reach, win.padding, strict=True)])
        flipped = windows("conv_input_grad", win.out, win.kernel, (1, 1), padding, win.dilation)
        return Direct(flipped, self.height, self.channels, self.images, self.dtype)

    @cached_property
    def flips(self) -> bool:
        """Whether the input gradient is a convolution that a compiled kernel takes."""
        reach = [d * (k - 1) for k, d in zip(self.win.kernel, self.win.dilation, strict=True)]
        inside = all(max(pair) <= r for r, pair in zip(reach, self.win.padding, strict=True))
        if not inside or self.win.stride != (1, 1):
            return False
        return self.fits(self._flipped.win, self.height, self.channels, self.images, self.dtype)
