"""Other inputs like given ones: an operation is shown by one example, and checked on many.

Knows nothing of the operation but whether it takes an input.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arrays import asarray, on_host
from ..pytree import flatten, unflatten
from .compare import copies
from .oracles import Fun

Sample = Callable[[np.random.Generator], Sequence[Any]]

ATTEMPTS = 4
"""How often a variant that the function does not take is replaced by another."""


def variants(fun: Fun, args: Sequence[Any], count: int, rng: np.random.Generator) -> list[list[Any]]:
    """Returns `count` variants of `args` that `fun` takes as it takes them, with results of the same shapes and dtypes.

    Where none is found, `args` themselves stand in.
    """
    wanted = outcome(fun, args)
    found = []
    for _ in range(count):
        for attempt in range(ATTEMPTS):
            candidate = variant(args, rng, calm=attempt > 1)
            if outcome(fun, candidate) == wanted:
                break
        else:
            candidate = list(args)
        found.append(candidate)
    return found


def variant(args: Sequence[Any], rng: np.random.Generator, calm: bool = False) -> list[Any]:
    """Returns arguments like `args`, leaf by leaf other values of the same shape and dtype.

    Floats keep their sign and come from near what they were; integers and bools come from among those of their array,
    in order where those were. `calm` leaves zeros and integers as they are.
    """
    leaves, tree = flatten(list(args))
    return unflatten(tree, [_leaf(x, rng, calm) for x in leaves])


def _leaf(x: Any, rng: np.random.Generator, calm: bool) -> Any:
    if not hasattr(x, "dtype") and not isinstance(x, (bool, int, float, complex)):
        return x
    values = on_host(x)
    new = (_inexact if values.dtype.kind in "fc" else _exact)(values, rng, calm)
    return asarray(new, x) if hasattr(x, "dtype") else new.item()


def _inexact(x: Any, rng: np.random.Generator, calm: bool) -> Any:
    new = x * rng.uniform(0.7, 1.3, x.shape)
    if not calm:
        new = np.where(x == 0, rng.uniform(0.1, 0.4, x.shape) * rng.choice([-1.0, 1.0], x.shape), new)
    if x.dtype.kind == "c":
        new = new * np.exp(1j * rng.uniform(-0.3, 0.3, x.shape))
    return new.astype(x.dtype)


def _exact(x: Any, rng: np.random.Generator, calm: bool) -> Any:
    if calm or not x.size or x.dtype.kind not in "biu":
        return x.copy()
    if x.dtype.kind == "b":
        return rng.integers(0, 2, x.shape).astype(bool)
    low, high = int(x.min()), int(x.max())
    if low == high:
        low = min(low, 0)
    new = rng.integers(low, high, x.shape, endpoint=True)
    if x.ndim == 1 and x.size > 1 and (np.diff(x.astype(np.int64)) >= 0).all():
        new = np.sort(new)
        new[0], new[-1] = x[0], x[-1]  # such as the offsets of rows: what they enclose stays
    if new.size > 2 and rng.random() < 0.75:
        new.flat[1] = new.flat[0]  # as an index that comes twice does
    return new.astype(x.dtype)


def outcome(fun: Fun, args: Sequence[Any]) -> Any:
    """What `fun` makes of `args` in kind: its results' structure, shapes and dtypes, and whether all are finite.

    None where it raises, or drops the imaginary part of something.
    """
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            leaves, tree = flatten(fun(*copies(list(args))))
    except Exception:
        return None
    arrays = [on_host(y) for y in leaves]
    return tree, [(y.shape, y.dtype, bool(np.isfinite(y).all())) for y in arrays]


def takes(fun: Fun, points: Sequence[Any]) -> bool:
    """Whether `fun` returns finite results for all of these inputs, of the same shapes and dtypes."""
    if any(p is None for p in points):
        return False
    first, *others = [outcome(fun, p) for p in points]
    return first is not None and all(finite for _, _, finite in first[1]) and all(o == first for o in others)


def alike(found: Any, wanted: Any) -> bool:
    """Whether outcomes have the same shapes and dtypes, be they finite or not."""
    return found is not None and wanted is not None and [y[:2] for y in found[1]] == [y[:2] for y in wanted[1]]


def stacked(examples: Sequence[Sequence[Any]]) -> list[Any]:
    """Arguments with the batch of `examples` on axis 0 of every leaf."""
    trees = [flatten(list(example)) for example in examples]
    columns = zip(*[leaves for leaves, _ in trees], strict=True)
    return unflatten(trees[0][1], [np.stack(column) for column in columns])
