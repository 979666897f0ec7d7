"""`solve_ivp` with events: rows one by one, by SciPy. An event comes when it is zero, along the solution."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import Dynamic
from ..errors import OptionError
from ..rules.casts import inexact
from ..rules.creation import as_array
from ..tracer import is_traced
from . import ivp
from .calls import Result, SolverCall
from .ivp import Given, Ivp, OnDemand, Solution
from .operations import PlainRun, Rule, no_derivative
from .roots import Implicit
from .schemes import Scheme
from .stepping import Problem, along


def solve_ivp(call: SolverCall) -> Any:
    events = call.bound.arguments.get("events")
    if events is None:
        return ivp.solve_ivp(call)
    every = [events] if callable(events) else list(events)
    return WithEvents(ivp.problem(call), [bool(getattr(e, "terminal", False)) for e in every]).result()


class WithEvents(Solution):
    """What `solve_ivp` returns where events end the way, or are noted along it."""

    def __init__(self, problem: Ivp, terminal: list[bool]) -> None:
        Solution.__init__(self, problem)
        self.terminal = terminal
        self.by_steps = self.by_steps or any(terminal)
        self.timed = self.asked.get("t_eval") is not None
        if any(terminal) and is_traced(self.asked.get("t_eval")):
            fact = "t_eval is traced, and an event is terminal"
            raise OptionError(problem.call.name, fact, "it must be plain then", "Leave it out")

    def result(self) -> Result:
        found = Solution.result(self)
        found["t_events"] = [Events(self, e, 0) for e in range(len(self.terminal))]
        found["y_events"] = [Events(self, e, 1) for e in range(len(self.terminal))]
        return found

    # The end of the way, where an event is terminal.

    def rules(self) -> tuple[Rule, Rule]:
        if not any(self.terminal):
            return Solution.rules(self)

        def implicit(leaves: Any, outs: Any) -> Implicit:
            which = outs[len(ivp.COUNTED)]
            state = self._state(leaves, outs[1])

            def residual(t: Any, xs: Sequence[Any]) -> Any:
                away = t - outs[1] if self.timed else t - self.ivp.given(xs).t1
                for e, ends in enumerate(self.terminal):
                    if ends:
                        away = np.where(which == e, self._event(e, t, state(t, xs), xs), away)
                return away

            return Implicit(residual, lambda: (1, {0: state}))

        def push(leaves: Any, outs: Any, tangents: Any) -> Any:
            return implicit(leaves, outs).push(leaves, outs, tangents)

        def pull(leaves: Any, outs: Any, gs: Any, wanted: Any) -> Any:
            return implicit(leaves, outs).pull(leaves, outs, gs, wanted)

        return push, pull

    def _run(self, *leaves: Any) -> list[Any]:
        outs = Solution._run(self, *leaves)
        if not any(self.terminal):
            return outs
        found = self.ivp.call.of_scipy(*leaves)
        last = [ts[-1] if ends and len(ts) else None for ends, ts in zip(self.terminal, found.t_events, strict=True)]
        which = [e for e, t in enumerate(last) if t is not None] if found.status == 1 and not self.timed else []
        return [*outs, which[0] if which else -1]

    def _rows(self, size: int, mapped: Sequence[bool], *leaves: Any) -> list[Any]:
        if not any(self.terminal):
            return Solution._rows(self, size, mapped, *leaves)
        return PlainRun("", self._run, *no_derivative(""))._one_by_one(size, mapped, *leaves)

    # The state at a time, and events, as functions that can be transformed.

    def _state(self, leaves: Sequence[Any], t: Any) -> Callable[[Any, Sequence[Any]], Any]:
        """The state at about `t`, along steps that end there."""
        problem, count = self.ivp, len(self.ivp.leaves)

        def until(xs: Sequence[Any]) -> Given:
            given = problem.given(xs[:count])
            given.t1, given.times = as_array(xs[count], None), None
            return given

        kinds = Ivp(problem.call, problem.name, until, problem.options).attempts([*leaves, t])

        def state(t: Any, xs: Sequence[Any]) -> Any:
            given = until([*xs, t])
            way = along(Scheme(problem.table, given.fun, problem.options), Problem(given.t0, t, given.y0, None), kinds)
            return way.y

        return state

    def _event(self, e: int, t: Any, y: Any, leaves: Sequence[Any]) -> Any:
        given = self.ivp.call.given(leaves)
        every = given["events"] if isinstance(given["events"], (list, tuple)) else [given["events"]]
        return inexact(as_array(ivp.seen_here(every[e])(t, y, *(given["args"] or ())), None)).reshape(())

    # Events.

    def count(self, e: int) -> Any:
        """How often an event comes."""

        def run(*leaves: Any) -> Any:
            return (len(self.ivp.call.of_scipy(*leaves).t_events[e]),)

        found = PlainRun(self.ivp.call.name, run, *no_derivative(""))(*self.ivp.leaves)[0]
        return self.ivp.call.alike(("events",), found)

    def event(self, e: int, i: int) -> Any:
        """When one comes, and where."""

        def run(*leaves: Any) -> Any:
            found = self.ivp.call.of_scipy(*leaves)
            return found.t_events[e][i], found.y_events[e][i]

        def implicit(leaves: Any, outs: Any) -> Implicit:
            state = self._state(leaves, outs[0])

            def residual(t: Any, xs: Sequence[Any]) -> Any:
                return self._event(e, t, state(t, xs), xs)

            return Implicit(residual, lambda: (0, {1: state}))

        def push(leaves: Any, outs: Any, tangents: Any) -> Any:
            return implicit(leaves, outs).push(leaves, outs, tangents)

        def pull(leaves: Any, outs: Any, gs: Any, wanted: Any) -> Any:
            return implicit(leaves, outs).pull(leaves, outs, gs, wanted)

        return PlainRun(self.ivp.call.name, run, push, pull)(*self.ivp.leaves)

    def every(self, e: int, which: int) -> Any:
        """All times of an event, or states, of which there may be others for other rows."""
        count = self.count(e)
        if isinstance(count, (int, np.integer)):
            shape = (0,) if which == 0 else (0, len(as_array(self.asked["y0"], None)))
            return np.stack([self.event(e, i)[which] for i in range(count)]) if count else np.zeros(shape)
        name = self.ivp.call.name

        def run(*leaves: Any) -> Any:
            found = self.ivp.call.of_scipy(*leaves)
            return (found.t_events[e] if which == 0 else found.y_events[e],)

        op = PlainRun(name, run, *no_derivative(f"{name}, where rows have other numbers of events,"))
        op.vmap = None
        op.dynamic = Dynamic(name, "length", "Take one of them, as in t_events[0][0]")
        return op(*self.ivp.leaves)[0]


class Events(OnDemand):
    """The times of an event, or the states: of rows perhaps some more and some less."""

    def __init__(self, solution: WithEvents, e: int, which: int) -> None:
        self._solution, self._e, self._which = solution, e, which

    def whole(self) -> Any:
        return self._solution.every(self._e, self._which)

    @property
    def size(self) -> Any:
        return self._solution.count(self._e) if self._which == 0 else self.whole().size

    def __getitem__(self, key: Any) -> Any:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(first, (int, np.integer)):
            one = self._solution.event(self._e, int(first))[self._which]
            return one[tuple(rest)] if rest else one
        return self.whole()[key]

    def __len__(self) -> int:
        return len(self.whole())

    def __iter__(self) -> Any:
        return iter(self.whole())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.whole(), name)


FUNCTIONS: dict[str, Callable[[SolverCall], Any]] = {"solve_ivp": solve_ivp}
