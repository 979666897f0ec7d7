"""The gradient of every sample in a batch: one by one, and as vmap of grad.

python examples/per_sample_gradients.py
"""

import time
from typing import Any

import numpy as np

import vmapcore as vc
import vmapcore.nn.functional as F
from vmapcore import nn


def main(batch: int = 64) -> dict[str, Any]:
    """Computes both; returns the gradients by parameter name and the times."""
    rng = np.random.default_rng(0)
    data = rng.standard_normal((batch, 1, 28, 28), dtype=np.float32)
    targets = rng.integers(0, 10, batch)
    model = nn.SimpleCNN(rng=rng)
    params, buffers = nn.named_parameters(model), nn.named_buffers(model)

    def compute_loss(params: Any, buffers: Any, sample: Any, target: Any) -> Any:
        predictions = nn.functional_call(model, (params, buffers), (sample[None],))
        return F.nll_loss(predictions, target[None])

    one_gradient = vc.grad(compute_loss)
    every_gradient = vc.vmap(one_gradient, in_axes=(None, None, 0, 0))

    start = time.perf_counter()
    one_by_one = [one_gradient(params, buffers, data[i], targets[i]) for i in range(batch)]
    middle = time.perf_counter()
    together = every_gradient(params, buffers, data, targets)
    end = time.perf_counter()
    return {
        "loop": {name: np.stack([g[name] for g in one_by_one]) for name in params},
        "vmap": together,
        "loop_seconds": middle - start,
        "vmap_seconds": end - middle,
    }


if __name__ == "__main__":
    results = main()
    for name, gradient in results["vmap"].items():
        equal = np.allclose(gradient, results["loop"][name], atol=3e-3, rtol=1e-5)
        print(f"{name:12} {gradient.shape!s:22} equal to one by one: {equal}")
    loop, together = results["loop_seconds"], results["vmap_seconds"]
    print(f"one by one {1e3 * loop:.0f} ms, vmap {1e3 * together:.0f} ms, ratio {loop / together:.1f}")
