"""Inventory under an (s, S) policy with random demand and lead times: cost, service level, stock record."""
from collections import deque

import numpy as np

HOLDING, SHORTAGE, ORDER = 0.1, 2.0, 15.0


def draw_lead_time(rng):
    u = rng.random()
    for days, cumulative in [(1, 0.3), (2, 0.75), (4, 1.0)]:
        if u < cumulative:
            return days
    return 4


def inventory(reorder, target, mean_demand, days, seed):
    rng = np.random.default_rng(seed)
    stock = target
    pending = deque()
    record = np.empty(days)
    demand_total = served_total = orders = 0
    cost = 0.0
    for day in range(days):
        while len(pending) > 0 and pending[0][0] <= day:
            _, quantity = pending.popleft()
            stock += quantity
        demand = rng.poisson(mean_demand) * (1.5 if day % 7 in (5, 6) else 1.0)
        served = min(demand, stock)
        stock -= served
        demand_total += demand
        served_total += served
        cost += HOLDING * stock + SHORTAGE * (demand - served)
        on_order = sum(q for _, q in pending)
        if stock + on_order <= reorder:
            arrival = max(day + draw_lead_time(rng), pending[-1][0] if pending else 0)
            pending.append((arrival, target - stock - on_order))
            cost += ORDER
            orders += 1
        record[day] = stock
    weekly = record[:days // 7 * 7].reshape(-1, 7).mean(axis=1)
    return cost / days, served_total / max(demand_total, 1), orders, weekly


_rng = np.random.default_rng(120)
_s = _rng.uniform(5.0, 30.0, 12)
CASES = {
    "fun": inventory,
    "sweep": (_s, _s + _rng.uniform(10.0, 60.0, 12)),
    "fixed": (6.0, 120, 3),
    "differentiable": False,
    "features": ["random", "deque", "while", "branch", "write", "min", "max", "ternary", "modulo", "early-return",
                 "generator"],
}
