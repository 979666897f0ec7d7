"""Constant-velocity Kalman filter for a noisy position record; RMS error and log likelihood."""
import math
from dataclasses import dataclass, field

import numpy as np


@dataclass
class KalmanFilter:
    F: np.ndarray
    H: np.ndarray
    Q: np.ndarray
    R: np.ndarray
    x: np.ndarray
    P: np.ndarray
    loglik: float = 0.0
    innovations: list = field(default_factory=list)

    def predict(self):
        self.x = self.F @ self.x
        self.P = self.F @ self.P @ self.F.T + self.Q

    def update(self, z):
        r = z - self.H @ self.x
        S = self.H @ self.P @ self.H.T + self.R
        K = self.P @ self.H.T @ np.linalg.inv(S)
        self.x = self.x + K @ r
        self.P = (np.eye(len(self.x)) - K @ self.H) @ self.P
        self.loglik += -0.5 * (r @ np.linalg.solve(S, r) + np.log(np.linalg.det(S)) + math.log(2 * math.pi))
        self.innovations.append(r[0])


def track(process_noise, meas_noise, dt, n, seed):
    rng = np.random.default_rng(seed)
    true_pos = 0.5 * np.arange(n) * dt + np.sin(0.3 * np.arange(n) * dt)
    meas = true_pos + 0.5 * rng.standard_normal(n)
    meas[n // 2] = np.nan                       # a dropped frame
    F = np.array([[1.0, dt], [0.0, 1.0]])
    Q = process_noise * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
    kf = KalmanFilter(F, np.array([[1.0, 0.0]]), Q, np.array([[meas_noise**2]]), np.zeros(2), 10 * np.eye(2))
    est = np.empty(n)
    for k in range(n):
        kf.predict()
        if not np.isnan(meas[k]):
            kf.update(meas[k:k + 1])
        est[k] = kf.x[0]
    rms = np.sqrt(np.mean((est - true_pos) ** 2))
    return {"rms": rms, "loglik": kf.loglik, "state": kf.x, "std": np.sqrt(np.diag(kf.P)), "bias": np.mean(kf.innovations)}


_rng = np.random.default_rng(3)
CASES = {
    "fun": track,
    "sweep": (10 ** _rng.uniform(-2, 0.5, 12), _rng.uniform(0.2, 1.5, 12)),
    "fixed": (0.5, 60, 7),
    "differentiable": True,
    "features": ["class", "dataclass", "linalg", "random", "list", "dict", "write", "branch"],
}
