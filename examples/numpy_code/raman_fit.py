"""Raman line on a fluorescent background: iterative polynomial baseline, then a least-squares Lorentzian."""
import numpy as np
from scipy.optimize import curve_fit


def lorentzian(x, height, centre, width):
    return height / (1 + ((x - centre) / width) ** 2)


def baseline(x, y, degree=3, rounds=20):
    work = y.copy()
    for _ in range(rounds):
        fit = np.polyval(np.polyfit(x, work, degree), x)
        new = np.minimum(work, fit)
        if np.max(np.abs(new - work)) < 1e-3:
            break
        work = new
    return fit


def analyse(y, guess, x):
    corrected = y - baseline(x, y)
    p0 = [corrected.max(), x[np.argmax(corrected)], guess]
    popt, pcov = curve_fit(lorentzian, x, corrected, p0=p0)
    error = np.sqrt(np.diag(pcov))
    area = np.pi * popt[0] * popt[2]
    return popt, error, area


_rng = np.random.default_rng(118)
_x = np.linspace(-10, 10, 60)
_c, _w = _rng.uniform(-4, 4, (12, 1)), _rng.uniform(0.6, 1.5, (12, 1))
CASES = {
    "fun": analyse,
    "sweep": (20 / (1 + ((_x - _c) / _w) ** 2) + 30 + _x + 0.1 * _x**2 + 0.2 * _rng.standard_normal((12, 60)),
              _rng.uniform(0.8, 1.2, 12)),
    "fixed": (_x,),
    "differentiable": False,
    "features": ["scipy.optimize", "polyfit", "polyval", "break", "argmax", "index-by-value"],
}
