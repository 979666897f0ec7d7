"""Tasks run once each, errors arrive, BLAS is as it was afterwards; kernels give the same bits for any thread count."""

import contextlib
import gc
import os
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from vmapcore import errors, grad, jit, set_threads, threads, vmap
from vmapcore.evals import threaded
from vmapcore.evals.threaded import product, products
from vmapcore.rules.conv import conv2d, conv_input_grad, conv_weight_grad
from vmapcore.thresholds import LARGE

pytestmark = pytest.mark.plans


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


# How many.


@pytest.fixture
def restored(monkeypatch):
    """The count as nobody has chosen it, before and after."""
    monkeypatch.delenv("VMAPCORE_NUM_THREADS", raising=False)
    set_threads(None)
    yield
    set_threads(None)


@pytest.mark.parametrize("count", [0, -1, 1.0, "2", True, (2,), np.float64(2)], ids=repr)
def test_counts_that_are_refused(restored, count):
    set_threads(3)
    with pytest.raises(errors.OptionError) as caught:
        set_threads(count)
    expected = f"set_threads: argument 'count' is {count!r}; it must be an int of at least 1, or None."
    assert str(caught.value) == expected and isinstance(caught.value, ValueError)
    assert threads.available() == 3, "a count that is refused changes nothing"


def test_what_decides_the_count(restored, monkeypatch):
    """What was set, else the environment variable, else the cores."""
    cores = threads.available()
    assert cores == (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    set_threads(7)
    assert threads.available() == 7
    monkeypatch.setenv("VMAPCORE_NUM_THREADS", "5")
    assert threads.available() == 7
    set_threads(None)
    assert threads.available() == 5
    monkeypatch.setenv("VMAPCORE_NUM_THREADS", "")
    assert threads.available() == cores
    for nonsense in ("0", "-2", "two", "1.5"):
        monkeypatch.setenv("VMAPCORE_NUM_THREADS", nonsense)
        with pytest.raises(
            errors.OptionError, match=f"VMAPCORE_NUM_THREADS is '{nonsense}'; it must be a positive int"
        ):
            threads.available()


def test_the_count_is_the_whole_process(restored):
    set_threads(4)
    found = []
    user = threading.Thread(target=lambda: found.append(threads.available()))
    user.start()
    user.join()
    assert found == [4]


def test_no_more_threads_than_the_count(restored):
    """And one thread means the caller's own."""
    for count in (1, 2, 3):
        set_threads(count)
        seen = set()
        threads.run([lambda state, seen=seen: seen.add(threading.get_ident()) or time.sleep(0.001)] * 20, list)
        assert len(seen) <= count
    set_threads(1)
    seen = set()
    threads.run([lambda state: seen.add(threading.get_ident())] * 20, list)
    assert seen == {threading.get_ident()}


def test_the_same_bits_with_and_without_jit(restored):
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((300, 200)), rng.standard_normal((4, 900, 300))
    f = vmap(grad(lambda w, x: np.sum(np.tanh(x @ w) ** 2)), (None, 0))
    planned = jit(f)
    planned(w, x)
    results = []
    for count in (1, 2, 5, None):
        set_threads(count)
        results.append((f(w, x), planned(w, x)))
    for ours in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(ours, results[0], strict=True))


# The workers.


def workers():
    return [t for t in threading.enumerate() if t.name.startswith("vmapcore-")]


def eventually(condition):
    """Workers let go of a call a moment after it has returned."""
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)
    return condition()


def test_many_users_at_once_share_the_workers(restored):
    set_threads(3)
    threads.run([lambda state: time.sleep(0.001)] * 6, list)
    before = max(len(workers()), 2)  # an earlier test may have wanted more at once
    results = {}
    start = threading.Barrier(12)

    def user(i):
        start.wait()
        for k in range(25):
            done = []
            threads.run([lambda state, n=n, done=done: done.append(n) for n in range(9)], list)
            results[i, k] = sorted(done)

    users = [threading.Thread(target=user, args=(i,)) for i in range(12)]
    for t in users:
        t.start()
    for t in users:
        t.join()
    assert len(results) == 300 and all(found == list(range(9)) for found in results.values())
    assert len(workers()) == before


def test_workers_are_used_again(restored):
    set_threads(2)
    threads.run([lambda state: None] * 4, list)
    before = set(workers())
    for _ in range(50):
        threads.run([lambda state: None] * 4, list)
    assert set(workers()) == before and before


def test_each_thread_has_one_state(restored):
    set_threads(3)
    made, used = [], []

    def state():
        made.append(threading.get_ident())
        return threading.get_ident()

    threads.run([lambda mine: used.append((mine, threading.get_ident())) or time.sleep(0.001)] * 12, state)
    assert len(made) == len(set(made)) <= 3
    assert len(used) == 12 and all(mine == here for mine, here in used)


@pytest.mark.parametrize("where", ["caller", "worker", "state"])
def test_errors_arrive(restored, where):
    """Wherever they are raised, as they are; the next run is none the worse."""
    set_threads(2)
    caller = threading.get_ident()
    both = threading.Barrier(2)  # so that each of the two threads has one of the two tasks

    def task(state):
        both.wait(10)
        if (threading.get_ident() == caller) == (where == "caller"):
            raise KeyError(where)

    def state():
        if where == "state" and threading.get_ident() != caller:
            raise KeyError(where)

    with pytest.raises(KeyError, match=where):
        if where == "state":
            threads.run([lambda state: time.sleep(0.01)] * 50, state)
        else:
            threads.run([task] * 2, state)
    done = []
    threads.run([lambda state: done.append(1)] * 10, list)
    assert len(done) == 10


