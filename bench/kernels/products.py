"""Stacks of matrix products of the benchmark's models on one thread, with bias and relu: ours, and BLAS with NumPy's.

python -m bench.kernels.products
"""

from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from vmapcore.cpu import team
from vmapcore.cpu.kernels import stacks

from .timing import times

SHAPES = [
    ("LeNet, first layer", (4, 3, 400, 120), True),
    ("LeNet, second", (4, 3, 120, 84), True),
    ("LeNet, last", (4, 3, 84, 10), True),
    ("LeNet, first, back", (4, 3, 120, 400), False),
    ("LeNet, second, back", (4, 3, 84, 120), False),
    ("MLP, first layer", (10, 64, 784, 128), True),
    ("MLP, second", (10, 64, 128, 128), True),
    ("MLP, first, back", (10, 64, 128, 784), False),
    ("CNN, first layer", (1, 64, 9216, 128), True),
]
"""Members, rows, numbers of a sum, columns; and whether weights lie as (out, in), along the sums."""


def calls(shape: tuple[int, int, int, int], along: bool) -> dict[str, Any]:
    members, rows, depth, columns = shape
    rng = np.random.default_rng(0)
    x = rng.standard_normal((members, rows, depth)).astype(np.float32)
    y = rng.standard_normal((members, columns, depth) if along else (members, depth, columns)).astype(np.float32)
    y = y.swapaxes(1, 2) if along else y
    b, out = np.ones((members, 1, columns), np.float32), np.empty((members, rows, columns), np.float32)
    stack = stacks.Stack(x, y)

    def blas() -> None:
        np.matmul(x, y, out=out)
        np.add(out, b, out=out)
        np.maximum(out, 0, out=out)

    chosen = "ours" if stacks.stack(x, y, True) else "ours, not used"
    return {chosen: lambda: stack(x, y, out, b, True), "BLAS": blas}


def main() -> None:
    team.pieces = lambda count, nanoseconds: 1  # what this thread does alone
    with threadpool_limits(1):
        for name, shape, along in SHAPES:
            work = 2 * np.prod(shape)
            for way, seconds in times(calls(shape, along), inner=50).items():
                print(f"{name:20} {shape!s:20} {way:15} {seconds * 1e6:7.1f} us  {work / seconds / 1e9:6.1f} GFLOP/s")


if __name__ == "__main__":
    main()
