"""Root finders: SciPy's own for each row, and the derivative of the root by the implicit function theorem."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..derivatives import vjp
from ..forward import jvp
from ..jacobians import jacfwd
from ..rules.casts import inexact
from ..rules.creation import as_array
from .calls import Path, SolverCall, applied, unknown
from .operations import Enter, PlainRun, Rule, Taken, no_derivative, together
from .searches import Found, Rows, bisection, brent, newtons, secants

Of = Callable[[Any, Sequence[Any]], Any]
"""A function of a solution and of leaves."""

OfArguments = Callable[[Any, dict[str, Any]], Any]
"""One of a solution and of the arguments of a call."""

Values = dict[Path, OfArguments]


class Implicit:
    """The rules of an operation of whose results one is x where `residual(x, leaves)` is zero.

    `places()` says which one, and which others are functions of x and the leaves. With `each`, an element of the
    residual hangs on that element of x alone. What else there is of floats has no derivative: `check(gs)` raises.
    """

    def __init__(
        self,
        residual: Of,
        places: Callable[[], tuple[int, dict[int, Of]]],
        each: bool = False,
        check: Callable[[Sequence[Any]], None] | None = None,
    ) -> None:
        self.residual, self.places, self.each, self.check = residual, places, each, check

    def _of(self, x: Any, leaves: Sequence[Any]) -> Any:
        return self.residual(x, leaves).reshape(x.shape)

    def _solve(self, x: Any, leaves: Sequence[Any], v: Any, transposed: bool) -> Any:
        """The derivative of the residual by x, inverted, times `v`."""
        if self.each or not x.shape:
            return v / jvp(lambda x: self._of(x, leaves), (x,), (np.ones_like(x),))[1]
        matrix = jacfwd(lambda x: self._of(x, leaves), holomorphic=x.dtype.kind == "c")(x).reshape(x.size, x.size)
        return np.linalg.solve(matrix.T if transposed else matrix, v.reshape(-1)).reshape(x.shape)

    def push(self, leaves: Any, outs: Any, tangents: Any) -> list[Any]:
        moving = [i for i, t in enumerate(tangents) if t is not None]
        given, ts = _pick(leaves, moving), _pick(tangents, moving)
        place, parts = self.places()
        x = outs[place]
        along = jvp(lambda *xs: self._of(x, _with(leaves, moving, xs)), given, ts)[1]
        moved = self._solve(x, leaves, -along, False)
        found = [np.full_like(y, np.nan if y.dtype.kind in "fc" else 0) for y in outs]
        found[place] = moved
        for i, fun in parts.items():

            def value(x: Any, *xs: Any, fun: Of = fun) -> Any:
                return fun(x, _with(leaves, moving, xs))

            found[i] = jvp(value, (x, *given), (moved, *ts))[1]
        return found

    def pull(self, leaves: Any, outs: Any, gs: Any, wanted: Sequence[int]) -> Any:
        (place, parts), given = self.places(), _pick(leaves, wanted)
        if self.check is not None:
            self.check(gs)
        x = outs[place]
        g = np.zeros_like(x) if gs[place] is None else gs[place]
        more: list[Any] = []
        for i, fun in parts.items():
            if gs[i] is not None:

                def value(x: Any, *xs: Any, fun: Of = fun) -> Any:
                    return fun(x, _with(leaves, wanted, xs))

                by_x, *others = vjp(value, x, *given)[1](gs[i])
                g, more = g + by_x, [*more, others]
        _, pullback = vjp(lambda *xs: self._of(x, _with(leaves, wanted, xs)), *given)
        found = pullback(self._solve(x, leaves, -g, True).astype(x.dtype))
        for others in more:
            found = [a + b for a, b in zip(found, others, strict=True)]
        return found


def implicit(
    call: SolverCall,
    residual: OfArguments,
    paths: Sequence[Path],
    like: Callable[[dict[str, Any]], Any],
    each: bool = False,
    values: Values | None = None,
    rows: Rule | None = None,
) -> Any:
    """What SciPy returns, where `residual(x, arguments)` is zero at the first of `paths` in it.

    Parts of it at `values` are such functions. Of no rows it is what `like` makes of the arguments.
    """
    known = values or {}

    def of(fun: OfArguments) -> Of:
        return lambda x, leaves: fun(x, call.given(leaves))

    def places() -> tuple[int, dict[int, Of]]:
        assert call.form is not None
        every = call.form.paths
        place = every.index(next(path for path in paths if path in every))
        return place, {every.index(path): of(fun) for path, fun in known.items()}

    def check(gs: Sequence[Any]) -> None:
        assert call.form is not None
        unknown(call.name, call.form, [*paths, *known], gs)

    rules = Implicit(of(residual), places, each, check)
    return call.solved(rules.push, rules.pull, rows, like)


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


MANY = 12
"""Rows from which it pays to search for all roots together."""

Search = Callable[[dict[str, Any], Callable[[str], Rows], Callable[[str], Any]], Found]
"""A search with some arguments, of functions and numbers of rows by their names."""


def _together(call: SolverCall, search: Search | None) -> Rule | None:
    """The rows of a root finder; those that come to no end by SciPy, and the first, for the form of the result."""
    if search is None:
        return None

    def rows(size: int, mapped: Sequence[bool], *leaves: Any) -> Any:
        def run(inside: list[Any], enter: Enter, taken: Taken) -> Found:
            given = call.given(inside)
            args = as_tuple(given["args"])

            def rows_of(name: str) -> Rows:
                return lambda x: taken(applied(given[name], enter(x), *args).reshape(()), float)

            with np.errstate(all="ignore"):
                return search(given, rows_of, lambda name: taken(inexact(as_array(given[name], None)), float))

        one_by_one = PlainRun(call.name, call.run, *no_derivative(call.name)).rows
        if size < MANY:
            return one_by_one(size, mapped, *leaves)
        try:
            found = together(call.name, size, mapped, leaves, run)
        except (TypeError, ValueError):  # a question to a value, or what is no real number for each row
            return one_by_one(size, mapped, *leaves)
        first = call.run(*[x[0] if m else x for x, m in zip(leaves, mapped, strict=True)])
        assert call.form is not None
        parts = {"root": found.root, "iterations": found.iterations, "function_calls": found.calls}
        outs = [
            np.array(parts.get(path[-1] if path else "root", np.repeat(x, size)))
            for path, x in zip(call.form.paths, first, strict=True)
        ]
        for i in np.flatnonzero(~found.done):
            row = call.run(*[x[i] if m else x for x, m in zip(leaves, mapped, strict=True)])
            for out, value in zip(outs, row, strict=True):
                out[i] = value
        return outs

    return rows


def bracketed(call: SolverCall) -> Any:
    """`brentq` and its kin."""
    method = {"brentq": brent, "bisect": bisection}.get(call.name.rpartition(".")[-1])

    def search(given: dict[str, Any], rows_of: Any, number: Any) -> Found:
        assert method is not None
        return method(rows_of("f"), number("a"), number("b"), given["xtol"], given["rtol"], given["maxiter"])

    rows = None if method is None or call.bound.arguments.get("full_output") else _together(call, search)
    return implicit(call, lambda x, given: _residual("f", given, x), SOLUTION, lambda given: 0.0, rows=rows)


def newton(call: SolverCall) -> Any:
    asked = call.bound.arguments

    def search(given: dict[str, Any], rows_of: Any, number: Any) -> Found:
        f, x0, rest = rows_of("func"), number("x0"), (given["tol"], given["rtol"], given["maxiter"])
        if x0.ndim > 1:
            raise ValueError("an array for each row")
        return secants(f, x0, *rest) if given["fprime"] is None else newtons(f, rows_of("fprime"), x0, *rest)

    plain = not any(asked.get(name) for name in ("full_output", "fprime2")) and asked.get("x1") is None
    rows = _together(call, search) if plain else None
    return implicit(call, lambda x, given: _residual("func", given, x), SOLUTION, guessed("x0"), each=True, rows=rows)


def root_scalar(call: SolverCall) -> Any:
    asked = call.bound.arguments
    method = {None: brent, "brentq": brent, "bisect": bisection}.get(asked.get("method"))

    def residual(x: Any, given: dict[str, Any]) -> Any:
        return _residual("f", given, x, given["fprime"])

    def search(given: dict[str, Any], rows_of: Any, number: Any) -> Found:
        assert method is not None
        ends = number("bracket")
        rtol = 4 * np.finfo(float).eps if given["rtol"] is None else given["rtol"]
        return method(rows_of("f"), ends[:, 0], ends[:, 1], given["xtol"] or 2e-12, rtol, given["maxiter"] or 100)

    by_bracket = asked.get("bracket") is not None and not asked.get("options") and method is not None
    rows = _together(call, search) if by_bracket and not asked.get("fprime") else None
    return implicit(call, residual, [("root",)], lambda given: {"root": 0.0, "converged": True}, rows=rows)


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
