"""jit: in threads, in threads begun inside transforms, and after fork."""

import contextlib
import multiprocessing
import threading
import warnings

import numpy as np
import pytest

from vmapcore import errors, jit, vmap
from vmapcore.testing import assert_same

pytestmark = pytest.mark.plans

A = np.arange(12.0).reshape(3, 4)
V = np.array([0.5, -1.0, 2.0])


def in_threads(count, work):
    """Runs `work(i)` in threads, all at once, and raises what any of them raises."""
    failures = []
    start = threading.Barrier(count)

    def run(i):
        try:
            start.wait()
            work(i)
        except BaseException as error:
            failures.append(error)

    users = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    if failures:
        raise failures[0]


def test_eight_threads_at_once():
    f = jit(vmap(lambda x, w: np.tanh(x @ w) + np.sum(x), (0, None)))
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(8, 5, 40, 30)), rng.normal(size=(8, 30, 20))
    expected = [np.tanh(a @ b) + np.sum(a, axis=(1, 2))[:, None, None] for a, b in zip(x, w, strict=True)]

    def work(i):
        for _ in range(20):
            assert_same(f(x[i], w[i]), expected[i])

    in_threads(8, work)
    assert len(f.plans) == 1


def test_threads_begun_inside_a_transform():
    replayed = jit(lambda x: x * 2)
    f = jit(np.sin)

    def inside(row):
        found = []
        in_threads(2, lambda i: found.append((replayed(row), f(V))))
        for _, sines in found:
            assert_same(sines, np.sin(V))
        return found[0][0] + found[1][0]

    assert_same(vmap(inside)(A), 4 * A)
    assert not replayed.plans

    def closing(row):
        with contextlib.ExitStack() as stack:
            stack.enter_context(pytest.raises(errors.ArgumentError, match=r"the function uses f64\[4\] at .* vmap"))
            in_threads(1, lambda i: jit(lambda x: x + row)(V[0]))
        return row

    vmap(closing)(A)


def _double_in_child(f, x, queue):
    queue.put(f(x))


def test_after_fork():
    f = jit(vmap(lambda x: np.tanh(x) @ x))
    x = np.random.default_rng(0).normal(size=(6, 50, 50))
    expected = f(x)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons, and JAX where a test has loaded it, warn of forks with threads
        child = context.Process(target=_double_in_child, args=(f, x, queue))
        child.start()
    assert_same(queue.get(timeout=60), expected)
    child.join()
