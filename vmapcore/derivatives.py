"""The doors of differentiation: vjp, grad, value_and_grad, and Jacobians composed of vmap, vjp and jvp."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arguments import Split, check_callable, check_cotangents, check_scalar, with_aux
from .arrays import is_array
from .batching import OverTangents, vmap
from .core import Memory, facts, primitive
from .errors import ArgumentError, DTypeError, describe, name_of
from .forward import jvp
from .pytree import buffers, flatten, tree_map, unflatten
from .remade import remade
from .reverse import Recording
from .rules._work import nothing
from .tracer import Tracer
from .words import checks_keywords


@facts(work=nothing, memory=Memory.EITHER)
@primitive
def detach(xp: Any, x: Any) -> Any:
    """A copy, so that a write to it leaves what the derivative has kept alone."""
    return xp.copy(x)


detach.def_vmap(lambda size, mapped, x: detach(x))
detach.def_zero_derivative()


def stop_gradient(tree: Any) -> Any:
    """Returns a copy of the arrays in `tree` that derivatives treat as constant.

    Law:  grad(lambda x: np.sum(stop_gradient(x) * x))(x) == x

    Example:
        >>> grad(lambda x: np.sum(stop_gradient(x) * x))(np.ones(2))
        array([1., 1.])
    """
    return tree_map(lambda x: detach(x) if is_array(x) or isinstance(x, Tracer) else x, tree)


@checks_keywords
def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Evaluates `fun` and returns the pullback of its derivative.

    Law:  <pullback(g), t> == <g, jvp(fun, primals, t)[1]>, with <a, b> = Re(sum(a * b))

    Args:
        fun: a function of arrays in any pytree.
        *primals: where to evaluate it; floats or complex numbers.
        has_aux: whether `fun` returns `(out, aux)`; `aux` is handed back without derivative.

    Returns:
        `(out, pullback)` or `(out, pullback, aux)`; `pullback(g)`, with `g` like `out`, is a tuple like `primals`.

    Raises:
        DTypeError: a primal is not of floats or complex numbers.

    Example:
        >>> out, pullback = vjp(np.sin, np.zeros(3))
        >>> out.shape, pullback(np.ones(3))[0]
        ((3,), array([1., 1., 1.]))
    """
    call = f"vjp({name_of(fun)})"
    check_callable("vjp", fun)
    split = Split(call, fun, tuple(range(len(primals))), primals)
    # Copies, both ways: the caller may write to its arrays before it calls the pullback.
    recording = Recording(
        call, lambda new: with_aux(call, fun(*split.put(new)), has_aux), [_own(x) for x in split.leaves]
    )
    out = unflatten(recording.out_tree, [_own(x) for x in recording.values])

    def pullback(cotangent: Any) -> Any:
        cotangents = check_cotangents(f"pullback of {call}", recording.values, recording.out_tree, cotangent)
        return split.tree_of(recording.pull_back(cotangents))

    return (out, pullback, recording.aux) if has_aux else (out, pullback)


def _own(x: Any) -> Any:
    if isinstance(x, Tracer):
        return x.snapshot()
    return x.copy() if is_array(x) else x


