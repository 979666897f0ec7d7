"""Yearly energy of a wind turbine: power curve by monotone interpolation, Weibull wind speeds at hub height."""
import numpy as np
from scipy import stats
from scipy.integrate import quad
from scipy.interpolate import PchipInterpolator

SPEED = np.array([3, 5, 7, 9, 11, 13, 15, 25], dtype=float)
POWER = np.array([0, 120, 430, 980, 1650, 1980, 2000, 2000], dtype=float)   # kW
CURVE = PchipInterpolator(SPEED, POWER)


def turbine_power(v):
    if v < SPEED[0] or v > SPEED[-1]:
        return 0.0
    return float(CURVE(v))


def yearly_energy(mean_speed, shape, height, z0):
    hub_speed = mean_speed * np.log(height / z0) / np.log(10.0 / z0)
    g1 = stats.weibull_min.mean(shape)
    scale = hub_speed / g1
    wind = stats.weibull_min(shape, scale=scale)
    bins = np.linspace(0, 30, 31)
    hours = 8766 * np.diff(wind.cdf(bins))
    centres = 0.5 * (bins[1:] + bins[:-1])
    energy = 0.0
    for h, v in zip(hours, centres):
        energy += h * turbine_power(v)
    cube, _ = quad(lambda v: v**3 * wind.pdf(v), 0, 30, limit=100)
    available = 0.5 * 1.225 * cube
    return {"energy": energy, "capacity": energy / (8766 * POWER.max()), "density": available,
            "calm": wind.cdf(SPEED[0])}


_rng = np.random.default_rng(22)
CASES = {
    "fun": yearly_energy,
    "sweep": (_rng.uniform(4.0, 8.0, 12), _rng.uniform(1.6, 2.6, 12)),
    "fixed": (90.0, 0.03),
    "differentiable": True,
    "features": ["scipy.stats", "scipy.interpolate", "scipy.integrate", "branch", "early-return", "lambda",
                 "dict", "float()"],
}
