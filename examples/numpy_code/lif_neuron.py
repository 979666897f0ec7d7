"""Leaky integrate-and-fire neuron with refractory period: spike times, mean interval, final voltage."""
import numpy as np

V_REST, V_RESET, V_TH = -65.0, -70.0, -50.0


def lif(current, tau, resistance, t_max, dt, refractory):
    n = int(round(t_max / dt))
    v = np.full(n + 1, V_REST)
    spikes = []
    hold = 0
    for i in range(n):
        t = i * dt
        drive = current if 5.0 <= t < 85.0 else 0.0
        if hold > 0:
            v[i + 1] = V_RESET
            hold -= 1
            continue
        dv = (-(v[i] - V_REST) + resistance * drive) / tau
        v[i + 1] = v[i] + dt * dv
        if v[i + 1] >= V_TH:
            spikes.append(t + dt)
            v[i + 1] = V_RESET
            hold = int(refractory / dt)
    if len(spikes) > 1:
        isi = np.diff(spikes).mean()
    else:
        isi = np.inf
    return np.array(spikes), len(spikes), isi, v[-1]


_rng = np.random.default_rng(11)
CASES = {
    "fun": lif,
    "sweep": (_rng.uniform(1.0, 4.0, 12), _rng.uniform(8.0, 20.0, 12)),
    "fixed": (10.0, 100.0, 0.2, 2.0),
    "differentiable": False,
    "features": ["list", "ragged", "branch", "continue", "write", "int()", "ternary", "ode", "threshold"],
}
