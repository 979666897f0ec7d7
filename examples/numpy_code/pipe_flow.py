"""Flow through a pipe for a given pressure drop: Colebrook friction, laminar or turbulent, via root finding."""
import numpy as np
from scipy.optimize import brentq

RHO = 998.0
TEMP = np.array([0.0, 10.0, 20.0, 30.0, 40.0, 60.0])                      # water, deg C
VISC = np.array([1.79, 1.31, 1.00, 0.798, 0.653, 0.466]) * 1e-3          # Pa s


def friction(re, rel_rough):
    if re < 2300:
        return 64 / max(re, 1e-9)

    def colebrook(x):
        return x + 2 * np.log10(rel_rough / 3.7 + 2.51 * x / re)

    x = brentq(colebrook, 0.5, 20.0, xtol=1e-13)
    return 1 / x**2


def pressure_drop(v, diameter, length, rough, minor, mu):
    re = RHO * v * diameter / mu
    return (friction(re, rough / diameter) * length / diameter + minor) * 0.5 * RHO * v**2


def flow_rate(dp, diameter, temperature, length, rough):
    mu = np.interp(temperature, TEMP, VISC)
    minor = 0.0
    for k in [0.5, 0.9, 0.9, 1.0]:      # inlet, two bends, outlet
        minor += k
    lo, hi = 1e-6, 1.0
    while pressure_drop(hi, diameter, length, rough, minor, mu) < dp:
        lo = hi
        hi *= 2
    while hi - lo > 1e-9 * hi:
        mid = 0.5 * (lo + hi)
        if pressure_drop(mid, diameter, length, rough, minor, mu) < dp:
            lo = mid
        else:
            hi = mid
    v = 0.5 * (lo + hi)
    re = RHO * v * diameter / mu
    return v * np.pi * diameter**2 / 4, re, friction(re, rough / diameter)


_rng = np.random.default_rng(23)
_dp = 10 ** _rng.uniform(2.0, 5.0, 12)
_dp[2] = 2.0
CASES = {
    "fun": flow_rate,
    "sweep": (_dp, _rng.uniform(0.02, 0.1, 12), _rng.uniform(5.0, 50.0, 12)),
    "fixed": (20.0, 5e-5),
    "differentiable": True,
    "features": ["scipy.optimize", "while", "bisection", "branch", "early-return", "closure", "max", "interp", "table"],
}
