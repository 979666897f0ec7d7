"""The doors of differentiation: vjp, grad and value_and_grad."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arguments import Split, check_callable, check_cotangents, check_scalar, with_aux
from .arrays import is_array
from .core import Memory, facts, primitive
from .errors import ZeroGradientWarning, name_of, warn_caller
from .names import call_user
from .pytree import tree_map, unflatten
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
        call, lambda new: with_aux(call, call_user(fun, split.put(new)), has_aux), [_own(x) for x in split.leaves]
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

    def returned(value: Any, gradient: Any, aux: Any) -> Any:
        return ((value, aux) if has_aux else value), gradient

    return _gradient("value_and_grad", fun, argnums, has_aux, returned)


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

    def returned(value: Any, gradient: Any, aux: Any) -> Any:
        return (gradient, aux) if has_aux else gradient

    return _gradient("grad", fun, argnums, has_aux, returned)


WARNED: set[tuple[str, str]] = set()
"""Of which functions and lines a warning has said that gradients are zero."""


def _gradient(
    which: str, fun: Callable[..., Any], argnums: Any, has_aux: bool, returned: Callable[..., Any]
) -> Callable[..., Any]:
    check_callable(which, fun)
    call = f"{which}({name_of(fun)})"

    @functools.wraps(fun)
    def gradient_of(*args: Any, **kwargs: Any) -> Any:
        split = Split(call, fun, argnums, args)
        recording = Recording(
            call, lambda new: with_aux(call, call_user(fun, split.put(new), kwargs), has_aux), split.leaves
        )
        value = check_scalar(call, unflatten(recording.out_tree, recording.values))
        if recording.compared and (line := recording.only_compared()) and (call, line) not in WARNED:
            WARNED.add((call, line))
            warn_caller(
                call,
                f"the gradient is zero: the result depends on what it is taken by through comparisons alone, at {line}",
                "these have no derivative",
                "Of a root or an optimum use the implicit derivative, as functions of scipy.optimize have here; of "
                "choices, np.where",
                ZeroGradientWarning,
            )
        gradient = split.tree_of(recording.pull_back([np.ones_like(value)]))
        return returned(value, gradient, recording.aux)

    return gradient_of
