"""Steps of an explicit Runge-Kutta method, of their own length in each row; and the derivative along them."""

from typing import Any, NamedTuple

import numpy as np

from ..derivatives import stop_gradient
from .schemes import Attempt, Scheme, attempt, first_length, interpolant, polynomial

NONE, ACCEPTED, REJECTED = range(3)
"""What became of an attempt at a step."""


class Problem(NamedTuple):
    """What is to be integrated; of rows, arrays with an entry for each."""

    t0: Any
    t1: Any
    y0: Any
    times: Any
    """When values are wanted, (T,)."""

    def is_proper(self, by_steps: bool) -> bool:
        """Whether these are rows that SciPy takes: of finite states, and times in order, within the ends."""
        times = self.times * np.where(self.t1 >= self.t0, 1, -1)[:, None]
        ends = np.sort([self.t0, self.t1], axis=0)[:, :, None]
        inside = (self.times >= ends[0]) & (self.times <= ends[1])
        return bool(np.isfinite(self.y0).all() and (by_steps or (inside.all() and (np.diff(times) > 0).all())))


class Stepping:
    """The run of a method on rows: `values` (R, n, T) at the times, `y` at the end, and what became of all attempts."""

    def __init__(self, method: Scheme, problem: Problem, most: float = np.inf) -> None:
        self.method, self.problem, self.times = method, problem, problem.times
        self.t0, self.t1 = problem.t0, problem.t1
        rows, n = problem.y0.shape
        self.nfev, self.status = np.ones(rows, int), np.zeros(rows, int)
        self.direction = np.where(self.t1 >= self.t0, 1.0, -1.0)
        self.t, self.y = self.t0, problem.y0
        self.values = np.full((rows, n, self.times.shape[1]), np.nan, self.y.dtype)
        self.kinds: list[Any] = []
        self.f = method.field(self.t, self.y)
        self.active = (self.t0 != self.t1) & (n > 0)
        self.values[~self.active] = self.y[~self.active, :, None]
        self.rejected = np.zeros(rows, bool)
        if self.active.any():
            self.h = first_length(method, self.t, self.y, self.f, self.t1, self.direction)
            self.nfev += method.options.first_step is None
        while self.active.any():
            self._step()
            if len(self.kinds) > most:
                raise TooManyStepsError

    def _step(self) -> None:
        """Attempts a step of every row that is not at its end."""
        least = 10 * np.abs(np.nextafter(self.t, self.direction * np.inf) - self.t)
        failed = self.active & ~(self.h >= np.where(self.rejected, least, 0))  # NaN too
        self.status[failed] = -1
        self.active = self.active & ~failed
        if not self.active.any():
            return
        h = np.where(self.rejected, self.h, np.clip(self.h, least, self.method.options.max_step))
        h = np.where(self.active, h, 0.0)
        with np.errstate(all="ignore"):
            tried = attempt(self.method, self.t, self.y, self.f, h, self.t1, self.direction, self.rejected)
            accepted = self.active & (tried.error < 1)
        self.nfev[self.active] += self.method.table.n_stages
        self.kinds.append(np.where(self.active, np.where(accepted, ACCEPTED, REJECTED), NONE))
        self.h = np.where(accepted, tried.longer, tried.shorter)
        self.rejected = self.active & ~accepted
        if accepted.any():
            self._accept(accepted, tried)

    def _accept(self, accepted: Any, tried: Attempt) -> None:
        last = accepted & (self.direction * (tried.t - self.t1) >= 0)
        if self.times.shape[1]:
            self._note_values(accepted, last, tried)
        self.t = np.where(accepted, tried.t, self.t)
        self.y = np.where(accepted[:, None], tried.y, self.y)
        self.f = np.where(accepted[:, None], tried.f, self.f)
        self.active = self.active & ~last

    def _note_values(self, accepted: Any, last: Any, tried: Attempt) -> None:
        """Puts down the values at times in a step; before the first one, and after the last, as it goes on there."""
        d = self.direction[:, None]
        begins = (self.t == self.t0)[:, None] | (d * (self.times - self.t[:, None]) > 0)
        inside = accepted[:, None] & begins & (last[:, None] | (d * (self.times - tried.t[:, None]) <= 0))
        rows, places = np.nonzero(inside)
        if not len(rows):
            return
        weights = [w[rows] for w in interpolant(self.method, self.t, self.y, tried)]
        self.nfev[inside.any(1)] += len(getattr(self.method.table, "A_EXTRA", ()))
        x = (self.times[rows, places] - self.t[rows]) / tried.h[rows]
        self.values[rows, :, places] = self.y[rows] + polynomial(self.method, weights, x)

    def attempts(self) -> Any:
        """What became of each attempt, (R, K)."""
        return np.stack(self.kinds, 1) if self.kinds else np.zeros((len(self.t), 0), int)


class TooManyStepsError(Exception):
    """More steps than are worth while: the problem is stiff."""


class Trajectory(NamedTuple):
    """The way of one row, as far as it can be differentiated."""

    t: Any
    y: Any
    """Where it ends, (n,)."""
    values: Any
    """The states at the times that were asked for, (n, T); None where there are none."""


def along(method: Scheme, problem: Problem, kinds: Any) -> Trajectory:
    """The way of one row by attempts of which became what `kinds` (K,) says, as code that can be transformed."""
    t, y, t1 = problem.t0, problem.y0, problem.t1
    f = method.field(t, y)
    count = kinds.shape[0]
    direction = np.where(stop_gradient(t1) >= stop_gradient(t), 1.0, -1.0)
    begins, polynomials = [], []
    h: Any = first_length(method, t, y, f, t1, direction) if count else 0.0
    rejected: Any = False
    for k in range(count):
        now = stop_gradient(t)
        least = 10 * np.abs(np.nextafter(now, direction * np.inf) - now)
        h = np.where(rejected, h, np.clip(h, least, method.options.max_step))
        tried = attempt(method, t, y, f, h, t1, direction, rejected)
        accepted = kinds[k] == ACCEPTED
        if problem.times is not None:
            begins.append((t, y, tried.h, np.where(accepted, tried.t, np.nan)))
            polynomials.append(np.stack(interpolant(method, t, y, tried)))
        rejected = kinds[k] == REJECTED
        h = np.where(accepted, tried.longer, tried.shorter)
        t, y, f = [np.where(accepted, new, old) for new, old in ((tried.t, t), (tried.y, y), (tried.f, f))]
    values = None if problem.times is None else _values(method, problem, direction, begins, polynomials)
    return Trajectory(t, y, values)


def _values(method: Scheme, problem: Problem, direction: Any, begins: list[Any], polynomials: list[Any]) -> Any:
    """The states at the times, each in the step that it lies in."""
    if not polynomials:
        return np.broadcast_to(problem.y0[:, None], (*problem.y0.shape, *problem.times.shape))
    t, y, h, end = [np.stack(column) for column in zip(*begins, strict=True)]
    after = stop_gradient(direction * end)[:, None] >= stop_gradient(direction * problem.times)
    last = np.argmax(np.where(np.isnan(stop_gradient(end)), -np.inf, stop_gradient(direction * end)))
    places = np.where(np.any(after, axis=0), np.argmax(after, axis=0), last)
    x = (problem.times - t[places]) / np.where(h == 0, 1, h)[places]
    weights = np.stack(polynomials)[places]
    parts = [weights[:, i] for i in range(weights.shape[1])]
    return (y[places] + polynomial(method, parts, x)).T
