"""Nagel-Schreckenberg traffic automaton on a ring road: mean flow, speed histogram, share of stopped cars."""
import numpy as np


def place_cars(density, length, rng):
    road = np.full(length, -1)
    for cell in range(length):
        if rng.random() < density:
            road[cell] = rng.integers(0, 3)
    if np.all(road < 0):
        road[0] = 0
    return road


def gap_ahead(road, cell):
    length = len(road)
    d = 1
    while road[(cell + d) % length] < 0 and d < length:
        d += 1
    return d - 1


def move(road, vmax, p_slow, rng):
    new = np.full_like(road, -1)
    moved = 0
    for cell, v in enumerate(road):
        if v < 0:
            continue
        v = min(v + 1, vmax, gap_ahead(road, cell))
        if v > 0 and rng.random() < p_slow:
            v -= 1
        new[(cell + v) % len(road)] = v
        moved += v
    return new, moved


def traffic(density, p_slow, length, steps, vmax, seed):
    rng = np.random.default_rng(seed)
    road = place_cars(density, length, rng)
    cars = np.sum(road >= 0)
    flow = 0
    histogram = np.zeros(vmax + 1)
    for t in range(steps):
        road, moved = move(road, vmax, p_slow, rng)
        flow += moved
        for v in road[road >= 0]:
            histogram[v] += 1
    assert np.sum(road >= 0) == cars
    return flow / (steps * length), histogram / histogram.sum(), np.mean(road[road >= 0] == 0)


_rng = np.random.default_rng(106)
CASES = {
    "fun": traffic,
    "sweep": (_rng.uniform(0.05, 0.6, 12), _rng.uniform(0.0, 0.5, 12)),
    "fixed": (40, 25, 5, 5),
    "differentiable": False,
    "features": ["automaton", "random", "while", "continue", "write", "modulo", "integer", "mask",
                 "index-by-value", "min"],
}
