"""Plans: results in memory of their own, buffers for the next call, in-place work where nobody looks."""

import gc
import threading
import weakref

import numpy as np
import pytest

import vmapcore as vc
from vmapcore import threads, trace
from vmapcore.core import Primitive
from vmapcore.cpu import compiled, plan, units
from vmapcore.cpu.plan import Plan

pytestmark = pytest.mark.plans


def plan_of(fun, *args):
    return Plan(trace(fun)(*args))


X = np.arange(12.0).reshape(3, 4)

FUNCTIONS = {
    "an argument": lambda x: x,
    "an argument twice": lambda x: (x, x),
    "a view of an argument": lambda x: x.T,
    "a view of a result": lambda x: (y := x + 1, y.T),
    "a view of what is not a result": lambda x: (x + 1).T,
    "two views of one": lambda x: ((y := x + 1)[0], y[1]),
    "a flip of what is not a result": lambda x: np.flip(x * 2, 0),
    "a diagonal": lambda x: np.diagonal(x * 2),
    "a split": lambda x: np.split(x * 2, 2, axis=1),
    "zero strides": lambda x: np.broadcast_to(x[0] + 1, (5, 4)),
    "a constant": lambda x: (x, vc.numpy.ones(3)),
    "a real part": lambda x: np.real(x * 2),
    "read after a view is made": lambda x: (np.flip(y := x * 2, 0), y + 1, np.sin(y)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_are_nobody_elses(name):
    """Not the arguments', not another result's, not of another call; written to, they change nothing."""
    fun = FUNCTIONS[name]
    plan = plan_of(fun, X)
    given = X.copy()
    expected = [np.array(y) for y in vc.pytree.flatten(fun(X))[0]]
    first = plan([given])
    second = plan([given])
    every = [*first, *second, given]
    for i, a in enumerate(every):
        assert not any(np.shares_memory(a, b) for b in every[:i])
    for results in (first, second):
        for ours, theirs in zip(results, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
            if ours.flags.writeable:  # a diagonal is not, in NumPy either
                ours[...] = -1
    for ours, theirs in zip(plan([given]), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(given, X)


def test_values_read_later_are_not_written_over():
    """A view keeps the memory of its base in use; so does a result."""

    def f(x):
        y = x + 1
        view = np.flip(y, 0)
        z = y * 2  # could take the memory of y, did not the flip still show it
        w = z + 1
        return w - view, z

    plan = plan_of(f, X)
    for _ in range(2):
        for ours, theirs in zip(plan([X]), f(X), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_calls_at_once_have_buffers_of_their_own():
    def f(x):
        for _ in range(20):
            x = np.sin(x) + 1
        return x

    xs = [np.random.default_rng(i).standard_normal(30_000) for i in range(4)]
    plan = plan_of(f, xs[0])
    found = [None] * len(xs)

    def call(i):
        for _ in range(20):
            found[i] = plan([xs[i]])[0]

    threads = [threading.Thread(target=call, args=(i,)) for i in range(len(xs))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for x, got in zip(xs, found, strict=True):
        np.testing.assert_allclose(got, f(x), rtol=1e-12)


def test_a_plan_goes_with_its_function():
    replayed = vc.jit(lambda x: np.sin(x) + 1)
    replayed(X)
    replayed(X)
    plan = weakref.ref(next(iter(replayed.plans.values())).replay)
    del replayed
    gc.collect()
    assert plan() is None


def test_an_error_in_a_step_leaves_the_plan_usable():
    calls = []

    @vc.external
    def moody(x):
        calls.append(1)
        if len(calls) == 2:
            raise ValueError("not today")
        return x * 2

    replayed = vc.jit(lambda x: moody(np.sin(x)) + 1)
    expected = replayed(X)
    with pytest.raises(ValueError, match="not today"):
        replayed(X)
    np.testing.assert_array_equal(replayed(X), expected)


def test_donated_arguments_become_results():
    def f(x, y):
        return np.sort(x * 2 + y) @ np.ones((4, 4)), y.sum()

    donating = vc.jit(f, donate_argnums=0)
    expected = f(X, X + 1)
    donating(X.copy(), X + 1)
    given = X.copy()
    result, _ = donating(given, X + 1)
    assert np.shares_memory(result, given)
    np.testing.assert_allclose(result, expected[0])
    for unfit in (np.asfortranarray(X), np.broadcast_to(X[0], X.shape)):
        before = unfit.copy()
        np.testing.assert_allclose(donating(unfit, X + 1)[0], f(before, X + 1)[0])
        np.testing.assert_array_equal(unfit, before)
    plain = X.copy()
    assert not np.shares_memory(vc.jit(f)(plain, X + 1)[0], plain)


def test_a_donated_argument_that_is_another_too_is_not_written():
    donating = vc.jit(lambda x, y: (np.sort(x) + 1, np.sort(y) * 2), donate_argnums=0)
    for x, y in [(X.copy(), X.copy()), (same := X.copy(), same), (base := np.ones((6, 4)), base)]:
        donating(x[:3].copy(), y[-3:].copy())
        expected = np.sort(x[:3]) + 1, np.sort(y[-3:]) * 2
        for ours, theirs in zip(donating(x[:3], y[-3:]), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_donated_argument_that_is_read_later_is_not_written():
    def f(x, y):
        z = np.sort(x * 2)
        return np.sort(z + y), x * z

    donating = vc.jit(f, donate_argnums=0)
    donating(X.copy(), X)
    for ours, theirs in zip(donating(X.copy(), X), f(X, X), strict=True):
        np.testing.assert_allclose(ours, theirs)


WIDE = np.random.default_rng(6).standard_normal((300, 300))


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize(
    "fun, shared",
    {
        "an average": (lambda m, g: 0.9 * m + 0.1 * g, [True]),
        "two results": (lambda m, g: (0.9 * m + 0.1 * g, np.sqrt(np.abs(m)) - g), [True, False]),
        "a view of what it does not go into": (lambda m, g: ((g * 2 + 1)[:, 0], 0.9 * m + 0.1 * g), [True, False]),
        "read elsewhere": (lambda m, g: 0.9 * m.T + 0.1 * g, [False]),
        "read here and elsewhere": (lambda m, g: 0.9 * m + 0.1 * m.T + g, [False]),
        "read backwards": (lambda m, g: 0.9 * m[::-1] + 0.1 * g, [False]),
        "a row for all": (lambda m, g: 0.9 * m[:1] + 0.1 * g, [False]),
        "a sum of it": (lambda m, g: 0.9 * m + 0.1 * g + np.sum(m, axis=1, keepdims=True), [False]),
        "a sum of what was made": (lambda m, g: (n := 0.9 * m + 0.1 * g) / np.sum(n * n, 0), [False]),
        "itself as well": (lambda m, g: (0.9 * m + 0.1 * g, m), [False, False]),
        "read later": (lambda m, g: np.sort(0.9 * m + 0.1 * g) @ m, [False]),
    }.values(),
)
def test_a_donated_argument_may_be_read_where_its_successor_is_made(monkeypatch, native, fun, shared):
    """The kernel writes each element where it has just read one: of an argument that it reads so, and no other way."""
    monkeypatch.setattr(compiled, "AVAILABLE", native and compiled.AVAILABLE)
    donating = vc.jit(fun, donate_argnums=0)
    for given in (WIDE.copy(), WIDE + 1, WIDE * 2):
        grown = np.cos(given)
        expected = vc.pytree.flatten(fun(given.copy(), grown))[0]
        results = vc.pytree.flatten(donating(given, grown))[0]
        for ours, theirs in zip(results, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    if native == compiled.AVAILABLE:
        assert [np.shares_memory(x, given) for x in results] == shared


@pytest.mark.parametrize("native", [True, False])
def test_a_donated_argument_that_does_not_fit_is_copied(monkeypatch, native):
    monkeypatch.setattr(compiled, "AVAILABLE", native and compiled.AVAILABLE)

    def f(m, g):
        return 0.9 * m + 0.1 * g, np.sin(m)

    donating = vc.jit(f, donate_argnums=0)
    misplaced = np.frombuffer(bytearray(WIDE.nbytes + 1), np.uint8)[1:].view(float).reshape(WIDE.shape)
    misplaced[...] = WIDE
    frozen = WIDE.copy()
    frozen.flags.writeable = False
    unfit = [np.asfortranarray(WIDE), np.repeat(WIDE, 2, 1)[:, ::2], np.broadcast_to(WIDE[0], WIDE.shape)]
    for m in [WIDE.copy(), WIDE.copy(), *unfit, misplaced, frozen]:
        before, g = m.copy(), np.asfortranarray(WIDE + 1)
        for ours, theirs in zip(donating(m, g), f(before, g), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    for m in [*unfit, misplaced, frozen]:
        before = m.copy()
        results = donating(m, WIDE + 1)
        np.testing.assert_array_equal(m, before)
        assert not any(np.shares_memory(m, x) for x in results)
    twice = WIDE.copy()
    for ours, theirs in zip(donating(twice, twice), f(WIDE, WIDE), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    np.testing.assert_array_equal(twice, WIDE)


def test_averages_of_an_optimiser_stay_where_they_are():
    def step(p, m, v, g):
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        return p - 0.1 * m / (np.sqrt(v) + 1e-8), m, v

    donating = vc.jit(step, donate_argnums=(0, 1, 2))
    state = expected = (WIDE, WIDE * 0, WIDE * 0)
    for i in range(4):
        given = tuple([x.copy() for x in state])
        state = donating(*given, WIDE + i)
        expected = step(*expected, WIDE + i)
        for ours, theirs in zip(state, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    if compiled.AVAILABLE:
        assert all(any(np.shares_memory(x, y) for y in given) for x in state)


def test_what_a_plan_holds_does_not_grow():
    replayed = vc.jit(lambda x, w: np.tanh(np.sort(x @ w) + 1) @ w)
    x = np.ones((50, 50))
    for _ in range(3):
        replayed(x, x)
    plan = next(iter(replayed.plans.values())).replay
    held = plan.held
    for _ in range(5):
        replayed(x, x)
    assert plan.held == held <= 10 * x.nbytes


LARGE = np.random.default_rng(5).standard_normal((1200, 1000)).astype("f")
LAYOUTS = {
    "C": LARGE,
    "Fortran": np.asfortranarray(LARGE),
    "broadcast": np.broadcast_to(LARGE[0], LARGE.shape),
    "gaps": np.repeat(LARGE, 2, axis=1)[:, ::2],
    "gaps, Fortran": np.repeat(LARGE, 2, axis=1).T.copy().T[:, ::2],
}


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "fun",
    [
        lambda x: (np.maximum(x, 0.5) * 2).sum(1),
        lambda x: (np.maximum(x, 0.5) * 2).sum(0),
        lambda x: (np.maximum(x, 0.5) * 2, x - 1),
        lambda x: (x * 2).T + 1,
        lambda x: (x * 2, (x * 2).max(1), (x * 2).max(0)),
    ],
)
def test_rows_on_threads_however_arguments_lie(monkeypatch, native, layout, fun):
    monkeypatch.setattr(compiled, "AVAILABLE", native and compiled.AVAILABLE)
    monkeypatch.setattr(threads, "available", lambda: 3)
    x = LAYOUTS[layout]
    graph = trace(fun)(x)
    plan, expected = Plan(graph), graph(x)
    for _ in range(4):
        for ours, theirs in zip(plan([x]), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_blas_is_held_at_one_thread_where_it_may_be_called():
    shaped = Primitive(lambda xp, x: x @ x, name="stack", listed=False)  # an author may choose any name
    x = np.ones((3, 3))
    assert plan_of(lambda x: x @ x, x).multiplies
    assert plan_of(lambda x: np.sum(np.sin(x)), x).multiplies
    assert plan_of(shaped, x).multiplies
    assert not plan_of(lambda x: np.stack([np.sin(x[0]), x[1]])[::-1], x).multiplies


def chain(x, rounds):
    for i in range(rounds):
        x = np.where(x > 0.1 * i, x * 0.9, x)
    return x


def test_numpy_calls_go_to_threads_where_they_are_few_and_long(monkeypatch):
    """Threads that run a chain of short calls wait for the interpreter, and are slower than one."""
    monkeypatch.setattr(units, "worth_compiling", lambda fused: False)

    def tasks(shape, rounds, dtype):
        plan = Plan(trace(lambda x: chain(x, rounds))(np.ones(shape, dtype)))
        return [unit.tasks for unit, *_ in plan.program.calls]

    assert tasks((1000, 1000), 3, np.float32) == [4]
    assert tasks((1000, 1000), 30, np.float32) == [0]
    assert tasks((1000, 1000), 9, np.float64) == [4]
    assert tasks((300, 300), 3, np.float32) == [0]


def test_workers_are_woken_for_kernels_that_they_may_share(monkeypatch):
    calls = []
    monkeypatch.setattr(plan.team, "assemble", lambda: calls.append(1))
    x = np.ones((300, 300), np.float32)
    for fun, woken in [(np.sort, 0), (lambda x: x @ x, 1), (lambda x: np.sort(x) @ x, 1)]:
        calls.clear()
        Plan(trace(fun)(x))([x])
        assert len(calls) == woken


@pytest.mark.parametrize("native", [False, True])
def test_writes_into_arrays_that_nobody_reads_later(monkeypatch, native):
    """And into copies of those that somebody does."""
    monkeypatch.setattr(units, "worth_compiling", lambda fused: native and compiled.AVAILABLE)
    x = np.random.default_rng(0).standard_normal((6, 50))

    def running(x):
        out = np.zeros_like(x)
        out[0] = x[0]
        for i in range(1, len(x)):
            out[i] = np.maximum(out[i - 1], x[i])
        return out

    def overlapping(x):
        y = x * 2
        y[1:] = y[:-1]
        y[:, ::2] = y[:, ::-2]
        return y

    def kept(x):
        y = x * 2
        before = y.copy()
        y[0] = 1
        between = y * 1
        y[1] = 2
        return before, between, y, np.sum(before), y[0]

    def argument(x):
        x = x.copy()
        x[2] = 5
        return x

    def views(x):
        y = x * 2
        row, column = y[1], y[:, 1]
        before = row * 1
        y[1] = 7
        column[3] = 8
        return before, row * 1, column * 1, y

    def turned(x):
        y = (x * 2).T
        y[1] = 3
        return y, y.T

    for fun in (running, overlapping, kept, argument, views, turned):
        for f in (fun, vc.vmap(fun)):
            given = x if f is fun else np.stack([x, -x, 2 * x])
            replayed = vc.jit(f)
            for i in range(3):
                found, expected = (vc.pytree.flatten(g(given + i))[0] for g in (replayed, f))
                for a, b in zip(found, expected, strict=True):
                    np.testing.assert_allclose(a, b, 1e-12)
