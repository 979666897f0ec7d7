"""Kernels of tiles: against the primitives they stand for, in both ways, compiled and not."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmapcore.cpu import compiled
from vmapcore.cpu.convolutions import convolution
from vmapcore.cpu.kernels import direct, pooling
from vmapcore.cpu.kernels.winograd import Winograd
from vmapcore.cpu.kernels.winograd_numpy import WinogradNumPy
from vmapcore.cpu.kernels.winograd_tiles import Tiles
from vmapcore.evals.windows import taps, windows
from vmapcore.rules import conv as rules
from vmapcore.rules.pooling import max_pool, max_pool_scatter

pytestmark = pytest.mark.plans

ROOT = Path(__file__).resolve().parent.parent


class Direct(direct.Direct):
    """What it does of all members at once, done of one as the others do it."""

    def weights(self, w, new):
        return w

    back_weights = weights

    def forward(self, x, weights, bias, relu, out, new, pooled=False):
        run = self.forward_all((1, 1, len(x)), True, relu, pooled)
        run(x.reshape(-1), weights.reshape(-1), None if bias is None else bias.ravel(), out.reshape(-1))

    def forward_pooled(self, *args):
        self.forward(*args, pooled=True)

    def input_grad(self, g, weights, out, new):
        self.input_grad_all((1, 1, len(g)), True)(g.reshape(-1), weights.reshape(-1), None, out.reshape(-1))

    def weight_grad(self, x, g, out, new):
        self.weight_grad_all((1, 1, len(x)), True, True)(x.reshape(-1), g.reshape(-1), out.reshape(-1))


KINDS = [WinogradNumPy, *([Direct, Winograd] if compiled.AVAILABLE else [])]
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-13}


class Scratch:
    """Memory by name and shape, full of what must not be read."""

    def __init__(self, dtype):
        self.dtype = dtype
        self.arrays = {}

    def __call__(self, name, shape):
        found = self.arrays.get((name, shape))
        if found is None:
            found = self.arrays[name, shape] = np.full(shape, np.nan, self.dtype)
        return found


def close(found, expected, dtype):
    """Errors of a sum are those of its largest terms, so they are measured by the largest result."""
    assert found.dtype == dtype
    size = max(np.abs(expected).max(), 1) if expected.size else 1
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[dtype] * size)


def innermost(a, groups, axis):
    """Lays images (N, G*C, ...) out as (G, C, ..., N)."""
    a = np.moveaxis(a, axis, -1)
    return np.ascontiguousarray(a.reshape(groups, a.shape[0] // groups, *a.shape[1:]))


def check(kind, dtype, size, kernel, stride=1, padding=0, dilation=1, groups=1, channels=1, height=1, images=1, seed=0):
    """One way, if it fits, forward and both gradients, twice with the same memory; whether it fits."""
    axes = len(size)
    params = {
        "stride": (stride,) * axes if isinstance(stride, int) else stride,
        "padding": ((padding, padding),) * axes if isinstance(padding, int) else padding,
        "dilation": (dilation,) * axes,
    }
    win = windows("conv", size, kernel, **params)
    if not kind.fits(win, channels, height, images, np.dtype(dtype)):
        return False
    way = kind(win, channels, height, images, np.dtype(dtype))
    new = Scratch(dtype)
    rng = np.random.default_rng(seed)
    for relu, biased in ((False, True), (True, False), (True, True)):
        x = rng.standard_normal((images, groups * channels, *size)).astype(dtype)
        w = rng.standard_normal((groups * height, channels, *kernel)).astype(dtype)
        g = rng.standard_normal((images, groups * height, *win.out)).astype(dtype)
        b = rng.standard_normal(groups * height).astype(dtype) if biased else None
        exact = [a.astype(np.float64) for a in (x, w, g)]
        expected = rules.conv(exact[0], exact[1], groups=groups, **params)
        expected = expected if b is None else expected + b.reshape(-1, *[1] * axes)
        expected = np.maximum(expected, 0) if relu else expected
        xs, gs, ws = innermost(x, groups, 0), innermost(g, groups, 0), w.reshape(groups, height, channels, *kernel)
        out = np.full(gs.shape, np.nan, dtype)
        way.forward(xs, way.weights(ws, new), None if b is None else b.reshape(groups, height), relu, out, new)
        close(out, innermost(expected, groups, 0), dtype)

        if min(win.out) > 1 and images:
            halves = windows("max_pool", win.out, (2,) * axes, (2,) * axes, ((0, 0),) * axes, (1,) * axes)
            small = np.full((groups, height, *halves.out, images), np.nan, dtype)
            way.forward_pooled(
                xs, way.weights(ws, new), None if b is None else b.reshape(groups, height), relu, small, new
            )
            whole = np.full_like(small, np.nan)
            for group in range(groups):
                pooling.max_pool(out[group], whole[group], halves)
            np.testing.assert_array_equal(small, whole)  # bit for bit

        if getattr(way, "flips", True):
            dx = np.full(xs.shape, np.nan, dtype)
            way.input_grad(gs, way.back_weights(ws, new), dx, new)
            expected = rules.conv_input_grad(exact[2], exact[1], size=size, groups=groups, **params)
            close(dx, innermost(expected, groups, 0), dtype)

        if getattr(way, "few", True):
            dw = np.full(ws.shape, np.nan, dtype)
            way.weight_grad(xs, gs, dw, new)
            expected = rules.conv_weight_grad(exact[0], exact[2], kernel=kernel, groups=groups, **params)
            close(dw, expected.reshape(ws.shape), dtype)
    return True


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_planes(kind, dtype, data):
    draw = data.draw
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    dilation = draw(st.integers(1, 2))
    least = [(k - 1) * dilation + 1 for k in kernel]
    padding = draw(st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2)) for _ in kernel]))
    size = tuple(max(1, m - sum(p)) + draw(st.integers(0, 7)) for m, p in zip(least, padding, strict=True))
    check(
        kind,
        dtype,
        size,
        kernel,
        draw(st.tuples(st.integers(1, 3), st.integers(1, 2))),
        padding,
        dilation,
        draw(st.integers(1, 2)),
        draw(st.integers(1, 9)),
        draw(st.integers(1, 9)),
        draw(st.sampled_from([1, 2, 3, 5, 8, 11])),
        draw(st.integers(0, 99)),
    )


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(kind, Tiles)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("images", [16, 32])
@pytest.mark.parametrize("size", [(3, 3), (4, 9), (6, 10), (7, 5)])
@pytest.mark.parametrize("padding", [0, 1, ((2, 0), (0, 2))])
def test_winograd(kind, dtype, images, size, padding):
    """Tiles that fill the result, tiles that do not, one and several steps."""
    assert check(kind, dtype, size, (3, 3), 1, padding, 1, 2, 16, 17, images)


@pytest.mark.parametrize("kind", KINDS[:2])
@pytest.mark.parametrize("images", [1, 3, 8, 16])
def test_planes_of_models(kind, images):
    """LeNet's convolutions."""
    check(kind, np.float32, (32, 32), (5, 5), channels=1, height=6, images=images)
    check(kind, np.float32, (14, 14), (5, 5), channels=6, height=16, images=images)


