"""Beam of a linear antenna array with tapering and phase steering: direction, half-power width, side lobe level."""
import numpy as np


def taper(n, kind):
    if kind == "hann":
        return np.hanning(n + 2)[1:-1]
    elif kind == "hamming":
        return np.hamming(n)
    return np.ones(n)


def beam(spacing, steer, n=16, kind="hamming", points=361):
    theta = np.radians(np.linspace(-90, 90, points))
    w = taper(n, kind) * np.exp(-2j * np.pi * spacing * np.arange(n) * np.sin(steer))
    phases = np.exp(2j * np.pi * spacing * np.outer(np.sin(theta), np.arange(n)))
    field = phases @ w
    power = np.abs(field) ** 2
    power /= power.max()
    db = 10 * np.log10(np.maximum(power, 1e-6))
    peak = np.argmax(db)
    lo = peak
    while lo > 0 and db[lo] > -3:
        lo -= 1
    hi = peak
    while hi < points - 1 and db[hi] > -3:
        hi += 1
    width = np.degrees(theta[hi] - theta[lo])
    side = db.copy()
    side[max(0, 2 * lo - peak):2 * hi - peak] = -60
    return np.degrees(theta[peak]), width, side.max(), db[::30]


_rng = np.random.default_rng(113)
CASES = {
    "fun": beam,
    "sweep": (_rng.uniform(0.3, 0.5, 12), _rng.uniform(-0.6, 0.6, 12)),
    "fixed": (),
    "differentiable": False,
    "features": ["complex", "while", "short-circuit", "slice-by-value", "write", "outer", "string-branch", "max"],
}
