"""Rows that go apart at a branch and meet again behind it: the law, and that nothing else is seen of it."""

import inspect
import math
import warnings

import numpy as np
import pytest

from vmapcore import PerformanceWarning, grad, jit, rows, tree_map, vmap
from vmapcore import converting as conversion
from vmapcore.testing import assert_same

from .branching import collatz, looped, program, rng, total_of
from .together import together


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """Runs of rows together cost nothing, and branches are as if none had been met before."""
    monkeypatch.setattr(rows, "RUN_OF_ROWS", 0.0)
    monkeypatch.setattr(rows, "STEP_OF_ROWS", 0.0)
    monkeypatch.setattr(rows, "STEP_OF_SCOPE", 0.0)
    conversion.OFF.clear()


def runs(fun, *args, **options):
    """How often `vmap` with split branches runs the function, and what it returns."""
    count = 0

    def counting(*xs):
        nonlocal count
        count += 1
        return fun(*xs)

    found = vmap(counting, branches="split", **options)(*args)
    return count, found


X = rng(1).normal(size=40).round(2)
VECTORS = rng(2).normal(size=(20, 3)).round(2)
INTS = np.array([1, 7, 2, 9, 9, 3, 1, 6, 27, 97])

# What goes apart and meets again, in one run.


def bisection(c):
    low, high = 0.0, 10.0
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        if middle * middle > c:
            high = middle
        else:
            low = middle
    return low


def newton(a):
    x = 1.0
    for it in range(1, 60):  # noqa: B007
        step = (x * x - a * a - 1) / (2 * x)
        x -= step
        if abs(step) < 1e-12:
            break
    else:
        raise RuntimeError("does not converge")
    return x, it


def found_early(x):
    for i in range(5):
        if x > i:
            continue
        if x < -1:
            return -1.0, i
        break
    return x * i, i


def in_views(x):
    y = np.zeros(3)
    part = y[1:]
    if x[0] > 0:
        part[0] = x[0]
        x *= 2
    elif x[1] > 0:
        y += x
    y[2] -= 1
    return y, x, part.sum()


def short_circuits(x):
    inside = -1 < x < 1
    root = math.sqrt(x) if x >= 0 else -1.0
    return root, (x > 0 and 1 / x > 2) or inside, not inside, max(x, 0.0)


def by_attributes(x):
    class Walker:
        place = 0.0

        def walk(self, step):
            if step > 0:
                self.place += step
            else:
                self.place, self.last = 0.0, step

    walker = Walker()
    walker.last = 1.0
    for k in range(3):
        walker.walk(x - k)
    return walker.place, walker.last


def counted_elsewhere(x):
    calls = 0

    def f(v):
        nonlocal calls
        calls += 1
        return v if abs(v) < 1 else f(v / 2)

    return f(x) + f(2 * x), calls


def adaptive(x, depth=6):
    if depth == 0 or abs(math.sin(x)) < 0.3:
        return x
    left, right = adaptive(x / 2, depth - 1), adaptive(x / 3, depth - 2) if x > 0 else 0.5
    return left - right


def drawn(seed):
    generator, place, taken = np.random.default_rng(seed), 0.0, 0
    for _ in range(10):
        new = place + generator.normal()
        if abs(new) < abs(place) or generator.random() < 0.5:
            place = new
            taken += 1
    return place, taken


def dtypes(x):
    small = np.float32(2) if x > 0 else np.float32(3)
    return small * np.ones(2, np.float32), (2 if x > 0 else 3) + True, 1j if x > 0 else 0j


IN_ONE_RUN = [
    (bisection, (np.abs(X) * 30,)),
    (collatz, (INTS,)),
    (newton, (X,)),
    (found_early, (X * 3,)),
    (in_views, (VECTORS,)),
    (short_circuits, (X,)),
    (counted_elsewhere, (X * 9,)),
    (adaptive, (X * 9,)),
    (drawn, (np.arange(12),)),
]


@together("case", IN_ONE_RUN, lambda c: c[0].__name__)
def test_one_run(case):
    fun, args = case
    before = [x.copy() for x in args]
    count, found = runs(fun, *args)
    assert_same(found, looped(fun, *args))
    assert count == 1
    for x, y in zip(args, before, strict=True):
        np.testing.assert_array_equal(x, y)


def test_attributes_of_an_object():
    assert_same(vmap(by_attributes, branches="split")(X * 3), looped(by_attributes, X * 3))


# What cannot go on so, and begins again.


def appended(x):
    taken = [0.0]
    for k in range(4):
        if x > k:
            taken.append(x - k)
    return sum(taken), len(taken)


