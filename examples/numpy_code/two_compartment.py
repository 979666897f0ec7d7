"""Two-compartment pharmacokinetics of repeated oral doses: peak, trough and time above the effective level."""
import numpy as np

DOSES = {0.0: 200.0, 12.0: 100.0, 24.0: 100.0, 36.0: 100.0}


def derivatives(state, p):
    gut, blood, tissue = state["gut"], state["blood"], state["tissue"]
    flow = p["k12"] * blood - p["k21"] * tissue
    return {
        "gut": -p["ka"] * gut,
        "blood": p["ka"] * gut - p["ke"] * blood - flow,
        "tissue": flow,
    }


def concentration_course(clearance, volume, ka=1.2, k12=0.4, k21=0.25, dt=0.1, hours=48.0, effective=1.5):
    p = dict(ka=ka, ke=clearance / volume, k12=k12, k21=k21)
    state = {"gut": 0.0, "blood": 0.0, "tissue": 0.0}
    n = int(round(hours / dt))
    conc = np.zeros(n)
    above = 0
    for i in range(n):
        t = round(i * dt, 6)
        if t in DOSES:
            state["gut"] += DOSES[t]
        rate = derivatives(state, p)
        for key in state:
            state[key] += dt * rate[key]
        conc[i] = state["blood"] / volume
        if conc[i] > effective:
            above += 1
    last = conc[int(36 / dt):]
    return {"peak": conc.max(), "trough": last.min(), "auc": np.trapezoid(conc, dx=dt), "hours": above * dt}


_rng = np.random.default_rng(101)
CASES = {
    "fun": concentration_course,
    "sweep": (_rng.uniform(3.0, 12.0, 12), _rng.uniform(20.0, 60.0, 12)),
    "fixed": (),
    "differentiable": True,
    "features": ["dict", "write", "branch", "in", "loop", "ode"],
}
