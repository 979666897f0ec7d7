"""Finite-horizon LQR of a cart: backward Riccati recursion, forward simulation with a limit on the force."""
import numpy as np


def riccati(A, B, Q, R, steps):
    P = Q
    gains = []
    for _ in range(steps):
        BP = B.T @ P
        K = np.linalg.solve(R + BP @ B, BP @ A)
        P = Q + A.T @ P @ (A - B @ K)
        P = (P + P.T) / 2
        gains.append(K)
    return gains[::-1], P


def track(mass, weight, x0, steps=60, dt=0.1, limit=4.0):
    A = np.array([[1.0, dt], [0.0, 1.0 - 0.1 * dt / mass]])
    B = np.array([[0.5 * dt**2 / mass], [dt / mass]])
    gains, P = riccati(A, B, np.diag([1.0, 0.1]), weight * np.eye(1), steps)
    x = x0
    path = np.zeros((steps + 1, 2))
    path[0] = x
    cost = 0.0
    saturated = 0
    for k, K in enumerate(gains):
        u = -(K @ x)
        if np.abs(u[0]) > limit:
            u = np.sign(u) * limit
            saturated += 1
        cost += x @ x + weight * u @ u
        x = A @ x + B @ u
        path[k + 1] = x
    return path[::10], cost, saturated, np.trace(P)


_rng = np.random.default_rng(116)
CASES = {
    "fun": track,
    "sweep": (_rng.uniform(0.5, 3.0, 12), _rng.uniform(0.01, 1.0, 12), _rng.normal(0, 2, (12, 2))),
    "fixed": (),
    "differentiable": True,
    "features": ["linalg", "solve", "list", "reversed-slice", "write", "branch", "enumerate"],
}
