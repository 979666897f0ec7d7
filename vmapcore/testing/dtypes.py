"""The law of dtypes: with fewer bits, a function and its derivatives compute the same, less exactly."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..derivatives import vjp
from ..errors import DTypeError, name_of
from ..forward import jvp
from ..pytree import flatten, tree_map, unflatten
from .compare import TOLERANCE, assert_close, assert_like
from .derivatives import MODES, direction, moving_leaves, of_inexact
from .oracles import Fun
from .reproduction import reproducible

NARROW = {"d": np.dtype(np.float32), "D": np.dtype(np.complex64)}
WIDE = {"f": np.dtype(np.float64), "F": np.dtype(np.complex128)}


def check_dtypes(
    fun: Fun,
    *args: Any,
    argnums: Sequence[int] | None = None,
    modes: Sequence[str] = MODES,
    tol: float = 1.0,
    seed: int = 0,
) -> None:
    """Checks `fun` and its derivatives where some arguments have 32 bits: the dtypes, and the values against 64 bits.

    Law:  jvp(fun, (x32,), (t32,)) == jvp(fun, (x64,), (t64,)) as exactly as 32 bits tell, in the dtypes of fun(x32)

    All arguments to differentiate are narrowed, then each alone, then all but each. What `fun` does not take, raising
    TypeError, is left out, and so are mixtures that its rules refuse with a DTypeError.

    Args:
        fun: a function of arrays in any pytree.
        *args: arguments of 64 bits, at a point around which `fun` is smooth.
        argnums: which to narrow and to differentiate; by default every leaf of floats or complex numbers.
        modes: "fwd" for `jvp`, "rev" for `vjp`.
        tol: a factor on the tolerances.
        seed: for the directions of tangents and cotangents.

    Raises:
        AssertionError: a result, tangent or cotangent has the wrong dtype, or is not as exact as its dtype.

    Example:
        >>> check_dtypes(np.hypot, np.ones(3), np.linspace(0, 1, 3))
    """
    with reproducible("check_dtypes", fun, args, {"argnums": argnums, "modes": tuple(modes)}):
        for given, mixed in _narrowed(args, argnums):
            try:
                fun(*given)
            except TypeError:
                continue
            with contextlib.suppress(*([DTypeError] if mixed else [])):
                _check(fun, given, argnums, modes, tol * TOLERANCE[4], np.random.default_rng(seed))


def _narrowed(args: Sequence[Any], argnums: Sequence[int] | None) -> Iterator[tuple[list[Any], bool]]:
    """The arguments with some leaves in fewer bits, and whether others have more."""
    leaves, tree = flatten(list(args))
    wide = [j for j in moving_leaves(args, argnums) if leaves[j].dtype.char in NARROW]
    subsets = [wide, *[[j] for j in wide], *[[i for i in wide if i != j] for j in wide]]
    for narrow in {tuple(s): s for s in subsets if s}.values():
        values = [x.astype(NARROW[x.dtype.char]) if j in narrow else x for j, x in enumerate(leaves)]
        yield unflatten(tree, values), narrow != wide


def _check(
    fun: Fun, args: Sequence[Any], argnums: Sequence[int] | None, modes: Sequence[str], bound: float, rng: Any
) -> None:
    """Results, tangents and cotangents at `args`, against those at the same point with more bits."""
    f, primals = of_inexact(fun, args, argnums)
    exact, point = of_inexact(fun, cast(args, WIDE), argnums)
    what = f"{name_of(fun)} of {', '.join([str(x.dtype) for x in primals])}"
    results = f(*primals)
    _compare(f"the result of {what}", results, results, exact(*point), bound)
    if "fwd" in modes:
        tangents = [direction(x, rng) for x in primals]
        out, actual = jvp(f, tuple(primals), tuple(tangents))
        _, expected = jvp(exact, tuple(point), tuple(cast(tangents, WIDE)))
        _compare(f"the value of the jvp of {what}", out, results, results, bound)
        _compare(f"the tangent of {what}", actual, results, expected, bound)
    if "rev" in modes:
        cotangents = [direction(y, rng) for y in results]
        out, pullback = vjp(f, *primals)
        wide = [g.astype(e.dtype) for g, e in zip(cotangents, exact(*point), strict=True)]
        expected = vjp(exact, *point)[1](wide)
        _compare(f"the value of the vjp of {what}", out, results, results, bound)
        _compare(f"a cotangent of {what}", pullback(cotangents), primals, expected, bound)


def _compare(what: str, actual: Sequence[Any], like: Sequence[Any], expected: Sequence[Any], bound: float) -> None:
    for a, y, e in zip(actual, like, expected, strict=True):
        assert_like(a, y, what)
        assert_close(a, e, what, bound)


def cast(args: Sequence[Any], dtypes: dict[str, Any]) -> list[Any]:
    """Arguments with other dtypes for those named."""
    return tree_map(lambda x: x.astype(dtypes[x.dtype.char]) if _has([x], dtypes) else x, list(args))


def _has(args: Any, chars: Any) -> bool:
    return any(hasattr(x, "dtype") and x.dtype.char in chars for x in flatten(args)[0])


def to_narrow(args: list[Any]) -> Any:
    """With 32 bits in place of 64; None if nothing has 64."""
    return cast(args, NARROW) if _has(args, NARROW) else None


def to_real(args: list[Any]) -> Any:
    """The real parts; None if all is real."""
    return tree_map(lambda x: x.real.copy() if x.dtype.kind == "c" else x, args) if _has(args, "FD") else None


def to_complex(args: list[Any]) -> Any:
    """With imaginary parts; None if something is complex already, or nothing a float of 64 bits."""
    if _has(args, "FD") or not _has(args, "d"):
        return None
    rng = np.random.default_rng(0)
    return tree_map(lambda x: x * (1 + 0.2j * direction(x, rng)) if x.dtype.char == "d" else x, args)
