"""Rows for vmapcore/rules/einsum.py."""

import numpy as np

from . import row


def einsum(subscripts, *shapes, kinds="fc", **params):
    return row(
        f"einsum {subscripts}{' optimize' if params else ''}",
        lambda *arrays, **options: np.einsum(subscripts, *arrays, **options),
        *shapes,
        kinds=kinds,
        params=params,
    )


def write_diagonal(x, v):
    y = x + 0 * v.sum()
    np.einsum("ii->i", y)[...] = v
    return y


def write_transposed(x, v):
    y = x + 0 * v.sum()
    np.einsum("iij->ji", y)[...] = v
    return y


ROWS = [
    row("einsum_path", lambda x, y: x * len(np.einsum_path("ij,jk", x, y)[0]), (2, 3), (3, 4)),
    einsum("ij,jk->ik", (2, 3), (3, 4), kinds="fcib"),
    einsum("ij,jk", (2, 3), (3, 4)),
    einsum("ij,jk->ki", (2, 3), (3, 4)),
    einsum("ij,ij->ij", (2, 3), (2, 3), kinds="fib"),
    einsum("ij,ij->", (2, 3), (2, 3)),
    einsum("ij,ij->j", (2, 3), (2, 3), kinds="fib"),
    einsum("i,j->ij", (2,), (3,)),
    einsum("i,j->ji", (20,), (17,)),
    einsum("bij,bjk->bik", (2, 2, 3), (2, 3, 4)),
    einsum("bij,bjk->ikb", (2, 2, 3), (2, 3, 4)),
    einsum("ijk,kl->lij", (2, 3, 4), (4, 2)),
    einsum("ijk,jkl->il", (2, 3, 4), (3, 4, 2)),
    einsum("ijk,kjl->il", (2, 3, 4), (4, 3, 2)),
    einsum("ij,j", (2, 3), (3,)),
    einsum(",ij->ji", (), (2, 3)),
    einsum("i->", (3,), kinds="fcib"),
    einsum("ij->j", (2, 3), kinds="fib"),
    einsum("ij->ji", (2, 3)),
    einsum("ba", (2, 3)),
    row("einsum of a number", lambda x: np.einsum("", x), (), kinds="fci"),
    einsum("ij->ij", (2, 3)),
    einsum("ii->i", (3, 3)),
    einsum("ii", (3, 3), kinds="fcib"),
    einsum("iji->j", (2, 3, 2)),
    einsum("iji->ij", (2, 3, 2)),
    einsum("iij->ji", (2, 2, 3)),
    einsum("iii->i", (2, 2, 2)),
    einsum("ijij->ji", (2, 3, 2, 3)),
    einsum("ii,ij->j", (2, 2), (2, 3)),
    einsum("ij,kk->ij", (2, 3), (2, 2)),
    einsum("ij,jk->i", (2, 3), (3, 4)),
    einsum("...ij,...jk->...ik", (2, 2, 3), (3, 2)),
    einsum("...ij,...jk->...ik", (1, 2, 3), (2, 3, 2), optimize=True),
    einsum("...i->...", (2, 3)),
    einsum("i...->...i", (2, 3)),
    einsum("...,...", (2, 3), (3,)),
    einsum("i,...", (2,), (3, 2)),
    einsum("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    einsum("ij,jk,kl->li", (2, 3), (3, 4), (4, 2), optimize="optimal"),
    einsum("i,i,i->i", (3,), (3,), (3,)),
    einsum("i,i,i->", (3,), (3,), (3,), kinds="fi"),
    einsum("ijk,il,jm->klm", (2, 3, 2), (2, 2), (3, 2)),
    einsum("ab,bc,cd,da->", (2, 3), (3, 2), (2, 3), (3, 2)),
    einsum("ij,jk,kl->il", (2, 3), (3, 4), (4, 2), optimize=["einsum_path", (1, 2), (0, 1)]),
    row("einsum broadcast letters", lambda x, y: np.einsum("ij,jk->ik", x, y), (2, 1), (3, 2)),
    row("einsum lists", lambda x, y: np.einsum(x, [0, 1], y, [1, 2], [2, 0]), (2, 3), (3, 4), kinds="fc"),
    row("einsum lists implicit", lambda x, y: np.einsum(x, [0, ..., 1], y, [1, 2]), (2, 2, 3), (3, 4)),
    row(
        "einsum mixed dtypes",
        lambda x, y: np.einsum("ij,jk->i", x, y.astype(np.float32)),
        (2, 3),
        (3, 2),
        kinds="fib",
        differentiable=(True, False),
    ),
    row("einsum dtype", lambda x: np.einsum("ij->i", x, dtype=np.complex128), (2, 3), kinds="fi"),
    row("einsum write to a diagonal", write_diagonal, (3, 3), (3,), kinds="fci"),
    row("einsum write to a transposed diagonal", write_transposed, (2, 2, 3), (3, 2), kinds="fi"),
]
