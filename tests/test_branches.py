"""vmap(f, branches=...): rows that answer a question differently, by the law of vmap, and what it costs and says."""

import gc
import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.optimize import bisect

from vmapcore import (
    PerformanceWarning,
    converting,
    grad,
    hessian,
    jacfwd,
    jacrev,
    jit,
    jvp,
    plain,
    rows,
    trace,
    value_and_grad,
    vjp,
    vmap,
)
from vmapcore.branches import WORTH_A_WORD
from vmapcore.errors import ArgumentError, ConcretizationError, OptionError, ShapeError, StructureError
from vmapcore.testing import assert_same
from vmapcore.testing.oracles import vmap_loop

from .branching import collatz
from .together import together


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def cheap(monkeypatch):
    """Runs of rows together cost nothing, so that all but single rows do."""
    monkeypatch.setattr(rows, "RUN_OF_ROWS", 0.0)
    monkeypatch.setattr(rows, "STEP_OF_ROWS", 0.0)
    monkeypatch.setattr(rows, "STEP_OF_SCOPE", 0.0)


# Programs, as people write them.


def newton(a):
    x, n = a, 0
    while abs(x * x - a) > 1e-12 * a:
        x = 0.5 * (x + a / x)
        n += 1
    return x, n


def newton_with_break(a):
    x = a
    for _ in range(100):
        step = (x**3 - a) / (3 * x**2)
        x = x - step
        if np.abs(step) < 1e-10:
            break
    else:
        raise RuntimeError("does not converge")
    return x


def bisection(c):
    low, high = 0.0, 10.0
    for _ in range(12):
        middle = (low + high) / 2
        if middle * middle > c:
            high = middle
        else:
            low = middle
    return low


def quicksort(values):
    if len(values) <= 1:
        return values
    pivot = values[0]
    rest = values[1:]
    return quicksort([x for x in rest if x < pivot]) + [pivot] + quicksort([x for x in rest if x >= pivot])


def sorted_by_hand(x):
    return np.array(quicksort(list(x)))


def insertion(x):
    x = x.copy()
    for i in range(1, len(x)):
        j = i
        while j > 0 and x[j - 1] > x[j]:
            x[j - 1], x[j] = x[j], x[j - 1]
            j -= 1
    return x


def early_return(x):
    if x.sum() < 0:
        return np.zeros(3)
    y = x * 2
    if y[0] > 1:
        return y
    return -y


def ternaries(x):
    a = 1.0 if x[0] > 0 else -1.0
    b = x[1] if 0 < x[1] < 1 else x[2]
    return a * b if (x[0] > 0 and x[1] > 0) or not x[2] > 0 else b


def power(x, n):
    out = np.ones(3)
    for _ in range(int(n)):
        out = out * x
    return out


def count_of(n):
    return np.arange(n).sum() + len(range(n))


def table(x):
    kinds = {0: "low", 1: "high"}
    return 1.5 if kinds[int(x > 0)] == "high" else -2


def greedy(values):
    room, taken = 2.0, []
    for v in sorted(values.tolist(), reverse=True):
        if v <= room:
            room -= v
            taken.append(v)
    return room, len(taken)


def caught(x):
    try:
        if x < 0:
            raise ValueError("negative")
        return math.sqrt(x)
    except ValueError:
        return -1.0


def asserted(x):
    try:
        assert x > 0
    except AssertionError:
        return 0.0
    return x


def finally_done(x):
    done = []
    try:
        if x > 0:
            return 2 * x
    finally:
        done.append(x)
    return sum(done)


def inverse(a):
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:
        return np.full((3, 3), np.nan)


def in_a_view(x):
    y = np.zeros(3)
    part = y[1:]
    part[0] = x[0]
    if x[1] > 0:
        part += x[1]
    y[2] *= 3
    return y + part.sum()


def masked_mean(x):
    chosen = x[x > 0]
    return chosen.mean() if chosen.size else -1.0


def masked_write(x):
    m = x < 0
    x[m] = np.sort(x[m])
    return x, np.nonzero(m)[0].sum(), len(np.unique(np.rint(x)))


def compared(x):
    return np.compress(x > 0, x).sum() + np.argwhere(x < 0).shape[0]


def hashed(n):
    seen = set()
    while n not in seen:
        seen.add(n)
        n = (n * n + 1) % 11
    return n, len(seen)


