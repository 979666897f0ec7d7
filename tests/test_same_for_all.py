"""Values inside vmap that are the same for all examples: known to who asks, not mapped to rules, until written to."""

import numpy as np
import pytest

import vmapcore.numpy as vnp
from tests.own_names import grad, jit, jvp, vmap
from vmapcore.batched import BatchedTensor, SharedTensor
from vmapcore.errors import ConcretizationError, LeakedTracerError, MutationError
from vmapcore.testing import assert_same, check_vmap

X = np.array([2.0, -1.0, 3.0])


def inside(fun):
    """What `fun` finds in a vmap."""
    found = []
    vmap(lambda x: [found.append(fun()), x][1])(X)
    return found[0]


ASKED = {
    "bool": lambda a: [1 if v else 2 for v in a],
    "if": lambda a: 1 if a[1] > 0.5 else 2,
    "int": lambda a: [int(v) for v in a],
    "float": lambda a: float(a[0]),
    "range": lambda a: list(range(a[2])),
    "item": lambda a: a[1:2].item(),
    "list": lambda a: a.tolist(),
    "asarray": lambda a: np.add.reduce(np.asarray(a)),
    "in": lambda a: 2 in a,
    "mask": lambda a: np.arange(3.0)[a > 0],
    "index": lambda a: np.arange(3.0)[a],
    "text": lambda a: f"{a[0]:d}",
    "nonzero": lambda a: np.nonzero(a)[0].tolist(),
}


@pytest.mark.parametrize("name", ASKED)
def test_it_answers_what_it_is_asked(name):
    def f():
        return ASKED[name](vnp.arange(3) + vnp.zeros(3, int))

    assert_same(np.asarray(inside(f)), np.asarray(ASKED[name](np.arange(3))))


def test_it_stays_known_through_operations_that_run_once():
    a = inside(lambda: np.sin(vnp.arange(6.0)).reshape(2, 3) @ vnp.ones((3, 2)) + 1)
    assert type(a) is SharedTensor
    assert_same(np.asarray(a.row), np.sin(np.arange(6.0)).reshape(2, 3) @ np.ones((3, 2)) + 1)
    assert type(inside(lambda: np.sum(vnp.ones(3)))) is np.float64


def test_rules_take_it_for_what_is_not_mapped():
    def f(x):
        return vnp.ones((4, 3)) @ x

    check_vmap(f, np.arange(6.0).reshape(2, 3))


def test_it_is_mapped_once_a_mapped_value_is_in_it():
    def f(x):
        a = vnp.zeros(3)
        b, c = a[1:], a.reshape(3, 1)
        a[0] = 4
        assert type(a) is SharedTensor and float(a[0]) == 4
        b[1] = x
        assert type(a) is type(b) is type(c) is BatchedTensor
        a[1] = 7
        return a, b, c

    assert_same(
        vmap(f)(X),
        (
            np.stack([[4, 7, x] for x in X]),
            np.stack([[7, x] for x in X]),
            np.stack([[[4], [7], [x]] for x in X]),
        ),
    )


def test_mapped_it_answers_no_more():
    def f(x):
        a = vnp.zeros(3)
        a[0] = x
        return a if a[0] > 0 else -a

    with pytest.raises(ConcretizationError, match="one truth value"):
        vmap(f)(X)


def test_results_may_be_unmapped():
    _, a = vmap(lambda x: (x, vnp.arange(3)), out_axes=(0, None))(X)
    assert_same(a, np.arange(3))
    assert_same(vmap(lambda x: vnp.arange(2), out_axes=1)(X), np.array([[0] * 3, [1] * 3]))
    assert vmap(lambda x: vnp.float64(2), out_axes="sum")(X) == 6.0


def test_under_other_transforms():
    def f(x):
        a = vnp.zeros(2)
        a[0] = 2
        a[1] = x * (3 if a[0] > 1 else 5)
        return np.sum(a * a)

    assert_same(vmap(grad(f))(X), 18 * X)
    assert_same(grad(lambda x: np.sum(vmap(f)(x)))(X), 18 * X)
    assert_same(vmap(vmap(f))(X[None]), 4 + 9 * X[None] ** 2)
    assert_same(vmap(lambda x: np.sum(vmap(lambda y: f(x) + y)(X)))(X), 3 * (4 + 9 * X**2) + X.sum())
    fast = jit(vmap(f))
    for _ in range(3):
        assert_same(fast(X), 4 + 9 * X**2)


def test_constants_of_a_recording_stay_known():
    def f(x):
        w = vnp.arange(3) * 2 + 1
        w[1] = 7
        total = vnp.zeros(2)
        for i in range(w[0]):
            total[i] = x[i] if w[1] > 6 else -x[i]
        return total, np.asarray(w)[w > 2], [x[0]] * int(w[2])

    x = np.array([1.5, 2.5])
    assert_same(jit(f)(x), (np.array([1.5, 0.0]), np.array([7, 5]), [x[0]] * 5))
    assert_same(jit(f)(x + 1), (np.array([2.5, 0.0]), np.array([7, 5]), [x[0] + 1] * 5))


KEPT = {}


def remembered(n):
    if n not in KEPT:
        KEPT[n] = vnp.arange(float(n))
    return KEPT[n]


FIRST = [
    vmap,
    lambda f: lambda x: grad(lambda y: np.sum(f(y)))(x),
    jit,
    lambda f: jit(vmap(f)),
    lambda f: lambda x: jvp(f, (x,), (x,)),
]


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("then", FIRST)
def test_a_function_may_keep_what_does_not_depend_on_its_arguments(first, then):
    def f(x):
        w = remembered(3)
        return np.sum(w * 2) * x + w[1] + len(w) + float(np.asarray(w)[2])

    KEPT.clear()
    expected = then(f)(X)
    KEPT.clear()
    first(f)(X)
    assert_same(then(f)(X), expected)
    assert_same(f(X), 6 * X + 6)
    assert_same(np.asarray(KEPT[3] + 1), np.arange(3.0) + 1)


def test_what_depends_on_them_it_may_not_keep():
    kept = []
    vmap(lambda x: [kept.append(x * vnp.ones(2)), x][1])(X)
    with pytest.raises(LeakedTracerError):
        kept[0] + 1


def test_what_hangs_on_a_memory_layout_is_not_known():
    def f(x):
        a = vnp.ones((2, 2)).T
        b = a.reshape(4)
        b[0] = 3
        return x + np.asarray(a)[0, 0]

    with pytest.raises(MutationError, match="by the memory layout"):
        vmap(f)(X)
