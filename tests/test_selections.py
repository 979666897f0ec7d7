"""`x[mask]` of a mask that differs between examples: what is computed without its length, and what asks for it."""

import warnings

import numpy as np
import pytest

from vmapcore import at, explain, grad, jit, jvp, plain, vmap
from vmapcore.errors import ConcretizationError, IndexingError, VmapcoreError
from vmapcore.rules.chosen import repeat_chosen
from vmapcore.rules.selected import Selection

from .together import together

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, 6, 7))
X[:, 3] = np.abs(X[:, 3])  # something is chosen of every row
Z, W = RNG.normal(size=(6, 5, 3)), RNG.normal(size=(6, 3))
Z[:, 2] = np.abs(Z[:, 2])

# Programs of vectors x and y.


def shifted(x, y):
    x[x > 0] += 1
    return x


def mapped(x, y):
    m = x > 0
    x[m] = np.sqrt(x[m]) * 2 - 1 / x[m]
    return x


def mapped_by_another_mask_that_is_equal(x, y):
    x[x > 0] = x[x > 0] ** 2
    return x


def from_another(x, y):
    m = x > 0
    x[m] = y[m]
    x[~m] -= y[~m].sum()
    return x


def centred(x, y):
    m = x > 0
    x[m] -= x[m].mean()
    return x


def changed_between(x, y):
    m = x > 0
    kept = x[m]
    x *= 0
    m &= y > 0
    x[m] = 3
    return kept.sum() + x


def written_inside(x, y):
    m = x > 0
    s = x[m]
    s[s > 1] = 0
    s[s > 0.5] *= 3
    s += 1
    x[m] = s
    return x


def through_views(x, y):
    s = x[x > 0]
    turned, column = s[::-1], s[:, None]
    turned *= 2
    column += 1
    whole = s[:]
    whole[...] = whole - 0.5
    return s.sum() + s.copy().max()


def twice(x, y):
    s = x[x > 0]
    small = s[s < s.mean()]
    return np.where(small.sum() > 0, small.sum(), y[x > 0].max())


def mean_by_hand(x, y):
    return x[x > 0].sum() / len(x[x > 0]) + y[x > 0].sum() / y[x > 0].size


def in_single_precision(x, y):
    return np.nanmean(x[x > 0]) + np.nanmedian(y[x > 0]) + x[x > 0].astype(np.float32).sum()


VECTORS = [
    lambda x, y: x[x > 0].sum() + np.sum(y[x > 0], axis=0, keepdims=True)[0],
    lambda x, y: np.mean(x[x > 0]) * x[x > 0].mean(),
    lambda x, y: x[x > 0].std() + np.var(y[x > 0], ddof=0.5) + np.add.reduce(x[x > 0]),
    lambda x, y: x[x > 0].max() - np.min(y[x > 0]) + np.ptp(y[x > 0]) + np.max(y[x > 5], initial=-1.0),
    lambda x, y: (x[x > 0] > 1).any() & np.all(y[x > 0] > -1),
    lambda x, y: np.prod(x[x > 0]) + np.linalg.norm(x[x > 0]),
    lambda x, y: np.median(x[x > 0]) + np.percentile(y[x > 0], 30) + np.quantile(y[x > 0], np.array([0.1, 0.5])),
    lambda x, y: np.count_nonzero(x[x > 0] > 0.5) + np.argmax(y[x > 0]) - y[x > 0].argmin(),
    lambda x, y: np.argmax(x[x > 0][::-1]) * 10 + np.argmin(y[x > 0][::-1]),
    lambda x, y: np.log(x[x > 0]).sum() + (1 / x[x > 0]).max(),
    lambda x, y: x[x > 0] @ y[x > 0] + np.dot(x[x > 0], y[x > 0]) + (x[x > 0] * y[x > 0]).sum(),
    lambda x, y: np.cumsum(x[x > 0]).max() + np.cumprod(x[x > 0])[-1],
    lambda x, y: np.sort(y[x > 0])[-1] - np.sort(y[x > 0])[::-1][-1],
    lambda x, y: y[x > 0][-1] + y[x > 0][0] * y[np.flatnonzero(x > 0)].sum(),
    lambda x, y: np.average(y[x > 0], weights=x[x > 0]) + np.average(x[x > 0]),
    lambda x, y: np.where(x[x > 0] > 0.5, x[x > 0], y[x > 0]).sum() + np.clip(x[x > 0], 0.1, 1).sum(),
    lambda x, y: np.interp(x[x > 0], [0.0, 1.0, 2.0], [0.0, 3.0, 1.0]).sum() + np.round(x[x > 0], 1).sum(),
    lambda x, y: (x.mean() - x[x > 0]).sum() + (x[x > 0] - x.mean()).min() + np.abs(-y[x > 0]).sum(),
    in_single_precision,
    lambda x, y: np.where(x > 0)[0][0] + np.nonzero(x > 0)[0].mean() + np.argwhere(x > 0)[:, 0].max(),
    lambda x, y: np.compress(x > 0, y).sum() + np.extract(x > 0, y).max(),
    lambda x, y: np.piecewise(x, [x < 0, x > 0.5], [lambda v: -v, np.sqrt, lambda v: v**2]),
    shifted,
    mapped,
    mapped_by_another_mask_that_is_equal,
    from_another,
    centred,
    changed_between,
    written_inside,
    through_views,
    twice,
    mean_by_hand,
]