@pytest.mark.parametrize("kind", KINDS)
def test_no_images(kind):
    check(kind, np.float32, (6, 6), (3, 3), channels=16, height=16, images=0)


def test_without_numba():
    """The compiled kernels are Python that means the same, and nothing else needs Numba."""
    code = """if True:
        import sys
        sys.modules["numba"] = None
        from vmapcore.cpu import compiled
        assert compiled.numba is None
        import numpy as np
        from tests import test_kernels
        assert len(test_kernels.KINDS) == 1
        from vmapcore.cpu.kernels.winograd import Winograd
        for kind in (test_kernels.Direct, Winograd):
            assert test_kernels.check(kind, np.float32, (5, 6), (3, 3), padding=1, channels=8, height=9, images=8)
        x, y, z = np.ones((1, 2, 9), np.float32), np.ones((1, 9, 10), np.float32), np.full((2, 1, 2, 10), 5, np.float32)
        from vmapcore.cpu.kernels import stacks
        assert not stacks.takes(x, y)
        for out, way in zip(z, (y, y.reshape(1, 10, 9).swapaxes(1, 2)), strict=True):
            stacks.Stack(x, way)(x, way, out, np.full(10, -10, np.float32), True)
            assert (out == 0).all()
            stacks.Stack(x, way)(x, way, out)
        assert (z == 9).all()
    """
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.skipif(not compiled.AVAILABLE, reason="needs Numba")
def test_the_choice(monkeypatch):
    win = windows("conv", (26, 26), (3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1))
    assert type(convolution(win, 32, 64, 16, np.float32)) is Winograd
    assert type(convolution(win, 32, 64, 3, np.float32)) is direct.Direct
    assert type(convolution(win, 1, 32, 16, np.float32)) is direct.Direct
    assert convolution(win, 32, 2, 16, np.float32) is None
    monkeypatch.setattr(compiled, "AVAILABLE", False)
    assert type(convolution(win, 32, 64, 16, np.float32)) is WinogradNumPy
    assert convolution(win, 32, 64, 3, np.float32) is None


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_max_pool(native, dtype, data):
    """What the primitives return, with ties, infinities and NaN."""
    draw = data.draw
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel, stride, dilation = draw(pair), draw(pair), draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    padding = tuple((draw(st.integers(0, k // 2)), draw(st.integers(0, k // 2))) for k in kernel)
    size = tuple(
        max(1, (k - 1) * d + 1 - sum(p)) + draw(st.integers(0, 6))
        for k, d, p in zip(kernel, dilation, padding, strict=True)
    )
    params = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    win = windows("max_pool", size, **params)
    if any(len({i for there, _ in taps(*t) for i in range(there.start, there.stop)}) < m for *t, m in geometry(win)):
        return  # a window with no element in the array: the function that users call refuses it
    channels, images = draw(st.integers(1, 3)), draw(st.sampled_from([0, 1, 3, 8, 13, 16]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    special = np.array([0, 0, 1, 1, 2, -1, np.inf, -np.inf, np.nan, -0.0])
    x = rng.choice(special, (channels, images, *size)).astype(dtype)
    expected = max_pool.eval(np, x, **params)
    g = rng.standard_normal(expected.shape).astype(dtype)
    back = max_pool_scatter.eval(np, g, x, expected, **params)
    masked = np.where(x > 0, back, dtype(0))

    def same(found, expected):  # sums over windows that overlap may be in another order
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 if win.overlap else 0)

    before, compiled.AVAILABLE = compiled.AVAILABLE, native and compiled.AVAILABLE
    try:
        xs, gs = (np.ascontiguousarray(np.moveaxis(a, 1, -1)) for a in (x, g))
        out, result = np.full_like(gs, np.nan), np.full_like(xs, np.nan)
        pooling.max_pool(xs, out, win)
        np.testing.assert_array_equal(np.moveaxis(out, -1, 1), expected)
        pooling.max_pool_scatter(gs, xs, out, result, win)
        same(np.moveaxis(result, -1, 1), back)
        pooling.max_pool_scatter(gs, xs, out, result, win, relu=True)
        same(np.moveaxis(result, -1, 1), masked)
    finally:
        compiled.AVAILABLE = before


def geometry(win):
    return zip(win.size, win.kernel, win.stride, win.padding, win.dilation, win.out, strict=True)
