"""American put on a binomial tree: price, delta, early exercise premium and the exercise boundary per level."""
import math

import numpy as np


def tree_price(spot, strike, sigma, r, T, n, american):
    dt = T / n
    up = math.exp(sigma * math.sqrt(dt))
    down = 1 / up
    disc = math.exp(-r * dt)
    p = (math.exp(r * dt) - down) / (up - down)
    assert 0 < p < 1
    values = np.array([max(strike - spot * up**j * down ** (n - j), 0.0) for j in range(n + 1)])
    boundary = np.full(n, np.nan)
    first = None
    for i in range(n - 1, -1, -1):
        for j in range(i + 1):
            hold = disc * (p * values[j + 1] + (1 - p) * values[j])
            if american:
                price = spot * up**j * down ** (i - j)
                exercise = strike - price
                if exercise > hold:
                    boundary[i] = price          # the highest node that exercises wins
                    hold = exercise
            values[j] = hold
        if i == 1:
            first = values[:2].copy()
    delta = (first[1] - first[0]) / (spot * (up - down))
    return values[0], delta, boundary


def american_put(spot, sigma, strike, r, T, n):
    price, delta, boundary = tree_price(spot, strike, sigma, r, T, n, True)
    european, _, _ = tree_price(spot, strike, sigma, r, T, n, False)
    levels = np.count_nonzero(~np.isnan(boundary))
    return {"price": price, "delta": delta, "premium": price - european, "levels": levels}


_rng = np.random.default_rng(105)
CASES = {
    "fun": american_put,
    "sweep": (_rng.uniform(80.0, 120.0, 12), _rng.uniform(0.15, 0.5, 12)),
    "fixed": (100.0, 0.05, 1.0, 24),
    "differentiable": True,
    "features": ["math", "max", "branch", "write", "list", "dict", "None", "assert", "dynamic-programming"],
}
