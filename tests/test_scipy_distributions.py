"""Distributions of `scipy.stats` inside transforms, against SciPy in a loop: inside and outside of their support."""

import pickle

import numpy as np
import pytest

from vmapcore import grad, jacfwd, jit, vmap
from vmapcore.errors import MissingRuleError, OptionError, RandomnessError
from vmapcore.testing import check_composition, check_grads, check_jit, check_vmap

from .scipy_calls import with_names
from .together import together

stats = pytest.importorskip("scipy.stats")

pytestmark = pytest.mark.numpy_plans

CONTINUOUS = {
    **dict.fromkeys(("norm", "expon", "uniform", "laplace", "logistic", "cauchy", "gumbel_r", "gumbel_l"), ()),
    **dict.fromkeys(("rayleigh", "halfnorm"), ()),
    **dict.fromkeys(("t", "chi2"), (4.5,)),
    **dict.fromkeys(("gamma", "lognorm", "weibull_min", "pareto", "invgamma", "skewnorm", "powerlaw"), (2.5,)),
    "beta": (2.5, 1.5),
    "f": (4.5, 9.5),
    "truncnorm": (-1.0, 2.5),
    "triang": (0.4,),
    "loguniform": (0.5, 3.0),
}
DISCRETE = {"poisson": (2.5,), "binom": (5.0, 0.3), "bernoulli": (0.3,), "geom": (0.3,), "nbinom": (3.5, 0.4)}
SHAPES = CONTINUOUS | DISCRETE

NO_FORMULA = {
    *[("triang", method) for method in ("pdf", "logpdf", "cdf", "sf", "logcdf", "logsf")],
    *[("loguniform", method) for method in ("mean", "var", "std", "stats")],
    *[(name, "entropy") for name in ("skewnorm", "poisson", "binom", "nbinom")],
}
"""What SciPy computes by choosing or by numerical integration."""

UNKNOWN = {"beta": {1, 2}, "f": {1, 2}, **{name: {1} for name in ("t", "chi2", "gamma", "invgamma", "nbinom")}}
"""Positions of parameters by which distribution functions have no derivative in closed form."""

FUNCTIONS = ("cdf", "sf", "logcdf", "logsf", "ppf", "isf")
OF_NONE = ("mean", "var", "std", "entropy", "median", "stats", "support")


def batch(name, method):
    """Rows inside the support, outside, at its ends, with bad parameters and with NaN."""
    theirs, shapes = getattr(stats, name), SHAPES[name]
    low, high = theirs.support(*shapes)
    level = np.array([0.01, 0.3, 0.7, 0.999, 0.0, 1.0, 1.5, -1.0, np.nan, 0.5, 0.5])
    inside, step = theirs.ppf(level[:4], *shapes), name in DISCRETE
    ends = [low if low > -np.inf else -40.0, high if high < np.inf else 40.0]
    place = np.array([*inside, *ends, low - 1, high + 1, np.nan, inside[1], inside[1] + 0.5 * step])
    first = [] if method in OF_NONE else [level if method in ("ppf", "isf") else place]
    bad = 99.0 if name in ("truncnorm", "loguniform") else -1.0
    parameters = [np.where(np.arange(11) == 9, bad, x) for x in shapes]
    loc = np.full(11, 2.0 if step else 0.25)
    return [*first, *parameters, loc] + ([] if step else [np.array([1, 2, 1, 0.5, 1, 1, 1, 1, 1, 1, -1.0])])


def called(name, method):
    """The method as a function of all its parameters."""
    if name in DISCRETE:
        return lambda *args: getattr(getattr(stats, name), method)(*args[:-1], loc=args[-1])
    return lambda *args: getattr(getattr(stats, name), method)(*args[:-2], args[-2], scale=args[-1])


def methods(name):
    return (*(("pmf", "logpmf") if name in DISCRETE else ("pdf", "logpdf")), *FUNCTIONS, *OF_NONE)


@together("name", SHAPES, str, str)
def test_values(name):
    for method in methods(name):
        args, fun = batch(name, method), called(name, method)
        if (name, method) in NO_FORMULA:
            with (
                pytest.raises(MissingRuleError, match=rf"scipy\.stats\.{name}: has no formula for its "),
                np.errstate(all="ignore"),
            ):
                vmap(fun)(*args)
            continue
        with np.errstate(all="ignore"):
            wanted = np.array([fun(*row) for row in zip(*args, strict=True)])
            ours = vmap(fun)(*args)
            again = jit(vmap(fun))
            again(*args)
            compiled = again(*args)
        for out in (ours, compiled):
            out = np.stack(out, axis=-1) if isinstance(out, tuple) else out
            assert out.dtype == wanted.dtype, (name, method)
            np.testing.assert_allclose(out, wanted, 1e-9, 1e-13, err_msg=f"{name}.{method}")


