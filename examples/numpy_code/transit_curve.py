"""Light curve of a planet in transit with quadratic limb darkening: depth, duration and chi squared of noisy data."""
import numpy as np


def overlap(z, k):
    """Area of the disc of radius k at distance z that lies on the unit disc."""
    area = np.zeros_like(z)
    inside = z <= 1 - k
    area[inside] = np.pi * k**2
    partly = (z > 1 - k) & (z < 1 + k)
    zp = z[partly]
    a = np.arccos(np.clip((zp**2 + k**2 - 1) / (2 * zp * k), -1, 1))
    b = np.arccos(np.clip((zp**2 + 1 - k**2) / (2 * zp), -1, 1))
    area[partly] = k**2 * (a - np.sin(2 * a) / 2) + b - np.sin(2 * b) / 2
    return area


def transit(k, impact, times, data, sigma, speed=12.0, u=(0.4, 0.25)):
    x = speed * times
    z = np.hypot(x, impact)
    mu = np.sqrt(np.maximum(1 - z**2, 0.0))
    limb = 1 - u[0] * (1 - mu) - u[1] * (1 - mu) ** 2
    norm = np.pi * (1 - u[0] / 3 - u[1] / 6)
    flux = 1 - limb * overlap(z, k) / norm
    depth = 1 - flux.min()
    in_transit = times[z < 1 + k]
    duration = in_transit[-1] - in_transit[0] if len(in_transit) else 0.0
    chi2 = np.sum(((data - flux) / sigma) ** 2)
    return flux, depth, duration, chi2


_rng = np.random.default_rng(107)
_t = np.linspace(-0.12, 0.12, 81)
_d = np.where(np.abs(_t) < 0.07, 0.99, 1.0) + 5e-4 * _rng.standard_normal(81)
CASES = {
    "fun": transit,
    "sweep": (_rng.uniform(0.05, 0.15, 12), _rng.uniform(0.0, 0.7, 12)),
    "fixed": (_t, _d, 5e-4),
    "differentiable": True,
    "features": ["mask", "boolean-index", "write", "clip", "ternary", "len"],
}
