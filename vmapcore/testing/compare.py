"""Comparisons of results, and of arguments with what they were."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..arrays import asarray, on_host
from ..errors import describe
from ..pytree import flatten, paths, tree_map

TOLERANCE = {2: 4e-3, 4: 4e-5, 8: 1e-10}
"""By bytes of a real number: how far two ways to compute one thing may be apart, relative to 1 + |value|."""


def assert_same(actual: Any, expected: Any, what: str = "result", tol: float = 1.0) -> None:
    """Asserts that two pytrees agree in structure, and their leaves in shape, dtype and, within rounding, in value.

    Example:
        >>> assert_same((np.float32(1), [2]), (np.float32(1), [2]))
    """
    leaves, tree = flatten(actual)
    wanted, structure = flatten(expected)
    if tree != structure:
        raise AssertionError(f"{what}: has structure {tree}, not {structure}")
    for a, e, path in zip(leaves, wanted, paths(expected), strict=True):
        if not hasattr(e, "dtype"):
            if a is not e and not bool(np.all(a == e)):
                raise AssertionError(f"{what}{path}: is {a!r}, not {e!r}")
            continue
        assert_like(a, e, f"{what}{path}")
        bound = tol * TOLERANCE.get(real_bytes(e), 0.0) if e.dtype.kind in "fc" else 0.0
        assert_close(a, e, f"{what}{path}", bound)


def real_bytes(x: Any) -> int:
    """The bytes of a real number of the dtype of `x`; of a complex one, those of its real part."""
    return x.dtype.itemsize // (2 if x.dtype.kind == "c" else 1)


def assert_like(actual: Any, expected: Any, what: str) -> None:
    """Asserts equal shape and dtype."""
    if getattr(actual, "shape", None) != expected.shape or actual.dtype != expected.dtype:
        raise AssertionError(f"{what}: is {describe(actual)}, not {describe(expected)}")


def assert_close(actual: Any, expected: Any, what: str, bound: float) -> None:
    """Asserts that every value is within `bound * (1 + |expected|)`; a NaN equals a NaN, and an infinity itself."""
    a, e = on_host(actual), on_host(expected)
    if e.dtype.kind not in "fc":
        wrong = np.asarray(a != e)
    else:
        with np.errstate(all="ignore"):
            near = np.isfinite(e) & (np.abs(a - e) <= bound * (1 + np.abs(e)))
            wrong = ~(near | (a == e) | ((a != a) & (e != e)))
    if wrong.any():
        at = tuple(np.argwhere(wrong)[0].tolist())
        raise AssertionError(f"{what}: {wrong.sum()} of {wrong.size} values are wrong; at {at}: {a[at]}, not {e[at]}")


def numbered(x: Any) -> Any:
    """An array of the numbers of the elements of `x`, in order."""
    return asarray(np.arange(x.size).reshape(x.shape), x)


def copies(tree: Any) -> Any:
    """A pytree with copies in place of its arrays, for a function that may write to its arguments."""
    return tree_map(lambda x: x.copy() if hasattr(x, "dtype") else x, tree)


@contextlib.contextmanager
def untouched(what: str, args: Sequence[Any], which: str = "its argument") -> Iterator[None]:
    """Asserts that no array among `args` is written to meanwhile, nor by what is raised meanwhile."""
    arrays = [x for x in args if hasattr(x, "dtype")]
    before = [on_host(x).copy() for x in arrays]
    try:
        yield
    finally:
        for x, old in zip(arrays, before, strict=True):
            if on_host(x).tobytes() != old.tobytes():
                raise AssertionError(f"{what} wrote to {which} {describe(x)}")


def assert_own(what: str, results: Sequence[Any], others: Sequence[Any], instead: str = "") -> None:
    """Asserts that results have memory that nothing else has: a user may write to them."""
    if shared := aliases(others, results):
        raise AssertionError(f"{what}: {min(shared)}{instead}")


def aliases(args: Sequence[Any], results: Sequence[Any]) -> set[str]:
    """Which results share memory with an argument or with an earlier result, in words."""
    found = set()
    for i, y in enumerate(results):
        found |= {f"result {i} shares memory with argument {j}" for j, x in enumerate(args) if shares_memory(x, y)}
        found |= {f"result {i} shares memory with result {j}" for j in range(i) if shares_memory(results[j], y)}
    return found


def shares_memory(x: Any, y: Any) -> bool:
    """Whether two values are NumPy arrays with memory in common."""
    return type(x) is np.ndarray and type(y) is np.ndarray and np.shares_memory(x, y)
