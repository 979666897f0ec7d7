"""Discharge of a battery with a Thevenin model and a voltage table: run time, energy, lowest voltage."""
from typing import NamedTuple

import numpy as np

SOC = np.array([0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0])
OCV = np.array([2.8, 3.15, 3.35, 3.5, 3.6, 3.7, 3.85, 4.0, 4.18])


class Run(NamedTuple):
    seconds: float
    energy: float
    lowest: float
    soc: float


def discharge(capacity, r0, profile, r1=0.015, c1=2000.0, cutoff=3.0, dt=10.0):
    soc, v1 = 1.0, 0.0
    energy, lowest = 0.0, np.inf
    t = 0.0
    for k in range(1200):
        current = profile[k % len(profile)]
        v1 += dt * (current / c1 - v1 / (r1 * c1))
        voltage = np.interp(soc, SOC, OCV) - current * r0 - v1
        lowest = min(lowest, voltage)
        if voltage < cutoff or soc <= 0:
            break
        soc -= current * dt / (3600 * capacity)
        energy += voltage * current * dt / 3600
        t += dt
    return Run(t, energy, lowest, soc)


_rng = np.random.default_rng(115)
CASES = {
    "fun": discharge,
    "sweep": (_rng.uniform(1.0, 2.5, 12), _rng.uniform(0.01, 0.08, 12)),
    "fixed": (np.array([2.0, 2.0, 5.0, 1.0, 0.5, 4.0]),),
    "differentiable": False,
    "features": ["namedtuple", "interp", "table", "break", "short-circuit", "min", "inf"],
}
