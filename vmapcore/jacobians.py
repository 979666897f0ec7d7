"""Jacobians, composed of vmap, vjp and jvp."""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arguments import Split, check_callable, with_aux
from .arrays import is_array
from .batching import OverTangents, vmap
from .errors import ArgumentError, DTypeError, describe, name_of
from .forward import jvp
from .names import call_user
from .pytree import buffers, flatten, unflatten
from .remade import remade
from .reverse import Recording
from .tracer import Tracer, innermost
from .words import checks_keywords


@remade
@checks_keywords
def jacrev(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    *,
    holomorphic: bool = False,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Makes a function that returns the Jacobian of `fun`, a row per output, by vmap of its pullback.

    Law:  jacrev(fun)(x)[i] == grad(lambda x: fun(x)[i])(x)

    Args:
        fun: a function from arrays to arrays, in any pytree.
        argnums: as in `grad`.
        has_aux: whether `fun` returns `(out, aux)`.
        holomorphic: promise that `fun` is complex-differentiable; needed where an argument or result is complex.
        chunk_size: how many rows to compute at once; all of them by default.

    Returns:
        A function of the same arguments that returns, for every leaf of the result of `fun`, a tree like the argument
        whose leaves have the shape `result.shape + argument.shape`; or `(jacobian, aux)`.

    Example:
        >>> jacrev(lambda x: x[:2] * x[1:])(np.arange(3.0))
        array([[1., 0., 0.],
               [0., 2., 1.]])
    """
    call = _checked("jacrev", fun, chunk_size)

    @functools.wraps(fun)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        split = Split(call, fun, argnums, args)
        recording = Recording(
            call, lambda new: with_aux(call, call_user(fun, split.put(new), kwargs), has_aux), split.leaves
        )
        outputs = _arrays(call, recording.values, recording.out_tree)
        _check_real(call, [*split.leaves, *outputs], holomorphic, "Use jacfwd for a real argument and a complex result")

        def gradients(basis: list[Any]) -> list[Any]:
            return vmap(lambda gs: recording.pull_back(gs), axis_size=_count(basis))(basis)

        blocks = _by_chunks(gradients, outputs, chunk_size)
        rows = [_split_rows(b, outputs) for b in blocks]  # per input leaf, per output leaf
        trees = [_tree(split, out, [row[o] for row in rows]) for o, out in enumerate(outputs)]
        result = unflatten(recording.out_tree, trees)
        return (result, recording.aux) if has_aux else result

    return jacobian


@remade
@checks_keywords
def jacfwd(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    *,
    holomorphic: bool = False,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Makes a function that returns the Jacobian of `fun`, a column per input, by vmap of its jvp.

    Law:  jacfwd(fun)(x) == jacrev(fun)(x)

    Cheaper than `jacrev` where `fun` has more outputs than inputs. Arguments and results are those of `jacrev`.

    Example:
        >>> jacfwd(lambda x: x[:2] * x[1:])(np.arange(3.0))
        array([[1., 0., 0.],
               [0., 2., 1.]])
    """
    call = _checked("jacfwd", fun, chunk_size)

    @functools.wraps(fun)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        split = Split(call, fun, argnums, args)
        _check_real(call, split.leaves, holomorphic, "Use vjp for a function of complex arguments that is not")

        def run(*leaves: Any) -> tuple[Any, Any]:
            return with_aux(call, call_user(fun, split.put(list(leaves)), kwargs), has_aux)

        def columns(basis: list[Any]) -> list[Any]:
            push = OverTangents(lambda ts: jvp(run, split.leaves, ts), _count(basis))
            (out, aux), (tangent, _) = push((basis,), {})
            tangents, tree = flatten(tangent)
            return [*tangents, _arrays(call, *flatten(out)), tree, aux]

        *blocks, outputs, out_tree, aux = _by_chunks(columns, split.leaves, chunk_size, keep=3)
        trees = []
        for block, out in zip(blocks, outputs, strict=True):
            order = [*range(1, len(out.shape) + 1), 0]  # the batch of tangents goes behind the axes of the result
            trees.append(_tree(split, out, [part.transpose(order) for part in _split_rows(block, split.leaves)]))
        result = unflatten(out_tree, trees)
        return (result, aux) if has_aux else result

    return jacobian


@remade
@checks_keywords
def hessian(
    fun: Callable[..., Any], argnums: int | Sequence[int] = 0, *, chunk_size: int | None = None
) -> Callable[..., Any]:
    """Makes a function that returns the second derivatives of the scalar function `fun`: forward over reverse.

    Law:  hessian(fun)(x)[i, j] == d2 fun / dx_i dx_j

    Example:
        >>> hessian(lambda x: np.sum(x ** 3))(np.arange(3.0))
        array([[ 0.,  0.,  0.],
               [ 0.,  6.,  0.],
               [ 0.,  0., 12.]])
    """
    return jacfwd(jacrev(fun, argnums), argnums, chunk_size=chunk_size)


# Bases for Jacobians.


def _checked(which: str, fun: Any, chunk_size: Any) -> str:
    """What a message calls this."""
    check_callable(which, fun)
    if chunk_size is not None and (not isinstance(chunk_size, int) or chunk_size < 1):
        raise ArgumentError(which, f"chunk_size is {chunk_size!r}", "it must be an int >= 1 or None")
    return f"{which}({name_of(fun)})"


def _arrays(call: str, results: list[Any], tree: Any) -> list[Any]:
    """The results as arrays, if all are floats or complex numbers, or buffers, as a gradient by a model has them."""
    arrays = [np.asarray(x) if isinstance(x, (float, complex)) and not is_array(x) else x for x in results]
    for x, is_buffer in zip(arrays, buffers(tree), strict=True):
        if not (is_array(x) or isinstance(x, Tracer)) or (x.dtype.kind not in "fc" and not is_buffer):
            raise DTypeError(call, f"a result is {describe(x)}", "a Jacobian needs arrays of floats")
    return arrays


def _check_real(call: str, arrays: list[Any], holomorphic: bool, remedy: str) -> None:
    for x in arrays:
        if x.dtype.kind == "c" and not holomorphic:
            raise DTypeError(
                call,
                f"an argument or result is {describe(x)}",
                "a complex Jacobian is one number per "
                f"entry only for a holomorphic function; pass holomorphic=True if it is. {remedy}",
            )


def _by_chunks(
    run: Callable[[list[Any]], list[Any]], like: list[Any], chunk_size: int | None, keep: int = 0
) -> list[Any]:
    """Runs `run` on the unit vectors of `like`, a chunk at a time; joins all results but the last `keep`."""
    total = sum(x.size for x in like)
    step = total if chunk_size is None else chunk_size
    results = [run(_basis(like, start, min(start + step, total))) for start in range(0, max(total, 1), max(step, 1))]
    if len(results) == 1:
        return results[0]
    count = len(results[0]) - keep
    return [np.concatenate([r[i] for r in results]) for i in range(count)] + results[0][count:]


def _basis(like: list[Any], start: int, stop: int) -> list[Any]:
    """Unit vectors `start` to `stop` of the space of all entries of `like`, one array of them per array."""
    arrays = []
    for x, end in zip(like, itertools.accumulate([x.size for x in like]), strict=True):
        rows = np.arange(start, stop)[:, None] == np.arange(end - x.size, end)
        unit = np.ones_like(x).reshape(-1) if x.size else np.zeros_like(x).reshape(-1)
        like_x = innermost(x)
        rows = rows if isinstance(like_x, np.generic) else np.asarray(rows, like=like_x)
        arrays.append((unit * rows).astype(x.dtype).reshape((stop - start, *x.shape)))
    return arrays


def _count(basis: list[Any]) -> int:
    return len(basis[0]) if basis else 0


def _split_rows(block: Any, like: list[Any]) -> list[Any]:
    ends = itertools.accumulate([x.size for x in like])
    return [block[end - x.size : end] for x, end in zip(like, ends, strict=True)]


def _tree(split: Split, out: Any, blocks: Sequence[Any]) -> Any:
    """The Jacobian of `out`, of a block for each leaf that is no buffer; that of a buffer is zeros."""
    shaped = [block.reshape(out.shape + x.shape) for block, x in zip(blocks, split.leaves, strict=True)]
    return split.tree_of(shaped, lambda x: np.zeros_like(x, shape=out.shape + np.shape(x)))
