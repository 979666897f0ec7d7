"""jit: donated arguments, what callables it takes, its results and what it keeps."""

import copy
import functools
import gc
import pickle
import warnings
import weakref

import numpy as np
import pytest

from vmapcore import PerformanceWarning, custom_op, errors, external, grad, jit, value_and_grad, vmap
from vmapcore import numpy as vnp
from vmapcore.core import RUNNING
from vmapcore.pytree import flatten
from vmapcore.testing import assert_same, check_jit

pytestmark = pytest.mark.plans

A = np.arange(12.0).reshape(3, 4)
B = np.linspace(-1.0, 1.0, 12).reshape(3, 4)
V = np.array([0.5, -1.0, 2.0])


def double(x):
    return x + x


# Donated arguments.


@pytest.mark.parametrize("argnums", [0, -2, (0, 1)])
def test_donated_arguments(argnums):
    def f(x, y):
        return x * 2 + y, np.sum(x), x

    replayed = jit(f, donate_argnums=argnums)
    for i in range(4):
        x, y = A + i, B - i
        expected = f(x.copy(), y.copy())
        results = replayed(x, y)
        assert_same(results, expected)
        kept = [r.copy() for r in results]
        replayed(A + 9, B + 9)
        assert_same(list(results), kept)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: (x, x),
        lambda x: (x, x[...]),
        lambda x: (x[::-1], x),
        lambda x: (np.broadcast_to(x[0], x.shape), x),
        lambda x: (x.T, x.T),
    ],
    ids=range(5),
)
def test_donated_arguments_that_share_memory(make):
    def f(x, y):
        z = np.exp(x) * 2
        return z + y, y * 3

    replayed = jit(f, donate_argnums=0)
    replayed(A.T[:3, :3].copy(), B[:, :3].copy())
    for _ in range(2):
        x, y = make(A[:, :3].copy())
        expected = f(x.copy(), y.copy())
        assert_same(replayed(x, y), expected)


def test_donated_arguments_that_cannot_be_written_to():
    x = A.copy()
    x.flags.writeable = False
    f = jit(lambda x: np.exp(x) + 1, donate_argnums=0)
    for _ in range(3):
        assert_same(f(x), np.exp(A) + 1)
    assert_same(x, A)


def test_what_is_not_donated_is_left_alone():
    f = jit(lambda x, y, **k: (x + 1, y + 1, k["z"] + 1), static_argnums=0, donate_argnums=1)
    for _ in range(3):
        y, z = A.copy(), B.copy()
        f(1, y, z=z)
        assert_same(z, B)


# Callables.


def test_methods():
    class Scale:
        def __init__(self, by):
            self.by = by

        @jit
        def of(self, x):
            return x * self.by

        @functools.partial(jit, static_argnums=1)
        def power(self, n, x):
            return (x * self.by) ** n

    two, three = Scale(2.0), Scale(3.0)
    for _ in range(2):
        for s in (two, three):
            assert_same(s.of(A), s.by * A)
            assert_same(s.power(2, A), (s.by * A) ** 2)
    assert isinstance(Scale.of, type(jit(double)))


def test_callables_keep_their_names_and_their_options():
    def documented(x, n=2):
        """Says so."""
        return x * n

    f = jit(documented)
    assert f.__name__ == "documented" and f.__doc__ == "Says so."
    assert f.__wrapped__ is documented
    assert repr(f) == "<jit(documented)>"
    again = jit(f, static_argnums=1)
    assert_same(again(A, 3), 3 * A)
    assert again.static == (1,) and f.static == () and not f.plans

    class Callable:
        call = fun = plans = "its own"

        def __init__(self):
            self.fun = self.static = "its own too"

        def __call__(self, x):
            return x * 2

    for g in (Callable(), functools.partial(np.multiply, 2), np.negative, np.linalg.norm):
        assert_same(jit(g)(A), g(A))
        assert_same(jit(g)(B), g(B))


def test_axes_by_name_pass_through_jit():
    f = vmap(jit(lambda a, x: a * x), {"a": None, "x": 0})
    assert_same(f(2.0, A), 2 * A)


