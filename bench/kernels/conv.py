"""Convolutions of the benchmark's models, one tile on one thread: microseconds and GFLOP/s per image, by way.

python -m bench.kernels.conv [cnn2 cnn1 lenet1 lenet2] [--images 3 8 16 32] [--peers]
"""

import argparse
import math
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from vmapcore.cpu.kernels.direct import Direct
from vmapcore.cpu.kernels.winograd import Winograd
from vmapcore.cpu.kernels.winograd_numpy import WinogradNumPy
from vmapcore.evals.windows import windows

from .timing import times

LAYERS = {"cnn1": (1, 32, 28, 3), "cnn2": (32, 64, 26, 3), "lenet1": (1, 6, 32, 5), "lenet2": (6, 16, 14, 5)}


class Scratch:
    def __init__(self) -> None:
        self.arrays: dict[Any, Any] = {}

    def __call__(self, name: str, shape: tuple[int, ...]) -> Any:
        if (name, shape) not in self.arrays:
            self.arrays[name, shape] = np.empty(shape, np.float32)
        return self.arrays[name, shape]


def calls(layer: str, images: int, peers: bool) -> dict[str, Any]:
    """For each way: forward with bias and relu, the same and 2x2 maxima, input gradient, weight gradient."""
    channels, height, size, k = LAYERS[layer]
    win = windows("conv", (size, size), (k, k), (1, 1), ((0, 0), (0, 0)), (1, 1))
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(np.float32)

    x, w, b = normal(1, channels, size, size, images), normal(1, height, channels, k, k), normal(1, height)
    g = normal(1, height, *win.out, images)
    small = normal(1, height, *[n // 2 for n in win.out], images)
    out, dx, dw = np.empty_like(g), np.empty_like(x), np.empty_like(w)
    found: dict[str, Any] = {}
    for kind in (WinogradNumPy, Direct, Winograd):
        if not kind.fits(win, channels, height, images, np.dtype(np.float32)):
            continue
        way, new, name = kind(win, channels, height, images, np.dtype(np.float32)), Scratch(), kind.__name__
        if isinstance(way, Direct):
            found |= direct(way, x, w, b, g, out, small, dx, dw)
            continue
        here, back = way.weights(w, new), way.back_weights(w, new)
        found[f"{name} forward"] = lambda way=way, here=here, new=new: way.forward(x, here, b, True, out, new)
        found[f"{name} pooled"] = lambda way=way, here=here, new=new: way.forward_pooled(x, here, b, True, small, new)
        found[f"{name} dx"] = lambda way=way, back=back, new=new: way.input_grad(g, back, dx, new)
        found[f"{name} dw"] = lambda way=way, new=new: way.weight_grad(x, g, dw, new)
        found[f"{name} weights"] = lambda way=way, new=new: (way.weights(w, new), way.back_weights(w, new))
    if peers:
        found |= peer(x, w, b, g)
    return found


def direct(way: Direct, *arrays: Any) -> dict[str, Any]:
    """The calls of all members, of one."""
    x, w, b, g, out, small, dx, dw = [a.reshape(-1) for a in arrays]
    lead = (1, 1, 1)
    forward, pooled = way.forward_all(lead, True, True, False), way.forward_all(lead, True, True, True)
    found: dict[str, Any] = {
        "Direct forward": lambda: forward(x, w, b, out),
        "Direct pooled": lambda: pooled(x, w, b, small),
    }
    if way.flips:
        back = way.input_grad_all(lead, True)
        found["Direct dx"] = lambda: back(g, w, None, dx)
    if way.few:
        grad = way.weight_grad_all(lead, True, True)
        found["Direct dw"] = lambda: grad(x, g, dw)
    return found


def peer(x: Any, w: Any, b: Any, g: Any) -> dict[str, Any]:
    import torch  # noqa: PLC0415 only where it is asked for
    from torch.ops import aten  # noqa: PLC0415

    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    for name, memory in (("torch", torch.contiguous_format), ("torch, channels last", torch.channels_last)):
        tx, tw, tg = (
            torch.from_numpy(np.ascontiguousarray(a)).contiguous(memory_format=memory)
            for a in (np.moveaxis(x[0], -1, 0), w[0], np.moveaxis(g[0], -1, 0))
        )
        tb = torch.from_numpy(b[0])

        def back(want: list[bool], tx: Any = tx, tw: Any = tw, tg: Any = tg) -> Any:
            return aten.convolution_backward(tg, tx, tw, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, want)

        found[f"{name} forward"] = lambda tx=tx, tw=tw, tb=tb: torch.relu_(torch.conv2d(tx, tw, tb))
        found[f"{name} pooled"] = lambda tx=tx, tw=tw, tb=tb: torch.max_pool2d(torch.conv2d(tx, tw, tb).relu_(), 2)
        found[f"{name} dx"] = lambda back=back: back([True, False, False])
        found[f"{name} dw"] = lambda back=back: back([False, True, False])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layers", nargs="*", default=list(LAYERS))
    parser.add_argument("--images", nargs="+", type=int, default=[3, 8, 16, 32])
    parser.add_argument("--peers", action="store_true")
    options = parser.parse_args()
    for layer in options.layers:
        channels, height, size, k = LAYERS[layer]
        work = 2 * channels * height * k * k * (size - k + 1) ** 2
        for images in options.images:
            with threadpool_limits(1):
                found = times(calls(layer, images, options.peers), inner=math.ceil(16 / images))
            for name, seconds in found.items():
                each = seconds / images
                print(f"{layer} {images:3} images  {name:30} {each * 1e6:8.1f} us  {work / each / 1e9:6.1f} GFLOP/s")


if __name__ == "__main__":
    main()
