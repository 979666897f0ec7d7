"""jit: what the function may do inside, and other transforms around and within it."""

import numpy as np
import pytest

import vmapcore as vc
from vmapcore import errors, grad, jit, vmap
from vmapcore import numpy as vnp
from vmapcore.core import RUNNING
from vmapcore.testing import assert_same, check_jit

pytestmark = pytest.mark.plans

A = np.arange(12.0).reshape(3, 4)
B = np.linspace(-1.0, 1.0, 12).reshape(3, 4)
V = np.array([0.5, -1.0, 2.0])

# In-place code.


def writes(x):
    x[0] = 5
    x[1:, ::2] += x[0, 0]
    x *= 2
    return x


def writes_by_out(x):
    y = np.zeros_like(x)
    np.add(x, 1, out=y)
    np.multiply(y, y, out=y[...])
    np.sum(x, axis=0, out=y[0])
    return y, x


def writes_through_views(x):
    row, flat = x[1], x.copy().reshape(-1)
    row[...] = 7
    flat[3] = np.max(x)
    x.T[0] -= 1
    x[x > 6] = 0
    x[[0, 2], [1, 1]] = -x[0, 0]
    return row, flat, x


def fills(x):
    y = vnp.zeros((4,))
    for i, row in enumerate(x):
        y[i] = np.sum(row)
    y[-1:] = len(x)
    x.sort()
    return y, x


@pytest.mark.parametrize("fun", [writes, writes_by_out, writes_through_views, fills])
def test_in_place_code(fun):
    check_jit(fun, A.copy(), others=[[B.copy()], [A + 3]])
    check_jit(vmap(fun), np.stack([A, B]), others=[[np.stack([B, A])]])


