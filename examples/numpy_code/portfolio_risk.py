"""Value at risk and expected shortfall of a portfolio by simulation with correlated Student returns."""
import numpy as np
from scipy import stats


def correlate(z, corr):
    return z @ np.linalg.cholesky(corr).T


def risk(weights, rho, dof, n_sim=400, seed=7):
    rng = np.random.RandomState(seed)
    n = len(weights)
    corr = np.full((n, n), rho)
    np.fill_diagonal(corr, 1.0)
    z = rng.standard_normal((n_sim, n))
    chi = rng.chisquare(5, size=n_sim)
    returns = correlate(z, corr) * np.sqrt(5 / chi)[:, None] * 0.02
    pnl = np.sort(returns @ (weights / weights.sum()))
    cut = int(0.05 * n_sim)
    var = -pnl[cut]
    shortfall = -pnl[:cut].mean()
    analytic = -stats.t.ppf(0.05, dof) * 0.02 * np.sqrt((dof - 2) / dof)
    return var, shortfall, analytic, stats.skew(pnl), "ruin" if shortfall > 0.1 else "fine"


def report(weights, rho, dof):
    var, es, analytic, skew, verdict = risk(weights, rho, dof)
    return {"var": var, "es": es, "ratio": var / analytic, "skew": skew, "ok": verdict == "fine"}


_rng = np.random.default_rng(121)
CASES = {
    "fun": report,
    "sweep": (_rng.uniform(0.1, 1.0, (12, 5)), _rng.uniform(0.0, 0.8, 12), _rng.uniform(3.0, 9.0, 12)),
    "fixed": (),
    "differentiable": True,
    "features": ["random", "RandomState", "scipy.stats", "linalg", "sort", "fill_diagonal", "string", "dict"],
}
