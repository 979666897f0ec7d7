"""An ensemble by names: stacked dicts of parameters, and a base model that holds no storage.

python examples/stacked_state_ensemble.py
"""

from typing import Any

import numpy as np

import vmapcore as vc
from vmapcore import nn

NUM_MODELS = 10


def main(batch: int = 64) -> dict[str, Any]:
    """Runs ten MLPs on separate and shared minibatches; returns predictions and shapes."""
    rng = np.random.default_rng(0)
    data = rng.standard_normal((NUM_MODELS, batch, 1, 28, 28), dtype=np.float32)
    models = [nn.SimpleMLP(rng=child) for child in rng.spawn(NUM_MODELS)]

    params, buffers = nn.stack_module_state(models)
    base = nn.skeleton(models[0])

    def fmodel(params: Any, buffers: Any, x: Any) -> Any:
        return nn.functional_call(base, (params, buffers), (x,))

    return {
        "base": base,
        "leading": {name: p.shape[0] for name, p in params.items()},
        "loop_separate": np.stack([net(x) for net, x in zip(models, data, strict=True)]),
        "vmap_separate": vc.vmap(fmodel)(params, buffers, data),
        "loop_shared": np.stack([net(data[0]) for net in models]),
        "vmap_shared": vc.vmap(fmodel, in_axes=(0, 0, None))(params, buffers, data[0]),
    }


if __name__ == "__main__":
    results = main()
    print("leading axes:", results["leading"])
    for case in ("separate", "shared"):
        equal = np.allclose(results[f"vmap_{case}"], results[f"loop_{case}"], atol=1e-3, rtol=1e-5)
        print(f"{case} minibatches: vmap equals the loop: {equal}")