@together("name", [name for name in SHAPES if name != "triang"], str, str)
def test_derivatives(name):
    for method in methods(name):
        if (name, method) in NO_FORMULA or method == "support":
            continue
        fun = with_names(called(name, method))
        args = [np.float64(x[1]) for x in batch(name, method)]
        places = set(range(len(args)))
        if name in DISCRETE:
            places -= {len(args) - 1} | ({0} if method in ("pmf", "logpmf", *FUNCTIONS) else set())
            places -= {1 - (method in OF_NONE)} if name in ("binom",) else set()
            places -= {1, 2} if method in ("ppf", "isf") else set()
        if method in FUNCTIONS or method == "median":
            places -= {i - (method == "median") for i in UNKNOWN.get(name, ())}
        if method == "median" and name in DISCRETE:
            continue
        for i in places if np.all(np.isfinite(fun(*args))) else ():
            check_grads(lambda x, i=i: fun(*args[:i], x, *args[i + 1 :]), args[i], order=1 + ("log" in method))


def test_masked_rows_leave_no_nan_in_derivatives():
    def total(fun):
        return lambda *args: np.sum(vmap(fun, in_axes=(0, *[None] * (len(args) - 1)))(*args))

    x = np.array([-np.inf, -1.0, 0.5, np.inf])
    for name in ("norm", "gamma", "expon", "lognorm", "t", "invgamma"):
        for method in ("pdf", "cdf", "sf", "logsf"):
            fun = called(name, method)
            args = [x[1:3] if method == "pdf" else x, *SHAPES[name], 0.1, 1.5]
            assert np.all(np.isfinite(grad(total(fun), argnums=-1)(*args))), (name, method)


def test_all_arguments_mapped_or_not_and_all_compositions():
    fun = with_names(lambda x, mu, scale: stats.norm(mu, scale).logpdf(x))
    args = np.array([0.3, -1.0]), np.array([0.1, 0.7]), np.array([0.5, 2.0])
    check_vmap(fun, *args, like=lambda x, mu, scale: stats.norm(mu, scale).logpdf(x))
    check_composition(fun, *args)
    check_jit(vmap(grad(with_names(lambda x, a: stats.gamma.logpdf(x, a, scale=2.0)), argnums=1)), *args[1:])
    matrix = np.array([[0.1, 0.7], [0.4, 1.2]])
    check_vmap(
        with_names(lambda x, n: stats.poisson.logpmf(np.array([0, 1, 4]), x[:, None]).sum(0) + n), matrix, args[0],
        like=lambda x, n: stats.poisson.logpmf(np.array([0, 1, 4]), x[:, None]).sum(0) + n,
    )  # fmt: skip


PRIOR = stats.norm(0.5, scale=2.0)
PRIORS = [stats.norm(0.5), stats.gamma(2.0), stats.expon]
LOGPDF = stats.norm.logpdf


class Model:
    def __init__(self):
        self.prior, self.kind = stats.gamma(2.0, scale=0.5), stats.norm

    def loss(self, x):
        return -self.prior.logpdf(x) - self.kind(0.0, x).logpdf(1.0)


def test_frozen_ones_wherever_they_were_made():
    x = np.array([0.5, 1.5])
    model = Model()
    functions = [
        lambda x: PRIOR.logpdf(x) + PRIOR.cdf(x) + PRIOR.mean(),
        lambda x: sum([d.logpdf(x) for d in PRIORS]),
        lambda x: LOGPDF(x, 0.5),
        model.loss,
        lambda x: stats.norm(x, x).interval(0.9)[0] + stats.norm(loc=x).moment(2) + stats.norm(x).stats(moments="v"),
        lambda x: stats.gamma(a=x).stats("mvsk")[3] + stats.uniform(x, scale=2).support()[1] + stats.norm(x).ppf(0.3),
        lambda x: stats.weibull_min(x + 1).stats("mvsk")[3] + stats.t(x + 9).moment(4) + stats.norm(x).moment(order=3),
    ]
    for fun in functions:
        check_vmap(with_names(fun), x, like=fun)
        check_grads(with_names(fun), x[1])
    assert np.allclose(jacfwd(lambda s: stats.norm(0, s).std())(2.0), 1)


