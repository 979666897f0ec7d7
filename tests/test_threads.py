"""Tasks run once each, errors arrive, BLAS is as it was afterwards; kernels give the same bits for any thread count."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from vmapcore import threads, vmap
from vmapcore.rules import _threaded
from vmapcore.rules._large import LARGE
from vmapcore.rules._threaded import product, products
from vmapcore.rules.conv import conv2d, conv_input_grad, conv_weight_grad


def blas_threads():
    """Of NumPy's BLAS: other libraries bring theirs, maybe later than the kernels looked."""
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas" and "numpy" in lib["filepath"]]


@pytest.mark.parametrize("count", ["1", "2", "3"])
def test_every_task_runs_once(monkeypatch, count):
    monkeypatch.setenv("VMAPCORE_NUM_THREADS", count)
    seen = []
    threads.run([lambda state, i=i: state.append(i) or seen.append(i) for i in range(20)], list)
    assert sorted(seen) == list(range(20))


def test_blas_is_held_at_one_thread_and_restored(monkeypatch):
    monkeypatch.setenv("VMAPCORE_NUM_THREADS", "2")
    with threadpool_limits(2, user_api="blas"):
        before, inside = blas_threads(), []
        threads.run([lambda state: inside.extend(blas_threads())] * 3, list)
        assert set(inside) == {1}
        assert blas_threads() == before
        with pytest.raises(ZeroDivisionError):
            threads.run([lambda state: 1 / 0] * 3, list)
        assert blas_threads() == before


def test_runs_inside_tasks_and_from_two_threads(monkeypatch):
    monkeypatch.setenv("VMAPCORE_NUM_THREADS", "2")
    done = []

    def outer(state):
        threads.run([lambda state: done.append(1)] * 4, list)

    users = [threading.Thread(target=threads.run, args=([outer] * 5, list)) for _ in range(2)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert len(done) == 40


def test_convolution_gives_the_same_bits_for_any_thread_count(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 8, 20, 20)).astype(np.float32)
    w = rng.standard_normal((16, 8, 3, 3)).astype(np.float32)
    g = rng.standard_normal((40, 16, 18, 18)).astype(np.float32)
    options = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    results = []
    for count in ("1", "2", "5"):
        monkeypatch.setenv("VMAPCORE_NUM_THREADS", count)
        results.append(
            (
                conv2d(x, w),
                conv_input_grad(g, w, size=(20, 20), **options),
                conv_weight_grad(x, g, kernel=(3, 3), **options),
            )
        )
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert np.array_equal(a, b)


@pytest.mark.parametrize(
    "shapes",
    [
        ((600, 300), (300, 200)),
        ((3, 600, 300), (300, 200)),
        ((600, 300), (5, 300, 64)),
        ((7, 200, 300), (7, 300, 100)),
        ((1, 600, 300), (6, 300, 64)),
        ((5, 300), (300, 90000)),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
def test_large_products(monkeypatch, shapes, dtype):
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    monkeypatch.setattr(_threaded, "WORTH", 1)
    expected = np.matmul(x, y)
    results = []
    for count in ("1", "3"):
        monkeypatch.setenv("VMAPCORE_NUM_THREADS", count)
        results.append(product("matmul", x, y))
        assert results[-1].dtype == expected.dtype and results[-1].shape == expected.shape
        assert np.allclose(results[-1], expected, rtol=1e-3, atol=1e-2)
    assert np.array_equal(*results)
    mixed = product("matmul", x, y.astype(np.complex128))
    assert mixed.dtype == np.complex128 and np.allclose(mixed, expected, rtol=1e-3, atol=1e-2)
    transposed = product("matmul", x, np.ascontiguousarray(y.swapaxes(-1, -2)).swapaxes(-1, -2))
    assert np.allclose(transposed, expected, rtol=1e-3, atol=1e-2)


def test_large_products_under_vmap(monkeypatch):
    monkeypatch.setattr(_threaded, "WORTH", 1)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((8, 100, 200)), rng.standard_normal((8, 200, 150))
    assert np.allclose(vmap(np.matmul)(x, w), x @ w)
    assert np.allclose(vmap(np.matmul, (0, None))(x, w[0]), x @ w[0])


@pytest.mark.parametrize(
    "fun",
    [
        np.sin,
        lambda x: np.multiply(x, x),
        lambda x: x * 2.0,
        lambda x: x > 0,
        lambda x: np.where(x > 0, x, 0),
        lambda x: np.maximum(x, 0),
        lambda x: x.T + x.T,
        lambda x: x + x[:1],
        lambda x: x * np.float64(2),
        lambda x: x * np.asarray(2.0),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_elementwise_functions(fun, dtype):
    x = np.random.default_rng(0).standard_normal((3, 300, 1000)).astype(dtype)
    assert x[0].size >= LARGE
    got, expected = vmap(fun)(x), np.stack([fun(row) for row in x])
    assert got.dtype == expected.dtype
    assert np.array_equal(got, expected)


@pytest.mark.parametrize(
    "names, shapes",
    [
        ("ab,ac->abc", ((4, 600), (4, 700))),
        ("a,b->ab", ((1000,), (900,))),
        ("ab,ac->cab", ((4, 600), (4, 700))),
        ("abc,a->bc", ((4, 600, 700), (4,))),
        ("ab,b->ab", ((1000, 900), (900,))),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_large_results_of_einsum(names, shapes, dtype):
    rng = np.random.default_rng(0)
    x, y = (rng.integers(-9, 9, shape).astype(dtype) for shape in shapes)
    got, expected = products(names, x, y), np.einsum(names, x, y)
    assert got.size >= LARGE
    assert got.dtype == expected.dtype and np.array_equal(got, expected)
    assert products(names, x, y.astype(np.float64)).dtype == np.float64
