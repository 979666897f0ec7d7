"""Exponentials of many small matrices at once.

Scaling and squaring with the approximant of order 13, scaled as Al-Mohy and Higham (2009) do: norms of powers keep
matrices that are far from normal from being scaled too much. Diagonals of triangular ones are those of exponentials.
"""

from typing import Any

import numpy as np

SMALL = 10
"""The size of a matrix up to which calls cost more than what they compute."""

TOGETHER = 1 << 14
"""Numbers that go together: some twenty arrays of them stay in a cache."""

ODD = (64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600)
EVEN = (670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1)
COEFFICIENTS = np.array([*ODD, *EVEN], float)
"""Of the numerator of the approximant, from the lowest order on."""

THETA = 4.25
"""How large a matrix may be."""

LEADING = 1 / 113250775606021113483283660800000000
"""The first coefficient of its backward error, of the power 27."""


FEW = 8
"""Matrices that cost less one by one."""


def pays(a: Any) -> bool:
    """Whether these cost less together."""
    return a.shape[-1] <= SMALL and a.size >= FEW * a.shape[-1] ** 2 > 0


def exponentials(a: Any) -> Any:
    """Of matrices (..., n, n); None where one is so large, or no number, that it needs to be looked at."""
    shape, a = a.shape, a.reshape(-1, *a.shape[-2:])
    step = max(1, TOGETHER // max(1, a.shape[-1] ** 2))
    parts = []
    for start in range(0, len(a), step):
        found = _exponentials(a[start : start + step].astype(np.result_type(a.dtype, np.float64)))
        if found is None:
            return None
        parts.append(found.astype(a.dtype))
    return np.concatenate(parts).reshape(shape)


def _exponentials(a: Any) -> Any:
    if not np.isfinite(a).all():
        return None
    times = _scalings(a)
    if times is None:
        return None
    below = ~np.triu(a, 1).any((-2, -1))
    a = np.where(below[:, None, None], a.swapaxes(-2, -1), a)
    triangular = below | ~np.tril(a, -1).any((-2, -1))
    scaled = np.ldexp(1.0, -times)[:, None, None] * a
    out = _approximant(scaled)
    _exact(out, a, times, triangular)
    for k in range(1, int(times.max(initial=0)) + 1):
        some = np.flatnonzero(times >= k)
        out[some] = squared = out[some] @ out[some]
        _exact(squared, a[some], times[some] - k, triangular[some])
        out[some] = squared
    out = np.where(triangular[:, None, None], np.triu(out), out)
    return np.where(below[:, None, None], out.swapaxes(-2, -1), out)


def _norm(a: Any) -> Any:
    return np.abs(a).sum(-2).max(-1, initial=0)


def _scalings(a: Any) -> Any:
    """How often each is to be halved; None where that is beyond numbers."""
    with np.errstate(all="ignore"):
        two = a @ a
        four = two @ two
        six = four @ two
        d6, d8, d10 = _norm(six) ** (1 / 6), _norm(four @ four) ** (1 / 8), _norm(four @ six) ** (1 / 10)
        size = np.minimum(np.maximum(d6, d8), np.maximum(d8, d10))
        times = np.maximum(np.ceil(np.log2(size / THETA, where=size > 0, out=np.zeros_like(size))), 0)
        norm = _norm(a)
        error = LEADING * _norm_of_power(np.ldexp(np.abs(a), -times.astype(int)[:, None, None]), 27)
        error /= np.where(norm > 0, np.ldexp(norm, -times.astype(int)), 1)
        more = np.ceil(np.log2(error / 2.0**-53, where=error > 0, out=np.zeros_like(error)) / 26)
        times += np.maximum(more, 0)
    return times.astype(int) if np.isfinite(times).all() and np.isfinite(norm).all() else None


def _norm_of_power(a: Any, power: int) -> Any:
    """The norm of powers of matrices without negative numbers."""
    sums = np.ones((len(a), 1, a.shape[-1]))
    for _ in range(power):
        sums = sums @ a
    return sums.max((-2, -1), initial=0)


def _approximant(a: Any) -> Any:
    c = COEFFICIENTS
    one = np.eye(a.shape[-1])
    two = a @ a
    four = two @ two
    six = four @ two
    odd = six @ (c[13] * six + c[11] * four + c[9] * two) + c[7] * six + c[5] * four + c[3] * two + c[1] * one
    even = six @ (c[12] * six + c[10] * four + c[8] * two) + c[6] * six + c[4] * four + c[2] * two + c[0] * one
    odd = a @ odd
    return np.linalg.solve(even - odd, even + odd)


def _exact(out: Any, a: Any, times: Any, triangular: Any) -> None:
    """Writes diagonals, and what is beside them, of the exponentials of upper triangular matrices halved so often."""
    some = np.flatnonzero(triangular & (times > 0))
    if not len(some):
        return
    share = np.ldexp(1.0, -times[some])[:, None]
    diagonal = share * np.diagonal(a[some], axis1=-2, axis2=-1)
    grown = np.exp(diagonal)
    apart = np.diff(diagonal)
    slope = np.where(apart == 0, grown[:, :-1], np.diff(grown) / np.where(apart == 0, 1, apart))
    i = np.arange(a.shape[-1])
    out[some[:, None], i, i] = grown
    out[some[:, None], i[:-1], i[1:]] = slope * share * np.diagonal(a[some], 1, -2, -1)
