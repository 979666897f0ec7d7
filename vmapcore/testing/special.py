"""Points where rules often go wrong: zeros, other signs, far out, infinities and NaN.

A function may have a kink or no value there: then nothing is asked of its derivative rules.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..arrays import on_host
from ..derivatives import vjp
from ..errors import name_of
from ..forward import jvp
from ..pytree import flatten, unflatten
from ..transposing import has_derivative
from .compare import numbered
from .derivatives import along_vjp, direction, of_inexact
from .oracles import Fun

Change = Callable[[Any], Any]

SMOOTH: dict[str, Change] = {
    "zeros": lambda x: 0 * x,
    "a zero": lambda x: np.where(numbered(x) == 0, 0, x),
    "other signs": lambda x: -x,
}

FAR: dict[str, Change] = {"large values": lambda x: 1e3 * x, "large values of other signs": lambda x: -1e3 * x}

NAN: dict[str, Change] = {"NaN": lambda x: x + np.nan, "a NaN": lambda x: np.where(numbered(x) == 0, np.nan, x)}

INFINITE: dict[str, Change] = {"infinities": lambda x: x * np.inf}


def special_points(args: Sequence[Any], kinds: dict[str, Change]) -> Iterator[tuple[str, list[Any]]]:
    """Each kind of point in words: with all leaves so, and with each leaf alone."""
    leaves, tree = flatten(list(args))
    moving = [i for i, x in enumerate(leaves) if has_derivative(x)]
    for kind, change in kinds.items():
        for chosen in [moving, *[[i] for i in moving]] if len(moving) > 1 else [moving]:
            values = [change(x).astype(x.dtype) if i in chosen else x for i, x in enumerate(leaves)]
            where = "" if chosen == moving else f" in leaf {chosen[0]}"
            yield kind + where, unflatten(tree, values)


BOUND = 1e-3
"""How far a derivative may be from a difference that passed for smooth, relative to 1 + |value|."""

STEP = 1e-5

JUMP = 0.1
"""By how much a result may change over a step, relative to 1 + |value|."""

DIRECTIONS = 8
"""Along how many directions a derivative must be linear: at ties, one chooses among arguments by the direction."""


def check_special(
    fun: Fun, args: Sequence[Any], argnums: Sequence[int] | None, modes: Sequence[str], order: int, tol: float
) -> None:
    """Checks derivatives at special points near `args` where differences of `fun` show that it has one."""
    rng = np.random.default_rng(0)
    for kind, given in special_points(args, {"the example": lambda x: x} | SMOOTH | FAR):
        f, primals = of_inexact(fun, given, argnums)
        with np.errstate(all="ignore"):
            _check(f"{name_of(fun)} at {kind}", f, primals, modes, order, tol * BOUND, rng)


def _check(
    what: str, f: Fun, primals: list[Any], modes: Sequence[str], order: int, bound: float, rng: np.random.Generator
) -> None:
    directions = [[direction(x, rng) for x in primals] for _ in range(DIRECTIONS)]
    try:
        slopes = _slopes(f, primals, directions)
    except Exception:
        return  # what the operation does not take is no point of it
    tangents = directions[0]
    if "fwd" in modes and any(smooth.any() for _, smooth in slopes):
        for t, (slope, smooth) in zip(jvp(f, tuple(primals), tuple(tangents))[1], slopes, strict=True):
            wrong = smooth & ~(np.abs(on_host(t) - slope) <= bound * (1 + np.abs(slope)))
            if wrong.any():
                at = tuple(np.argwhere(wrong)[0].tolist())
                raise AssertionError(f"the tangent of {what}: at {at} {on_host(t)[at]}, not {slope[at]}")
    if "rev" not in modes or not slopes or not all(smooth.all() for _, smooth in slopes):
        return
    out, pullback = vjp(f, *primals)
    cotangents = [direction(y, rng) for y in out]
    terms = [np.real(on_host(ct) * on_host(t)) for ct, t in zip(pullback(cotangents), tangents, strict=True)]
    actual = sum([np.sum(t) for t in terms])
    expected = sum([np.sum(np.real(on_host(g) * s)) for g, (s, _) in zip(cotangents, slopes, strict=True)])
    if not np.abs(actual - expected) <= bound * (1 + sum([np.sum(np.abs(t)) for t in terms])):
        raise AssertionError(f"<pullback(g), t> of {what}: {actual}, not {expected}")
    if order > 1:
        _check(f"the vjp of {what}", along_vjp(f, len(out)), cotangents + primals, modes, order - 1, bound, rng)


def _slopes(f: Fun, primals: list[Any], directions: list[list[Any]]) -> list[tuple[Any, Any]]:
    """The derivative of each result along the first direction, and where differences show that there is one.

    There is none where a result jumps at the point, bends, or is not additive in the direction.
    """

    def at(step: float, tangents: list[Any]) -> list[Any]:
        return [on_host(y) for y in f(*[x + step * t for x, t in zip(primals, tangents, strict=True)])]

    center = at(0.0, directions[0])
    smooth = [np.isfinite(y) for y in center]

    def along(tangents: list[Any], step: float = STEP) -> list[Any]:
        ahead, behind = at(step, tangents), at(-step, tangents)
        slopes = [(a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True)]
        for i, (a, b, y) in enumerate(zip(ahead, behind, center, strict=True)):
            smooth[i] = smooth[i] & (np.abs(a + b - 2 * y) <= BOUND * step * (1 + np.abs(slopes[i])))
            if not (np.abs(a - y) <= JUMP * (1 + np.abs(y))).all():
                raise FloatingPointError
        return slopes

    slopes = before = along(directions[0])
    far = along(directions[0], 10 * STEP)
    smooth = [m & (np.abs(s - e) <= 1e-4 * (1 + np.abs(s))) for m, s, e in zip(smooth, slopes, far, strict=True)]
    for last, tangents in itertools.pairwise(directions):
        found, both = along(tangents), along([a + b for a, b in zip(last, tangents, strict=True)])
        for i, (s, e, total) in enumerate(zip(before, found, both, strict=True)):
            smooth[i] = smooth[i] & (np.abs(s + e - total) <= 1e-4 * (1 + np.abs(total)))
        before = found
    return list(zip(slopes, smooth, strict=True))