def of_other_types(x):
    y = None if x > 0 else x
    return 1.0 if y is None else y


def kinds_of_numbers(x):
    n = 1 if x > 0 else 2.5
    return n / 2, n


def divided(x):
    n = 0
    if x > 0:
        n = 2
    try:
        return 1 / n
    except ZeroDivisionError:
        return -1.0


def large(n):
    p = 1
    for i in range(1, 30):
        if i > n:
            break
        p = p * i
    return float(p)


def power(n):
    k = 2 if n > 3 else 3
    return k**-1, (k > 2) + (k > 1)


def bools(x):
    first = True if x > 0 else False  # noqa: SIM210
    second = True if x > 1 else False  # noqa: SIM210
    return first + second, -first


def aliases(x):
    y = np.zeros(3)
    z = x if x[0] > 0 else y
    z[1] = 5.0
    return x, y


def with_float32(x):
    s = 0.5 if x > 0 else 0.25
    return np.ones(2, np.float32) * s


def raises_for_some(x):
    try:
        if x > 1:
            raise KeyError(x)
        return x
    except KeyError:
        return -x


def iterator(x):
    numbers = iter([1.0, 2.0, 3.0])
    if x > 0:
        next(numbers)
    return next(numbers) * x


def unbound(x):
    if x > 0:
        y = x
    try:
        return y
    except UnboundLocalError:
        return -1.0


AGAIN = [
    *[(f, X) for f in (appended, of_other_types, kinds_of_numbers, divided, bools, with_float32)],
    *[(f, X) for f in (raises_for_some, iterator, unbound, dtypes)],
    (large, np.arange(1, 30, 4)),
    (power, INTS),
    (aliases, VECTORS),
]


@together("case", AGAIN, lambda c: c[0].__name__)
def test_what_begins_again(case):
    fun, x = case
    wanted = looped(fun, x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PerformanceWarning)
        for _ in range(2):
            assert_same(vmap(fun, branches="split")(x), wanted)


def test_an_exception_is_that_of_the_loop():
    def fun(x):
        y = 0.0
        while y < x:
            y += 1.0
            if y > 2:
                raise ValueError(f"{x} is too large")
        return y

    with pytest.raises(ValueError, match=r"4\.0 is too large"):
        vmap(fun, branches="split")(np.array([1.0, 4.0, 2.0, 9.0]))


def test_no_arm_runs_for_other_rows():
    """So nothing is divided by zero, and no derivative is one of what was not taken."""

    def fun(x):
        return 1 / x if x != 0 else 0.0

    def log(x):
        return np.log(x) * 2 if x > 0 else 3 * x

    x = np.array([2.0, 0.0, -4.0])
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("error", RuntimeWarning)
        assert_same(vmap(fun, branches="split")(x), np.array([0.5, 0.0, -0.25]))
        slope = grad(lambda x: vmap(log, branches="split")(x).sum())(x)
    assert_same(slope, np.array([1.0, 3.0, 3.0]))


def test_transforms_around_and_within():
    def fun(x):
        total = 0.0
        for v in x:
            if v > 0:
                total += v**2
                continue
            total -= np.exp(v) * x[0]
            if total < -1:
                break
        return total

    wanted = np.stack([grad(fun)(v) for v in VECTORS])
    assert_same(grad(lambda x: vmap(fun, branches="split")(x).sum())(VECTORS), wanted)
    assert_same(vmap(grad(fun), branches="split")(VECTORS), wanted)
    nested = vmap(vmap(fun, branches="split"), branches="split")(VECTORS.reshape(4, 5, 3))
    assert_same(nested.reshape(-1), looped(fun, VECTORS))
    replayed, slopes = jit(vmap(fun, branches="split")), jit(grad(lambda x: vmap(fun, branches="split")(x).sum()))
    for call in range(3):
        assert_same(replayed(VECTORS + call), looped(fun, VECTORS + call))
        assert_same(slopes(VECTORS + call), np.stack([grad(fun)(v) for v in VECTORS + call]))


@together("seed", range(60))
def test_random_programs(seed):
    fun, r = program(seed), rng(seed)
    args = r.normal(size=9).round(2), r.normal(size=9).round(2), r.integers(0, 6, 9), r.normal(size=(9, 3)).round(1)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            wanted = looped(fun, *args)
        except Exception as error:
            with pytest.raises(type(error)):
                vmap(fun, branches="split")(*args)
            return
        assert_same(vmap(fun, branches="split")(*args), wanted)


