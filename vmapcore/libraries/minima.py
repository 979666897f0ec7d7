"""Minimisers and least squares: SciPy's own for each row, and the derivative by the implicit function theorem.

At a minimum the gradient is zero, but for parameters that are held at a bound.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..derivatives import grad, stop_gradient
from ..errors import MissingRuleError
from ..forward import jvp
from ..jacobians import jacfwd
from ..rules.casts import inexact
from ..rules.creation import as_array, asarray
from .calls import SolverCall, applied
from .operations import no_derivative
from .roots import SOLUTION, OfArguments, as_tuple, guessed, implicit

NEAR = 1e-6
"""How near a parameter is to a bound that holds it."""


def gradient(objective: OfArguments) -> OfArguments:
    return lambda x, given: grad(lambda x: objective(x, given))(x)


def held(slope: OfArguments, ends: Callable[[dict[str, Any], int], tuple[Any, Any]]) -> OfArguments:
    """What is zero at a minimum between bounds: the gradient, or the distance from the bound."""

    def residual(x: Any, given: dict[str, Any]) -> Any:
        g = slope(x, given)
        low, high = [np.broadcast_to(end, x.shape) for end in ends(given, x.size)]
        away = [np.where(np.isfinite(stop_gradient(end)), end, 0) for end in (low, high)]
        near = [np.abs(x - end) <= NEAR * np.maximum(1, np.abs(end)) for end in away]
        at_low = near[0] & np.isfinite(low) & (g > 0)
        at_high = near[1] & np.isfinite(high) & (g < 0)
        return np.where(at_low, x - away[0], np.where(at_high, x - away[1], g))

    return residual


def scalar(value: Any) -> Any:
    return inexact(value).reshape(())


def first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value


# minimize and its kin.


def minimize(call: SolverCall) -> Any:
    asked = call.bound.arguments

    def objective(x: Any, given: dict[str, Any]) -> Any:
        return scalar(applied(lambda *xs: first(given["fun"](*xs)), x, *as_tuple(given["args"])))

    def slope(x: Any, given: dict[str, Any]) -> Any:
        if callable(given["jac"]):
            return inexact(applied(given["jac"], x, *as_tuple(given["args"])))
        return gradient(objective)(x, given)

    def ends(given: dict[str, Any], size: int) -> tuple[Any, Any]:
        return _pairs(given["bounds"])

    def like(given: dict[str, Any]) -> Any:
        return {"x": np.zeros(np.size(given["x0"])), "success": True, "fun": 0.0}

    if asked.get("constraints"):
        return call.solved(*no_derivative(f"{call.name} with constraints"), like=like)
    residual = slope if asked.get("bounds") is None else held(slope, ends)
    return implicit(call, residual, [("x",)], like, values={("fun",): objective})


def _pairs(bounds: Any) -> tuple[Any, Any]:
    """The lower and the upper bounds, of SciPy's object or of pairs."""
    if hasattr(bounds, "lb"):
        return asarray(bounds.lb), asarray(bounds.ub)
    low = [-np.inf if a is None else a for a, _ in bounds]
    high = [np.inf if b is None else b for _, b in bounds]
    return as_array(low, None), as_array(high, None)


def minimize_scalar(call: SolverCall) -> Any:
    def objective(x: Any, given: dict[str, Any]) -> Any:
        return scalar(applied(given["fun"], x, *as_tuple(given["args"])))

    residual = gradient(objective)
    if call.bound.arguments.get("bounds") is not None:
        residual = _between(residual, lambda given: as_tuple(given["bounds"]))
    none = {"x": 0.0, "fun": 0.0, "success": True}
    return implicit(call, residual, [("x",)], lambda given: none, values={("fun",): objective})


def _between(slope: OfArguments, ends: Callable[[dict[str, Any]], Any]) -> OfArguments:
    """The same of one number, from which a Newton step leads beyond a bound that holds it."""

    def residual(x: Any, given: dict[str, Any]) -> Any:
        g, bend = jvp(lambda x: slope(x, given), (x,), (np.ones_like(x),))
        low, high = [as_array(end, None) for end in ends(given)]
        return np.where((x - low) * bend < g, x - low, np.where((x - high) * bend > g, x - high, g))

    return residual


def fmin(call: SolverCall) -> Any:
    """`fmin` and its kin, whose objective is the first argument."""
    name = next(iter(call.bound.arguments))

    def objective(x: Any, given: dict[str, Any]) -> Any:
        return scalar(applied(lambda *xs: first(given[name](*xs)), x, *as_tuple(given["args"])))

    return implicit(call, gradient(objective), SOLUTION, guessed("x0"))


def fminbound(call: SolverCall) -> Any:
    def objective(x: Any, given: dict[str, Any]) -> Any:
        return scalar(applied(given["func"], x, *as_tuple(given["args"])))

    residual = _between(gradient(objective), lambda given: (given["x1"], given["x2"]))
    return implicit(call, residual, SOLUTION, lambda given: 0.0)


# Least squares.

