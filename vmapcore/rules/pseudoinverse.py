"""The inverse of matrices as far as there is one: pinv, lstsq."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError, describe
from ..numpy_protocol import implements
from ..tracer import Tracer
from ._families import add_tangents, match, operand, trailing
from ._matrices import adjoint, conj, matrices, mirrored, transposed
from ._work import of_matrices
from .casts import cast
from .creation import library
from .layout import reshape
from .svd import one_of, resolution, svdvals


@trailing(work=of_matrices(25))
def pseudoinverse(xp: Any, a: Any, rcond: Any) -> Any:
    """Moore-Penrose inverse; singular values up to `rcond` times the largest count as zero.

    `rcond` is one number, or matrices of one.
    """
    if not np.ndim(rcond):
        return xp.linalg.pinv(a, rcond)
    a = xp.broadcast_to(a, np.broadcast_shapes(a.shape[:-2], rcond.shape[:-2]) + a.shape[-2:])
    return xp.linalg.pinv(a, rcond[..., 0, 0])


@trailing(work=of_matrices(50))
def stein(xp: Any, r: Any, g: Any, h: Any) -> Any:
    """The `x` of `x - g @ x @ h == r`, for Hermitian `g` and `h` of which no two eigenvalues multiply to one."""
    if not r.size or xp.linalg.norm(g) * xp.linalg.norm(h) < xp.finfo(r.dtype).eps:  # as where nothing is cut off
        return r + g @ r @ h
    (p, u), (q, v) = xp.linalg.eigh(g), xp.linalg.eigh(h)
    inside = adjoint(u) @ r @ v / (1 - p[..., :, None] * q[..., None, :])
    return u @ inside @ adjoint(v)


@stein.def_jvp
def stein_jvp(tangents: Sequence[Any], out: Any, r: Any, g: Any, h: Any) -> Any:
    dr, dg, dh = tangents
    change = add_tangents(
        [dr, None if dg is None else dg @ out @ h, None if dh is None else g @ out @ dh],
    )
    return stein(change, g, h)


stein.def_vjp(
    lambda t, out, r, g, h: match(stein(t, conj(g), conj(h)), r),
    lambda t, out, r, g, h: match(stein(t, conj(g), conj(h)) @ transposed(out @ h), g),
    lambda t, out, r, g, h: match(transposed(g @ out) @ stein(t, conj(g), conj(h)), h),
)


def _truncated(out: Any, a: Any) -> tuple[Any, Any, Any, Any, Any]:
    """Of P and A: P Pᴴ and Pᴴ P; E Eᴴ and Eᴴ E of what P has cut off, E = A - A P A; and E.

    Between a singular value s that is kept and one t that is cut off, derivatives have 1 / (s² - t²): 1 / s² by the
    formula for t = 0, which `stein` divides by 1 - t² / s².
    """
    out_h, rest = adjoint(out), a - a @ out @ a
    rest_h = adjoint(rest)
    return out @ out_h, out_h @ out, rest @ rest_h, rest_h @ rest, rest


@pseudoinverse.def_jvp
def pseudoinverse_jvp(tangents: Sequence[Any], out: Any, a: Any, rcond: Any) -> Any:
    if tangents[0] is None:
        return None
    da, da_h = tangents[0], adjoint(tangents[0])
    left, right, above, below, rest = _truncated(out, a)
    rows = da_h - da_h @ a @ out + out @ da @ adjoint(rest)
    columns = da_h - out @ a @ da_h + adjoint(rest) @ da @ out
    return -out @ da @ out + stein(left @ rows, left, above) + stein(columns @ right, below, right)


def pseudoinverse_vjp(g: Any, out: Any, a: Any, rcond: Any) -> Any:
    g, out_h = conj(g), adjoint(out)
    left, right, above, below, rest = _truncated(out, a)
    rows, columns = left @ stein(g, left, above), stein(g, below, right) @ right
    rows_h, columns_h = adjoint(rows), adjoint(columns)
    apart = rows_h - a @ out @ rows_h + columns_h - columns_h @ out @ a + out_h @ rows @ rest + rest @ columns @ out_h
    return match(conj(apart - out_h @ g @ out_h), a)


pseudoinverse.def_vjp(pseudoinverse_vjp, None)


_UNSET: Any = np._NoValue


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = _UNSET) -> Any:
    one_of("np.linalg.pinv", rcond is not None, rtol is not _UNSET, "rcond= and rtol=")
    a = matrices("np.linalg.pinv", a, square=hermitian)
    if hermitian:  # NumPy reads the lower triangle
        a = mirrored(a)
    if rcond is None:
        rcond = 1e-15 if rtol is _UNSET else resolution(a) if rtol is None else rtol
    if not isinstance(rcond, Tracer) and not np.ndim(rcond):
        return pseudoinverse(a, float(rcond))
    rcond, lead = operand(rcond), a.shape[:-2]
    if len(rcond.shape) > len(lead) or any(
        n not in (1, m) for n, m in zip(rcond.shape[::-1], lead[::-1], strict=False)
    ):
        fact = f"the cutoff is {describe(rcond)} and the array {describe(a)}"
        raise ShapeError("np.linalg.pinv", fact, "it must broadcast to the leading axes")
    return pseudoinverse(a, reshape(rcond, shape=(*rcond.shape, 1, 1)))


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """Least squares, in double precision. Under a transform, matrices that lack full rank have residuals too."""
    a, y = matrices("np.linalg.lstsq", a), operand(b)
    if not any(isinstance(x, Tracer) for x in (a, y, rcond)):
        return library(a).linalg.lstsq(a, y, rcond)
    m, n = a.shape[-2:]
    if len(a.shape) != 2 or len(y.shape) not in (1, 2) or y.shape[0] != m:
        allowed = "a must be one matrix, b one vector or matrix with as many rows"
        raise ShapeError("np.linalg.lstsq", f"shapes {describe(a)} and {describe(y)} do not fit", allowed)
    if np.ndim(rcond):
        raise ArgumentError("np.linalg.lstsq", f"rcond is {describe(rcond)}", "it must be one number")
    final = np.result_type(a.dtype, y.dtype)
    wide = np.result_type(final, np.float64)
    a, y = cast(a, wide), cast(y, wide)
    cutoff = resolution(a) if rcond is None else np.where((rcond > 0) & (rcond < 1), rcond, _UNIT)
    x = pinv(a, cutoff) @ y
    s = svdvals(a)
    miss = y - a @ x
    residuals = np.atleast_1d(np.sum(np.real(miss * conj(miss)), axis=0))[: None if m > n else 0]
    rank = np.sum(s > cutoff * s[:1]).astype(np.int32)
    real = np.finfo(final).dtype
    return cast(x, final), cast(residuals, real), rank, cast(s, real)


_UNIT = float(np.finfo(np.float64).eps) / 2
"""What LAPACK takes for an `rcond` that is not between 0 and 1."""