# Programs of matrices z and vectors w.


def rows_written(z, w):
    m = z[:, 0] > 0
    r = z[m]
    r[:, 1] = 0
    r[:, 2] += r[:, 0]
    z[m] = r
    return z


def everywhere_written(z, w):
    z[z > 0] *= 2
    z[1, z[1] > 0] += w.sum()
    z[:, w > 0] -= 1
    return z


MATRICES = [
    lambda x, y: x[y[0] < x[:, 0]].sum() / (1 + len(x[y[0] < x[:, 0]])) + len(x[:, y > 0]),
    lambda x, y: np.mean(x, axis=0, where=(x[:, :1] > -5)) + np.var(x, axis=0, where=x[:, :1] > y[0] - 5),
    lambda z, w: z[z[:, 0] > 0].mean(axis=0) + z[z[:, 0] > 0].max(axis=-2),
    lambda z, w: (z[z[:, 0] > 0] @ w).sum() + (z[z[:, 0] > 0] * w).sum(axis=1).max(),
    lambda z, w: z[z[:, 0] > 0].T @ z[z[:, 0] > 0] + z[z[:, 0] > 0].T @ z[z[:, 0] > 0, 1:2],
    lambda z, w: z[z[:, 0] > 0, 1:].sum() + z[z[:, 0] > 0][:, 0].std() + z[z[:, 0] > 0].max(),
    lambda z, w: np.linalg.norm(z[z[:, 0] > 0], axis=1).sum() + z[z > 0].sum() * z[z > 0].max(),
    lambda z, w: z[:, w > -9].sum(axis=1) + z[..., w > -9].T.sum(0) + z[2, z[2] > 0].sum(),
    lambda z, w: z[np.nonzero(z > 0)].sum() + z[z[:, 0] > 0][:, None].sum((0, 1)),
    rows_written,
    everywhere_written,
]

PROGRAMS = [(f, X, Y) for f in VECTORS] + [(f, Z, W) for f in MATRICES]


def loop(fun, a, b):
    return np.stack([fun(x.copy(), y.copy()) for x, y in zip(a, b, strict=True)])


def check(got, want):
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-9 if want.dtype != np.float32 else 1e-5, atol=1e-12)


@together("program", PROGRAMS)
def test_each_row_is_what_a_loop_makes_of_it(program):
    fun, a, b = program
    want = loop(fun, a, b)
    with warnings.catch_warnings(action="error"):
        check(vmap(fun)(a, b), want)
        check(vmap(fun, branches="split")(a, b), want)
        check(vmap(fun, in_axes=(None, 0))(a[1], b), loop(fun, a[[1] * len(a)], b))
        check(vmap(fun, in_axes=(0, None))(a, b[1]), loop(fun, a, b[[1] * len(b)]))
        nested = vmap(vmap(fun))(a.reshape(2, 3, *a.shape[1:]), b.reshape(2, 3, *b.shape[1:]))
        check(nested.reshape(want.shape), want)


