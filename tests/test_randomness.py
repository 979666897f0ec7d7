"""Random numbers inside transforms: never silent, and equal to those of a loop where vmap is told what is meant."""

import copy
import dataclasses
import functools
import pickle
import random
import threading
import warnings
from collections import namedtuple

import numpy as np
import pytest
from numpy.random import default_rng, normal
from scipy import stats
from scipy._lib._util import check_random_state

import vmapcore.numpy as vnp
from vmapcore import PerformanceWarning, grad, hessian, jacfwd, jacrev, jit, jvp, nn, plain, value_and_grad, vjp, vmap
from vmapcore.errors import ConcretizationError, MissingRuleError, OptionError, RandomnessError
from vmapcore.pytree import flatten, unflatten
from vmapcore.testing import assert_same

from .together import together

X = np.array([0.5, 1.5, 2.5, 1.25, 3.0])
SEEDS = np.array([3, 1, 4, 1, 5])

G = np.random.default_rng(1)
STATE = np.random.RandomState(2)
PYTHON = random.Random(3)


def states():
    return [G.bit_generator.state, STATE.get_state(), PYTHON.getstate(), np.random.get_state(), random.getstate()]


def set_states(saved):
    G.bit_generator.state = saved[0]
    STATE.set_state(saved[1])
    PYTHON.setstate(saved[2])
    np.random.set_state(saved[3])
    random.setstate(saved[4])


def follow():
    """Numbers that the generators draw next."""
    return [G.random(), STATE.normal(), PYTHON.gauss(0, 1), np.random.normal(), random.random()]


@pytest.fixture(autouse=True)
def seeded():
    """The generators that all programs share start every test alike."""
    saved = states()
    np.random.seed(11)
    random.seed(12)
    yield
    set_states(saved)


def stacked(results):
    leaves, trees = zip(*map(flatten, results), strict=True)
    return unflatten(trees[0], [np.array(column) for column in zip(*leaves, strict=True)])


def loop(f, *args, same=False):
    before, results = states(), []
    for row in zip(*args, strict=True):
        if same:
            set_states(before)
        results.append(f(*row))
    return stacked(results)


def follows_law(f, *args, randomness="different", transform=None):
    """Whether rows draw what they draw in a loop, and leave the generators as that does."""
    before = states()
    expected, then = loop(f, *args, same=randomness == "same"), follow()
    set_states(before)
    assert_same((transform or vmap(f, randomness=randomness))(*args), expected, tol=1e-4)
    assert follow() == then


# Ways to a generator.

draw, gauss, first = G.normal, PYTHON.gauss, random.random


class Model:
    shared = np.random.default_rng(5)

    def __init__(self):
        self.rng = np.random.default_rng(4)
        self.name = "model"

    def noisy(self, x):
        return x + self.rng.normal()

    @property
    def noise(self):
        return self.rng.normal()

    def of_class(self, x):
        return x + Model.shared.normal() + self.shared.normal()


class Slots:
    __slots__ = ("rng", "scale")

    def __init__(self):
        self.rng = np.random.default_rng(4)

    def noisy(self, x):
        return x + self.rng.normal()


@dataclasses.dataclass(frozen=True)
class Settings:
    rng: np.random.Generator
    scale: float = 1.0


class Dice(random.Random):
    def roll(self):
        return self.randint(1, 6)


class Lab(np.random.RandomState):
    pass


DICE, LAB, SYSTEM = Dice(4), Lab(5), random.SystemRandom()

Named = namedtuple("Named", "scale rng")
MODEL, SLOTS, SETTINGS, NAMED = Model(), Slots(), Settings(G), Named(1.0, G)
OUTER = Named(1.0, MODEL)
TABLE, LIST = {"rng": G}, [1.0, G]


def by_default(x, rng=G):
    return x + rng.normal()


def by_keyword(x, *, rng=G):
    return x + rng.normal()


def closing_over(rng):
    return lambda x: x + rng.normal()


def imports(x):
    from numpy.random import normal as noise  # noqa: PLC0415

    return x + noise()


def helper():
    return G.normal()


def shuffles(x):
    cards = [1, 2, 3]
    random.shuffle(cards)
    return x * cards[0]


