"""What formulas about matrices are made of: adjoints, rows and columns, diagonals; no operations."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import Primitive
from ..errors import ShapeError, describe
from ._families import add_tangents, cast_like, fit, match
from .casts import inexact
from .creation import library
from .diagonals import get_diagonal, set_diagonal, triangle
from .layout import needs, reshape, transpose

# NumPy's named tuples, which have no public name.
QRResult: Any = type(np.linalg.qr(np.eye(1)))
EighResult: Any = type(np.linalg.eigh(np.eye(1)))
EigResult: Any = type(np.linalg.eig(np.eye(1)))
SVDResult: Any = type(np.linalg.svd(np.eye(1)))
SlogdetResult: Any = type(np.linalg.slogdet(np.eye(1)))


def matrices(call: str, a: Any, square: bool = False) -> Any:
    """Returns `a` as an array of floats or complex numbers, if its last two axes hold matrices."""
    x = needs(call, inexact(a), 2)
    if square and x.shape[-1] != x.shape[-2]:
        raise ShapeError(call, f"the array is {describe(x)}", "its last two axes must have the same length")
    return x


def conj(x: Any) -> Any:
    """The conjugate of `x`, or `x` itself if it is real."""
    return np.conjugate(x) if x.dtype.kind == "c" else x


def transposed(x: Any) -> Any:
    """Matrices with rows for columns."""
    return transpose(x, perm=(-1, -2))


def adjoint(x: Any) -> Any:
    """Matrices transposed and conjugated."""
    return conj(transposed(x))


def column(x: Any) -> Any:
    """Vectors as matrices of one column: a factor of every row of a matrix."""
    return reshape(x, shape=(*x.shape, 1))


def row(x: Any) -> Any:
    """Vectors as matrices of one row: a factor of every column of a matrix."""
    return reshape(x, shape=(*x.shape[:-1], 1, x.shape[-1]))


def diagonal(x: Any) -> Any:
    """The diagonals of square matrices."""
    return get_diagonal(x, offset=0)


def diagonal_matrix(x: Any) -> Any:
    """Square matrices with `x` on the diagonal."""
    return set_diagonal(x, offset=0, rows=x.shape[-1], columns=x.shape[-1])


def identity(x: Any) -> Any:
    """The identity that multiplies the matrices `x` from the left."""
    return library(x).eye(x.shape[-2], dtype=x.dtype)


def _triangle(x: Any, uplo: str) -> tuple[Any, Any]:
    """What lies strictly below the diagonal, or above it, and the real part of the diagonal, as matrices."""
    lower = uplo == "L"
    return triangle(x, k=-1 if lower else 1, upper=not lower), diagonal_matrix(cast_like(np.real(diagonal(x)), x))


def mirrored(x: Any, uplo: str = "L") -> Any:
    """The Hermitian matrices that are read from one triangle of `x`."""
    part, middle = _triangle(x, uplo)
    return part + middle + adjoint(part)


def folded(x: Any, uplo: str = "L") -> Any:
    """The transpose of `mirrored`: the cotangent of what is read, of that of the Hermitian matrices."""
    part, middle = _triangle(x + adjoint(x), uplo)
    return part + middle / 2


def inverse_gaps(gap: Any) -> Any:
    """`1 / gap`, of how far values are from each other; zero on the diagonal."""
    unit = library(gap).eye(gap.shape[-1], dtype=bool)
    return np.where(unit, 0, 1 / np.where(unit, 1, gap))


def over_gaps(inner: Any, values: Any) -> Any:
    """`inner` over `values[j] - values[i]`; zero on the diagonal, and where both are: of equals that move alike."""
    gap = row(values) - column(values)
    still = library(values).eye(values.shape[-1], dtype=bool) | ((gap == 0) & (inner == 0))
    return np.where(still, 0, inner) / np.where(still, 1, gap)


def off_diagonal(x: Any) -> Any:
    """Square matrices with zeros on the diagonal."""
    return x - diagonal_matrix(diagonal(x))


def rounding(*xs: Any) -> Any:
    """How large it may be in the product of numbers that come of matrices such as `xs`, one of each, (..., 1, 1)."""
    noise = 8 * max(xs[0].shape[-2:]) * float(np.finfo(xs[0].dtype).eps)
    for x in xs:
        noise = noise * largest(np.abs(x), (-2, -1), True)
    return noise


def noise_of(values: Any, *xs: Any) -> Any:
    """The same along the vectors that belong to each of `values`, (..., n): larger for neighbours that are near it, but
    not equal, as their vectors mix."""
    gap, most = np.abs(row(values) - column(values)), largest(np.abs(values), -1, True)
    apart = gap > rounding(row(values))
    mixing = np.maximum(1, most * largest(np.where(apart, 1 / np.where(apart, gap, 1), 0), -1, False))
    return mixing * rounding(*xs)[..., 0]


def scaled(inner: Any, ours: Any, theirs: Any, below: Any, values: Any, noise: Any, fixed: bool) -> Any:
    """`inner * (ours + theirs) / below`, a part of a derivative: of pairs of `values` and of what belongs to each.

    Where values are equal, up to rounding, it has a limit if `inner` is not above `noise`, (..., n): of equals that
    move alike.
    Of `fixed` numbers it also has one where they are equal, and is infinite elsewhere; of others it is not known, and
    NaN, unless both are zero.
    """
    equal, above = np.abs(below) <= rounding(row(values)), ours + theirs
    still = np.abs(inner) <= (column(noise) if below.shape[-1] == 1 else row(noise))
    if fixed:
        still = still | (above == 0)
    else:
        still = still | ((ours == 0) & (theirs == 0) & (below != 0))
        above = np.where(equal & ~still, np.nan, above)
    return np.where(equal & still, 0, inner * above) / np.where(equal & (still | (not fixed)), 1, below)


def largest(sizes: Any, axis: Any, keepdims: bool) -> Any:
    """The maximum, zero of nothing."""
    if 0 in sizes.shape:
        return np.max(sizes, axis=axis, keepdims=keepdims, initial=0)
    return np.max(sizes, axis=axis, keepdims=keepdims)


def spectral(
    values: Primitive,
    total: Primitive,
    parts: Primitive,
    turn: Callable[..., Any],
    read: Callable[..., Any] = lambda x: x,
    fold: Callable[..., Any] = lambda x: x,
) -> None:
    """Declares derivatives of the `values` of matrices, and of what these are made of but for the jvp of `parts`.

    `total(a, g)` has the row `g` in place of the values, `parts(a, x)` are those of `x` along the vectors: each is the
    transpose of the other. `turn(x, a, g, fixed)` is the derivative of `total` by the matrices, along `x`; also its
    transpose. `read` makes the matrices that are meant of those that are given, and `fold` is the transpose of that.
    """
    values.def_jvp(lambda tangents, out, a, **params: parts(a, read(tangents[0], **params), **params))
    values.def_vjp(lambda g, out, a, **params: conj(fold(total(a, row(g), **params), **params)))

    @total.def_jvp
    def total_jvp(tangents: Sequence[Any], out: Any, a: Any, g: Any, **params: Any) -> Any:
        da, dg = tangents
        by_a = None if da is None else turn(read(da, **params), a, g, dg is None, **params)
        return fit(add_tangents([by_a, None if dg is None else total(a, dg, **params)]), out)

    @total.def_forward
    def total_forward(wanted: Sequence[bool], a: Any, g: Any, **params: Any) -> Any:
        def pullback(ct: Any) -> Any:
            ct = conj(ct)
            return (
                match(conj(fold(turn(ct, a, g, not wanted[1], **params), **params)), a) if wanted[0] else None,
                match(row(parts(a, ct, **params)), g) if wanted[1] else None,
            )

        return total(a, g, **params), pullback

    parts.def_vjp(
        lambda g, out, a, x, **params: match(conj(fold(turn(x, a, row(g), False, **params), **params)), a),
        lambda g, out, a, x, **params: match(conj(total(a, row(g), **params)), x),
    )
