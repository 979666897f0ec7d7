"""Single-server queue with finite waiting room: mean wait, share of lost customers, queue length histogram."""
import numpy as np


class Queue:
    def __init__(self, capacity):
        self.capacity = capacity
        self.departures = []
        self.lost = 0

    def length_at(self, t):
        while self.departures and self.departures[0] <= t:
            self.departures.pop(0)
        return len(self.departures)

    def arrive(self, t, service):
        if self.length_at(t) >= self.capacity:
            self.lost += 1
            return None
        start = t if not self.departures else max(t, self.departures[-1])
        self.departures.append(start + service)
        return start - t


def simulate(lam, mu, n, capacity, seed):
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.exponential(1.0 / lam, n))
    services = rng.exponential(1.0 / mu, n)
    queue = Queue(capacity)
    waits = []
    histogram = np.zeros(capacity + 1, dtype=int)
    for t, s in zip(arrivals, services):
        histogram[queue.length_at(t)] += 1
        w = queue.arrive(t, s)
        if w is not None:
            waits.append(w)
    return sum(waits) / len(waits), queue.lost / n, histogram


_rng = np.random.default_rng(20)
CASES = {
    "fun": simulate,
    "sweep": (_rng.uniform(0.5, 1.5, 12), _rng.uniform(0.8, 2.0, 12)),
    "fixed": (300, 6, 4),
    "differentiable": True,
    "features": ["class", "random", "list", "while", "branch", "None", "index-by-value", "cumsum"],
}