OUTSIDE = {
    "Generator": lambda x: x + G.normal(),
    "RandomState": lambda x: x + STATE.normal(),
    "random.Random": lambda x: x + PYTHON.gauss(0, 1),
    "np.random": lambda x: x + np.random.normal(),
    "np.random.rand": lambda x: x + np.random.rand(2),
    "np.random.ranf": lambda x: x + np.random.ranf(),
    "from numpy.random": lambda x: x + normal(),
    "random": lambda x: x + random.random(),
    "random.choice": lambda x: x + random.choice([1, 2]),
    "random.shuffle": shuffles,
    "vmapcore.numpy": lambda x: x + vnp.random.normal(),
    "bound": lambda x: x + draw(),
    "bound, Python's": lambda x: x + gauss(0, 1),
    "bound, in C": lambda x: x + first(),
    "global of a method": MODEL.noisy,
    "method": lambda x: MODEL.noisy(x),
    "attribute": lambda x: x + MODEL.rng.normal(),
    "attribute of an element": lambda x: x + OUTER[1].rng.normal(),
    "property": lambda x: x + MODEL.noise,
    "attribute of a class": lambda x: x + Model.shared.normal(),
    "of an instance's class": MODEL.of_class,
    "slot": SLOTS.noisy,
    "dataclass": lambda x: x + SETTINGS.rng.normal(),
    "named tuple": lambda x: x + NAMED.rng.normal(),
    "dict": lambda x: x + TABLE["rng"].normal(),
    "list": lambda x: x + LIST[1].normal(),
    "default": by_default,
    "keyword": by_keyword,
    "closure": closing_over(np.random.default_rng(6)),
    "partial": functools.partial(lambda rng, x: x + rng.normal(), G),
    "import": imports,
    "helper": lambda x: x + helper(),
    "bit generator": lambda x: x + np.random.Generator(G.bit_generator).normal(),
    "raw": lambda x: x + (G.bit_generator.random_raw() >> 12),
    "default_rng": lambda x: x + default_rng(G).normal(),
    "spawn": lambda x: x + G.spawn(1)[0].normal(),
    "copy": lambda x: x + copy.deepcopy(G).normal(),
    "no seed": lambda x: x + default_rng().normal(),
    "no seed, RandomState": lambda x: x + np.random.RandomState().normal(),
    "no seed, Random": lambda x: x + random.Random().random(),
    "derived from Random": lambda x: x + DICE.random(),
    "derived from RandomState": lambda x: x + LAB.normal(),
    "the system's": lambda x: x + random.SystemRandom().random(),
    "the system's, made before": lambda x: x + SYSTEM.random(),
    "seed": lambda x: np.random.seed() or x,
    "seed, Python's": lambda x: random.seed() or x,
    "seed of a RandomState": lambda x: STATE.seed(0) or x,
}


@together("way", OUTSIDE)
def test_what_is_drawn_from_outside_is_an_error(way):
    f, before = OUTSIDE[way], follow()
    for transform in (vmap, jit, lambda f: jit(vmap(f)), lambda f: vmap(grad(lambda x: np.sum(f(x))))):
        with pytest.raises(RandomnessError, match=r"test_randomness.py:[0-9]+ in "):
            transform(f)(X)
    assert follow() != before  # they draw for us as ever
    assert type(MODEL.rng) is type(Model.shared) is type(SLOTS.rng) is np.random.Generator
    assert not {"rng", "name"} & vars(Model).keys()


@pytest.mark.parametrize("pack", [lambda g: g, lambda g: [g], lambda g: {"rng": g}, Settings, lambda g: Named(1.0, g)])
def test_an_argument_that_is_a_generator(pack):
    def f(x, given):
        leaves = given if isinstance(given, list) else [given]
        rng = leaves[0]
        rng = rng["rng"] if isinstance(rng, dict) else getattr(rng, "rng", rng)
        assert isinstance(rng, np.random.Generator)
        return x + rng.normal()

    with pytest.raises(RandomnessError):
        vmap(f, in_axes=(0, None))(X, pack(G))
    with pytest.raises(RandomnessError):
        jit(lambda x: f(x, pack(G)))(X)
    given = pack(G)
    follows_law(lambda x: f(x, given), X)


def test_errors_name_the_line_and_the_remedies():
    def noisy(x):
        return x + G.normal()

    line = noisy.__code__.co_firstlineno + 1
    with pytest.raises(RandomnessError) as error:
        vmap(noisy)(X)
    text = str(error.value)
    assert "vmap(noisy): the function draws from a generator that was made outside, by rng.normal at " in text
    assert f"test_randomness.py:{line} in noisy" in text
    assert "randomness='different'" in text and "'same'" in text and "np.random.default_rng(seed)" in text
    with pytest.raises(RandomnessError, match="pass the numbers as an argument"):
        jit(noisy)(X)
    with pytest.raises(RandomnessError, match="seeds a generator"):
        vmap(lambda x: np.random.seed(None) or x, randomness="different")(X)
    with pytest.raises(OptionError, match="'diferent'"):
        vmap(noisy, randomness="diferent")
    with pytest.raises(RandomnessError, match=r"at test_randomness.py.* in recorded"):

        @jit
        def recorded(x):
            return x + np.random.default_rng().normal()

        recorded(X)


def test_an_error_that_is_caught_is_one():
    def careless(x):
        try:
            return x + G.normal()
        except Exception:
            return x

    with pytest.raises(ConcretizationError, match="caught"):
        vmap(careless)(X)


# The law, with randomness="different".

