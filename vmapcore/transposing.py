"""Each mode of differentiation out of the other: a pullback is linear in g and a tangent rule in the tangents.

So either can be differentiated by that argument alone, at zero, which transposes it.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .derivatives import vjp
from .errors import VmapcoreError


def has_derivative(x: Any) -> bool:
    """Whether `x` is an array of floats or complex numbers."""
    return hasattr(x, "dtype") and x.dtype.kind in "fc"


def zeros_for_none(gs: Sequence[Any], like: Sequence[Any]) -> list[Any]:
    """Cotangents of results, or tangents of arguments, zero where none came."""
    return [np.zeros_like(x) if g is None else g for g, x in zip(gs, like, strict=True)]


def tangents_from(
    name: str, pull: Callable[[list[Any]], list[Any]], tangents: Sequence[Any], outs: Sequence[Any]
) -> list[Any]:
    """The tangents of the results `outs`, by transposing `pull`, from their cotangents to those of the arguments."""
    smooth = [i for i, out in enumerate(outs) if has_derivative(out)]
    reached: list[int] = []

    def pulled(*gs: Any) -> Any:
        cotangents = pull(_at(smooth, gs, len(outs)))
        reached[:] = [i for i, t in enumerate(tangents) if t is not None and cotangents[i] is not None]
        return tuple([cotangents[i] for i in reached])

    with _note(f"'{name}' has no jvp rule, so that forward mode transposes its vjp rules"):
        _, transpose = vjp(pulled, *[np.zeros_like(outs[i]) for i in smooth])
        return _at(smooth, transpose(tuple([tangents[i] for i in reached])), len(outs))


def cotangents_from(
    name: str, push: Callable[[list[Any]], Sequence[Any]], gs: Sequence[Any], outs: Sequence[Any], args: Sequence[Any]
) -> list[Any]:
    """The cotangents of `args`, None among them, by transposing `push`, from their tangents to those of `outs`."""
    moving = [i for i, x in enumerate(args) if x is not None and has_derivative(x)]
    smooth = [i for i, out in enumerate(outs) if has_derivative(out)]

    def pushed(*ts: Any) -> Any:
        tangents = push(_at(moving, ts, len(args)))
        return tuple(zeros_for_none([tangents[i] for i in smooth], [outs[i] for i in smooth]))

    with _note(f"'{name}' has no vjp rule, so that reverse mode transposes its jvp rule"):
        _, transpose = vjp(pushed, *[np.zeros_like(args[i]) for i in moving])
        return _at(moving, transpose(tuple([gs[i] for i in smooth])), len(args))


def _at(places: Sequence[int], values: Sequence[Any], count: int) -> list[Any]:
    """A list of `count` with `values` at `places` and None elsewhere."""
    full: list[Any] = [None] * count
    for i, value in zip(places, values, strict=True):
        full[i] = value
    return full


@contextlib.contextmanager
def _note(text: str) -> Iterator[None]:
    try:
        yield
    except VmapcoreError as error:
        error.add_note(text)
        raise
