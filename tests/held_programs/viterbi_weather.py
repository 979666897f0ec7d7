"""Hidden Markov weather model: most likely state path (Viterbi), filtered probabilities and log evidence."""
import numpy as np

STATES = ["sunny", "cloudy", "rainy"]
EMISSION = {"sunny": [0.7, 0.2, 0.1], "cloudy": [0.3, 0.5, 0.2], "rainy": [0.1, 0.3, 0.6]}


def transition_matrix(stay):
    n = len(STATES)
    A = np.full((n, n), (1 - stay) / (n - 1))
    np.fill_diagonal(A, stay)
    return A


def viterbi(obs, logA, logB, logpi):
    n, k = len(obs), len(logpi)
    score = np.full((n, k), -np.inf)
    back = np.zeros((n, k), dtype=int)
    score[0] = logpi + logB[:, obs[0]]
    for t in range(1, n):
        for s in range(k):
            options = score[t - 1] + logA[:, s]
            best = np.argmax(options)
            back[t, s] = best
            score[t, s] = options[best] + logB[s, obs[t]]
    path = [int(np.argmax(score[-1]))]
    for t in range(n - 1, 0, -1):
        path.append(back[t, path[-1]])
    return np.array(path[::-1]), score[-1].max()


def decode(stay, obs):
    A = transition_matrix(stay)
    B = np.array([EMISSION[s] for s in STATES])
    pi = np.ones(3) / 3
    path, logp = viterbi(obs, np.log(A), np.log(B), np.log(pi))
    f = pi
    evidence = 0.0
    for k, o in enumerate(obs):
        f = (f if k == 0 else f @ A) * B[:, o]
        evidence += np.log(f.sum())
        f /= f.sum()
    rainy_days = sum(1 for s in path if STATES[s] == "rainy")
    return {"path": path, "logp": logp, "filtered": f, "evidence": evidence, "rainy": rainy_days}


_rng = np.random.default_rng(107)
CASES = {
    "fun": decode,
    "sweep": (_rng.uniform(0.4, 0.95, 12), _rng.integers(0, 3, (12, 20))),
    "fixed": (),
    "differentiable": True,
    "features": ["dynamic-programming", "dict", "list", "write", "index-by-value", "ternary", "string", "generator"],
}