DRAWS = {
    "once": lambda x: x + G.normal(),
    "an array": lambda x: x + G.normal(size=(2, 3)),
    "twice": lambda x: x * G.normal() + G.normal(),
    "two kinds": lambda x: x * G.normal() + G.random() * G.standard_exponential(),
    "parameters": lambda x: G.normal(x, 2.0) + G.normal(size=3) * G.uniform(0, x),
    "in a loop": lambda x: sum(G.standard_normal() * x for _ in range(6)),
    "sizes": lambda x: x + np.sum(G.normal(size=4)) + G.normal(size=(2, 2)) + G.normal(size=()),
    "per row": lambda x: G.poisson(x) + G.gamma(x, 2.0) + G.random(),
    "float32, alone": lambda x: (G.random(dtype=np.float32), G.random(2, dtype=np.float32), x),
    "float32, twice": lambda x: (G.random(dtype=np.float32), G.random((), dtype=np.float32), x),
    "float32": lambda x: x + G.random(dtype=np.float32) + G.standard_normal(3, dtype=np.float32),
    "integers": lambda x: x + G.integers(10) + G.integers(3, 7, size=2) + G.integers(0, 2**40),
    "mixed": lambda x: x + G.integers(10) + G.normal() + G.choice(5, 3, replace=False) + G.permutation(3),
    "choice": lambda x: x * G.choice([1.0, 2.0, 4.0], p=[0.2, 0.3, 0.5]) + G.choice(np.arange(8.0), (2,)),
    "state": lambda x: x + STATE.normal() + STATE.rand(2) * STATE.randn() + STATE.randint(5) + STATE.exponential(x),
    "global": lambda x: x + np.random.normal() + np.random.rand() + np.random.choice(3) + np.random.randint(0, 9),
    "python": lambda x: x + PYTHON.random() + PYTHON.gauss(x, 2.0) + PYTHON.uniform(0, x) + PYTHON.randint(0, 9),
    "python, global": lambda x: x + random.random() + random.choice([1.0, 2.0, 5.0]) + random.expovariate(x),
    "python, others": lambda x: [
        random.normalvariate(x, 1.0) + random.betavariate(x, 2.0) + random.triangular() + random.gammavariate(x, x),
        random.randrange(10) + random.getrandbits(7) + random.lognormvariate(x, 0.5) + random.paretovariate(3.0),
        *random.sample([1.0, 2.0, 3.0, 4.0], 2),
        *random.choices([1.0, 2.0, 3.0], [x, 1.0, 2.0], k=2),
    ],
    "two generators": lambda x: x * G.normal() + STATE.normal() + G.normal() * random.random(),
    "written": lambda x: _written(x),
    "dropout": lambda x: np.where(G.random(4) < 0.5, x, 0.0),
    "not used": lambda x: (G.normal(), x)[1],
    "shuffle": lambda x: _shuffled(x),
    "gradient": lambda x: grad(lambda y: y * G.normal() + G.normal(y))(x),
    "vmap inside": lambda x: vmap(lambda y: y * G.normal() + x, randomness="different")(np.arange(3.0)),
    "vmaps inside": lambda x: (
        G.normal()
        + vmap(lambda y: y * G.normal() + G.random() * x, randomness="different")(np.arange(3.0))
        + vmap(lambda y: G.normal(y), randomness="different")(np.arange(3.0))
    ),
    "three levels": lambda x: vmap(
        lambda y: vmap(lambda z: x + y * G.normal() + G.normal(), randomness="different")(np.arange(2.0)) + G.normal(),
        randomness="different",
    )(np.arange(3.0)),
}


def _written(x):
    a = G.normal(size=3)
    a[1] = x
    a += G.normal(size=3)
    b = np.zeros(4)
    b[1:] = a
    return b


def _shuffled(x):
    a = np.array([x, 1.0, 2.0, 3.0])
    G.shuffle(a)
    b = np.arange(4.0)
    G.shuffle(b)
    cards = [1.0, 2.0, 3.0]
    random.shuffle(cards)
    c = np.arange(6.0).reshape(3, 2) * x
    np.random.shuffle(c)
    return a, b, cards[0], c, G.permutation(c), G.permutation(4), G.permuted(c, axis=1), G.permuted(c)


@together("program", DRAWS)
def test_rows_draw_what_they_draw_in_a_loop(program):
    follows_law(DRAWS[program], X)
    follows_law(DRAWS[program], X[:1])


@together("program", DRAWS)
def test_rows_draw_the_same(program):
    if "inside" not in program and "levels" not in program:
        follows_law(DRAWS[program], X, randomness="same")


@together("program", DRAWS)
def test_what_differentiates_draws_as_a_plain_call(program):
    f = DRAWS[program]

    def total(x):
        return sum(np.sum(leaf) for leaf in flatten(f(x))[0])

    before = states()
    expected, then = total(np.float64(1.5)), follow()
    for value in (
        lambda: value_and_grad(total)(1.5)[0],
        lambda: jvp(total, (1.5,), (1.0,))[0],
        lambda: vjp(total, 1.5)[0],
    ):
        set_states(before)
        if program in ("per row", "python, others"):
            with pytest.raises(MissingRuleError, match="no derivative by its arguments"):
                value()
            continue
        assert_same(value(), expected, tol=1e-4)
        assert follow() == then