@together("program", PROGRAMS)
def test_jit_knows_no_length_either(program):
    fun, a, b = program
    want, mapped, single = loop(fun, a, b), jit(vmap(fun)), jit(lambda x, y: fun(x.copy(), y.copy()))
    for _ in range(3):
        check(mapped(a, b), want)
    check(mapped(a[::-1].copy(), b[::-1].copy()), want[::-1])
    check(np.stack([single(x, y) for x, y in zip(a, b, strict=True)]), want)


@together("program", PROGRAMS)
def test_derivatives_are_those_of_each_row(program):
    fun, a, b = program
    if loop(fun, a, b).dtype.kind != "f":
        return

    def total(x, y):
        return np.sum(fun(x.copy(), y.copy()))

    gradients = [grad(total)(x, y) for x, y in zip(a, b, strict=True)]
    want, step = np.stack(gradients), 1e-6 * np.sign(a)
    check(vmap(grad(total))(a, b), want)
    check(jit(vmap(grad(total)))(a, b), want)
    check(grad(lambda a: np.sum(vmap(fun)(a.copy(), b)))(a), want)
    _, tangents = jvp(lambda a: vmap(total)(a, b), (a,), (step,))
    check(tangents, (want * step).reshape(len(a), -1).sum(1))
    ahead, behind = loop(total, a + step, b), loop(total, a - step, b)
    if fun is not in_single_precision:
        np.testing.assert_allclose((ahead - behind) / 2, tangents, rtol=1e-5, atol=2e-9)


def test_second_derivatives():
    def f(x):
        return (np.log(x[x > 0]) * x[x > 0]).sum() + x[x > 0].max() ** 3 + np.var(x[x > 0])

    def twice(f):
        return grad(lambda x: (grad(f)(x) ** 2).sum())

    check(vmap(twice(f))(X), np.stack([twice(f)(x) for x in X]))


@pytest.mark.parametrize("dtype", ["float32", "float16", "complex128", "int64", "uint8", "bool"])
def test_dtypes_are_those_of_numpy(dtype):
    a = (10 * np.abs(X)).astype(dtype)

    def f(x):
        s = x[np.abs(x) > 3] if dtype != "bool" else x[x]
        return s.sum(), s.mean(), s.std(), s.max(), s.prod(), np.cumsum(s)[-1], s.any(), np.median(s), s @ s, (s + s)[0]

    with np.errstate(over="ignore"):
        got, each = vmap(f)(a), [f(x) for x in a]
    for i, column in enumerate(zip(*each, strict=True)):
        want = np.stack(column)
        assert got[i].dtype == want.dtype
        np.testing.assert_allclose(got[i], want, rtol=2e-3 if dtype == "float16" else 1e-5)


def test_ties_share_the_derivative_of_an_extremum():
    x = np.array([[2.0, 1.0, 2.0, 0.0], [1.0, 3.0, 3.0, 3.0]])

    def f(x, m):
        return x[m].max()

    m = np.array([[True, True, False, True], [False, True, False, True]])
    check(vmap(grad(f))(x, m), np.array([[1.0, 0, 0, 0], [0, 0.5, 0, 0.5]]))


# Nothing is chosen, or there is nothing to choose from.

EMPTY = np.array([[1.0, 2.0], [-1.0, -2.0], [3.0, -1.0]])


def test_reductions_of_nothing():
    def f(x):
        s = x[x > 0]
        return s.sum(), s.prod(), s.any(), s.all(), np.log(s).sum(), np.count_nonzero(s), np.linalg.norm(s), len(s)

    with warnings.catch_warnings(action="error"):
        got = vmap(f)(EMPTY)
    for a, b in zip(got, zip(*[f(x) for x in EMPTY], strict=True), strict=True):
        check(a, np.stack(b))
    assert np.all(vmap(grad(lambda x: np.log(x[x > 0]).sum()))(EMPTY)[1] == 0)


