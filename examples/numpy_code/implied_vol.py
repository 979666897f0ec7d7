"""Implied volatility of a European call by safeguarded Newton iteration on the Black-Scholes price."""
import numpy as np
from scipy.special import ndtr


def bs_call(S, K, T, r, sigma):
    srt = sigma * np.sqrt(T)
    d1 = (np.log(S / K) + (r + 0.5 * sigma**2) * T) / srt
    d2 = d1 - srt
    price = S * ndtr(d1) - K * np.exp(-r * T) * ndtr(d2)
    vega = S * np.sqrt(T) * np.exp(-0.5 * d1**2) / np.sqrt(2 * np.pi)
    return price, vega


def implied_vol(price, strike, spot, T, r, tol=1e-10, maxiter=60):
    if price <= max(spot - strike * np.exp(-r * T), 0.0):
        return np.nan, 0
    lo, hi = 1e-4, 3.0
    sigma = 0.3
    for it in range(1, maxiter + 1):
        p, vega = bs_call(spot, strike, T, r, sigma)
        diff = p - price
        if abs(diff) < tol:
            break
        if diff > 0:
            hi = sigma
        else:
            lo = sigma
        if vega > 1e-8:
            sigma = sigma - diff / vega
        if not lo < sigma < hi:
            sigma = 0.5 * (lo + hi)
    return sigma, it


_rng = np.random.default_rng(5)
_strike = _rng.uniform(80.0, 120.0, 12)
_price = np.maximum(100.0 - _strike, 0.0) + _rng.uniform(3.0, 15.0, 12)
_price[4] = 0.0
CASES = {
    "fun": implied_vol,
    "sweep": (_price, _strike),
    "fixed": (100.0, 0.5, 0.02),
    "differentiable": True,
    "features": ["scipy.special", "branch", "break", "early-return", "chained-comparison", "newton"],
}