# Results.


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: x,
        lambda x: (x, x),
        lambda x: {"a": x, "b": [x, (x, None)]},
        lambda x: (x[0], x[1:], x.T, x.reshape(-1), x[::-1]),
        lambda x: np.broadcast_to(x[0], (3, 4)),
        lambda x: np.broadcast_to(x, (2, 3, 4)),
        lambda x: (A, x),
        lambda x: (A, A, A[0], A.T),
        lambda x: vnp.zeros(3),
        lambda x: (vnp.zeros((2, 2))[0], vnp.ones(3)),
        lambda x: np.broadcast_to(vnp.ones(4), (3, 4)),
        lambda x: np.broadcast_to(V, (2, 3)),
        lambda x: (x.real, np.real(x), np.diagonal(x), np.diag(x)),
        lambda x: ((y := x + 1), y, y[0], y.T),
        lambda x: (np.sum(x), np.float32(3), np.array(2.0)),
        lambda x: (1, 2.5, True, 1j, "text", None, np.sin),
        lambda x: (),
        lambda x: None,
        lambda x: np.linalg.qr(x),
        lambda x: list(x),
    ],
    ids=range(20),
)
def test_results_have_memory_of_their_own(fun):
    def plain(x):
        return fun(x)

    check_jit(plain, A.copy(), others=[[B.copy()], [A.T.copy().T]])


def test_results_do_not_share_memory_with_what_was_closed_over():
    constant = V.copy()
    f = jit(lambda x: (constant, constant[1:], x + constant))
    for _ in range(3):
        whole, part, total = f(np.ones(3))
        assert_same((whole, part, total), (V, V[1:], V + 1))
        whole[...] = part[...] = total[...] = 9
    assert_same(constant, V)


def test_numbers_and_other_objects_are_the_same_in_every_call():
    box = object()
    f = jit(lambda x: (3, "a", box, True))
    assert f(A) == f(A) == (3, "a", box, True)


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: np.sum(np.sin(x) * 2),
        lambda x: np.max(x),
        lambda x: x[0] @ x[1],
        lambda x: (x * 2)[0, 0],
        lambda x: np.linalg.norm(x),
        lambda x: (x, {"loss": np.mean(x), "count": x.sum() > 3}),
        lambda x: grad(lambda c: np.sum(x * c))(np.float64(2)),
        lambda x: value_and_grad(lambda x: np.sum(x**2))(x),
    ],
    ids=range(8),
)
@pytest.mark.parametrize("size", [3, 300])
def test_results_without_axes_are_numpy_scalars(fun, size):
    x = np.linspace(1, 2, size * size).reshape(size, size)
    replayed = jit(fun)
    expected = [type(leaf) for leaf in flatten(fun(x))[0]]
    for _ in range(10):
        assert [type(leaf) for leaf in flatten(replayed(x))[0]] == expected


def test_scalars_that_come_back_are_recorded_once():
    runs = []

    @jit
    def step(count, x):
        runs.append(1)
        return count + 1, x * 2.0

    count, x = np.zeros((), np.int64), A
    for _ in range(4):
        count, x = step(count, x)
    assert count == 4 and len(runs) == 1


class Holder:
    def __init__(self, x):
        self.x = x


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: Holder(x * 2),
        lambda x: Holder([{"k": x * 2}]),
        lambda x: {"k": x * 2}.values(),
        lambda x: (y := x * 2, lambda: y)[1],
    ],
)
def test_objects_that_hold_a_recorded_value_are_refused(fun):
    with pytest.raises(errors.ArgumentError, match=r"the function returned a .* that holds a recorded value; results"):
        jit(fun)(A)


def test_dtypes_and_types_may_be_returned():
    f = jit(lambda x: (x.dtype, type(x).__name__ and float, x.shape, Holder, {1, 2}))
    for _ in range(3):
        assert f(A) == (A.dtype, float, A.shape, Holder, {1, 2})


def test_results_do_not_share_memory_with_what_an_operation_keeps():
    buffer = np.zeros(3)

    @custom_op
    def twice(xp, x):
        xp.multiply(x, 2, out=buffer)
        return buffer

    f = jit(lambda x: (twice(x), twice(x)[1:]))
    for i in range(3):
        found = f(np.full(3, float(i)))
        buffer[...] = -1
        assert_same(found, (np.full(3, 2.0 * i), np.full(2, 2.0 * i)))