def test_runs_inside_runs_stay_on_their_thread(restored):
    set_threads(3)
    found = []

    def inner(outer_thread, depth):
        def task(state):
            found.append(outer_thread == threading.get_ident())
            if depth:
                threads.run([inner(outer_thread, depth - 1)] * 2, list)

        return task

    threads.run([lambda state: threads.run([inner(threading.get_ident(), 2)] * 2, list)] * 6, list)
    assert len(found) == 6 * (2 + 4 + 8) and all(found)
    seen = set()
    both = threading.Barrier(3)
    threads.run([lambda state: seen.add(threading.get_ident()) or both.wait(10)] * 3, list)
    assert len(seen) == 3, "after it, runs use workers again"


class Thing:
    """What a weak reference can watch."""


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_kept_alive(restored, fails):
    """Neither by workers that wait, nor by calls that no worker came to take."""
    set_threads(4)

    def once():
        thing, state = Thing(), Thing()

        def task(mine):
            assert mine is not thing
            if fails:
                raise KeyError

        with contextlib.suppress(KeyError):
            threads.run([task] * 5, lambda: state)
        return [weakref.ref(x) for x in (thing, state, task)]

    for _ in range(4):
        watched = once()
        gc.collect()
        assert eventually(lambda watched=watched: all(ref() is None for ref in watched))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_run_after_a_fork():
    """Workers are gone in the child, which starts its own; the parent's go on."""
    code = """if True:
        import os, threading, time, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forks of processes with threads
        from vmapcore import set_threads, threads

        def check():
            both, seen = threading.Barrier(2), set()
            threads.run([lambda state: seen.add(threading.get_ident()) or both.wait(10)] * 2, list)
            assert len(seen) == 2

        set_threads(2)
        check()
        busy = threading.Thread(target=lambda: [check() for _ in range(200)])  # a fork in the middle of a run
        busy.start()
        for _ in range(5):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    assert threads.available() == 2
                    check()
                    code = 0
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            check()
        busy.join()
    """
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr


# Kernels.


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
        ((5, 300), (300, 9000)),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
def test_large_products(monkeypatch, shapes, dtype):
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    monkeypatch.setattr(threaded, "EAGER_PRODUCT", 1)
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
    monkeypatch.setattr(threaded, "EAGER_PRODUCT", 1)
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


@pytest.mark.parametrize("function, names", [("multiply", "ab,ab->ab"), ("matmul", "ab,bc->ac")])
def test_large_products_are_what_they_are_called(function, names):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 500, 500))
    expected = x * y if function == "multiply" else x @ y
    assert np.allclose(product(function, x, y), expected)
    assert np.allclose(vmap(lambda x, y: np.einsum(names, x, y))(x[None], y[None])[0], expected)
    assert np.allclose(jit(lambda x, y: np.einsum(names, x, y))(x, y), expected)


def test_gradients_per_sample_of_many_samples():
    w, x = np.ones(128), np.ones((1000, 128))
    found = vmap(grad(lambda w, x: (w @ x) ** 2), in_axes=(None, 0))(w, x)
    assert np.allclose(found, 2 * 128 * x)


def test_blas_is_held_in_any_thread():
    """While it is held elsewhere, and where another thread was the first to hold it."""
    with threadpool_limits(2, user_api="blas"):
        before, inside, entered, leave = blas_threads(), [], threading.Event(), threading.Event()

        def late():
            threads.with_one_blas_thread(lambda: inside.extend(blas_threads()) or entered.set() or leave.wait())

        def early():
            other = threading.Thread(target=late)
            other.start()
            entered.wait()
            return other

        other = threads.with_one_blas_thread(early)
        inside.extend(blas_threads())
        leave.set()
        other.join()
        assert set(inside) == {1}
        assert blas_threads() == before
        alone = threading.Thread(target=late)
        alone.start()
        alone.join()
        assert set(inside) == {1}
        assert blas_threads() == before


def test_the_same_bits_in_another_thread():
    x = np.random.default_rng(0).standard_normal((500, 700)).astype(np.float32)
    replayed, found = jit(lambda x: x @ x.T), []
    for _ in range(3):
        replayed(x)
    other = threading.Thread(target=lambda: found.append(replayed(x)))
    other.start()
    other.join()
    assert np.array_equal(found[0], replayed(x))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_blas_has_its_threads_in_a_child_of_a_process_that_held_it():
    program = """
import os, sys, threading
from threadpoolctl import threadpool_info, threadpool_limits
import numpy as np
from vmapcore import threads
counts = lambda: [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]
threadpool_limits(2, user_api="blas")
before = counts()
def forks():
    child = os.fork()
    if child == 0:
        os._exit(counts() != before)
    return child
sys.exit(os.waitstatus_to_exitcode(os.waitpid(threads.with_one_blas_thread(forks), 0)[1]))
"""
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", program], timeout=60).returncode == 0