def nans(x):
    if x != x:
        return 0.0
    return 1.0 if x > 0 else 2.0


class Machine:
    def __init__(self, x):
        self.state = x

    def step(self):
        if self.state > 1:
            self.state = self.state / 2
            return True
        return False


def by_object(x):
    machine, n = Machine(x), 0
    while machine.step():
        n += 1
    return machine.state + n


def library(x):
    return np.asarray(float(x) + 1).item() if plainly(x) > 0 else 0.5


@plain
def plainly(x):
    return float(x) // 2


def formatted(x):
    return float(f"{x:.1f}") + round(x, 1)


SCALARS = rng(1).uniform(0.1, 50.0, 12)
SIGNED = rng(2).normal(size=12).round(1)
VECTORS = rng(3).normal(size=(12, 3))
INTS = np.array([1, 7, 2, 9, 9, 3, 1, 6])
MATRICES = rng(4).normal(size=(5, 3, 3)) * np.array([1, 0, 1, 0, 2.0])[:, None, None]

PROGRAMS = [
    (newton, SCALARS),
    (newton_with_break, SCALARS),
    (bisection, SCALARS),
    (collatz, INTS),
    (sorted_by_hand, VECTORS),
    (insertion, VECTORS),
    (early_return, VECTORS),
    (ternaries, VECTORS),
    (power, VECTORS[:8], INTS),
    (count_of, INTS),
    (table, SIGNED),
    (greedy, np.abs(VECTORS)),
    (caught, SIGNED),
    (asserted, SIGNED),
    (finally_done, SIGNED),
    (inverse, MATRICES),
    (in_a_view, VECTORS),
    (masked_mean, VECTORS),
    (masked_write, VECTORS),
    (compared, VECTORS),
    (hashed, INTS),
    (nans, np.array([np.nan, 1.0, -1.0, np.nan, -np.nan, 2.0])),
    (by_object, SCALARS),
    (library, SCALARS.round()),
    (formatted, SIGNED),
]