def test_of_plain_values_they_are_scipys():
    def fun(x):
        assert isinstance(stats.norm, stats.rv_continuous) and stats.norm.name == "norm"
        frozen = stats.norm(1.0, 2.0)
        assert isinstance(frozen, type(PRIOR)) and frozen.args == (1.0, 2.0) and type(frozen.pdf(0.0)) is np.float64
        assert stats.norm.fit(np.arange(3.0)) == (1.0, np.std(np.arange(3.0)))
        assert round(frozen.expect(), 9) == 1 and "norm" in repr(stats.norm)
        assert isinstance(pickle.loads(pickle.dumps(frozen)), type(frozen))
        return x * frozen.pdf(1.0)

    assert np.allclose(vmap(fun)(np.ones(2)), stats.norm.pdf(0) / 2)


class Ramp(stats.rv_continuous):
    """A distribution of a user's own: its density rises."""

    def _pdf(self, x):
        return np.where(x > 0, 2 * x, np.zeros(3)[0])

    def _cdf(self, x):
        return x * x


class Stepwise(stats.rv_continuous):
    def _pdf(self, x):
        while x > 0:
            x = x - 1.0
        return x + 1.0


def test_distributions_of_a_users_own():
    ramp = Ramp(a=0.0, b=1.0, name="ramp")
    x = np.array([-0.1, 0.3, 1.2])
    for fun in (lambda x: ramp.logpdf(x, scale=2.0), lambda x: ramp(0.1).sf(x), lambda x: ramp.pdf(x, x)):
        with np.errstate(divide="ignore"):
            assert np.allclose(vmap(fun)(x), [fun(e) for e in x])
    with pytest.raises(TypeError, match=r"if/while.*test_scipy_distributions\.py:\d+ in _pdf"):
        vmap(Stepwise(name="stepwise").pdf)(x)


def test_random_numbers_are_never_silent():
    draws = [
        lambda m: stats.norm(0, 1).rvs() + m,
        lambda m: stats.norm.rvs(m, size=2).sum(),
        lambda m: PRIOR.rvs(size=2).sum() + m,
        lambda m: stats.poisson.rvs(m + 2.0),
        lambda m: stats.cauchy(loc=m).rvs((2,)).sum(),
        lambda m: stats.norm.rvs(m, random_state=GENERATOR),
    ]
    m = np.array([0.5, 1.5])
    for draw in draws:
        with pytest.raises(RandomnessError):
            vmap(draw)(m)
        with pytest.raises(RandomnessError):
            jit(draw)(m[0])
        for seed in (3, 4):
            np.random.seed(seed)
            GENERATOR.bit_generator.state = np.random.default_rng(seed).bit_generator.state
            ours = vmap(draw, randomness="different")(m)
            np.random.seed(seed)
            GENERATOR.bit_generator.state = np.random.default_rng(seed).bit_generator.state
            assert np.allclose(ours, [draw(x) for x in m])
    seeded = lambda m: stats.norm(m, 2.0).rvs(size=2, random_state=7)  # noqa: E731
    assert np.allclose(vmap(seeded)(m), [seeded(x) for x in m])
    assert np.allclose(jit(vmap(seeded))(m), [seeded(x) for x in m])
    with pytest.raises(OptionError, match=r"scipy\.stats\.norm\.rvs: a parameter is outside"):
        vmap(lambda m: stats.norm.rvs(0, -1.0, random_state=1) + m)(m)
    assert np.isnan(vmap(lambda s: stats.norm.rvs(0, s, random_state=1))(np.array([-1.0, 1.0]))).tolist() == [
        True,
        False,
    ]


GENERATOR = np.random.default_rng(5)


def test_what_is_refused():
    x = np.array([0.5, 1.5])
    with pytest.raises(OptionError, match=r"scipy\.stats\.norm\.moment: order is 5, .* it must be 1 to 4"):
        vmap(lambda m: stats.norm(m).moment(5))(x)
    with pytest.raises(TypeError, match="missing a required argument: 'a'"):
        vmap(lambda m: stats.gamma.pdf(m))(x)
    with pytest.raises(TypeError, match="unexpected keyword argument 'sigma'"):
        vmap(lambda m: stats.norm.pdf(m, sigma=2))(x)
    with pytest.raises(MissingRuleError, match=r"gammainc: has no known derivative by its first argument"):
        grad(lambda a: stats.gamma.cdf(1.0, a))(2.0)