@together("mean", [np.mean, np.var, np.std])
def test_means_of_nothing_are_nan_and_warn(mean):
    with pytest.warns(RuntimeWarning):
        got = vmap(lambda x: mean(x[x > 0]))(EMPTY)
    assert np.isnan(got[1]) and np.isfinite(got[[0, 2]]).all()


def test_a_median_of_nothing_is_nan():
    got = vmap(lambda x: np.median(x[x > 0]))(EMPTY)
    assert np.isnan(got[1]) and np.isfinite(got[[0, 2]]).all()


RAISING = {
    "max": (lambda x: x[x > 0].max(), ValueError),
    "argmin": (lambda x: x[x > 0].argmin(), ValueError),
    "first": (lambda x: x[x > 0][0], IndexError),
    "last": (lambda x: np.where(x > 0)[0][-1], IndexError),
}


@pytest.mark.parametrize("name", RAISING)
def test_what_raises_of_nothing(name):
    f, error = RAISING[name]

    def guarded(x):
        try:
            return 1.0 * f(x)
        except error:
            return -1.0

    def careless(x):
        try:
            return 1.0 * f(x)
        except Exception:
            return -1.0

    check(vmap(f)(EMPTY[::2]), loop(lambda x, _: f(x), EMPTY[::2], EMPTY[::2]))
    with pytest.raises(error):
        f(EMPTY[1])
    with pytest.raises(error):
        vmap(f)(EMPTY[1:2])
    with pytest.raises(error):
        vmap(f, branches="split")(EMPTY)
    with pytest.raises(ConcretizationError, match="for some of the examples and not for others"):
        vmap(f)(EMPTY)
    with pytest.raises(ConcretizationError, match="for some of the examples and not for others"):
        vmap(guarded)(EMPTY)
    with pytest.raises(ConcretizationError, match="caught what follows"):
        vmap(careless)(EMPTY)
    check(vmap(guarded, branches="split")(EMPTY), np.array([guarded(x) for x in EMPTY]))
    planned = jit(vmap(f))
    planned(EMPTY[::2])
    planned(EMPTY[::2])
    with pytest.raises(error):
        planned(EMPTY[:2])
    with pytest.raises(ConcretizationError, match="for some"):
        jit(guarded)(EMPTY[1])


@pytest.mark.parametrize("size", [0, 1, 3])
def test_sizes(size):
    a = RNG.normal(size=(4, size))

    def f(x):
        y = x.copy()
        y[y > 0] *= 2
        return y.sum() + x[x > 0].sum() + np.sort(x[x > 0]).sum()

    check(vmap(f)(a), np.array([f(x) for x in a]))
    assert vmap(f)(a[:0]).shape == (0,)


def test_what_is_not_chosen_does_no_harm():
    a = np.array([[1.0, np.nan, 4.0], [np.inf, 2.0, -1.0], [0.0, 9.0, np.nan]])

    def f(x):
        s = x[np.isfinite(x) & (x > 0)]
        return np.sqrt(s).sum() + s.max() + s.var() + (s - s.mean()).max() + 1 / s[0] + np.median(s)

    with warnings.catch_warnings(action="error"):
        check(vmap(f)(a), np.array([f(x) for x in a]))
        check(vmap(grad(f))(a), np.stack([grad(f)(x) for x in a]))


def test_what_is_not_chosen_is_what_the_first_chosen_element_is():
    x, m = np.arange(8.0).reshape(4, 2), np.array([False, True, False, True])
    check(repeat_chosen(x, m[:, None], axis=-2), x[[1, 1, 1, 3]])
    check(repeat_chosen(x[:, 0], np.zeros(4, bool), axis=-1), np.full(4, 0.5))


# What asks for the length.


def collected(x):
    found = []
    for v in x[x > 0]:
        found.append(v * 2)
    return sum(found)