def check(fun, *args, **options):
    """The law, and that arguments stay as they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PerformanceWarning)
        before = [x.copy() for x in args]
        axes = {k: v for k, v in options.items() if k != "branches"}
        expected = vmap_loop(lambda *xs: fun(*[x[()] for x in xs]), **axes)(*[x.copy() for x in args])
        for branches in (options["branches"],) if "branches" in options else ("split", "loop"):
            assert_same(vmap(fun, branches=branches, **axes)(*args), expected)
            for x, y in zip(args, before, strict=True):
                np.testing.assert_array_equal(x, y)


@together("program", PROGRAMS, lambda p: p[0].__name__)
def test_the_law_holds_for_programs(program, cheap):
    check(*program)


@together("program", PROGRAMS, lambda p: p[0].__name__)
def test_it_holds_where_no_rows_meet_again(program, cheap, monkeypatch):
    monkeypatch.setattr(converting, "converted", lambda code: None)
    check(*program)


@together("program", PROGRAMS, lambda p: p[0].__name__)
def test_it_holds_where_few_rows_run_one_by_one(program):
    check(*program)


@together("program", PROGRAMS, lambda p: p[0].__name__)
def test_one_example(program):
    check(program[0], *[x[:1] for x in program[1:]])


# Transforms within and around.


def halved(x):
    n = 0
    while x > 1:
        x, n = x * x / (x + 1), n + 1
    return np.sin(x) * n if n % 2 else x**3


def of_rows(x):
    total = 0.0
    for v in x:
        if v > 0:
            total = total + v**2
        else:
            total = total - np.exp(v) * x[0]
    return total


def sub_gradient(x):
    slope = grad(halved)(x)
    return slope if slope > 1 else -x


X = rng(5).uniform(0.2, 9.0, 8)


def derivatives_of_loop(fun, x):
    return np.stack([grad(fun)(v) for v in x])


def test_grad_of_vmap_and_vmap_of_grad(cheap):
    for fun, x in ((halved, X), (of_rows, VECTORS), (lambda x: np.sum(early_return(x) ** 2), VECTORS)):
        wanted = derivatives_of_loop(fun, x)
        assert_same(grad(lambda x, fun=fun: vmap(fun, branches="split")(x).sum())(x), wanted)
        assert_same(grad(lambda x, fun=fun: vmap(fun, branches="loop")(x).sum())(x), wanted)
        assert_same(vmap(grad(fun), branches="split")(x), wanted)
        out, pullback = vjp(vmap(fun, branches="split"), x)
        assert_same(out, np.stack([fun(v) for v in x]))
        assert_same(pullback(np.ones(len(x)))[0], wanted)
        assert_same(jvp(vmap(fun, branches="split"), (x,), (np.ones_like(x),))[1], wanted.reshape(len(x), -1).sum(1))
        step = 1e-6
        moved = vmap(fun, branches="split")(x + step) - vmap(fun, branches="split")(x - step)
        np.testing.assert_allclose(moved / (2 * step), wanted.reshape(len(x), -1).sum(1), rtol=1e-5)


def test_higher_derivatives(cheap):
    second = np.stack([grad(grad(halved))(v) for v in X])
    assert_same(vmap(grad(grad(halved)), branches="split")(X), second)
    assert_same(vmap(sub_gradient, branches="split")(X), np.stack([sub_gradient(v) for v in X]))
    slope = grad(lambda x: vmap(sub_gradient, branches="split")(x).sum())(X)
    assert_same(slope, derivatives_of_loop(sub_gradient, X))
    assert_same(
        vmap(jacfwd(early_return), branches="split")(VECTORS), np.stack([jacfwd(early_return)(v) for v in VECTORS])
    )
    assert_same(
        vmap(jacrev(early_return), branches="split")(VECTORS), np.stack([jacrev(early_return)(v) for v in VECTORS])
    )
    assert_same(jacfwd(vmap(halved, branches="split"))(X), np.diag(derivatives_of_loop(halved, X)))


def test_the_tape_of_a_gradient_keeps_the_rows_that_go_on(cheap):
    def fun(w, x):
        h = np.tanh(w @ x)
        if h.sum() > 0:
            h = h * w[0]
        while np.sum(h * h) > 1:
            h = 0.5 * h
        return np.sum(h**2)

    w, xs = rng(6).normal(size=(3, 3)), VECTORS
    assert_same(vmap(grad(fun), in_axes=(None, 0), branches="split")(w, xs), np.stack([grad(fun)(w, x) for x in xs]))
    both = grad(lambda w: vmap(fun, in_axes=(None, 0), branches="split")(w, xs).sum())(w)
    assert_same(both, np.sum([grad(fun)(w, x) for x in xs], axis=0))


def test_nested(cheap):
    x = rng(7).uniform(0.2, 9.0, (4, 5))
    wanted = np.array([[halved(v) for v in row] for row in x])
    inner = vmap(halved, branches="split")
    assert_same(vmap(inner, branches="split")(x), wanted)
    assert_same(vmap(inner, in_axes=1, out_axes=1, branches="split")(x), wanted)
    assert_same(vmap(vmap(halved, branches="loop"), branches="split")(x), wanted)
    assert_same(vmap(inner, branches="loop")(x), wanted)
    assert_same(vmap(vmap(lambda x: x + 1), branches="split")(x), x + 1)
    slope = grad(lambda x: vmap(inner, branches="split")(x).sum())(x)
    assert_same(slope, np.stack([derivatives_of_loop(halved, row) for row in x]))
    assert_same(vmap(grad(lambda row: inner(row).sum()), branches="split")(x), slope)


def test_a_question_of_the_outer_rows_inside_of_an_inner_vmap(cheap):
    def outer(x, row):
        def inner(y):
            z = y * x
            if x > 0:
                z = z + 1
            return z

        return vmap(inner)(row)

    x, rows_ = SIGNED[:5], rng(8).normal(size=(5, 3))
    check(outer, x, rows_)


def test_an_outer_vmap_that_does_not_split_says_so():
    with pytest.raises(ConcretizationError, match=r"of vmap\(halved\) .*branches=\"split\""):
        vmap(vmap(halved, branches="split"))(np.ones((2, 3)))
    with pytest.raises(ConcretizationError, match="is not one truth value"):
        vmap(vmap(halved), branches="split")(np.ones((2, 3)))


def test_under_jit(cheap):
    """What asks is an operation of the plan; what does not is planned as ever."""
    assert [s.primitive.name for s in trace(vmap(lambda x: x + 1, branches="split"))(X).steps] == ["add"]
    scaled = jit(lambda x, s: np.sum(vmap(halved, branches="split")(x * s) * 2))
    looped = jit(vmap(newton, branches="loop"))
    slopes = jit(vmap(grad(halved), branches="split"))
    lengths = jit(vmap(lambda x: (len(np.unique(x)), x[x > 0].sum(), None), branches="split"))
    caught_inside = jit(vmap(caught, branches="split"))
    for call in range(12):
        x = X + call
        np.testing.assert_allclose(scaled(x, np.float64(0.5)), 2 * sum(halved(v * 0.5) for v in x))
        assert_same(looped(x), tuple(map(np.array, zip(*[newton(v) for v in x], strict=True))))
        assert_same(slopes(x), derivatives_of_loop(halved, x))
        y = (VECTORS * (call + 1)).round()
        n, total, none = lengths(y)
        assert_same(n, np.array([len(np.unique(v)) for v in y]))
        assert_same(total, np.array([v[v > 0].sum() for v in y]))
        assert none is None
        assert_same(caught_inside(SIGNED + call), np.array([caught(v) for v in SIGNED + call]))


def test_results_under_jit_keep_their_form(cheap):
    fun = jit(vmap(lambda x: 1 if x > 0 else 2.5, branches="split"))
    assert_same(fun(np.array([1.0, -2.0])), np.array([1.0, 2.5]))
    assert_same(fun(np.array([1.0, 2.0])), np.array([1.0, 1.0]))
    fun = jit(vmap(lambda x: 1 if x > 0 else 2.5, branches="split"))
    assert_same(fun(np.array([1.0, 2.0])), np.array([1, 1]))
    with pytest.raises(ShapeError, match=r"a result is f64\[2\], and was i64\[2\] when it was recorded"):
        fun(np.array([1.0, -2.0]))
    fun = jit(vmap(lambda x: (x, None) if x > 0 else (x, x), branches="split"))
    assert fun(np.ones(2))[1] is None
    with pytest.raises(StructureError, match="when it was recorded"):
        fun(-np.ones(2))


def test_an_argument_for_all_rows_that_is_written_to_under_jit(cheap):
    def fun(x, table):
        table[0] = table[0] + 3.0
        if x > 0:
            table[1] = 4.0
        return table * x

    table = np.arange(3.0)
    recorded = jit(lambda x, table: vmap(fun, in_axes=(0, None), branches="split")(x, table))
    for x in (X, X + 1):
        assert_same(recorded(x, table), np.stack([fun(v, np.arange(3.0)) for v in x]))
    np.testing.assert_array_equal(table, np.arange(3.0))


def scaled_halves(w, x):
    return vmap(lambda v: halved(v) * w if v > w else v * w, branches="split")(x).sum()


def asked_of_all(w, x):
    return vmap(lambda v: v * w if w > 1.5 else v, branches="split")(x)


SPLIT = vmap(halved, branches="split")
UNDER_JIT = [
    (grad(lambda x: SPLIT(x).sum()), 1),
    (value_and_grad(lambda x: SPLIT(x).sum() ** 2), 1),
    (jacfwd(SPLIT), 1),
    (jacrev(SPLIT), 1),
    (hessian(lambda x: SPLIT(x).sum()), 1),
    (lambda x: jvp(SPLIT, (x,), (np.cos(x),)), 1),
    (lambda x: vjp(SPLIT, x)[1](np.cos(x)), 1),
    (vmap(SPLIT, branches="split"), 2),
    (lambda x: vmap(grad(lambda row: SPLIT(row).sum()), branches="split")(x.reshape(2, 4)), 1),
    (grad(lambda x: vmap(halved, branches="loop")(x).sum()), 1),
    (lambda x: vmap(lambda v: v * x[0] if v > 1 else v, branches="loop")(x), 1),
    (lambda x: scaled_halves(x[0], x), 1),
    (grad(lambda x: scaled_halves(x[0], x)), 1),
    (lambda x: asked_of_all(x[0], x), 1),
]


@together("case", range(len(UNDER_JIT)))
def test_transforms_between_a_split_and_jit(case, cheap):
    """Also of what is closed over: each call takes the ways of its own values, and is what it is without jit."""
    fun, ndim = UNDER_JIT[case]
    replayed = jit(fun)
    for call in range(10):
        x = (X * (1 + call) - 3 * (call % 3)).reshape((2, 4) if ndim == 2 else 8)
        assert_same(replayed(x), fun(x))
    assert len(replayed.plans) == 1


def test_numbers_and_trees_under_jit_where_all_runs_anew(cheap):
    kept = np.arange(3.0)

    def fun(tree, *, s):
        assert isinstance(tree["n"], np.float64) and isinstance(s, np.ndarray)
        slope = grad(lambda x: SPLIT(x).sum())(tree["x"])
        tree["x"][0] = 7.0
        return {"slope": slope, "kept": kept, "n": tree["n"] * s, "none": None}

    replayed = jit(fun)
    for call in range(3):
        x = X + call
        found = replayed({"x": x, "n": np.float64(call)}, s=np.array(2.0))
        assert_same(found["slope"], derivatives_of_loop(halved, X + call))
        assert type(found["n"]) is np.float64 and found["n"] == 2 * call and found["none"] is None
        found["kept"][0] = 9.0
        np.testing.assert_array_equal(x, X + call)
    np.testing.assert_array_equal(kept, np.arange(3.0))


@pytest.mark.filterwarnings("ignore:.*rows draw from a generator that they share")
def test_random_numbers_under_a_derivative_under_jit():
    def noisy(x):
        y = x * generator.normal()
        return y if y > 0 else -2 * y

    for branches in ("split", "loop"):
        slope = grad(lambda x, way=branches: vmap(noisy, branches=way, randomness="different")(x).sum())
        replayed = jit(slope)
        for call in range(3):
            generator = rng(call)
            found = replayed(X)
            generator = rng(call)
            assert_same(found, slope(X))


def test_jit_says_what_it_cannot(cheap):
    with pytest.raises(ConcretizationError, match="is recorded by jit"):
        jit(lambda x: SPLIT(x).sum() if x[0] > 0 else x[0])(X)
    with pytest.raises(ConcretizationError, match=r"of vmap\(<lambda>\) .*branches=\"split\""):
        jit(vmap(grad(lambda row: SPLIT(row).sum())))(X.reshape(2, 4))
    with pytest.raises(ZeroDivisionError, match="of the function"):
        jit(grad(lambda x: raises_where_large(x).sum()))(X)


def raises_where_large(x):
    def fun(v):
        if v > 1:
            raise ZeroDivisionError("of the function")
        return v

    return vmap(fun, branches="split")(x)


# Arguments and results.


@dataclass
class State:
    position: Any
    count: Any


def test_trees_and_keywords(cheap):
    def move(state, *, step, names):
        if state.position.sum() > step:
            return {"state": State(state.position - step, state.count + 1), "none": None, "name": names[0]}
        return {"state": State(state.position * 2, 0), "none": None, "name": names[0]}

    state = State(VECTORS, np.arange(12))
    found = vmap(
        move,
        in_axes={"state": 0, "step": 0, "names": None},
        out_axes={"state": 0, "none": None, "name": None},
        branches="split",
    )(state, step=SIGNED, names=("a", "b"))
    looped = [move(State(p, c), step=s, names=("a",)) for p, c, s in zip(VECTORS, state.count, SIGNED, strict=True)]
    assert_same(found["state"].position, np.stack([x["state"].position for x in looped]))
    assert_same(found["state"].count, np.stack([x["state"].count for x in looped]))
    assert found["none"] is None and found["name"] == "a"


def test_axes(cheap):
    def fun(a, b, c):
        return (a * b if a.sum() > 0 else a - c), (b.sum(), 1.0 if b[0] > 0 else c.sum())

    a, b, c = rng(9).normal(size=(3, 7)), rng(10).normal(size=(7, 3)), np.arange(3.0)
    for out_axes in (0, 1, -1, (0, ("sum", "mean")), ("mean", 0), ("sum", (0, 0))):
        if out_axes in (1, -1):
            check(lambda a, b, c: fun(a, b, c)[0], a, b, c, in_axes=(1, 0, None), out_axes=out_axes)
        else:
            check(fun, a, b, c, in_axes=(-1, 0, None), out_axes=out_axes)


def test_what_is_one_for_all(cheap):
    def fun(x, c):
        return (x if x > 0 else 2 * x), c * 2, 3

    x, same, number = vmap(fun, in_axes=(0, None), out_axes=(0, None, None), branches="split")(SIGNED, np.arange(3.0))
    assert_same(x, np.where(SIGNED > 0, SIGNED, 2 * SIGNED))
    assert_same(same, np.arange(3.0) * 2)
    assert number == 3
    for result in (lambda x: 1 if x > 0 else 2, lambda x: x if x > 0 else -x):
        with pytest.raises(ShapeError, match="for each of 12 examples, but its out_axes is None"):
            vmap(result, out_axes=None, branches="split")(SIGNED)


def test_dtypes_are_those_of_stacked_results(cheap):
    for low, high in ((0, 1.5), (True, 2), (np.float32(1), 2.0), (np.int8(3), np.int16(4)), (1, 2j)):
        found = vmap(lambda x, a=low, b=high: a if x > 0 else b, branches="split")(SIGNED)
        assert_same(found, np.stack([np.asarray(low if x > 0 else high) for x in SIGNED]))


def test_results_that_do_not_fit(cheap):
    for branches in ("split", "loop"):
        with pytest.raises(ShapeError, match=r"a result is f64\[\d\] for example \d+, f64\[\d\] for ex"):
            vmap(lambda x: x if x.sum() > 0 else x[:1], branches=branches)(VECTORS)
        with pytest.raises(StructureError, match="structure"):
            vmap(lambda x: (x, x) if x.sum() > 0 else x, branches=branches)(VECTORS)
        with pytest.raises(ArgumentError, match="arrays or numbers"):
            vmap(lambda x: "a" if x > 0 else "b", branches=branches)(SIGNED)


def test_no_examples():
    assert_same(vmap(lambda x: x + 1, branches="split")(np.zeros((0, 2))), np.zeros((0, 2)))
    assert_same(vmap(lambda x: x + 1, branches="loop")(np.zeros((0, 2))), np.zeros((0, 2)))
    with pytest.raises(ConcretizationError, match="it has 0 of them"):
        vmap(halved, branches="split")(np.zeros(0))


def test_no_mapped_argument(cheap):
    found = vmap(lambda x: x + 1 if x > 0 else x, in_axes=(None,), axis_size=3, branches="split")(1.0)
    assert_same(found, np.full(3, 2.0))


def test_writes_stay_inside(cheap):
    def fun(x):
        if x[0] > 0:
            x[1] = 7.0
        x *= 2
        return x

    check(fun, VECTORS.copy())


def test_an_unmapped_array_is_what_it_was_for_all(cheap):
    table = np.arange(5.0)
    check(lambda i: table[i] if i > 2 else -table[i], INTS[INTS < 5])


# Exceptions.


def test_the_exception_is_that_of_the_loop(cheap):
    def fun(x):
        if x > 5:
            raise ValueError(f"too large: {x}")
        if x < 0:
            raise KeyError(f"too small: {x}")
        return x

    for x, kind, text in (
        ([1.0, 2.0, 7.0, -1.0, 8.0], ValueError, "too large: 7.0"),
        ([1.0, 2.0, -1.0, 7.0, 8.0, -3.0, -4.0], KeyError, "too small: -1.0"),
    ):
        for branches in ("split", "loop"):
            with pytest.raises(kind, match=text):
                vmap(fun, branches=branches)(np.array(x))
    gc.collect()
    assert_same(vmap(fun, branches="split")(np.ones(3)), np.ones(3))


def test_an_error_of_ours_is_raised_as_it_is(cheap):
    def fun(x):
        y = np.frombuffer(bytearray(8))
        if x > 0:
            y[0] = x
        return y

    with pytest.raises(ConcretizationError, match="into a plain array"):
        vmap(fun, branches="split")(SIGNED)


def test_an_operation_that_raises_for_some_rows(cheap):
    def fun(a):
        return np.linalg.inv(a)

    with pytest.raises(np.linalg.LinAlgError):
        vmap(fun, branches="split")(MATRICES)

    def careful(x):
        with np.errstate(all="raise"):
            try:
                return 1 / x
            except FloatingPointError:
                return 0.0

    check(careful, np.array([1.0, 0.0, 2.0, 0.0, -1.0]))


def test_an_interrupt_leaves_nothing(cheap):
    def fun(x):
        if x > 0:
            raise KeyboardInterrupt
        return x

    with pytest.raises(KeyboardInterrupt):
        vmap(fun, branches="split")(SIGNED)
    assert_same(vmap(halved, branches="split")(X), np.stack([halved(v) for v in X]))


def test_rows_that_raise_together_only_run_one_by_one(cheap):
    @plain
    def fun(x):
        if not isinstance(x, np.float64):
            raise TypeError("takes a number")
        return 2 * x

    with pytest.warns(PerformanceWarning, match=r"12 of 12 rows ran .* not alone: TypeError\('takes a number'\)"):
        assert_same(vmap(fun, branches="split")(SIGNED), 2 * SIGNED)


def test_c_code_that_goes_on_with_the_end_of_a_run_pending():
    @plain
    def fun(c):
        return bisect(lambda x: x**3 - c, 0.0, 10.0)

    wanted = np.array([bisect(lambda x, c=c: x**3 - c, 0.0, 10.0) for c in SCALARS])
    assert_same(vmap(fun, branches="split")(SCALARS), wanted)


def test_a_bare_except_swallows_no_row():
    """The end of a run of too few rows may be caught: what it returns is not used."""

    def fun(x):
        try:
            if x > 0:
                return x
        except:  # noqa: E722
            return 7.0
        return 0.0 * x

    check(fun, SIGNED)


# What it costs, and what it says.


def counted(fun):
    def counting(*args):
        counting.runs += 1
        return fun(*args)

    counting.runs = 0
    return counting


def test_a_run_for_each_way_through_the_function(cheap, monkeypatch):
    monkeypatch.setattr(converting, "converted", lambda code: None)  # or rows would meet again behind an if

    def kinds(x):
        if x[0] > 0:
            return x if x[1] > 0 else -x
        return 2 * x

    for fun, args in (
        (kinds, (rng(0).normal(size=(300, 3)),)),
        (lambda n: np.ones(3) * n, (np.arange(300) % 7,)),
        (lambda x, n: x * len(range(n)), (rng(0).normal(size=(300, 3)), np.arange(300) % 7)),
    ):
        ways = {0: 3}.get(len(args) - 1) if fun is kinds else 7 if len(args) == 2 else 1
        counting = counted(fun)
        found = vmap(counting, branches="split")(*args)
        assert counting.runs == ways
        assert_same(found, np.stack([fun(*xs) for xs in zip(*args, strict=True)]))


def test_max_paths(cheap):
    counting = counted(lambda x, n: x * len(range(n)))
    x, n = rng(0).normal(size=(300, 3)), np.arange(300) % 100
    with pytest.warns(PerformanceWarning, match=r"max_paths is 5") as caught:
        found = vmap(counting, branches="split", max_paths=5)(x, n)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert counting.runs == 5 + 285
    assert_same(found, x * n[:, None])


def test_the_warning_names_the_line(monkeypatch):
    monkeypatch.setattr(converting, "converted", lambda code: None)
    line = bisection.__code__.co_firstlineno + 4
    with pytest.warns(PerformanceWarning, match=f"at test_branches.py:{line} in bisection, and (296|300) of") as caught:
        vmap(bisection, branches="split")(rng(0).uniform(0, 90, 300))
    assert len(caught) == 1 and caught[0].filename == __file__


def test_no_warning_where_it_was_asked_for_or_little_is_lost():
    vmap(bisection, branches="loop")(rng(0).uniform(0, 90, 300))
    vmap(bisection, branches="split")(rng(0).uniform(0, 90, WORTH_A_WORD - 1))


def test_rows_run_one_by_one_without_the_names_of_transforms():
    kinds = []

    def fun(x):
        kinds.append(type(x))
        return float(x)

    vmap(fun, branches="loop")(X)
    assert set(kinds) == {np.float64}


def test_options_are_checked():
    with pytest.raises(OptionError, match=r"branches is 'splitt'; it must be 'error', 'split' or 'loop'. Write split."):
        vmap(halved, branches="splitt")
    with pytest.raises(OptionError, match="branches is True; it must be"):
        vmap(halved, branches=True)
    for wrong in (0, 1.5, True):
        with pytest.raises(OptionError, match="max_paths is"):
            vmap(halved, branches="split", max_paths=wrong)


def test_the_error_names_the_way_out():
    with pytest.raises(
        ConcretizationError, match=r"Use np.where\(condition, a, b\).*, or vmap\(f, branches=\"split\"\)"
    ):
        vmap(halved)(X)
    with pytest.raises(IndexError, match=r"branches=\"split\""):
        vmap(lambda x: x[x > 0])(VECTORS)


# Random programs.


def random_program(seed):
    """A function of a vector with branches and loops of all kinds, nested."""
    r = rng(seed)

    def block(depth):
        kind = r.integers(0, 9 if depth else 4)
        i, j = r.integers(0, 4, 2).tolist()
        c = round(r.normal(), 2)
        inner = [block(depth - 1) for _ in range(2)] if depth else []

        def run(x):
            if kind == 0:
                x = x + c * np.sin(x[i])
            elif kind == 1:
                x[i] = x[j] * c
            elif kind == 2:
                y = np.zeros(4)
                y[i:] += x[i:]
                x = y - c
            elif kind == 3:
                x = np.where(x > c, x, x[::-1] * 0.5)
            elif kind == 4:
                x = inner[0](x) if x[i] > c else inner[1](x)
            elif kind == 5:
                n = 0
                while x[j] > c and n < 4:
                    x = inner[0](x) * 0.7
                    n += 1
            elif kind == 6:
                for _ in range(int(abs(x[i]) * 2) % 4):
                    x = inner[0](x)
            elif kind == 7:
                part = x[i // 2 :]
                part[0] = c
                if x.sum() > 0:
                    part *= 0.5
                x = inner[1](x)
            else:
                chosen = x[x > c]
                x = x + (chosen.sum() if len(chosen) > 1 else inner[0](x).max())
            return np.tanh(x) * 2

        return run

    first, second = block(2), block(3)
    return lambda x: second(first(x.copy()))


@together("seed", range(40))
def test_random_programs(seed, cheap):
    fun, x = random_program(seed), rng(100 + seed).normal(size=(17, 4))
    wanted = np.stack([fun(v) for v in x])
    assert_same(vmap(fun, branches="split")(x), wanted)
    assert_same(vmap(vmap(fun, branches="split"), branches="split")(x.reshape(1, 17, 4)), wanted[None])
    slopes = np.stack([grad(lambda v: fun(v).sum())(v) for v in x])
    assert_same(vmap(grad(lambda v: fun(v).sum()), branches="split")(x), slopes)
    assert_same(grad(lambda x: vmap(fun, branches="split")(x).sum())(x), slopes)


# Results of different shapes.


def halves(n, x):
    found = [x]
    while found[-1] > 1 and len(found) < n:
        found.append(found[-1] / 2)
    return np.array(found), len(found)


@pytest.mark.parametrize("options", [{"branches": "split"}, {"branches": "loop"}], ids=str)
def test_results_of_different_shapes_make_a_list(options, cheap):
    n, x = np.array([3, 5, 2, 9, 9, 3, 3]), np.array([4.0, 16.0, 8.0, 0.5, 100.0, 4.5, 5.0])
    expected = [halves(*row) for row in zip(n, x, strict=True)]
    together = vmap(halves, out_axes=list, **options)
    planned = jit(together)
    for made in (together(n, x), planned(n, x), planned(n, x), vmap(together, **options)(n[None, :1], x[None, :1])):
        assert type(made) is list
        for (found, length), (right, count) in zip(made, expected, strict=False):
            assert_same(np.reshape(found, right.shape), right)
            assert np.reshape(length, ()) == count
    assert len(together(n, x)) == len(n) and together(n[:0], x[:0]) == []
    with pytest.raises(ShapeError, match="when it was recorded"):
        planned(n, x[::-1].copy())
    slopes = grad(lambda x: sum([found.sum() for found, _ in together(n, x)]))(x)
    assert_same(slopes, np.array([sum(0.5**k for k in range(count)) for _, count in expected]))
    with pytest.raises(ShapeError, match=r"one shape\. vmap\(f, out_axes=list\) makes a list of them"):
        vmap(halves, **options)(n, x)


def test_a_list_of_results_needs_no_branches():
    made = vmap(lambda x: {"a": x * 2, "b": "c"}, out_axes=list)(np.arange(3.0))
    assert made == [{"a": 0.0, "b": "c"}, {"a": 2.0, "b": "c"}, {"a": 4.0, "b": "c"}]
    with pytest.raises(ArgumentError, match="in_axes has the entry"):
        vmap(halves, in_axes=list)


def test_a_view_that_some_rows_have_written_keeps_the_rows_that_go_on(cheap):
    def fun(x, n):
        x = x.copy()
        v = x[:2]
        if x[0] > 0:
            v[0] = 1.5
        n = len(range(n))  # rows part for good
        if x[2] > 0:
            v[1] = n
        return x

    x, n = rng().normal(size=(40, 3)), np.arange(40) % 3
    wanted = np.stack([fun(*xs) for xs in zip(x, n, strict=True)])
    assert_same(vmap(fun, branches="split")(x, n), wanted)
