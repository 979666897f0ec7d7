"""Points where rules often go wrong: zeros, other signs, far out, infinities and NaN.

A function may have a kink or no value there: then nothing is asked of its derivative rules.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..derivatives import vjp
from ..errors import name_of
from ..forward import jvp
from ..pytree import flatten, unflatten
from .compare import on_host
from .derivatives import along_vjp, direction, is_inexact, of_inexact
from .oracles import Fun

Change = Callable[[Any], Any]

SMOOTH: dict[str, Change] = {
    "zeros": lambda x: 0 * x,
    "a zero": lambda x: x * (np.arange(x.size).reshape(x.shape) != 0),
    "other signs": lambda x: -x,
}

FAR: dict[str, Change] = {
    "large values": lambda x: 1e3 * x,
    "large values of other signs": lambda x: -1e3 * x,
}

BROKEN: dict[str, Change] = {
    "NaN": lambda x: x + np.nan,
    "infinities": lambda x: x * np.inf,
}


def special_points(args: Sequence[Any], kinds: dict[str, Change]) -> Iterator[tuple[str, list[Any]]]:
    """Each kind of point in words: with all leaves so, and with each leaf alone."""
    leaves, tree = flatten(list(args))
    moving = [i for i, x in enumerate(leaves) if is_inexact(x)]
    for kind, change in kinds.items():
        for chosen in [moving, *[[i] for i in moving]] if len(moving) > 1 else [moving]:
            values = [change(x).astype(x.dtype) if i in chosen else x for i, x in enumerate(leaves)]
            where = "" if chosen == moving else f" in leaf {chosen[0]}"
            yield kind + where, unflatten(tree, values)


def check_special(
    fun: Fun, args: Sequence[Any], argnums: Sequence[int] | None, modes: Sequence[str], order: int, tol: float
) -> None:
    """Checks derivatives at special points near `args` where differences of `fun` show that it has one."""
    rng = np.random.default_rng(0)
    for kind, given in special_points(args, {"the example": lambda x: x} | SMOOTH | FAR):
        f, primals = of_inexact(fun, given, argnums)
        with np.errstate(all="ignore"):
            try:
                f(*primals)
            except Exception:
                continue  # what the operation does not take is no point of it
            _check(f"{name_of(fun)} at {kind}", f, primals, modes, order, tol * BOUND, rng)


BOUND = 1e-3
"""How far a derivative may be from a difference that passed for smooth, relative to 1 + |value|."""


def _check(
    what: str, f: Fun, primals: list[Any], modes: Sequence[str], order: int, bound: float, rng: np.random.Generator
) -> None:
    tangents = [direction(x, rng) for x in primals]
    slopes = _slopes(f, primals, tangents)
    if "fwd" in modes and any(smooth.any() for _, smooth in slopes):
        for t, (slope, smooth) in zip(jvp(f, tuple(primals), tuple(tangents))[1], slopes, strict=True):
            wrong = smooth & ~(np.abs(on_host(t) - slope) <= bound * (1 + np.abs(slope)))
            if wrong.any():
                at = tuple(np.argwhere(wrong)[0].tolist())
                raise AssertionError(f"the tangent of {what}: at {at} {on_host(t)[at]}, not {slope[at]}")
    if "rev" not in modes or not all(smooth.all() for _, smooth in slopes):
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


STEP = 1e-5


def _slopes(f: Fun, primals: list[Any], tangents: list[Any]) -> list[tuple[Any, Any]]:
    """The derivative along `tangents` of each result, and where differences of several steps agree on it."""

    def at(step: float) -> list[Any]:
        return [on_host(y) for y in f(*[x + step * t for x, t in zip(primals, tangents, strict=True)])]

    found = []
    for ahead, behind, y, far_ahead, far_behind in zip(
        at(STEP), at(-STEP), at(0.0), at(10 * STEP), at(-10 * STEP), strict=True
    ):
        slope = (ahead - behind) / (2 * STEP)
        far = (far_ahead - far_behind) / (20 * STEP)
        bend = (ahead - y) / STEP - (y - behind) / STEP
        size = 1 + np.abs(slope)
        found.append((slope, (np.abs(slope - far) <= 1e-4 * size) & (np.abs(bend) <= BOUND * size)))
    return found
