"""Stacks of matrix products that a team shares: each is a call of BLAS by its address, out of compiled code.

`np.matmul` does the same on one thread; on several it would have to be called by each, which takes the interpreter's
lock and a wake-up for every product.
"""

import ctypes
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

from ...thresholds import SHARED_TERMS
from .. import compiled, team
from ..compiled import CHECKED, kernel, numba
from ..team import share
from .lanes import pick

if numba is not None:
    from ..native.blas_call import call_32, call_64

NAMES = {
    "scipy_cblas_{}gemm64_": 64,
    "cblas_{}gemm64_": 64,
    "scipy_cblas_{}gemm": 32,
    "cblas_{}gemm": 32,
}
"""What libraries call the C interface, and the bits of the ints that it takes."""

AS_IT_IS, TRANSPOSED = 111, 112
"""Of the C interface: how matrices lie."""

TERM = 0.03
"""Nanoseconds, roughly, of a product that is added up."""


class Gemm(NamedTuple):
    """An address, and the bits of the ints that the function takes."""

    address: int
    bits: int


@cache
def _found(letter: str) -> Gemm | None:
    """The product of OpenBLAS, the one library that NumPy uses, if it is that."""
    libraries = ThreadpoolController().select(internal_api="openblas").lib_controllers
    for library in [found for found in libraries if "numpy" in found.filepath]:
        code = ctypes.CDLL(library.filepath)
        for name, bits in NAMES.items():
            function = getattr(code, name.format(letter), None)
            if function is not None:
                return Gemm(ctypes.cast(function, ctypes.c_void_p).value or 0, bits)
    return None


class Lying(NamedTuple):
    """How the matrices of a stack lie: transposed or not, numbers from row to row, and from matrix to matrix."""

    transposed: int
    step: int
    next: int


def _lying(x: Any) -> Lying | None:
    """None if BLAS would not take them."""
    size = x.itemsize
    if any(s % size or s < 0 for s in x.strides):
        return None
    along, down, across = [s // size for s in x.strides]
    rows, columns = x.shape[1:]
    if across == 1 and (down >= columns or rows == 1):
        return Lying(AS_IT_IS, max(down, columns), along)
    if down == 1 and (across >= rows or columns == 1):
        return Lying(TRANSPOSED, max(across, rows), along)
    return None


class Product:
    """out = x @ y for stacks that lie as these do."""

    def __init__(self, gemm: Gemm, x: Any, y: Any, lying: tuple[Lying, Lying]) -> None:
        members, rows, depth = x.shape
        columns = y.shape[2]
        terms = rows * depth * columns
        across = columns > rows  # the longer side is divided: BLAS lays the other out for every part
        parts = max(1, min(max(rows, columns), terms // SHARED_TERMS))
        self.sizes = members, rows, depth, columns, parts, across
        self.lying = tuple(lying[0]), tuple(lying[1])
        self.gemm = tuple(gemm)
        self.pieces = team.pieces(members * parts, members * terms * TERM)

    def __call__(self, x: Any, y: Any, out: Any) -> None:
        """`out` is C-contiguous; the arrays have the shapes, strides and dtype of those given before."""
        addresses = x.__array_interface__["data"][0], y.__array_interface__["data"][0]
        gemm = (*self.gemm, _flat(x), _flat(y)) if CHECKED else self.gemm
        _multiply(gemm, *addresses, out.reshape(-1), self.sizes, self.lying, self.pieces)


def product(x: Any, y: Any) -> Product | None:
    """What multiplies such stacks; None if BLAS cannot be called by its address or will not take them, or if
    they are too small to be shared. Vectors are NumPy's, which has a faster function of BLAS for them."""
    if (
        not compiled.AVAILABLE
        or x.ndim != 3
        or y.ndim != 3
        or x.dtype != y.dtype
        or not compiled.is_plain_float(x.dtype)
    ):
        return None
    if len(x) != len(y) or not x.size or not y.size or x.shape[1] == 1 or y.shape[2] == 1:
        return None
    gemm, lying = _found("s" if x.dtype.char == "f" else "d"), (_lying(x), _lying(y))
    if gemm is None or lying[0] is None or lying[1] is None:
        return None
    found = Product(gemm, x, y, (lying[0], lying[1]))
    return found if found.pieces > 1 else None


def _flat(x: Any) -> Any:
    """All numbers from the first to the last one."""
    reach = sum([(n - 1) * s for n, s in zip(x.shape, x.strides, strict=True)]) // x.itemsize
    return np.lib.stride_tricks.as_strided(x, (reach + 1,), (x.itemsize,))


@kernel
def _touch(x: Any, at: int, transposed: int, step: int, rows: int, columns: int) -> None:
    """Reads the first and the last number of a matrix, to see whether they are in x."""
    pick(x, at)
    pick(x, at + ((columns - 1) * step + rows if transposed == TRANSPOSED else (rows - 1) * step + columns) - 1)


@kernel
def _multiply(gemm: Any, x: int, y: int, out: Any, sizes: Any, lying: Any, pieces: int) -> None:
    share(_products, sizes[0] * sizes[4], pieces, (gemm, x, y, out, sizes, lying))


@kernel
def _products(begin: int, end: int, gemm: Any, x: int, y: int, out: Any, sizes: Any, lying: Any) -> None:
    """Some of the parts of all members."""
    address, bits = gemm[0], gemm[1]
    _, rows, depth, columns, parts, across = sizes
    (x_transposed, x_step, x_next), (y_transposed, y_step, y_next) = lying
    size, transposed = out.itemsize, (x_transposed, y_transposed)
    for which in range(begin, end):
        d, part = which // parts, which % parts
        start, other, to = x + d * x_next * size, y + d * y_next * size, d * rows * columns
        if across:
            first, last = columns * part // parts, columns * (part + 1) // parts
            other, to = other + first * (y_step if y_transposed == TRANSPOSED else 1) * size, to + first
            small = rows, last - first, depth
        else:
            first, last = rows * part // parts, rows * (part + 1) // parts
            start, to = start + first * (1 if x_transposed == TRANSPOSED else x_step) * size, to + first * columns
            small = last - first, columns, depth
        if CHECKED:
            _touch(gemm[2], (start - x) // size, x_transposed, x_step, small[0], depth)
            _touch(gemm[3], (other - y) // size, y_transposed, y_step, depth, small[1])
            _touch(out, to, AS_IT_IS, columns, small[0], small[1])
        left, right = (start, x_step), (other, y_step)
        if bits == 64:
            call_64(address, transposed, small, left, right, out, to, columns)
        else:
            call_32(address, transposed, small, left, right, out, to, columns)