ASKING = [
    lambda x: np.concatenate([x[x > 0], x[x <= 0]]),
    lambda x: np.diff(x[x > 0]).sum(),
    lambda x: np.zeros(len(x[x > 0])).sum() + x[x > 0].shape[0],
    lambda x: x[x > 0][:2].sum(),
    lambda x: x[x > 0].reshape(-1, 1).T.sum(),
    lambda x: np.unique(x[x > 0]).sum(),
    lambda x: (x[x > 0][:, None] * x[x > 0]).sum(),
    lambda x: x[x > 0].tolist()[-1] + np.asarray(x[x > 0])[0],
    lambda x: (x[x > 0] + x[x > -0.1][: len(x[x > 0])]).sum(),
    collected,
]


@together("fun", ASKING)
def test_rows_split_where_the_length_is_asked_for(fun):
    want = np.array([fun(x) for x in X])
    check(vmap(fun, branches="split")(X), want)
    with pytest.raises((IndexingError, ConcretizationError), match=r'branches="split"'):
        vmap(fun)(X)
    with pytest.raises((IndexingError, ConcretizationError), match="at test_selections"):
        jit(fun)(X[0])


def test_a_selection_that_was_asked_is_the_array_from_then_on():
    def f(x):
        s = x[x > 0]
        alias, turned = s, s[::-1]
        n = s.shape[0]
        s += n
        assert not isinstance(s, Selection)
        turned[...] = turned * 2
        s[0] = 7
        return alias.sum() + n * turned.sum() + np.log(turned).sum() + turned[-1]

    check(vmap(f, branches="split")(X), np.array([f(x) for x in X]))


def test_a_result_is_no_selection():
    with pytest.raises(IndexingError, match="its length is not known"):
        vmap(lambda x: x[x > 0])(X)
    equal = np.array([[1.0, -1.0, 2.0], [-3.0, 4.0, 5.0]])
    check(vmap(lambda x: x[x > 0], branches="split")(equal), np.array([[1.0, 2.0], [4.0, 5.0]]))


def test_writes_at_a_mask_elsewhere():
    def f(x, y):
        m = x > 0
        return at(x)[m].apply(np.sqrt) + at(y)[m].set(x[m])

    check(vmap(f)(X, Y), loop(f, X, Y))


def test_a_mask_of_other_elements_is_not_taken_for_one_alike():
    def f(x, y):
        return (x[x > 0] * y[y > 0]).sum()

    with pytest.raises(IndexingError):
        vmap(f)(X, Y)
    both = np.sign(X) * np.abs(Y)
    check(vmap(f)(X, both), loop(f, X, both))  # masks that are equal for these values
    with pytest.raises(IndexingError):
        jit(vmap(f))(X, both)


def test_inner_functions_take_selections():
    def f(x, y):
        s = x[x > 0]
        return grad(lambda c: (c * s).sum())(2.0) + vmap(lambda c: (s * c).sum())(np.arange(3.0)).sum()

    check(vmap(f)(X, Y), loop(f, X, Y))


def test_names_of_the_module_do_as_well():
    def f(x, y):
        m = np.greater(x, 0)
        return np.sum(np.exp(x[m])) + np.max(y[m]) + np.add.reduce(x[m]) + np.matmul(x[m], y[m]) + np.round(y[m]).sum()

    check(vmap(plain(f))(X, Y), loop(f, X, Y))
    check(explain(vmap(f), X, Y).result, loop(f, X, Y))


def test_options_for_single_elements_ask_for_the_length():
    def f(x):
        return np.clip(x[x > 0], min=np.zeros(len(X[0])), max=1.0).sum()

    with pytest.raises(IndexingError):
        vmap(f)(X)


def test_arrays_of_another_library(xp):
    a = xp.asarray(X)
    got = vmap(lambda x: x[x > 0].sum() + x[x > 0].max())(a)
    assert type(got) is type(a)
    np.testing.assert_allclose(np.array([float(v) for v in got]), [x[x > 0].sum() + x.max() for x in X])


@pytest.mark.parametrize("fun", [lambda x: x[x > 0].tolist(), lambda x: np.unique(x).shape])
def test_a_remedy_is_named_once(fun):
    with pytest.raises(VmapcoreError) as caught:
        vmap(fun)(np.arange(6.0).reshape(2, 3))
    assert str(caught.value).count('branches="split"') == 1
