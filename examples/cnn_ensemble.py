"""Ten CNNs at once: each on its own minibatch, then all on the same one.

python examples/cnn_ensemble.py
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import vmapcore as vc
from vmapcore import nn

NUM_MODELS = 10


class CNN(nn.SimpleCNN):
    """The tutorial's model returns logits."""

    def __call__(self, x: Any) -> Any:
        return self.logits(x)


def seconds(run: Callable[[], Any], repeat: int = 3) -> float:
    """The median time of a call, after one to warm up."""
    run()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def main(model: Callable[..., Any] = CNN, batch: int = 64, repeat: int = 3) -> dict[str, Any]:
    """Runs both cases by loop and by vmap; returns the predictions and the times."""
    rng = np.random.default_rng(0)
    data = rng.standard_normal((NUM_MODELS, batch, 1, 28, 28), dtype=np.float32)
    models = [model(rng=child) for child in rng.spawn(NUM_MODELS)]

    minibatches, minibatch = data, data[0]
    fmodel, params, buffers = nn.combine_state_for_ensemble(models)
    results: dict[str, Any] = {
        "leading": [p.shape[0] for p in params],
        "loop_separate": np.stack([net(x) for net, x in zip(models, minibatches, strict=True)]),
        "vmap_separate": vc.vmap(fmodel)(params, buffers, minibatches),
        "loop_shared": np.stack([net(minibatch) for net in models]),
        "vmap_shared": vc.vmap(fmodel, in_axes=(0, 0, None))(params, buffers, minibatch),
    }
    if repeat:
        results["loop_seconds"] = seconds(lambda: [net(x) for net, x in zip(models, minibatches, strict=True)], repeat)
        results["vmap_seconds"] = seconds(lambda: vc.vmap(fmodel)(params, buffers, minibatches), repeat)
    return results


def report(results: dict[str, Any]) -> None:
    """Prints what was checked and measured."""
    print("leading axes of the stacked parameters:", results["leading"])
    for case in ("separate", "shared"):
        equal = np.allclose(results[f"vmap_{case}"], results[f"loop_{case}"], atol=1e-3, rtol=1e-5)
        print(f"{case} minibatches: vmap equals the loop: {equal}")
    loop, together = results["loop_seconds"], results["vmap_seconds"]
    print(f"loop {1e3 * loop:.1f} ms, vmap {1e3 * together:.1f} ms, ratio {loop / together:.2f}")


if __name__ == "__main__":
    report(main())
