"""Initial value problems, `solve_ivp` and `odeint`: rows together or by SciPy, derivatives along the steps taken.

An explicit Runge-Kutta method goes on for all rows together, with steps of their own. The derivative is that of the
method with the steps that it took: discretise, then differentiate. What takes steps of varying order, as LSODA does, is
differentiated along those of DOP853.
"""

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import Dynamic
from ..derivatives import stop_gradient, vjp
from ..errors import ConcretizationError, MissingRuleError, OptionError
from ..forward import jvp
from ..methods import RUN
from ..names import seen
from ..rules.creation import as_array, made
from ..tracer import Tracer
from ..transposing import zeros_for_none
from .calls import Result, SolverCall
from .closures import Holder
from .operations import Enter, PlainRun, Taken, no_derivative, together
from .schemes import EPS, Options, Scheme
from .stepping import Problem, Stepping, TooManyStepsError, Trajectory, along

EXPLICIT = ("RK23", "RK45", "DOP853")
MOST_STEPS = 3000
"""Of DOP853 in place of a method for stiff problems."""


def seen_here(fun: Any) -> Any:
    """A user's function, as it is seen where transforms run."""
    return fun if RUN.get() is None else seen(fun)


class Given:
    """What one call of either function asks, for arguments traced or not."""

    def __init__(self, fun: Callable[[Any, Any], Any], t0: Any, t1: Any, y0: Any, times: Any) -> None:
        self.fun = fun
        self.t0, self.t1 = [as_array(t, None).astype(float) for t in (t0, t1)]
        y0 = as_array(y0, None)
        self.dtype = np.dtype(complex if y0.dtype.kind == "c" else float)
        self.y0 = y0.astype(self.dtype)
        self.times = None if times is None else as_array(times, None).astype(float)


class Ivp:
    """A call, as operations on the traced values in it."""

    def __init__(self, call: SolverCall, name: str, given: Callable[[Sequence[Any]], Given], options: Options) -> None:
        self.call = call
        self.leaves = call.leaves
        self.given = given
        self.name = name
        self.own = name in EXPLICIT
        self.table = getattr(sys.modules["scipy.integrate"], name if self.own else "DOP853")
        self.options = options if self.own else options._replace(rtol=options.rtol / 10, atol=options.atol / 10)

    # Values.

    def together(self, size: int, mapped: Sequence[bool], leaves: Sequence[Any], most: float = np.inf) -> Stepping:
        """The run of all rows."""

        def run(inside: list[Any], enter: Enter, taken: Taken) -> Stepping:
            given = self.given(inside)

            def field(t: Any, y: Any) -> Any:
                return taken(given.fun(enter(t), enter(y)), given.dtype)

            times = np.empty((size, 0)) if given.times is None else taken(given.times, float)
            problem = Problem(taken(given.t0, float), taken(given.t1, float), taken(given.y0, given.dtype), times)
            return Stepping(Scheme(self.table, field, self.options), problem, most)

        return together(self.call.name, size, mapped, leaves, run)

    def alone(self, leaves: Sequence[Any], most: float = np.inf) -> Stepping:
        """The run of one row."""
        given = self.given(leaves)

        def field(t: Any, y: Any) -> Any:
            return np.asarray(given.fun(t[0], y[0]), given.dtype)[None]

        times = np.empty((1, 0)) if given.times is None else given.times[None]
        problem = Problem(given.t0[None], given.t1[None], given.y0[None], times)
        return Stepping(Scheme(self.table, field, self.options), problem, most)

    # Derivatives.

    def attempts(self, leaves: Sequence[Any]) -> Any:
        """What becomes of the attempts at a step, constants for the derivative."""
        most = np.inf if self.own else MOST_STEPS

        def run(*xs: Any) -> tuple[Any]:
            return (self.alone(xs, most).attempts()[0],)

        def rows(size: int, mapped: Sequence[bool], *xs: Any) -> Any:
            return (self.together(size, mapped, xs, most).attempts(),)

        name = self.call.name
        try:
            return PlainRun(name, run, *no_derivative(name), rows)(*map(stop_gradient, leaves))[0]
        except TooManyStepsError:
            fact = f"the problem is stiff: an explicit method takes more than {MOST_STEPS} steps"
            raise MissingRuleError(name, fact, "its derivative goes along those") from None

    def smooth(self, pick: Callable[[Trajectory], tuple[Any, ...]]) -> tuple[Any, Any]:
        """The rules of an operation whose results of floats are `pick` of the trajectory."""

        def parts(kinds: Any, leaves: Sequence[Any]) -> tuple[Any, ...]:
            given = self.given(leaves)
            problem = Problem(given.t0, given.t1, given.y0, given.times)
            return pick(along(Scheme(self.table, given.fun, self.options), problem, kinds))

        def push(leaves: Any, outs: Any, tangents: Any) -> Any:
            moving = [i for i, t in enumerate(tangents) if t is not None]
            kinds = self.attempts(leaves)
            moved = functools.partial(_of_some, functools.partial(parts, kinds), leaves, moving)
            found = iter(jvp(moved, _pick(leaves, moving), _pick(tangents, moving))[1])
            return [next(found) if x.dtype.kind in "fc" else np.zeros_like(x) for x in outs]

        def pull(leaves: Any, outs: Any, gs: Any, wanted: Sequence[int]) -> Any:
            kinds = self.attempts(leaves)
            moved = functools.partial(_of_some, functools.partial(parts, kinds), leaves, wanted)
            found, pullback = vjp(moved, *_pick(leaves, wanted))
            smooth = [g for g, x in zip(gs, outs, strict=True) if x.dtype.kind in "fc"]
            return pullback(tuple(zeros_for_none(smooth, found)))

        return push, pull


