"""Daily soil water balance of a catchment: bucket with interception, snow, overflow and a linear groundwater store."""
from dataclasses import dataclass

import numpy as np


@dataclass
class Store:
    capacity: float
    level: float = 0.0
    spilled: float = 0.0

    def fill(self, amount):
        self.level = self.level + amount
        over = self.level - self.capacity
        if over <= 0:
            return 0.0
        self.level = self.capacity
        self.spilled += over
        return over

    def draw(self, demand):
        taken = min(demand, self.level)
        self.level -= taken
        return taken


def simulate(capacity, recession, rain, temperature):
    soil, snow = Store(capacity, level=0.5 * capacity), 0.0
    groundwater, evaporated = 10.0, 0.0
    flow = []
    for p, temp in zip(rain, temperature):
        if temp < 0:
            snow += p
            p = 0.0
        else:
            melt = min(snow, 3.0 * temp)
            snow -= melt
            p += melt
        quick = soil.fill(p)
        evaporated += soil.draw(max(0.0, 0.3 * temp) * soil.level / soil.capacity)
        groundwater += soil.draw(0.02 * soil.level)
        slow = groundwater * recession
        groundwater -= slow
        flow.append(0.7 * quick + slow)
    flow = np.array(flow)
    return flow, flow.max(), evaporated, soil.spilled


_rng = np.random.default_rng(103)
_days = np.arange(120)
_rain = np.where(_rng.uniform(size=120) < 0.4, _rng.exponential(9.0, 120), 0.0)
_temp = 8 + 11 * np.sin(2 * np.pi * (_days - 20) / 120) + _rng.normal(0, 2, 120)
CASES = {
    "fun": simulate,
    "sweep": (_rng.uniform(20.0, 120.0, 12), _rng.uniform(0.01, 0.15, 12)),
    "fixed": (_rain, _temp),
    "differentiable": True,
    "features": ["class", "dataclass", "branch", "min", "max", "list", "early-return"],
}
