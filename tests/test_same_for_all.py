"""Values inside vmap that are the same for all examples: known to who asks, not mapped to rules, until written to."""

import numpy as np
import pytest

import vmapcore
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


# Arguments that are not mapped.

TABLE = np.arange(12.0).reshape(4, 3)


def writes(table, i, x):
    table[i] += x
    table.T[0, 0] = x
    rows = table[1:]
    rows -= x
    return table, table[i].sum()


def answers(table, i, x):
    n = int(table[0, 2])
    return np.asarray(table)[n] * x if table[1, 0] > 2 and len(table) == 4 else x


def copies(table, i, x):
    ours = table.copy()
    ours[i, 0] = x
    return ours, table[i]


I = np.array([2, 0, 3, 2, 1])
V = np.array([0.5, -1.0, 2.0, 4.0, 0.0])


@pytest.mark.parametrize("fun", [writes, answers, copies])
@pytest.mark.parametrize("options", [{}, {"branches": "split"}, {"branches": "loop"}], ids=str)
def test_an_unmapped_argument_is_each_examples_own(fun, options):
    before = TABLE.copy()
    rows = [fun(TABLE.copy(), i, x) for i, x in zip(I, V, strict=True)]
    expected = tuple(map(np.stack, zip(*rows, strict=True))) if type(rows[0]) is tuple else np.stack(rows)
    together = vmap(fun, (None, 0, 0), **options)
    assert_same(together(TABLE, I, V), expected)
    twice = vmap(vmap(fun, (None, 0, 0), **options), (None, 0, 0), **options)(TABLE, I[None], V[None])
    assert_same(tuple([x[0] for x in twice]) if type(twice) is tuple else twice[0], expected)
    if fun is not answers:
        planned = jit(together)
        for _ in range(3):
            assert_same(planned(TABLE, I, V), expected)
    np.testing.assert_array_equal(TABLE, before)


def test_an_unmapped_argument_is_laid_out_as_it_was():
    def f(table, x):
        table.reshape(-1)[0] = x
        return table

    for transform in (lambda f: f, lambda f: lambda t, x: vmap(f, (None, 0))(t, x[None])[0]):
        made = transform(vmap(f, (None, 0)))(TABLE, V)
        assert_same(made[:, 0, 0], V)
        assert_same(made[0, 1:], TABLE[1:])
    with pytest.raises(MutationError, match="reshape"):
        vmap(f, (None, 0))(TABLE.T, V)


def test_rows_that_run_alone_have_unmapped_arguments_of_their_own():
    def f(buffer, x):
        while x > 1:
            buffer[:1] += x
            x = x / 2
        return buffer.sum()

    x = np.linspace(0, 40, 7)
    before = TABLE.copy()
    for branches in ("split", "loop"):
        assert_same(vmap(f, (None, 0), branches=branches)(TABLE, x), np.stack([f(TABLE.copy(), v) for v in x]))
        assert_same(grad(lambda x: vmap(f, (None, 0), branches="loop")(TABLE, x).sum())(x) > 0, x > 1)
    np.testing.assert_array_equal(TABLE, before)


def test_an_unmapped_argument_that_is_differentiated_is_written_to():
    def step(p, x):
        p -= 0.1 * x * p
        return (p * p).sum()

    def whole(p):
        return vmap(step, (None, 0))(p, X).sum()

    p = np.array([1.0, 2.0])
    assert_same(grad(whole)(p), sum(2 * (1 - 0.1 * x) ** 2 for x in X) * p)
    assert_same(jit(grad(whole))(p), grad(whole)(p))


def test_one_number_of_an_unmapped_argument_costs_no_operation():
    seen = []

    def f(t, x):
        seen.extend([t[1], t[-1]])
        with pytest.raises(IndexError):
            t[5]
        return x * t[0]

    assert_same(vmap(f, (None, 0))(X, X), X * X[0])
    assert [type(v) for v in seen] == [np.float64] * 2


def test_numbers_and_arrays_of_no_axes_are_told_apart():
    def kinds(a, z):
        found = [
            a[0, 0],
            a[0][0],
            a[..., 0, 0],
            z[()],
            z[...],
            a.sum(),
            a.reshape(-1)[2],
            a[0].take(1),
            z + 1,
            z.copy(),
        ]
        return [isinstance(x, np.generic) for x in [*found, np.squeeze(a[:1, :1]), a[:1, :1].reshape(()), np.copy(z)]]

    found = []
    vmapcore.vmap(lambda x: found.append(kinds(np.zeros((2, 3)), np.zeros(()))) or x)(X)
    assert found == [kinds(np.zeros((2, 3)), np.zeros(()))]