@remade
@checks_keywords
def value_and_grad(
    fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Makes a function that returns the value of `fun` and its gradient.

    Law:  value_and_grad(fun)(x) == (fun(x), grad(fun)(x))

    Arguments and errors are those of `grad`.

    Returns:
        A function of the same arguments that returns `(value, gradient)`, or `((value, aux), gradient)`.

    Example:
        >>> value_and_grad(lambda x: np.sum(x * x))(np.ones(3))
        (np.float64(3.0), array([2., 2., 2.]))
    """
    run = _gradient("value_and_grad", fun, argnums, has_aux)

    @functools.wraps(fun)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        value, gradient, aux = run(args, kwargs)
        return ((value, aux) if has_aux else value), gradient

    return value_and_gradient


@remade
@checks_keywords
def grad(fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Makes a function that returns the gradient of the scalar function `fun`.

    Law:  grad(fun)(x)[i] == (fun(x + e * unit_i) - fun(x)) / e, as e -> 0

    For a complex argument x = a + ib the gradient is df/da - i df/db; its conjugate points along steepest ascent. What
    a dataclass declares a buffer is a constant, here and in every other derivative, and its gradient is zeros.

    Args:
        fun: a function that returns one real number (an array of shape `()`).
        argnums: the position, or positions, of what to differentiate by; each any pytree of floats or complex numbers.
        has_aux: whether `fun` returns `(value, aux)`.

    Returns:
        A function of the same arguments that returns the gradient, structured like the argument (a tuple of
        gradients for a tuple of `argnums`), or `(gradient, aux)`.

    Raises:
        ShapeError: `fun` did not return a scalar.
        DTypeError: `fun` did not return a float, or an argument has no derivative.

    Example:
        >>> grad(lambda w, x: np.sum(w * x))(np.ones(3), np.arange(3.0))
        array([0., 1., 2.])
    """
    run = _gradient("grad", fun, argnums, has_aux)

    @functools.wraps(fun)
    def gradient_of(*args: Any, **kwargs: Any) -> Any:
        _, gradient, aux = run(args, kwargs)
        return (gradient, aux) if has_aux else gradient

    return gradient_of


def _gradient(which: str, fun: Callable[..., Any], argnums: Any, has_aux: bool) -> Callable[..., Any]:
    check_callable(which, fun)
    call = f"{which}({name_of(fun)})"

    def run(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, Any]:
        split = Split(call, fun, argnums, args)
        recording = Recording(call, lambda new: with_aux(call, fun(*split.put(new), **kwargs), has_aux), split.leaves)
        value = check_scalar(call, unflatten(recording.out_tree, recording.values))
        gradient = split.tree_of(recording.pull_back([np.ones_like(value)]))
        return value, gradient, recording.aux

    return run


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
    check_callable("jacrev", fun)
    _check_chunk("jacrev", chunk_size)
    call = f"jacrev({name_of(fun)})"

    @functools.wraps(fun)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        split = Split(call, fun, argnums, args)
        recording = Recording(call, lambda new: with_aux(call, fun(*split.put(new), **kwargs), has_aux), split.leaves)
        outputs = _arrays(call, recording.values, recording.out_tree)
        _check_real(call, [*split.leaves, *outputs], holomorphic, "Use jacfwd for a real argument and a complex result")

        def gradients(basis: list[Any]) -> list[Any]:
            return vmap(lambda gs: recording.pull_back(gs), axis_size=_count(basis))(basis)

        blocks = _by_chunks(gradients, outputs, chunk_size)
        rows = [_split_rows(b, outputs) for b in blocks]  # per input leaf, per output leaf
        trees = [
            split.tree_of(
                [row[o].reshape(out.shape + x.shape) for row, x in zip(rows, split.leaves, strict=True)],
                _zeros_by(out),
            )
            for o, out in enumerate(outputs)
        ]
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
    check_callable("jacfwd", fun)
    _check_chunk("jacfwd", chunk_size)
    call = f"jacfwd({name_of(fun)})"

    @functools.wraps(fun)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        split = Split(call, fun, argnums, args)
        _check_real(call, split.leaves, holomorphic, "Use vjp for a function of complex arguments that is not")

        def run(*leaves: Any) -> tuple[Any, Any]:
            return with_aux(call, fun(*split.put(list(leaves)), **kwargs), has_aux)

        def columns(basis: list[Any]) -> list[Any]:
            push = OverTangents(lambda ts: jvp(run, split.leaves, ts), _count(basis))
            (out, aux), (tangent, _) = push((basis,), {})
            tangents, tree = flatten(tangent)
            return [*tangents, _arrays(call, *flatten(out)), tree, aux]

        *blocks, outputs, out_tree, aux = _by_chunks(columns, split.leaves, chunk_size, keep=3)
        trees = []
        for block, out in zip(blocks, outputs, strict=True):
            parts = _split_rows(block, split.leaves)
            trees.append(
                split.tree_of(
                    [
                        _last(p, len(out.shape)).reshape(out.shape + x.shape)
                        for p, x in zip(parts, split.leaves, strict=True)
                    ],
                    _zeros_by(out),
                )
            )
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


def _check_chunk(call: str, chunk_size: Any) -> None:
    if chunk_size is not None and (not isinstance(chunk_size, int) or chunk_size < 1):
        raise ArgumentError(call, f"chunk_size is {chunk_size!r}", "it must be an int >= 1 or None")


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
    arrays, offset = [], 0
    for x in like:
        rows = np.arange(start, stop)[:, None] == np.arange(offset, offset + x.size)
        unit = np.ones_like(x).reshape(-1) if x.size else np.zeros_like(x).reshape(-1)
        arrays.append((unit * _on_device(rows, x)).astype(x.dtype).reshape((stop - start, *x.shape)))
        offset += x.size
    return arrays


def _count(basis: list[Any]) -> int:
    return len(basis[0]) if basis else 0


def _on_device(rows: Any, x: Any) -> Any:
    while isinstance(x, Tracer):
        x = x.value
    return np.asarray(rows, like=x) if not isinstance(x, np.generic) else rows


def _split_rows(block: Any, like: list[Any]) -> list[Any]:
    parts, offset = [], 0
    for x in like:
        parts.append(block[offset : offset + x.size])
        offset += x.size
    return parts


def _zeros_by(out: Any) -> Callable[[Any], Any]:
    """What makes the block of a buffer in the Jacobian of `out`."""
    return lambda x: np.zeros_like(x, shape=out.shape + np.shape(x))


def _last(part: Any, ndim: int) -> Any:
    """Moves the batch of tangents from axis 0 behind the `ndim` axes of the result."""
    return part.transpose([*range(1, ndim + 1), 0])
