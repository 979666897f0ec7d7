"""`x[i:j]` of bounds that differ between examples: windows and selections, as views."""

import warnings

import numpy as np
import pytest

from vmapcore import PerformanceWarning, grad, jit, vmap
from vmapcore.errors import IndexingError, MutationError

from .together import together

RNG = np.random.default_rng(0)
X, M = RNG.normal(size=(40, 9)), RNG.normal(size=(40, 4, 9))
I, J = RNG.integers(-10, 11, 40), RNG.integers(-10, 12, 40)


def written(x, i, j):
    x[i:j] = 7.0
    x[j:] -= 1
    x[:i:2] *= 3
    return x


def written_through(x, i, j):
    s, t = x[i:], x[:j]
    s[...] = 2
    t += 1
    x[0] = 100.0
    return x, s.sum(), t.sum()


def turned(x, i, j):
    y = x[i:j]
    z = y[::-1]
    z[:] = z * 2
    return x, y.sum(), (y**2).max(initial=0)


def copied_between(x, i, j):
    x[i:j] = x[::-1][i:j]
    kept = x[i:j].copy()
    x[...] = 0
    return x, kept.sum()


def matrices(m, i, j):
    m[1, i:j] = 5
    m[2:, i:j] += 1
    m[..., j:] *= 2
    m[i % 4, :j] -= 3
    sums = m[:, i:j].sum(), m[0, i:j].sum(), m[:, i:j].sum(axis=1), m[:, None, i:].sum(), m[abs(i) % 4 :].sum(axis=0)
    return m, *sums


def columns(m, i, j):
    a = m[i:]
    a[:, :2].sum()
    a[...] = a * 2
    return m, a.sum(axis=0)


PROGRAMS = [
    (lambda x, i, j: (x[i:j].sum() + len(x[i:j]), x[:j].max(initial=-9.0), np.count_nonzero(x[i:] > 0)), X),
    (lambda x, i, j: (x[-i:].sum(), x[i - 1 : i + 2].sum(), x[np.minimum(i, j) : np.maximum(i, j)].sum()), X),
    *[(f, X) for f in (written, written_through, turned, copied_between)],
    *[(f, M) for f in (matrices, columns)],
]


def window(x, i, j):
    k = abs(i) % 5
    w = x[k : k + 3]
    w *= 2
    y = x[k : k + 3].copy()
    y[0] = 50
    x[k : k + 2] = x[k + 2 : k + 4]
    return x, w, y, w @ np.arange(3.0), np.sort(x[k : k + 4])


def asked(x, i, j):
    total = 0.0
    for v in x[abs(i) :]:
        total += v
    return total + np.diff(x[abs(j) :]).sum()


def parts(result):
    return result if isinstance(result, tuple) else (result,)


def check(fun, found, *args):
    want = [parts(fun(*[np.copy(a)[()] for a in row])) for row in zip(*args, strict=True)]
    for k, got in enumerate(parts(found)):
        np.testing.assert_allclose(got, np.stack([row[k] for row in want]), atol=1e-12)


@together("program", PROGRAMS)
def test_of_each_row(program):
    fun, x = program
    for options in ({}, {"branches": "split"}):
        with warnings.catch_warnings():
            warnings.simplefilter("error", PerformanceWarning)
            check(fun, vmap(fun, **options)(x, I, J), x, I, J)
        replayed = jit(vmap(fun, **options))
        replayed(x[::-1].copy(), J, I)
        check(fun, replayed(x, I, J), x, I, J)


@together("fun", [window, asked])
@pytest.mark.filterwarnings("ignore::vmapcore.PerformanceWarning")
def test_lengths_are_asked_for(fun):
    check(fun, vmap(fun, branches="split")(X, I, J), X, I, J)
    with pytest.raises(IndexingError, match=r"x\[i:j\]: a slice from or to a value that differs"):
        vmap(fun)(X, I, J)


def test_windows_of_one_length_go_on_together():
    runs = 0

    def fun(x, i, j):
        nonlocal runs
        runs += 1
        return window(x, i, j)

    check(window, vmap(fun, branches="split")(X, np.abs(I), J), X, np.abs(I), J)
    assert runs == 1


def test_derivatives():
    slopes = vmap(grad(lambda x, i: (x[i:] ** 2).sum()))(X, np.abs(I) % 9)
    np.testing.assert_allclose(slopes, np.where(np.arange(9) >= (np.abs(I) % 9)[:, None], 2 * X, 0))


def test_of_an_outer_transform():
    starts = np.array([0, 2, 4])
    found = vmap(lambda x: vmap(lambda i: x[i:].sum())(starts))(X)
    np.testing.assert_allclose(found, np.stack([X[:, k:].sum(1) for k in starts], 1))

    def writing(x):
        def inner(i):
            x[i:] = 1.0
            return x.sum()

        return vmap(inner)(starts)

    with pytest.raises(MutationError, match="outer"):
        vmap(writing)(X)
