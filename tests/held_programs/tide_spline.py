"""Tide gauge readings through a cubic spline: high water by Newton steps, time above a level, mean, harmonics."""
import numpy as np
from scipy.interpolate import CubicSpline


def highest(spline, lo, hi):
    grid = np.linspace(lo, hi, 60)
    t = grid[np.argmax(spline(grid))]
    for _ in range(20):
        slope, curvature = spline(t, 1), spline(t, 2)
        if curvature >= 0:
            break
        move = -slope / curvature
        t = min(max(t + move, lo), hi)
        if abs(move) < 1e-10:
            break
    return float(t), float(spline(t))


def time_above(spline, level, lo, hi):
    total = 0.0
    roots = [float(r) for r in spline.solve(level, extrapolate=False) if lo < r < hi]
    knots = [lo] + roots + [hi]
    for a, b in zip(knots[:-1], knots[1:]):
        if spline(0.5 * (a + b)) > level:
            total += b - a
    return total


def harmonics(t, h, periods):
    columns = [np.ones_like(t)]
    for p in periods:
        columns += [np.cos(2 * np.pi * t / p), np.sin(2 * np.pi * t / p)]
    coef, *_ = np.linalg.lstsq(np.array(columns).T, h, rcond=None)
    return np.hypot(coef[1::2], coef[2::2])


def tide(readings, level, hours):
    assert len(readings) == len(hours)
    spline = CubicSpline(hours, readings)
    t_high, high = highest(spline, hours[0], hours[-1])
    above = time_above(spline, level, hours[0], hours[-1])
    mean = spline.integrate(hours[0], hours[-1]) / (hours[-1] - hours[0])
    return {"t_high": t_high, "high": high, "above": above, "mean": mean,
            "amplitudes": harmonics(hours, readings, [12.42, 23.93])}


_rng = np.random.default_rng(124)
_hours = np.linspace(0.0, 30.0, 21)
_amp, _phase = _rng.uniform(0.8, 1.6, (12, 1)), _rng.uniform(0, 6, (12, 1))
_h = _amp * np.cos(2 * np.pi * _hours / 12.42 - _phase) + 0.3 * np.sin(2 * np.pi * _hours / 23.93 + _phase)
CASES = {
    "fun": tide,
    "sweep": (_h + 0.03 * _rng.standard_normal((12, 21)), _rng.uniform(-0.3, 0.8, 12)),
    "fixed": (_hours,),
    "differentiable": True,
    "features": ["scipy.interpolate", "newton", "break", "branch", "list", "linalg", "dict", "min", "max", "float()",
                 "assert"],
}
