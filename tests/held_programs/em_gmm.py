"""Expectation-maximisation for a one-dimensional Gaussian mixture: weights, means, deviations, BIC, iterations."""
import numpy as np
from scipy.special import logsumexp


def log_gauss(x, mu, sd):
    return -0.5 * ((x - mu) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)


def e_step(x, w, mu, sd):
    logp = np.stack([np.log(w[k]) + log_gauss(x, mu[k], sd[k]) for k in range(len(w))], axis=1)
    norm = logsumexp(logp, axis=1)
    return np.exp(logp - norm[:, None]), norm.sum()


def m_step(x, resp, min_sd):
    nk = resp.sum(axis=0)
    mu = (resp * x[:, None]).sum(axis=0) / nk
    var = (resp * (x[:, None] - mu) ** 2).sum(axis=0) / nk
    sd = np.sqrt(var)
    sd[sd < min_sd] = min_sd
    return nk / len(x), mu, sd


def fit(data, mu0, tol, max_iter):
    k = len(mu0)
    w, mu, sd = np.ones(k) / k, np.array(mu0, dtype=float), np.full(k, data.std())
    previous = -np.inf
    for it in range(max_iter):
        resp, loglik = e_step(data, w, mu, sd)
        if loglik - previous < tol:
            break
        previous = loglik
        w, mu, sd = m_step(data, resp, 0.05)
    order = np.argsort(mu)
    n_par = 3 * k - 1
    bic = n_par * np.log(len(data)) - 2 * loglik
    return w[order], mu[order], sd[order], bic, it


_rng = np.random.default_rng(109)
_pick = _rng.random((12, 60)) < _rng.uniform(0.3, 0.7, (12, 1))
_data = np.where(_pick, _rng.normal(-2.0, 0.6, (12, 60)), _rng.normal(1.5, 1.0, (12, 60)))
CASES = {
    "fun": fit,
    "sweep": (_data, np.sort(_rng.normal(0, 1.5, (12, 2)), axis=1)),
    "fixed": (1e-3, 40),
    "differentiable": True,
    "features": ["scipy.special", "break", "mask", "boolean-index", "sort", "list", "write", "tuple-unpack"],
}