LOSSES: dict[str, Callable[[Any], Any]] = {
    "linear": lambda z: z,
    "soft_l1": lambda z: 2 * (np.sqrt(1 + z) - 1),
    "huber": lambda z: np.where(z <= 1, z, 2 * np.sqrt(np.where(z <= 1, 1, z)) - 1),
    "cauchy": np.log1p,
    "arctan": np.arctan,
}
"""What becomes of squares, as the documentation of `least_squares` says."""


def _ends(given: dict[str, Any], size: int) -> tuple[Any, Any]:
    bounds = given["bounds"]
    low, high = (bounds.lb, bounds.ub) if hasattr(bounds, "lb") else bounds
    return inexact(as_array(low, None)), inexact(as_array(high, None))


def _unbounded(call: SolverCall) -> bool:
    """Whether no bounds are passed, or two numbers for all parameters that are infinite."""
    bounds = call.bound.arguments.get("bounds")
    return bounds is None or (isinstance(bounds, tuple) and all(type(b) is float and np.isinf(b) for b in bounds))


def least_squares(call: SolverCall) -> Any:
    def residuals(x: Any, given: dict[str, Any]) -> Any:
        named = given["kwargs"] or {}
        return inexact(applied(lambda *xs: given["fun"](*xs, **named), x, *as_tuple(given["args"]))).reshape(-1)

    def cost(x: Any, given: dict[str, Any]) -> Any:
        loss, scale = given["loss"], given["f_scale"]
        if loss not in LOSSES:
            remedy = f"Use one of {', '.join(LOSSES)}"
            raise MissingRuleError(call.name, "loss is a function, which has no known derivative", "", remedy)
        return 0.5 * scale**2 * np.sum(LOSSES[loss]((residuals(x, given) / scale) ** 2))

    def like(given: dict[str, Any]) -> Any:
        x = np.zeros(np.size(given["x0"]))
        return {"x": x, "success": True, "cost": 0.0, "fun": residuals(x, given)}

    slope = gradient(cost)
    residual = slope if _unbounded(call) else held(slope, _ends)
    return implicit(call, residual, [("x",)], like, values={("cost",): cost, ("fun",): residuals})


def leastsq(call: SolverCall) -> Any:
    def cost(x: Any, given: dict[str, Any]) -> Any:
        return 0.5 * np.sum(inexact(applied(given["func"], x, *as_tuple(given["args"]))) ** 2)

    def like(given: dict[str, Any]) -> Any:
        return np.zeros(np.size(given["x0"])), 1

    return implicit(call, gradient(cost), [(0,)], like)


def curve_fit(call: SolverCall) -> Any:
    def residuals(x: Any, given: dict[str, Any]) -> Any:
        y = inexact(asarray(given["ydata"]))
        value = applied(given["f"], given["xdata"], *[x[i] for i in range(x.shape[0])]) - y
        if given["sigma"] is None:
            return value.reshape(-1)
        sigma = inexact(asarray(given["sigma"]))
        if sigma.size == y.size:
            return (value / sigma).reshape(-1)
        return np.linalg.solve(np.linalg.cholesky(sigma), value)

    def cost(x: Any, given: dict[str, Any]) -> Any:
        return 0.5 * np.sum(residuals(x, given) ** 2)

    def covariance(x: Any, given: dict[str, Any]) -> Any:
        slopes = jacfwd(lambda x: residuals(x, given))(x)
        inverse = np.linalg.inv(slopes.T @ slopes)
        free = slopes.shape[0] - slopes.shape[1]
        return inverse if given["absolute_sigma"] else inverse * 2 * cost(x, given) / free

    slope = gradient(cost)
    residual = slope if _unbounded(call) else held(slope, _ends)
    return implicit(call, residual, [(0,)], _no_fit, values={(1,): covariance})


def _no_fit(given: dict[str, Any]) -> Any:
    count = given["f"].__code__.co_argcount - 1 if given["p0"] is None else np.size(given["p0"])
    return np.zeros(count), np.zeros((count, count))


def nnls(call: SolverCall) -> Any:
    def residual(x: Any, given: dict[str, Any]) -> Any:
        a, b = inexact(asarray(given["A"])), inexact(asarray(given["b"]))
        return np.where(x <= 0, x, a.T @ (a @ x - b))

    def rest(x: Any, given: dict[str, Any]) -> Any:
        return np.linalg.norm(inexact(asarray(given["A"])) @ x - inexact(asarray(given["b"])))

    def like(given: dict[str, Any]) -> Any:
        return np.zeros(np.shape(given["A"])[1]), 0.0

    return implicit(call, residual, [(0,)], like, values={(1,): rest})


def without_derivative(call: SolverCall) -> Any:
    return call.solved(*no_derivative(call.name))


FUNCTIONS: dict[str, Callable[[SolverCall], Any]] = {
    "minimize": minimize,
    "minimize_scalar": minimize_scalar,
    **dict.fromkeys(("fmin", "fmin_bfgs", "fmin_cg", "fmin_powell"), fmin),
    "fminbound": fminbound,
    "least_squares": least_squares,
    "leastsq": leastsq,
    "curve_fit": curve_fit,
    "nnls": nnls,
    "linear_sum_assignment": without_derivative,
    "linprog": without_derivative,
}
