"""L2-regularised logistic regression by gradient descent with step halving: weights, loss, accuracy."""
import numpy as np
from scipy.special import expit, xlogy


class LogisticModel:
    def __init__(self, n_features, l2):
        self.w = np.zeros(n_features)
        self.l2 = l2

    def loss(self, X, y, w=None):
        if w is None:
            w = self.w
        p = expit(X @ w)
        return -np.mean(xlogy(y, p) + xlogy(1 - y, 1 - p)) + 0.5 * self.l2 * (w @ w)

    def gradient(self, X, y):
        return X.T @ (expit(X @ self.w) - y) / len(y) + self.l2 * self.w

    def fit(self, X, y, lr, epochs):
        current = self.loss(X, y)
        for _ in range(epochs):
            g = self.gradient(X, y)
            trial = self.w - lr * g
            value = self.loss(X, y, trial)
            if value > current:
                lr *= 0.5
                continue
            self.w, current = trial, value
        return current


def train(l2, lr, n, epochs, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    X = np.column_stack([np.ones(n), x, x[:, 0] * x[:, 1]])
    y = (x[:, 0] - 0.5 * x[:, 1] + 0.7 * rng.normal(size=n) > 0.2).astype(float)
    model = LogisticModel(X.shape[1], l2)
    final = model.fit(X, y, lr, epochs)
    predicted = expit(X @ model.w) > 0.5
    accuracy = np.mean(predicted == (y == 1))
    return {"w": model.w, "loss": final, "accuracy": float(accuracy)}


_rng = np.random.default_rng(10)
CASES = {
    "fun": train,
    "sweep": (10 ** _rng.uniform(-3, -0.5, 12), _rng.uniform(0.5, 20.0, 12)),
    "fixed": (80, 60, 3),
    "differentiable": True,
    "features": ["class", "scipy.special", "random", "branch", "continue", "dict", "float()"],
}
