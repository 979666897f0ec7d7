"""Kaplan-Meier survival with ties and censoring: curve at fixed times, median survival, Greenwood error."""
import numpy as np


def kaplan_meier(times, events):
    order = np.argsort(times)
    times, events = times[order], events[order]
    survival, variance = 1.0, 0.0
    steps = []
    for t in np.unique(times[events == 1]):
        at_risk = np.sum(times >= t)
        died = np.sum((times == t) & (events == 1))
        survival *= 1 - died / at_risk
        if at_risk > died:
            variance += died / (at_risk * (at_risk - died))
        steps.append((t, survival, survival * np.sqrt(variance)))
    return steps


def summarize(times, events, grid):
    steps = kaplan_meier(times, events)
    curve = np.ones(len(grid))
    median = np.inf
    for t, s, _ in steps:
        curve[grid >= t] = s
        if s <= 0.5 and median == np.inf:
            median = t
    error = steps[len(steps) // 2][2]
    return curve, median, error, events.mean()


_rng = np.random.default_rng(111)
CASES = {
    "fun": summarize,
    "sweep": (np.ceil(_rng.exponential(10.0, (12, 30))), (_rng.uniform(size=(12, 30)) < 0.7).astype(int)),
    "fixed": (np.arange(0.0, 30.0, 2.0),),
    "differentiable": False,
    "features": ["sort", "unique", "mask", "boolean-index", "write", "list", "tuple-unpack", "short-circuit"],
}
