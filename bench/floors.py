"""What no contender can beat: products at the rate of the machine's GEMM, arrays at the speed they can be copied.

`python -m bench.floors cpu` measures both rates in a process of its own and prints them as JSON. The floor of a
workload is the longer of two times: its operations at that rate, its arguments and results at that speed.
"""

import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent

SIDE, PRODUCTS = 1536, 12
MEGABYTES, COPIES, THREADS = 64, 8, 2


def rates(device: str) -> dict[str, float]:
    """Operations and bytes per second at best, in float32."""
    xp: Any = np if device == "cpu" else importlib.import_module("cupy")

    def least(f: Callable[[], Any], times: int) -> float:
        found = []
        for _ in range(times):
            start = time.perf_counter()
            f()
            if device != "cpu":
                xp.cuda.get_current_stream().synchronize()
            found.append(time.perf_counter() - start)
        return min(found[1:])

    a = xp.ones((SIDE, SIDE), np.float32)
    out = xp.empty_like(a)
    products = least(lambda: xp.matmul(a, a, out=out), PRODUCTS)
    parts = [(xp.ones(MEGABYTES << 18, np.float32), xp.ones(MEGABYTES << 18, np.float32)) for _ in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:

        def copy() -> None:
            if device == "cpu":
                list(pool.map(lambda pair: np.copyto(*pair), parts))
            else:
                xp.copyto(*parts[0])

        copied = (THREADS if device == "cpu" else 1) * 2 * parts[0][0].nbytes
        copies = least(copy, COPIES)
    return {"flops": 2 * SIDE**3 / products, "bytes": copied / copies}


def measured(device: str) -> dict[str, float]:
    """`rates` of a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.floors", device], capture_output=True, text=True, check=True, cwd=ROOT
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def counted(graph: Any, arrays: list[np.ndarray]) -> dict[str, Any]:
    """What a recorded graph says of its cost, and the bytes that go in and out; None for what it cannot say."""

    def asked(name: str) -> Any:
        found = getattr(graph, name, None)
        return found() if callable(found) else found

    outputs = sum(v.nbytes for v in set(graph.outputs) if hasattr(v, "nbytes"))
    return {
        "flops": asked("flops"),
        "moved": asked("bytes"),
        "alive": asked("peak_memory"),
        "through": sum(x.nbytes for x in arrays) + outputs,
    }


def floor(counts: dict[str, Any], peaks: list[dict[str, float]]) -> float | None:
    """The least seconds a workload can take, by the best rates seen in the run; None if nothing was counted."""
    if not peaks or not counts.get("flops"):
        return None
    best = {name: max(p[name] for p in peaks) for name in ("flops", "bytes")}
    return max(counts["flops"] / best["flops"], counts["through"] / best["bytes"])


if __name__ == "__main__":
    print(json.dumps(rates(sys.argv[1])))