def _pick(values: Sequence[Any], places: Sequence[int]) -> tuple[Any, ...]:
    return tuple([values[i] for i in places])


def _of_some(fun: Callable[..., Any], leaves: Sequence[Any], places: Sequence[int], *values: Any) -> Any:
    """What a function returns of leaves with values in place of some."""
    full = list(leaves)
    for i, x in zip(places, values, strict=True):
        full[i] = x
    return fun(full)


# solve_ivp.


def solve_ivp(call: SolverCall) -> Any:
    return Solution(problem(call)).result()


def problem(call: SolverCall) -> Ivp:
    """What a call of `solve_ivp` asks for."""
    asked = dict(call.bound.arguments)
    method = asked.get("method", "RK45")
    name = method if isinstance(method, str) else method.__name__
    return Ivp(call, name, functools.partial(_given, call), _options(call.name, **asked.get("options", {})))


def _options(call: str, **options: Any) -> Options:
    for name, value in options.items():
        if isinstance(value, Tracer):
            raise OptionError(call, f"{name} is traced", "it says how precise the result is", "Pass a plain number")
    for name in ("max_step", "first_step"):
        if options.get(name) is not None and options[name] <= 0:
            raise ValueError(f"`{name}` must be positive.")
    rtol, atol = np.maximum(options.get("rtol", 1e-3), 100 * EPS), options.get("atol", 1e-6)
    return Options(rtol, np.asarray(atol), options.get("max_step", np.inf), options.get("first_step"))


def _given(call: SolverCall, leaves: Sequence[Any]) -> Given:
    asked = call.given(leaves)
    t0, t1 = asked["t_span"]
    function, args, wide = asked["fun"], asked["args"] or (), asked["vectorized"]

    def fun(t: Any, y: Any) -> Any:
        return as_array(function(t, y[:, None] if wide else y, *args), None).reshape(y.shape)

    return Given(fun, t0, t1, asked["y0"], asked["t_eval"])


COUNTED = ("y", "t", "nfev", "njev", "nlu", "status", "success")
"""The results of one operation, by the names of SciPy's."""


@functools.cache
def _success(theirs: Callable[..., Any]) -> str:
    """What SciPy says of a problem that was solved."""
    return str(theirs(lambda t, y: -y, (0.0, 1.0), [1.0]).message)