def test_shapes_and_dtypes_are_known():
    def f(x):
        assert x.shape == (3, 4) and x.ndim == 2 and x.size == 12 and x.dtype == float and len(x) == 3
        total = 0.0
        for row in x:
            total = total + row[: x.shape[1] // 2].mean()
        a, b, c = x
        for i in range(x.shape[0]):
            total += x[i, -1] if i < len(x) - 1 else 0.0
        return total + a @ b - np.zeros(x.shape[1]) @ c

    check_jit(f, A, others=[[B]])


INSTEAD = {
    "if": lambda x: np.where(x > 0, x, 0 * x),
    "while": lambda x: [x := np.where(np.abs(x) > 0.1, x / 2, x) for _ in range(5)][-1],
    "mask": lambda x: (np.where(x > 0, x, 0), np.sum(x, where=x > 0), np.sort(x)),
    "table": lambda x: (vnp.take(V, np.argmin(x[0])), vnp.take(A, np.argmax(x[0]), axis=1)),
    "zeros": lambda x: [(y := np.zeros_like(x)), y.__setitem__(0, x[1])][0],
    "stack": lambda x: (np.stack([x[0], x[1]]), np.full_like(x, x[0, 0])),
    "eig": lambda x: np.sort(np.linalg.eig((x @ x.T).astype(complex))[0].real),
}
"""What the guide says to write in place of what cannot be recorded."""


@pytest.mark.parametrize("name", INSTEAD)
def test_what_to_write_instead(name):
    x = np.abs(A[:, :3]) + np.eye(3)
    for fun in (INSTEAD[name], vmap(INSTEAD[name])):
        given = (x, -x) if fun is INSTEAD[name] else (np.stack([x, -x]), np.stack([x + 1, x]))
        check_jit(fun, given[0], others=[[given[1]]])


# Constants.


def test_what_is_closed_over_is_constant():
    outer, scale, box = V.copy(), np.array(2.0), {"by": 3.0}

    def f(x, default=box["by"]):
        return x * outer + scale + default + box["by"]

    replayed = jit(f)
    expected = f(np.ones(3))
    replayed(np.ones(3))
    outer[...] = scale[...] = box["by"] = 100
    assert_same(replayed(np.ones(3)), expected)
    assert_same(replayed(np.zeros(3)), np.full(3, 8.0))


def test_a_constant_written_to_between_two_uses():
    table = np.zeros(3)

    def f(x):
        table[0] = 1
        y = x + table
        table[0] = 2
        return y + table

    replayed = jit(f)
    for _ in range(3):
        assert_same(replayed(np.ones(3)), np.array([4.0, 1, 1]))


def test_side_effects_happen_once_per_recording():
    seen = []

    def f(x):
        seen.append(x.shape)
        return x + len(seen)

    replayed = jit(f)
    assert_same([replayed(A) for _ in range(3)], [A + 1] * 3)
    assert_same(replayed(V), V + 2)
    assert seen == [(3, 4), (3,)]


def test_random_numbers_are_those_of_a_constant_seed():
    rng = np.random.default_rng(0)
    with pytest.raises(errors.RandomnessError):
        jit(lambda x: x + rng.normal(size=3))(V)
    f = jit(lambda x: x + np.random.default_rng(0).normal(size=3))
    for x in (V, V + 1):
        assert_same(f(x), x + np.random.default_rng(0).normal(size=3))


def test_exceptions_leave_nothing_behind():
    attempts = []

    def f(x):
        attempts.append(1)
        if len(attempts) < 3:
            vmap(lambda y: 1 / 0)(x)
        return x * 2

    replayed = jit(f)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            replayed(A)
        assert RUNNING.get() == () and not replayed.plans and not replayed.alike
    assert_same(replayed(A), 2 * A)


def test_errors_of_values_arise_in_later_calls_too():
    f = jit(lambda x, i: np.take(x, i))
    assert_same(f(V, np.array([0, 2])), V[[0, 2]])
    with pytest.raises(IndexError):
        f(V, np.array([0, 7]))
    g = jit(np.linalg.cholesky)
    g(np.eye(2))
    with pytest.raises(np.linalg.LinAlgError):
        g(-np.eye(2))


def test_leaked_values():
    kept = []

    def f(x):
        kept.append(x)
        kept.append(np.sum(x) > 0)
        return x

    jit(f)(A)
    for use in (
        lambda: kept[0] + 1,
        lambda: bool(kept[1]),
        lambda: np.asarray(kept[0]),
        lambda: jit(lambda x: x + kept[0])(A),
        lambda: jit(lambda x: kept[0])(A),
        lambda: vmap(lambda x: x + kept[0])(A),
        lambda: kept[0].__setitem__(0, 1),
    ):
        with pytest.raises(errors.LeakedTracerError, match=r"jit\(f\): a value traced by it was used after it"):
            use()

    def leaks(x):
        found = []
        vmap(lambda row: found.append(row) or row)(x)
        return found

    for use in (leaks, lambda x: leaks(x)[0] + 1):
        with pytest.raises(errors.LeakedTracerError, match="vmap"):
            jit(use)(A)


# Other transforms.


def loss(w, x):
    return np.sum(np.tanh(x @ w) ** 2)


@pytest.mark.parametrize(
    "outer",
    [
        lambda f: vmap(f, (None, 0)),
        lambda f: grad(f),
        lambda f: vc.value_and_grad(f, argnums=(0, 1)),
        lambda f: lambda w, x: vc.jvp(f, (w, x), (w, x)),
        lambda f: lambda w, x: vc.vjp(f, w, x)[1](1.0),
        lambda f: vc.jacrev(f),
        lambda f: vc.jacfwd(f),
        lambda f: vc.hessian(f),
        lambda f: jit(f),
        lambda f: vmap(grad(f), (None, 0)),
    ],
    ids=range(10),
)
def test_jit_steps_aside_in_other_transforms(outer):
    runs = []

    def noting(w, x):
        runs.append(RUNNING.get())
        return loss(w, x)

    inner = jit(noting)
    w, x = np.linspace(-1, 1, 4), B
    assert_same(outer(inner)(w, x), outer(loss)(w, x))
    assert not inner.plans and all(runs)
    replayed = jit(outer(inner))
    for _ in range(3):
        assert_same(replayed(w, x), outer(loss)(w, x))
    assert not inner.plans


def test_vmap_in_jit_in_vmap():
    def f(x):
        return jit(vmap(lambda row: np.cumsum(row) * np.max(row)))(x)

    x = np.stack([A, B])
    assert_same(vmap(f)(x), vmap(vmap(lambda row: np.cumsum(row) * np.max(row)))(x))
    check_jit(vmap(f), x, others=[[x[::-1]]])


def test_a_pullback_under_jit():
    out, pullback = vc.vjp(np.sin, V)
    check_jit(lambda g: pullback(g)[0], V, others=[[V + 1]])
    assert_same(out, np.sin(V))


def test_a_function_of_several_levels():
    def f(w, x):
        return vmap(vc.hessian(loss), (None, 0))(w, x), vmap(vc.jacfwd(grad(loss)), (0, None))(np.stack([w, w]), x)

    check_jit(f, np.linspace(-1, 1, 4), B, others=[[np.ones(4), B * 2]])