def test_external_code_may_keep_its_arguments():
    seen = []

    @external(vmap_method="expand_dims")
    def keep(x):
        seen.append(x)
        return x

    f = jit(lambda x: keep(np.sin(x) * 2).sum())
    for i in range(4):
        f(np.full(2, float(i)))
    assert_same(seen, [np.sin(np.full(2, float(i))) * 2 for i in range(4)])


@jit
def halved(x):
    """A function that is decorated where it is defined."""
    return x / 2


class Halving:
    @jit
    def method(self, x):
        return x / 2


def test_pickling():
    assert pickle.loads(pickle.dumps(halved)) is halved
    assert copy.deepcopy(halved) is halved
    assert pickle.loads(pickle.dumps(Halving.method)) is Halving.method
    other = pickle.loads(pickle.dumps(jit(np.multiply, donate_argnums=0)))
    assert_same(other(A.copy(), 2), A * 2)
    assert other.donated == (0,)
    with pytest.raises((AttributeError, pickle.PicklingError)):  # as plain functions that have no name of their own
        pickle.dumps(jit(lambda x: x))


def test_generators_are_refused():
    def rows(x):
        yield from x

    for fun in (rows, lambda x: iter([x]), lambda x: (x, map(abs, x))):
        with pytest.raises(errors.ArgumentError, match=r"which runs after the recording\. Return a list or an array"):
            jit(fun)(A)
    assert_same(jit(lambda x: [y * 2 for y in rows(x)])(A), [y * 2 for y in A])


# The cache.


def test_many_numbers_are_warned_of_once():
    for many, what, number in ((3, "floats", 0.1), (3, "floats", 1j), (16, "Python numbers", 1)):
        f = jit(lambda x, lr, n: x * lr)
        says = rf"jit\(<lambda>\): was recorded {many} times .* {what} alone.*np.float32\(x\)"
        with pytest.warns(PerformanceWarning, match=says) as found:
            for i in range(40):
                f(A, number * i, 7)
                assert len(found) == (i >= many - 1)
        assert found[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for i in range(40):
            f(A, np.float64(i), 7)
            f(np.ones(i), 1.0, 7)


def test_a_plan_lets_go_of_arguments_and_results():
    class Watched(np.ndarray):
        pass

    f = jit(lambda x, y: np.sin(x) * y)
    x, y = A.copy().view(Watched), B.copy()
    refs = [weakref.ref(x)]
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            f(x, y)
        del x
        assert refs[0]() is None
    finally:
        gc.enable()


def test_jit_leaves_no_transform_behind():
    f = jit(lambda x: np.sum(x * x))
    f(A)
    assert RUNNING.get() == ()
    assert_same(grad(f)(A), 2 * A)


READ_ONLY = {
    "a diagonal": lambda x: np.diagonal(x @ x.T),
    "windows": lambda x: np.lib.stride_tricks.sliding_window_view(x * 2, 3, axis=1),
    "repeated": lambda x: np.broadcast_to(x * 2, (2, 3, 4))[0],
    "repeated in nothing": lambda x: np.broadcast_to(x * 2, x.shape),
    "with an axis of 1": lambda x: np.broadcast_to(x.sum(), (1, 1)),
}


@pytest.mark.parametrize("name", READ_ONLY)
def test_results_can_be_written_to(name):
    fun = READ_ONLY[name]
    replayed = jit(fun)
    for i in range(3):
        result = replayed(A + i)
        assert_same(result, fun(A + i))
        result[...] = np.arange(result.size).reshape(result.shape)
        assert_same(result, np.arange(float(result.size)).reshape(result.shape))


def test_results_are_plain_arrays_in_every_call(tmp_path):
    class Own(np.ndarray):
        pass

    on_disk = np.memmap(tmp_path / "x", np.float64, "w+", shape=(3, 4))
    on_disk[...] = A
    for x in (A.view(Own), on_disk):
        replayed = jit(lambda x: (x * 2, x.T, x, np.sum(x, 0)))
        for _ in range(3):
            results = replayed(x)
            assert [type(r) for r in results] == [np.ndarray] * 4
            assert_same(list(results), [A * 2, A.T, A, A.sum(0)])
