"""Hodgkin-Huxley membrane under a current pulse (exponential Euler gates): spikes, peak voltage, final gates."""
import math

import numpy as np

G = {"Na": 120.0, "K": 36.0, "L": 0.3}
E = {"Na": 50.0, "K": -77.0, "L": -54.387}


def linoid(x, y):
    if abs(x / y) < 1e-6:
        return y * (1 + x / y / 2)
    return x / (1 - math.exp(-x / y))


def gate_rates(v):
    am, bm = 0.1 * linoid(v + 40, 10), 4 * math.exp(-(v + 65) / 18)
    ah, bh = 0.07 * math.exp(-(v + 65) / 20), 1 / (1 + math.exp(-(v + 35) / 10))
    an, bn = 0.01 * linoid(v + 55, 10), 0.125 * math.exp(-(v + 65) / 80)
    return (am, bm), (ah, bh), (an, bn)


def relax(x, rates, dt):
    a, b = rates
    inf = a / (a + b)
    return inf + (x - inf) * math.exp(-dt * (a + b))


def hodgkin_huxley(current, duration, t_max, dt):
    v = -65.0
    gates = [a / (a + b) for a, b in gate_rates(v)]
    n = int(t_max / dt)
    trace = np.zeros(n)
    crossings = 0
    for i in range(n):
        gates = [relax(x, r, dt) for x, r in zip(gates, gate_rates(v))]
        m, h, k = gates
        ionic = G["Na"] * m**3 * h * (v - E["Na"]) + G["K"] * k**4 * (v - E["K"]) + G["L"] * (v - E["L"])
        stim = current if 2.0 <= i * dt < 2.0 + duration else 0.0
        new = v + dt * (stim - ionic)
        if v < 0 <= new:
            crossings += 1
        v = new
        trace[i] = v
    return crossings, trace.max(), np.array(gates), trace[::20]


_rng = np.random.default_rng(111)
CASES = {
    "fun": hodgkin_huxley,
    "sweep": (_rng.uniform(1.0, 20.0, 12), _rng.uniform(5.0, 20.0, 12)),
    "fixed": (25.0, 0.025),
    "differentiable": True,
    "features": ["math", "dict", "list", "branch", "early-return", "ternary", "write", "ode", "chained-comparison"],
}