def test_derivatives_are_along_one_draw():
    def f(p):
        rng = np.random.default_rng(0)
        z = rng.normal(p[0], p[1], 3) * rng.uniform(p[0], p[1]) + rng.exponential(p[1]) + rng.gamma(2.0, p[0])
        return np.sum(z * rng.lognormal(p[0], 0.1) + rng.weibull(p[1]) + rng.triangular(0.0, p[0], 5.0))

    p, step = np.array([0.7, 1.3]), 1e-6
    by_differences = [(f(p + e) - f(p - e)) / (2 * step) for e in step * np.eye(2)]
    for derivative in (grad, jacfwd, jacrev, lambda f: jit(grad(f))):
        np.testing.assert_allclose(derivative(f)(p), by_differences, rtol=1e-6)
    np.testing.assert_allclose(hessian(f)(p), hessian(f)(p).T, rtol=1e-12)
    ps = np.array([p, p + 0.1])
    assert_same(vmap(grad(f))(ps), np.stack([grad(f)(q) for q in ps]), tol=1e-2)


def walks(x):
    """Draws with what was drawn before."""
    for _ in range(3):
        x = G.poisson(x + 1.0) + 0.5
    return x


def test_draws_that_hang_on_draws_run_row_by_row():
    with pytest.warns(PerformanceWarning, match=r"test_randomness.py:[0-9]+ in walks hangs on what was drawn before"):
        follows_law(walks, X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        follows_law(walks, X, randomness="same")
        follows_law(lambda x: sum(G.normal(x, 1.0) for x in [x, 2 * x]), X)


def test_results_of_rows_that_run_one_by_one():
    def f(x, y):
        a = G.poisson(x)
        return {"a": np.arange(3.0) * G.poisson(a + 1.0) + y, "b": (a, 1.0)}

    before = states()
    expected = stacked([f(x, 2.0) for x in X])
    set_states(before)
    with pytest.warns(PerformanceWarning):
        out = vmap(f, in_axes=(0, None), out_axes={"a": -1, "b": ("sum", 0)}, randomness="different")(X, 2.0)
    assert_same(out["a"], expected["a"].T)
    assert out["b"][0] == expected["b"][0].sum() and np.all(out["b"][1] == 1.0)


def test_a_function_that_draws_more_than_once_runs_twice():
    runs = []

    def f(x, count):
        runs.append(count)
        return sum(G.normal() for _ in range(count)) + x

    for count, expected in ((0, 1), (1, 1), (2, 2), (5, 2)):
        runs.clear()
        vmap(f, in_axes=(0, None), randomness="different")(X, count)
        assert len(runs) == expected
    runs.clear()
    vmap(f, in_axes=(0, None), randomness="same")(X, 5)
    assert len(runs) == 1


def test_later_calls_begin_with_what_was_drawn_before():
    runs = []

    def f(x):
        runs.append(1)
        return x * G.normal(size=2) + G.normal() + G.random()

    noisy = vmap(f, randomness="different")
    for i in range(4):
        runs.clear()
        before = states()
        expected, then = loop(f, X), follow()
        set_states(before)
        runs.clear()
        assert_same(noisy(X), expected, tol=1e-4)
        assert follow() == then
        assert len(runs) == (1 if i else 2)
    follows_law(f, X[:3], transform=noisy)
    follows_law(f, X, transform=noisy)

    def depends(x, count):
        return sum(G.normal() * x for _ in range(count)) + G.random()

    changing = vmap(depends, (0, None), randomness="different")
    for count in (2, 2, 3, 1, 0, 2):
        follows_law(lambda x: depends(x, count), X, transform=lambda x: changing(x, count))


# Generators that a function makes.


def own(kind):
    """A program that makes a generator of a seed, and draws from it in many ways."""

    def numpys(x, seed):
        rng = kind(seed)
        out = [rng.normal(x, 2.0), rng.poisson(x), rng.uniform(0, x, 3), rng.binomial(10, 0.3), rng.random()]
        out += [rng.gamma(x, x), rng.choice([1.0, x, 2.0]), rng.permutation(3), rng.normal(size=(2, 2)), rng.beta(x, 1)]
        return out, rng.multinomial(5, [0.2, 0.3, 0.5]), rng.exponential(out[0] ** 2)

    return numpys


SEEDED = {
    "default_rng": np.random.default_rng,
    "default_rng, called by name": lambda s: default_rng(seed=s),
    "Generator": lambda s: np.random.Generator(np.random.PCG64(s)),
    "Philox": lambda s: np.random.Generator(np.random.Philox(s)),
    "SeedSequence": lambda s: np.random.default_rng(np.random.SeedSequence(s)),
    "RandomState": np.random.RandomState,
    "RandomState of MT19937": lambda s: np.random.RandomState(np.random.MT19937(s)),
    "several": lambda s: np.random.default_rng([s, 7]),
}


@together("kind", SEEDED)
@pytest.mark.parametrize("randomness", ["error", "different", "same"])
def test_a_generator_made_inside_is_each_row_s_own(kind, randomness):
    f = own(SEEDED[kind])
    for g, args in [(f, (X, SEEDS)), (lambda x: f(x, 3), (X,)), (lambda s: f(1.5, s), (SEEDS,))]:
        follows_law(g, *args, transform=vmap(g, randomness=randomness))


def test_python_s_generators_made_inside():
    def f(x, seed):
        rng = random.Random(int(seed))
        return [rng.random() * x, rng.gauss(x, 1.0), rng.randint(0, 5), rng.choice([1.0, 2.0, 3.0]), rng.uniform(0, x)]

    follows_law(f, X, SEEDS, transform=vmap(f))
    follows_law(lambda x: f(x, 3), X, transform=vmap(lambda x: f(x, 3)))


def test_unmapped_draws_from_a_constant_seed_are_known():
    def f(x):
        rng = np.random.default_rng(0)
        n = rng.integers(2, 5)
        total = x
        for _ in range(n):
            if rng.random() < 0.5:
                total = total + rng.normal()
        noise = rng.normal(size=3)
        noise[0] = x
        return total, noise, float(rng.random())

    follows_law(f, X, transform=vmap(f))


def test_jit_records_draws_of_a_constant_seed():
    def f(x):
        rng = np.random.default_rng(0)
        return x * rng.normal(size=x.shape) + rng.normal(x[0], 2.0) + rng.integers(5)

    compiled = jit(f)
    for x in (X, X + 1.0):
        assert_same(compiled(x), f(x), tol=1e-4)
    g = vmap(lambda x: x * np.random.default_rng(0).poisson(3.0, 4))
    for x in (X, X + 1.0):
        assert_same(jit(g)(x), g(x))
    with pytest.raises(RandomnessError, match="argument that differs between calls"):
        jit(lambda x: np.random.default_rng(0).poisson(x[0]))(X)
    seeded = lambda s: np.random.default_rng(s).normal()  # noqa: E731
    for f in (seeded, vmap(seeded)):
        with pytest.raises(RandomnessError, match="argument that differs between calls"):
            jit(f)(SEEDS)


def test_jit_of_rows_that_run_apart_draws_in_every_call():
    f = own(np.random.default_rng)
    compiled = jit(vmap(f, branches="split"))
    for seeds in (SEEDS, SEEDS + 1, SEEDS):
        assert_same(compiled(X, seeds), loop(f, X, seeds), tol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PerformanceWarning)
        g = jit(vmap(lambda x: x + G.normal(), branches="split", randomness="different"))
        before = states()
        first, second = g(X), g(X)
        set_states(before)
        assert_same((first, second), tuple(np.stack([x + G.normal() for x in X]) for _ in range(2)))


def test_generators_without_a_seed():
    chance = vmap(lambda x: np.random.default_rng().normal(size=2) + x, randomness="different")(X)
    assert len(np.unique(chance - X[:, None])) == 2 * len(X)
    same = vmap(lambda x: np.random.default_rng().normal() + 0 * x, randomness="same")(X)
    assert np.all(same == same[0])


def test_one_made_in_an_outer_vmap():
    def f(x, seed):
        rng = np.random.default_rng(seed)
        inner = vmap(lambda y: y * rng.normal() + rng.uniform(0, x), randomness="different")
        return inner(np.arange(3.0)) + rng.normal(), inner(np.arange(2.0))

    def by_loop(x, seed):
        rng = np.random.default_rng(seed)

        def inner(ys):
            return np.array([y * rng.normal() + rng.uniform(0, x) for y in ys])

        return inner(np.arange(3.0)) + rng.normal(), inner(np.arange(2.0))

    assert_same(vmap(f)(X, SEEDS), loop(by_loop, X, SEEDS), tol=1e-4)
    assert_same(vmap(lambda x: f(x, 3))(X), loop(lambda x: by_loop(x, 3), X), tol=1e-4)
    with pytest.raises(RandomnessError, match=r"by rng\.normal"):
        vmap(lambda seed: vmap(closing_over(np.random.default_rng(seed)))(X))(SEEDS)


def test_an_inner_vmap_has_its_own_rule():
    f = lambda x: vmap(lambda y: y * G.normal() + x)(np.arange(3.0))  # noqa: E731
    with pytest.raises(RandomnessError):
        vmap(f, randomness="different")(X)
    before = states()
    for outer, inner, count in (("same", "same", 1), ("same", "different", 3), ("different", "same", 5)):
        set_states(before)
        g = vmap(lambda y: G.normal() + 0 * y, randomness=inner)
        out = vmap(lambda x: g(np.arange(3.0)) + 0 * x, randomness=outer)(X)
        assert len(np.unique(out)) == count
        set_states(before)
        assert_same(np.unique(out), np.sort(G.normal(size=count)))


# Rows that answer differently.


def metropolis(x, seed):
    rng = np.random.default_rng(seed)
    at, accepted, chain = 0.0, 0, np.zeros(20)
    for i in range(20):
        new = at + x * rng.normal()
        gain = 0.5 * (at**2 - new**2)
        if gain >= 0 or rng.random() < np.exp(gain):
            at = new
            accepted += 1
        chain[i] = at
    return chain, accepted, rng.poisson(abs(at))


def either(x):
    return x + G.normal() if x > 1.0 else x - G.random(2).sum()


def before_it_branches(x):
    y = x + G.normal()
    return y if y > 1.0 else x - G.random(2).sum()


def test_generators_of_rows_that_run_apart():
    rng = np.random.default_rng(0)
    xs, seeds = rng.uniform(0.5, 2.0, 40), rng.integers(0, 99, 40)
    for branches in ("split", "loop"):
        follows_law(metropolis, xs, seeds, transform=vmap(metropolis, branches=branches))
        follows_law(lambda x: metropolis(x, 3), xs, transform=vmap(lambda x: metropolis(x, 3), branches=branches))
    outer = vmap(lambda s: vmap(lambda x: metropolis(x, s), branches="split")(xs[:6]), branches="split")
    assert_same(outer(seeds[:3]), loop(lambda s: loop(lambda x: metropolis(x, s), xs[:6]), seeds[:3]), tol=1e-4)


def test_rows_that_run_apart_take_turns_at_a_generator():
    xs, f = np.linspace(0.0, 3.0, 100), before_it_branches
    for few_or_many in (X, xs):
        with pytest.raises(RandomnessError):
            vmap(either, branches="split")(few_or_many)
    with pytest.warns(PerformanceWarning, match=r"share, by rng.normal at test_randomness.py:[0-9]+ in before"):
        follows_law(f, xs, transform=vmap(f, branches="split", randomness="different"))
    follows_law(either, X, transform=vmap(either, branches="split", randomness="different"))
    follows_law(either, X, transform=vmap(either, branches="loop", randomness="different"))
    before = states()
    expected = loop(lambda x: loop(lambda y: x + y + G.normal() * x, X), X)
    set_states(before)
    outer = vmap(
        lambda x: vmap(lambda y: x + y + G.normal() * x, branches="loop", randomness="different")(X),
        randomness="different",
    )
    assert_same(outer(X), expected, tol=1e-4)


@pytest.mark.filterwarnings("ignore:.*draw from a generator that they share")
def test_rows_that_run_apart_draw_the_same():
    """What a loop draws that sets the generators back before each row, and leaves them as the last row does."""
    for f in (either, before_it_branches, lambda x: either(x) + grad(lambda y: y * G.normal())(x)):
        for xs in (X, np.linspace(0.0, 3.0, 60), np.array([2.0]), np.array([])):
            before, expected = states(), []
            for x in xs:
                set_states(before)
                expected.append(f(x))
            after = states()
            for branches in ("split", "loop"):
                drawn = vmap(f, branches=branches, randomness="same")
                for transform in (drawn, jit(drawn)) if len(xs) else ():
                    set_states(before)
                    assert_same(transform(xs), np.array(expected))
                    assert str(states()) == str(after)
    outer = vmap(lambda x: vmap(lambda y: y + G.normal(), branches="loop", randomness="same")(X) + x, randomness="same")
    out = outer(X)
    assert_same(out - X - X[:, None], np.full((len(X), len(X)), (out - X - X[:, None])[0, 0]))


# Methods and arguments.

METHODS = {
    "beta": (X, 2.0),
    "binomial": (10, X / 4),
    "chisquare": (X,),
    "dirichlet": (X[:, None] * [1.0, 2.0],),
    "exponential": (X,),
    "f": (X, 3.0),
    "gamma": (X, 2.0),
    "geometric": (X / 4,),
    "gumbel": (X, 2.0),
    "hypergeometric": (SEEDS, 6, 3),
    "laplace": (X, X),
    "logistic": (1.0, X),
    "lognormal": (X, 0.5),
    "logseries": (X / 4,),
    "multinomial": (SEEDS, [0.25, 0.75]),
    "multivariate_normal": (X[:, None] * [1.0, 2.0], np.eye(2)),
    "negative_binomial": (SEEDS, 0.5),
    "noncentral_chisquare": (3.0, X),
    "noncentral_f": (3.0, 4.0, X),
    "normal": (X, X),
    "pareto": (X,),
    "poisson": (X,),
    "power": (X,),
    "rayleigh": (X,),
    "standard_gamma": (X,),
    "standard_t": (X,),
    "triangular": (-1.0, X, 4.0),
    "uniform": (-X, X),
    "vonmises": (0.5, X),
    "wald": (X, 1.0),
    "weibull": (X,),
    "zipf": (X + 1.0,),
}
ONE_OF_NONE = {"random", "standard_normal", "standard_exponential", "standard_cauchy"}
APART = {
    *("bit_generator", "spawn", "bytes", "choice", "integers", "permutation", "permuted", "shuffle"),
    *("multivariate_hypergeometric", "get_state", "set_state", "seed", "rand", "randint", "randn", "random_integers"),
    *("random_sample", "tomaxint"),
}


def test_every_method_is_tested():
    for kind in (np.random.Generator, np.random.RandomState):
        assert {n for n in dir(kind) if not n.startswith("_")} <= METHODS.keys() | ONE_OF_NONE | APART


@together("name", METHODS)
@pytest.mark.parametrize("rng", [G, STATE], ids=["Generator", "RandomState"])
def test_methods_of_traced_arguments(name, rng):
    args = METHODS[name]
    rows = [a for a in args if isinstance(a, np.ndarray) and len(a) == len(X)]

    def of(mapped, size):
        mapped = iter(mapped)
        given = [next(mapped) if isinstance(a, np.ndarray) and len(a) == len(X) else a for a in args]
        return getattr(rng, name)(*given, **({} if size == 0 else {"size": size}))

    for size in (0, None, 3, (2, 2), ()):
        follows_law(lambda *mapped: of(mapped, size), *rows)
        follows_law(lambda *mapped: of(mapped, size), *rows, randomness="same")


@together("name", sorted(ONE_OF_NONE))
def test_methods_without_arguments(name):
    for rng in (G, STATE):
        for size in (None, 3, (2, 2), np.int64(2), [2, 1]):
            follows_law(lambda x: x * getattr(rng, name)(size=size) + getattr(rng, name)(size), X)


def test_arrays_of_parameters_broadcast():
    follows_law(lambda x: G.normal([x, 1.0, 2.0], np.array([[1.0], [2.0]])), X)
    follows_law(lambda x: G.normal(np.array([x, 1.0]), 1.0, size=(3, 2)), X)
    follows_law(lambda x: G.uniform([x, 1.0], 5.0) + G.poisson([x, 1.0]), X)
    with pytest.raises(ValueError):
        vmap(lambda x: G.normal(np.array([x, 1.0]), 1.0, size=3), randomness="different")(X)
    with pytest.raises(ValueError, match="scale < 0"):
        vmap(lambda x: np.random.default_rng(0).normal(0.0, -x))(X)
    with pytest.raises(ConcretizationError):
        vmap(lambda n: np.sum(np.random.default_rng(0).normal(size=n)))(SEEDS)


def test_results_in_out():
    def f(x):
        a = np.zeros(3)
        G.random(out=a)
        b = np.zeros(3)
        G.standard_normal(out=b)
        return a * x + b

    follows_law(f, X)


def test_sizes_of_tracers_that_are_known():
    follows_law(lambda x: G.normal(size=np.arange(3)[2]) * x, X)


def test_what_is_no_array_is_an_error():
    with pytest.raises(RandomnessError, match="bytes"):
        vmap(lambda x: x + len(G.bytes(3)), randomness="different")(X)
    assert vmap(lambda x: x + len(G.bytes(3)), randomness="same")(X)[0] == X[0] + 3


def test_no_rows():
    out = vmap(lambda x: x + G.normal(size=2) + G.integers(3), randomness="different")(X[:0])
    assert out.shape == (0, 2)


# Libraries, which are given a generator.


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_libraries_take_a_generator():
    def f(x):
        rng = np.random.default_rng(0)
        again = plain(np.random.default_rng)(rng)
        net = nn.Linear(2, 3, rng=rng)
        drawn = stats.norm.rvs(size=3, random_state=rng), stats.expon.rvs(random_state=rng) * x
        return drawn, again.normal() * x, net(np.array([x, 1.0])), check_random_state(rng).normal() * x

    follows_law(f, X, transform=vmap(f))
    g = lambda x: x + stats.norm.rvs(size=3, random_state=G)  # noqa: E731
    follows_law(g, X)
    with pytest.raises(RandomnessError):
        vmap(g)(X)
    for h in (lambda x: x + stats.qmc.Sobol(1, rng=G).random(1), lambda x: nn.Linear(1, 1, rng=G)(x[None])):
        with pytest.raises(RandomnessError):
            vmap(h)(X)


def test_seed_sequences_are_no_generators():
    seeds = np.random.SeedSequence(5)

    def f(x):
        return x + np.random.default_rng(seeds).normal() + seeds.generate_state(2)[0] % 7

    follows_law(f, X, transform=vmap(f))
    assert_same(jit(f)(X), f(X))
    with pytest.raises(RandomnessError):
        vmap(lambda x: x + np.random.default_rng(seeds.spawn(1)[0]).normal())(X)


# What stays as it was.


def test_other_threads_and_plain_calls_notice_nothing():
    seen, inside, done = [], threading.Event(), threading.Event()

    def elsewhere():
        inside.wait(5)
        seen.append((type(MODEL.rng), type(Model.shared), MODEL.noise, random.random(), np.random.normal(), G.random()))
        done.set()

    def f(x):
        y = MODEL.noisy(x)
        if not inside.is_set():
            inside.set()
            done.wait(5)
        return y

    thread = threading.Thread(target=elsewhere)
    thread.start()
    vmap(f, randomness="different")(X)
    thread.join()
    assert seen[0][0] is seen[0][1] is np.random.Generator
    assert all(isinstance(v, float) for v in seen[0][2:])
    assert isinstance(MODEL.noisy(1.0), float)
    assert vnp.random.default_rng(3).random() == np.random.default_rng(3).random()
    assert type(vnp.random.default_rng(3)) is np.random.Generator


def test_a_generator_is_one_inside():
    def f(x):
        rng = np.random.default_rng(0)
        assert isinstance(rng, np.random.Generator) and isinstance(G, np.random.Generator)
        assert type(rng) is type(G) is np.random.Generator and type(PYTHON) is random.Random
        assert isinstance(STATE, np.random.RandomState) and isinstance(PYTHON, random.Random)
        assert isinstance(rng.bit_generator, np.random.PCG64) and "PCG64" in repr(rng)
        assert G.normal.__name__ == "normal" and G.normal.__doc__ and "normal" in dir(rng)
        copied = pickle.loads(pickle.dumps(rng))
        return x + copied.normal() + rng.normal()

    def law(x):
        return x + np.random.default_rng(0).normal() + np.random.default_rng(0).normal()

    assert_same(vmap(f)(X), loop(law, X))
    assert pickle.loads(pickle.dumps(vnp.random.normal))() is not None


def test_generators_that_leave_a_transform():
    kept = []

    def f(x):
        kept.append(np.random.default_rng(0))
        return x + kept[-1].normal()

    vmap(f)(X)
    rng = np.random.default_rng(0)
    rng.normal()
    assert kept[0].normal() == rng.normal()
    with pytest.raises(RandomnessError):
        vmap(lambda x: x + kept[0].normal())(X)


def test_plain_leaves_names_as_they_are():
    assert np.all(vmap(plain(lambda x: x + 0 * G.normal()))(X) == X)


def test_generators_spawn_inside():
    def f(x):
        a, b = np.random.default_rng(0).spawn(2)
        return a.normal(x) + b.normal()

    follows_law(f, X, transform=vmap(f))


# Modules whose generators the function seeds.


def seeds_numpys(x, s):
    np.random.seed(s)
    found = np.random.normal(size=3)
    np.random.shuffle(found)
    return x + found.sum() + np.random.rand() * x + np.random.normal(x, 1.0) + np.random.sample()


def seeds_both(x, s):
    np.random.seed(42)
    random.seed(7)
    total = 0.0
    for _ in range(3):
        total += np.random.randn() * x + random.random() + random.gauss(0, x)
    return total


def seeds_and_asks(x, s):
    np.random.seed(3)
    while x < 10:
        x = x + abs(np.random.normal())
    return x


@pytest.mark.parametrize(
    "options", [{}, {"randomness": "different"}, {"branches": "split"}, {"branches": "loop"}], ids=str
)
@pytest.mark.parametrize("fun", [seeds_numpys, seeds_both, seeds_and_asks])
def test_a_module_that_is_seeded_inside(fun, options):
    x, seeds = np.array([1.0, 2.0, 3.0]), np.array([3, 4, 3])
    if fun is seeds_and_asks and "branches" not in options:
        return
    expected = [fun(*row) for row in zip(x, seeds, strict=True)]
    state, python = np.random.get_state(), random.getstate()
    np.random.seed(99)
    mapped = vmap(fun, **options)
    assert_same(mapped(x, seeds), np.stack(expected))
    if fun is seeds_numpys and options != {"branches": "split"}:
        assert np.array_equal(np.random.get_state()[1], state[1]) and np.random.get_state()[2:] == state[2:]
    assert fun is not seeds_both or random.getstate() == python
    if fun is not seeds_numpys:
        planned = jit(mapped)
        for _ in range(3):
            assert_same(planned(x, seeds), np.stack(expected))


def test_what_is_seeded_is_of_the_transforms_around_it():
    def own(x):
        np.random.seed(5)
        return vmap(lambda y: y + x * np.random.rand(), randomness="different")(np.ones(2))

    np.random.seed(5)
    drawn = np.random.rand(2)
    assert_same(vmap(own)(X), 1 + X[:, None] * drawn)

    def shared(x):
        np.random.seed(5)
        return vmap(lambda y: y + np.random.rand())(np.ones(2))

    with pytest.raises(RandomnessError, match="draws"):
        vmap(shared)(X)
    assert_same(vmap(grad(lambda x: seeds_both(x, 0)))(X) > 1, np.ones(len(X), bool))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "drawn",
    [
        lambda rng, x: rng.normal(),
        lambda rng, x: rng.normal(x),
        lambda rng, x: rng.random(),
        lambda rng, x: rng.poisson(3.0),
        lambda rng, x: rng.integers(5),
        lambda rng, x: rng.uniform(0, x),
        lambda rng, x: rng.choice([1.5, 2.5]),
    ],
)
def test_single_numbers_are_of_the_types_that_numpy_returns(drawn, dtype):
    rows = np.array([1.0, 2.0], dtype)

    def f(x):
        d = drawn(rng, x)
        return np.ones(2, np.float32) * d, isinstance(d, float), isinstance(d, int), d

    rng = np.random.default_rng(0)
    found = vmap(f, randomness="different")(rows)
    rng = np.random.default_rng(0)
    for x, y in zip(found, zip(*[f(x) for x in rows], strict=True), strict=True):
        assert x.dtype == np.stack(y).dtype
        np.testing.assert_allclose(x, np.stack(y), rtol=1e-6)
