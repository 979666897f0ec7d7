"""Memory of large results: it comes back when the last view dies, not before, and the pool is bounded."""

import threading

import numpy as np
import pytest

from vmapcore import memory

BIG = (memory.POOLED // 4,)


@pytest.fixture(autouse=True)
def pool():
    memory.clear()
    yield memory._POOL
    memory.clear()


def address(x):
    return x.__array_interface__["data"][0]


def test_memory_is_used_again(pool):
    x = memory.empty(np, BIG, np.float32)
    at = address(x)
    assert at % memory.ALIGNMENT == 0
    assert x.flags.writeable and x.flags.c_contiguous
    del x
    assert pool.held >= memory.POOLED
    assert address(memory.empty(np, BIG, np.int32)) == at


def test_a_view_keeps_it(pool):
    x = memory.empty(np, BIG, np.float32)
    view = x.reshape(2, -1)[1:, ::2].T
    view[...] = 3
    del x
    assert pool.held == 0
    other = memory.empty(np, BIG, np.float32)
    other[...] = 0
    assert (view == 3).all()


def test_small_and_odd_arrays_are_numpys():
    for shape, dtype in [((3,), np.float32), ((0, 5), np.float64), ((), np.int8), (BIG, object)]:
        x = memory.empty(np, shape, dtype)
        assert x.shape == shape
        assert x.dtype == dtype
        assert x.base is None


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.complex64, np.longdouble, bool, np.uint8])
def test_dtypes(dtype):
    x = memory.empty(np, (memory.POOLED,), dtype)
    assert x.dtype == dtype
    x[...] = 1
    assert (x == 1).all()


def test_it_is_bounded(pool, monkeypatch):
    monkeypatch.setattr(memory, "LIMIT", 4 * memory.POOLED)
    arrays = [memory.empty(np, (n, *BIG), np.float32) for n in (1, 1, 2, 3, 5)]
    while arrays:
        arrays.pop()
        assert pool.held <= memory.LIMIT
        assert pool.held == sum(size * len(blocks) for size, blocks in pool.idle.items())
    assert pool.held  # the latest are kept
    memory.clear()
    assert pool.held == 0


def test_an_array_may_die_while_another_is_made(pool):
    """As when the garbage collector runs inside the pool: the block goes to the system, nothing waits."""
    x = memory.empty(np, BIG, np.float32)
    with pool.lock:
        del x
    assert pool.held == 0


def test_threads(rng):
    """No two living arrays share memory."""
    failures = []

    def work(seed):
        rng = np.random.default_rng(seed)
        living = []
        for i in range(200):
            x = memory.empty(np, (int(rng.integers(1, 4)), *BIG), np.float32)
            x[:, ::4096] = 1000 * seed + i
            living.append((x[-1:], 1000 * seed + i))
            if len(living) > 3:
                view, value = living.pop(int(rng.integers(len(living))))
                if not (view[:, ::4096] == value).all():
                    failures.append(value)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