@together("seed", range(60, 80))
def test_random_programs_under_transforms(seed):
    fun, r = program(seed), rng(seed)
    args = r.normal(size=6).round(2), r.normal(size=6).round(2), r.integers(0, 6, 6), r.normal(size=(6, 3)).round(1)
    total = total_of(fun)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            wanted = looped(fun, *args)
            slopes = np.stack([grad(total, argnums=3)(*row) for row in zip(*args, strict=True)])
        except Exception:  # of the program's own
            return
        twice = vmap(vmap(fun, branches="split"), branches="split")(*[np.stack([x, x]) for x in args])
        assert_same(tree_map(lambda x: x[1], twice), wanted)
        of_all = grad(lambda x: vmap(total, branches="split")(*args[:3], x).sum())
        assert_same(of_all(args[3]), slopes)
        assert_same(jit(of_all)(args[3]), slopes)


# The function stays what it is.


def test_a_function_is_seen_as_it_was_written():
    line = found_early.__code__.co_firstlineno
    assert inspect.signature(vmap(found_early, branches="split")) == inspect.signature(found_early)

    def fun(x):
        if x > 0:
            x = x + 1
        raise KeyError("here")

    with pytest.raises(KeyError) as caught:
        vmap(fun, branches="split")(X)
    last = caught.traceback[-1]
    assert last.name == "fun" and last.lineno == fun.__code__.co_firstlineno + 2
    assert found_early.__code__.co_firstlineno == line


def test_a_function_without_source_is_asked(monkeypatch):
    names = {}
    exec("def fun(x):\n    return x if x > 0 else -2 * x\n", names)
    count, found = runs(names["fun"], X)
    assert_same(found, np.where(X > 0, X, -2 * X))
    assert count == 2


def test_a_tail_that_costs_more_than_a_loop(monkeypatch):
    """One row that goes on long after the others ends the run, and all run one by one."""
    monkeypatch.setattr(rows, "STEP_OF_SCOPE", 9.0)
    monkeypatch.setattr(rows, "LOSS", 500.0)

    def fun(n):
        x = 0.0
        while n > 0:
            x, n = x + 1.0, n - 1
        return x

    n = np.array([400] + 30 * [1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PerformanceWarning)
        assert_same(vmap(fun, branches="split")(np.concatenate([n, n * 0])), np.concatenate([n, n * 0]) * 1.0)


def between(x):
    seen = []

    def noted(v):
        seen.append(v)
        return v

    inside = noted(-1.5) < x[0] + 0 < x[1] * 2 < noted(3.0)
    outside = not x[2] - 1 < x[0] <= abs(x[1])
    count = 0
    for k in range(3):
        if x.min() < x[k] < x.max():
            count += k
            break
        if 0 != x[k] is not None:
            count += 10
    return count, 2.0 if inside else -1.0, outside, len(seen) > 0


def test_operands_of_a_chain_that_are_no_names():
    _, found = runs(between, VECTORS)
    assert_same(found, looped(between, VECTORS))


def test_operands_of_a_chain_are_evaluated_once_and_in_their_order():
    def fun(x):
        order = []

        def at(k, v):
            order.append(k)
            return v

        found = at(0, 1.0) < at(1, 2.0) < at(2, 1.5) < at(3, 9.0)
        return x * 10 if found or order != [0, 1, 2] else x

    assert_same(vmap(fun, branches="split")(X), X)
    assert conversion.converted(fun.__code__) is not None


def test_rows_part_at_a_chain_and_meet_again():
    def fun(x):
        total = 0.0
        for k in range(3):
            if x.min() < x[k] < x.max():
                total += x[k]
            if not 0 < x[k] + 0.5 < 1:
                total -= 1
        return total

    count, found = runs(fun, VECTORS)
    assert_same(found, looped(fun, VECTORS))
    assert count == 1


class Tank:
    def __init__(self, level, room):
        self.level, self.room, self.spilled = level, room, 0.0

    def fill(self, amount):
        self.level = self.level + amount
        over = self.level - self.room
        if over <= 0:
            return over * 0.0
        self.level = self.room
        self.spilled += over
        return over

    def share(self):
        return self.level / self.room

    def take(self, amount):
        self.level -= amount


def filled(level, rain):
    tank, total = Tank(level, 2.0), 0.0
    for _ in range(4):
        total = total + tank.fill(rain)
        if tank.level > 1.0:
            tank.take(0.25 * tank.share())
    return total, tank.level, tank.spilled


def test_methods_that_read_no_names_of_a_module(monkeypatch):
    level, rain = rng(1).uniform(0, 2, 60), rng(2).uniform(-0.5, 1.5, 60)
    count, found = runs(filled, level, rain)
    assert_same(found, looped(filled, level, rain))
    assert count == 1
