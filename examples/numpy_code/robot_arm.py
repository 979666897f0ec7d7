"""Inverse kinematics of a planar arm with joint limits by damped least squares: joint angles, error, iterations."""
import numpy as np


class Arm:
    def __init__(self, lengths, limit):
        self.lengths = np.asarray(lengths, dtype=float)
        self.limit = limit

    @property
    def reach(self):
        return self.lengths.sum()

    def forward(self, q):
        a = np.cumsum(q)
        return np.array([np.dot(self.lengths, np.cos(a)), np.dot(self.lengths, np.sin(a))])

    def jacobian(self, q):
        a = np.cumsum(q)
        J = np.zeros((2, len(q)))
        for j in range(len(q)):
            J[0, j] = -np.sum(self.lengths[j:] * np.sin(a[j:]))
            J[1, j] = np.sum(self.lengths[j:] * np.cos(a[j:]))
        return J


def reach_for(target, damping, lengths=(0.5, 0.4, 0.3), max_iter=100):
    arm = Arm(lengths, limit=2.5)
    dist = np.linalg.norm(target)
    if dist > 0.98 * arm.reach:
        target = target * (0.98 * arm.reach / dist)
    q = np.array([0.3, 0.4, 0.2])
    for it in range(max_iter):
        e = target - arm.forward(q)
        if np.linalg.norm(e) < 1e-6:
            break
        J = arm.jacobian(q)
        dq = J.T @ np.linalg.inv(J @ J.T + damping**2 * np.eye(2)) @ e
        q = np.clip(q + dq, -arm.limit, arm.limit)
    return q, np.linalg.norm(target - arm.forward(q)), it


_rng = np.random.default_rng(126)
_r, _phi = _rng.uniform(0.4, 1.3, 12), _rng.uniform(-1.5, 1.5, 12)
CASES = {
    "fun": reach_for,
    "sweep": (np.stack([_r * np.cos(_phi), _r * np.sin(_phi)], axis=1), _rng.uniform(0.05, 0.3, 12)),
    "fixed": (),
    "differentiable": True,
    "features": ["class", "property", "write", "break", "linalg", "clip", "cumsum", "loop-variable-after-loop"],
}
