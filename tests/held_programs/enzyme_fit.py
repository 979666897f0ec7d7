"""Michaelis-Menten parameters from noisy rates by nonlinear least squares, with errors and a model comparison."""
import numpy as np
from scipy.optimize import curve_fit


def michaelis(s, vmax, km):
    return vmax * s / (km + s)


def hill(s, vmax, km, n):
    return vmax * s**n / (km**n + s**n)


def aic(residuals, k):
    n = len(residuals)
    return n * np.log(np.mean(residuals**2)) + 2 * k


def linear_guess(s, v):
    good = v > 0.05 * v.max()
    slope, intercept = np.polyfit(1 / s[good], 1 / v[good], 1)
    if intercept <= 0 or slope <= 0:
        return [v.max(), np.median(s)]
    return [1 / intercept, slope / intercept]


def fit_enzyme(km_true, noise, conc, seed):
    rng = np.random.default_rng(seed)
    v = hill(conc, 10.0, km_true, 1.15) + noise * rng.standard_normal(len(conc))
    v = np.clip(v, 0.01, None)
    guess = linear_guess(conc, v)
    popt, pcov = curve_fit(michaelis, conc, v, p0=guess)
    err = np.sqrt(np.diag(pcov))
    a1 = aic(v - michaelis(conc, *popt), 2)
    try:
        popt3, _ = curve_fit(hill, conc, v, p0=[*popt, 1.0], bounds=(0.01, [50, 100, 6]))
        a2 = aic(v - hill(conc, *popt3), 3)
    except RuntimeError:
        popt3, a2 = np.full(3, np.nan), np.inf
    better = "hill" if a2 < a1 else "mm"
    return {"mm": popt, "error": err, "hill": popt3, "gain": a1 - a2, "prefers_hill": better == "hill"}


_rng = np.random.default_rng(110)
CASES = {
    "fun": fit_enzyme,
    "sweep": (_rng.uniform(1.0, 8.0, 12), _rng.uniform(0.1, 0.5, 12)),
    "fixed": (np.r_[0.3, 0.6, np.linspace(1, 20, 12), 30.0], 12),
    "differentiable": True,
    "features": ["scipy.optimize", "try", "polyfit", "mask", "boolean-index", "branch", "early-return", "dict",
                 "random", "string"],
}