class Solution(Holder):
    """What `solve_ivp` returns: operations of a problem, the values of which are asked for."""

    def __init__(self, ivp: Ivp) -> None:
        self.ivp = ivp
        self.asked = dict(ivp.call.bound.arguments)
        self.message = ""
        self.by_steps = self.asked.get("t_eval") is None

    def result(self) -> Result:
        ivp, name = self.ivp, self.ivp.call.name
        outs = PlainRun(name, self._run, *self.rules(), self._rows)(*ivp.leaves)
        ts: Any
        y, t, nfev, njev, nlu, status, success = [ivp.call.alike((n,), x) for n, x in zip(COUNTED, outs, strict=False)]
        if self.by_steps:
            ts, ys = Steps(self, 0, t), Steps(self, 1, y)
        else:
            times = as_array(self.asked["t_eval"], None)
            ts, ys = times if isinstance(times, Tracer) else made(np.array(times)), y
        sol = self.at if self.asked.get("dense_output") else None
        text = self.message or _success(ivp.call.theirs)
        found = {"t": ts, "y": ys, "sol": sol, "t_events": None, "y_events": None, "nfev": nfev, "njev": njev}
        return Result(message=text, success=success, status=status, nlu=nlu, **found)

    def rules(self) -> tuple[Any, Any]:
        return self.ivp.smooth(lambda way: (way.y if self.by_steps else way.values, way.t))

    def _run(self, *leaves: Any) -> list[Any]:
        found = self.ivp.call.of_scipy(*leaves)
        self.message = found.message
        self.ivp.call.check_held(("success",), found.success)
        counts = [found.nfev, found.njev, found.nlu, found.status, found.success]
        if self.by_steps:
            return [found.y[:, -1], found.t[-1], *counts]
        given = self.ivp.given(leaves)
        values = np.full((len(given.y0), len(self.asked["t_eval"])), np.nan, given.dtype)
        if found.success:
            values[:, : len(found.t)] = found.y
        return [values, np.float64(given.t1), *counts]

    def _rows(self, size: int, mapped: Sequence[bool], *leaves: Any) -> list[Any]:
        if size > 1 and self.ivp.own:
            try:
                run = self.ivp.together(size, mapped, leaves)
                if not run.problem.is_proper(self.by_steps):
                    raise ValueError  # as SciPy does, which says what it is
                self.ivp.call.check_held(("success",), np.all(run.status == 0))
                none = np.zeros(size, int)
                y = run.y if self.by_steps else run.values
                return [y, run.t, run.nfev, none, none, run.status, run.status == 0]
            except (ConcretizationError, ValueError):  # the function asks for values, or SciPy raises
                pass
        return PlainRun(self.ivp.call.name, self._run, *no_derivative(""))._one_by_one(size, mapped, *leaves)

    def whole(self) -> Any:
        """Times and states after all steps, of which there may be others for other rows."""
        ivp = self.ivp

        def run(*leaves: Any) -> Any:
            found = ivp.call.of_scipy(*leaves)
            return found.t, found.y

        op = PlainRun(ivp.call.name, run, *no_derivative("solve_ivp without t_eval, where all steps are read,"))
        op.vmap = None
        op.dynamic = Dynamic(ivp.call.name, "length", "Pass t_eval, times at which all have values, or take [..., -1]")
        return op(*ivp.leaves)

    def at(self, t: Any) -> Any:
        """The states at any times."""
        t = as_array(t, None)
        count = len(self.ivp.leaves)

        def given(leaves: Sequence[Any]) -> Given:
            found = self.ivp.given(leaves[:count])
            found.times = as_array(leaves[count], None).reshape(-1).astype(float)
            return found

        ivp = Ivp(self.ivp.call, self.ivp.name, given, self.ivp.options)

        def run(*leaves: Any) -> Any:
            return (self.ivp.call.of_scipy(*leaves[:count]).sol(np.asarray(leaves[count]).reshape(-1)),)

        def rows(size: int, mapped: Sequence[bool], *leaves: Any) -> Any:
            if size > 1 and ivp.own:
                try:
                    return (ivp.together(size, mapped, leaves).values,)
                except ConcretizationError:
                    pass
            return PlainRun("", run, *no_derivative(""))._one_by_one(size, mapped, *leaves)

        rules = ivp.smooth(lambda way: (way.values,))
        values = PlainRun(self.ivp.call.name, run, *rules, rows)(*self.ivp.leaves, t)[0]
        return values.reshape((values.shape[0], *t.shape))


class OnDemand(np.lib.mixins.NDArrayOperatorsMixin, Holder):
    """An array that is made where it is asked for: `whole()` makes it."""

    def whole(self) -> Any:
        raise NotImplementedError

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self.whole(), dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **options: Any) -> Any:
        args = tuple([x.whole() if isinstance(x, OnDemand) else x for x in args])
        return getattr(ufunc, method)(*args, **options)


class Steps(OnDemand):
    """The times or states after the steps of a method, which are as many as it takes: the last ones are known."""

    def __init__(self, solution: Solution, which: int, last: Any) -> None:
        self._solution, self._which, self._last = solution, which, last

    def whole(self) -> Any:
        return self._solution.whole()[self._which]

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        axes = len(self._last.shape) + 1
        if isinstance(parts[-1], int) and parts[-1] == -1 and (len(parts) == axes or parts[0] is ...):
            rest = [p for p in parts[:-1] if p is not ...]
            return self._last[tuple(rest)] if rest else self._last
        if axes == 2 and isinstance(key, (int, np.integer)):
            return Component(self, int(key))
        return self.whole()[key]

    def __iter__(self) -> Any:
        return iter([self[i] for i in range(self._last.shape[0])]) if self._last.shape else iter(self.whole())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.whole(), name)

    def __len__(self) -> int:
        return self._last.shape[0] if self._last.shape else len(self.whole())


class Component(Steps):
    """A component of the states."""

    def __init__(self, states: Steps, i: int) -> None:
        Steps.__init__(self, states._solution, 1, states._last[i])
        self._i = i

    def whole(self) -> Any:
        return self._solution.whole()[1][self._i]


# odeint.


def odeint(call: SolverCall) -> Any:
    asked = dict(call.bound.arguments)
    tolerances = {name: asked[name] for name in ("rtol", "atol") if asked.get(name) is not None}
    options = _options(call.name, **{"rtol": 1.49012e-8, "atol": 1.49012e-8, **tolerances})

    def given(leaves: Sequence[Any]) -> Given:
        found = call.given(leaves)
        times, y0 = as_array(found["t"], None), as_array(found["y0"], None)
        function, args = found["func"], found["args"]
        args = args if isinstance(args, tuple) else (args,)

        def fun(t: Any, y: Any) -> Any:
            first = (t, y) if found["tfirst"] else (y, t)
            return as_array(function(*first, *args), None).reshape(y.shape)

        return Given(fun, times[0], times[-1], y0.reshape(-1), times)

    rules = Ivp(call, "LSODA", given, options).smooth(lambda way: (way.values.T,))
    return call.solved(*rules)


FUNCTIONS: dict[str, Callable[[SolverCall], Any]] = {"odeint": odeint}
