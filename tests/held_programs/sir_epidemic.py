"""SIR epidemic with a lockdown that switches on and off with prevalence: final size, peak, days locked down."""
from dataclasses import dataclass

import numpy as np


@dataclass
class State:
    S: float
    I: float
    R: float

    @property
    def total(self):
        return self.S + self.I + self.R


@dataclass(frozen=True)
class Policy:
    on: float = 0.08
    off: float = 0.02
    effect: float = 0.5


def advance(state, beta, gamma, dt):
    new_infections = beta * state.S * state.I / state.total * dt
    recoveries = gamma * state.I * dt
    return State(state.S - new_infections, state.I + new_infections - recoveries, state.R + recoveries)


def epidemic(r0, gamma, i0, days, dt, policy):
    state = State(1.0 - i0, i0, 0.0)
    beta = r0 * gamma
    per_day = int(round(1 / dt))
    prevalence = np.zeros(days)
    locked = False
    locked_days = 0
    for day in range(days):
        if not locked and state.I > policy.on:
            locked = True
        elif locked and state.I < policy.off:
            locked = False
        locked_days += locked
        b = beta * (1 - policy.effect) if locked else beta
        for _ in range(per_day):
            state = advance(state, b, gamma, dt)
        prevalence[day] = state.I
    peak_day = int(prevalence.argmax())
    return prevalence, state.R, peak_day, locked_days


_rng = np.random.default_rng(101)
CASES = {
    "fun": epidemic,
    "sweep": (_rng.uniform(1.1, 3.5, 12), _rng.uniform(0.1, 0.3, 12)),
    "fixed": (0.002, 120, 0.25, Policy()),
    "differentiable": True,
    "features": ["dataclass", "class", "property", "branch", "write", "hysteresis", "int()", "ode"],
}
