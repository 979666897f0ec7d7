"""Root finders: SciPy's own for each row, and the derivative of the root by the implicit function theorem."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..derivatives import vjp
from ..forward import jvp
from ..jacobians import jacfwd
from .calls import Path, SolverCall, applied, unknown


def implicit(
    call: SolverCall,
    residual: Callable[[Any, dict[str, Any]], Any],
    paths: Sequence[Path],
    like: Callable[[dict[str, Any]], Any],
    each: bool = False,
) -> Any:
    """What SciPy returns, where `residual(x, arguments)` is zero at the first of `paths` in it.

    Of no rows it is what `like` makes of the arguments. With `each`, an element of the residual hangs on that element
    of x alone. What else the result has of floats has no derivative.
    """

    def solution(outs: Sequence[Any]) -> Any:
        assert call.form is not None
        return outs[call.form.paths.index(next(path for path in paths if path in call.form.paths))]

    def of(x: Any, leaves: Sequence[Any]) -> Any:
        return residual(x, call.given(leaves)).reshape(x.shape)

    def slope(x: Any, leaves: Sequence[Any]) -> Any:
        """The derivative of the residual: a matrix, or of each element a number."""
        if each or not x.shape:
            return jvp(lambda x: of(x, leaves), (x,), (np.ones_like(x),))[1]
        return jacfwd(lambda x: of(x, leaves), holomorphic=x.dtype.kind == "c")(x).reshape(x.size, x.size)

    def solve(matrix: Any, v: Any) -> Any:
        if each or not v.shape:
            return v / matrix
        return np.linalg.solve(matrix, v.reshape(-1)).reshape(v.shape)

    def push(leaves: Any, outs: Any, tangents: Any) -> list[Any]:
        assert call.form is not None
        x = solution(outs)
        moving = [i for i, t in enumerate(tangents) if t is not None]
        along = jvp(lambda *xs: of(x, _with(leaves, moving, xs)), _pick(leaves, moving), _pick(tangents, moving))[1]
        moved = solve(slope(x, leaves), -along)
        return [moved if y is x else np.full_like(y, np.nan if y.dtype.kind in "fc" else 0) for y in outs]

    def pull(leaves: Any, outs: Any, gs: Any, wanted: Sequence[int]) -> Any:
        assert call.form is not None
        unknown(call.name, call.form, paths, gs)
        x, g = solution(outs), solution(gs)
        matrix = slope(x, leaves)
        _, pullback = vjp(lambda *xs: of(x, _with(leaves, wanted, xs)), *_pick(leaves, wanted))
        return pullback(solve(matrix.T, -g).astype(x.dtype))

    return call.solved(push, pull, like=like)


def _pick(values: Sequence[Any], places: Sequence[int]) -> tuple[Any, ...]:
    return tuple([values[i] for i in places])


def _with(leaves: Sequence[Any], places: Sequence[int], values: Sequence[Any]) -> list[Any]:
    full = list(leaves)
    for i, x in zip(places, values, strict=True):
        full[i] = x
    return full


SOLUTION: list[Path] = [(), (0,)]
"""Where a solution is, alone or with what else is known of it."""


def as_tuple(args: Any) -> tuple[Any, ...]:
    return args if isinstance(args, tuple) else (args,)


def _residual(name: str, given: dict[str, Any], x: Any, with_slope: Any = False) -> Any:
    value = given[name]
    found = applied_first(value, x, *as_tuple(given["args"])) if with_slope is True else None
    return applied(value, x, *as_tuple(given["args"])) if found is None else found


def applied_first(fun: Any, *args: Any) -> Any:
    """The first of what a function of the user's returns, as an array."""
    return applied(lambda *xs: fun(*xs)[0], *args)


def guessed(name: str) -> Callable[[dict[str, Any]], Any]:
    """What is like the first guess."""
    return lambda given: np.zeros(np.shape(given[name]))


def bracketed(call: SolverCall) -> Any:
    """`brentq` and its kin."""
    return implicit(call, lambda x, given: _residual("f", given, x), SOLUTION, lambda given: 0.0)


def newton(call: SolverCall) -> Any:
    return implicit(call, lambda x, given: _residual("func", given, x), SOLUTION, guessed("x0"), each=True)


def root_scalar(call: SolverCall) -> Any:
    def residual(x: Any, given: dict[str, Any]) -> Any:
        return _residual("f", given, x, given["fprime"])

    return implicit(call, residual, [("root",)], lambda given: {"root": 0.0, "converged": True})


def fsolve(call: SolverCall) -> Any:
    return implicit(call, lambda x, given: _residual("func", given, x), SOLUTION, guessed("x0"))


def root(call: SolverCall) -> Any:
    def like(given: dict[str, Any]) -> Any:
        return {"x": np.zeros(np.shape(given["x0"])), "success": True}

    return implicit(call, lambda x, given: _residual("fun", given, x, given["jac"]), [("x",)], like)


def fixed_point(call: SolverCall) -> Any:
    return implicit(call, lambda x, given: _residual("func", given, x) - x, SOLUTION, guessed("x0"), each=True)


FUNCTIONS: dict[str, Callable[[SolverCall], Any]] = {
    **dict.fromkeys(("bisect", "brenth", "brentq", "ridder", "toms748"), bracketed),
    "newton": newton,
    "root_scalar": root_scalar,
    "fsolve": fsolve,
    "root": root,
    "fixed_point": fixed_point,
}
