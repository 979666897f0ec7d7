"""Pooling of the benchmark's models, one tile on one thread: microseconds an image, compiled and not.

python -m bench.kernels.pool
"""

from typing import Any

import numpy as np

from vmapcore.cpu import compiled
from vmapcore.cpu.kernels.pooling import max_pool, max_pool_scatter
from vmapcore.evals.windows import windows

from .timing import times


def without_numba(call: Any) -> Any:
    def run() -> None:
        before, compiled.AVAILABLE = compiled.AVAILABLE, False
        try:
            call()
        finally:
            compiled.AVAILABLE = before

    return run


def main() -> None:
    rng = np.random.default_rng(0)
    for channels, size, images in ((64, 24, 8), (64, 24, 16), (64, 24, 32), (6, 28, 3), (16, 10, 3)):
        win = windows("max_pool", (size, size), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))
        x = np.maximum(rng.standard_normal((channels, size, size, images)), 0).astype(np.float32)
        g = rng.standard_normal((channels, *win.out, images)).astype(np.float32)
        out, back = np.empty_like(g), np.empty_like(x)
        forward: Any = lambda x=x, out=out, win=win: max_pool(x, out, win)  # noqa: E731
        backward: Any = lambda g=g, x=x, out=out, back=back, win=win: max_pool_scatter(g, x, out, back, win, True)  # noqa: E731
        calls = {"forward": forward, "backward": backward}
        calls |= {f"{name}, NumPy": without_numba(call) for name, call in calls.items()}
        for name, seconds in times(calls, inner=3).items():
            print(f"{channels:3} channels {size}x{size} {images:3} images  {name:20} {seconds / images * 1e6:7.1f} us")


if __name__ == "__main__":
    main()
