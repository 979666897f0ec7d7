"""Plain NumPy code, written for one parameter set and for one pair of points."""

from typing import Any

import numpy as np

ODE_STEPS = 50
ODE_DT = 0.1


def lotka_volterra(a: Any, b: Any, start: Any) -> Any:
    """Prey and predators after `ODE_STEPS` Runge-Kutta steps of x' = ax - bxy, y' = bxy - y."""

    def velocity(state: Any) -> Any:
        prey, predators = state
        eaten = b * prey * predators
        return np.stack([a * prey - eaten, eaten - predators])

    state = start
    for _ in range(ODE_STEPS):
        k1 = velocity(state)
        k2 = velocity(state + ODE_DT / 2 * k1)
        k3 = velocity(state + ODE_DT / 2 * k2)
        k4 = velocity(state + ODE_DT * k3)
        state = state + ODE_DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return state


def distance(a: Any, b: Any) -> Any:
    """How far `a` is from `b`."""
    return np.linalg.norm(a - b)
