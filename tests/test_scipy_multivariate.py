"""Distributions of several numbers of `scipy.stats` inside transforms, against SciPy in a loop."""

import numpy as np
import pytest

from vmapcore import vmap
from vmapcore.errors import OptionError, RandomnessError, ShapeError

from .scipy_calls import check_call
from .together import together

stats = pytest.importorskip("scipy.stats")

pytestmark = pytest.mark.numpy_plans

RNG = np.random.default_rng(0)
X, M, V = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3)), np.array([0.5, 2.0])
A = RNG.normal(size=(2, 3, 3))
S = A @ A.swapaxes(1, 2) + np.eye(3)
D = np.array([[0.2, 0.3, 0.5], [0.1, 0.6, 0.3]])
ALPHA = np.array([[1.5, 2.0, 0.7], [3.0, 1.0, 2.5]])
N = np.array([[1.0, 2.0, 3.0], [0.0, 4.0, 2.0]])
FROZEN = stats.multivariate_normal([0.0, 1.0, 2.0], S[0])
PRIOR = stats.dirichlet([1.5, 2.5, 3.0])

CALLS = {
    "logpdf": (lambda x, m, c: stats.multivariate_normal.logpdf(x, m, c), X, M, S),
    "pdf": (lambda x, c: stats.multivariate_normal.pdf(x, cov=c), X, S),
    "number": (lambda x, m, v: stats.multivariate_normal.logpdf(x, m, v), X, M, V),
    "diagonal": (lambda x, v: stats.multivariate_normal.logpdf(x, x[::-1], v), X, np.abs(M)),
    "rows": (lambda a, m: stats.multivariate_normal.logpdf(a, m, np.eye(3)), A, M),
    "one": (lambda x, v: stats.multivariate_normal.logpdf(x, 0.5, v), X, V),
    "frozen": (lambda x, c: stats.multivariate_normal(x, c).logpdf(np.ones(3)), X, S),
    "outside": (lambda x: FROZEN.logpdf(x) + PRIOR.logpdf(np.exp(x) / np.exp(x).sum()), X),
    "entropy": (lambda c: stats.multivariate_normal.entropy(cov=c) + stats.multivariate_normal(cov=c).entropy(), S),
    "dirichlet": (lambda x: stats.dirichlet.logpdf(x[:2], np.array([1.5, 2.0, 3.0])), D),
    "dirichlet alpha": (
        lambda a: stats.dirichlet.pdf(np.array([0.2, 0.3, 0.5]), a) + stats.dirichlet(a).entropy(),
        ALPHA,
    ),
    "dirichlet moments": (lambda a: stats.dirichlet.mean(a) + stats.dirichlet(a).var(), ALPHA),
    "multinomial": (lambda t: stats.multinomial.logpmf([1, 2, 3], 6, [t / 4, t / 8, 1 - 3 * t / 8]), V),
}


@together("name", CALLS, str, str)
def test_of_traced_values(name):
    check_call(*CALLS[name], deep=name == "logpdf", tol=10.0)


def test_counts():
    p = np.array([0.2, 0.3, 0.5])
    fun = lambda n: stats.multinomial.pmf(n, 6, p)  # noqa: E731
    assert np.allclose(vmap(fun)(N), [fun(n) for n in N])
    assert np.allclose(vmap(fun)(N + 1), 0)
    assert np.isnan(vmap(lambda q: stats.multinomial.pmf([1, 2, 3], 6, [q, 0.3, 0.2]))(np.array([1.2, 0.5])))[0]
    assert np.isnan(vmap(lambda a: stats.dirichlet.logpdf([0.4, 0.6], [a, 1.0]))(np.array([-1.0, 1.0])))[0]


def test_random_numbers():
    draw = lambda m: stats.multivariate_normal.rvs(np.zeros(2)) + stats.multivariate_normal(np.zeros(2)).rvs() + m  # noqa: E731
    with pytest.raises(RandomnessError):
        vmap(draw)(V)
    np.random.seed(3)
    ours = vmap(draw, randomness="different")(V)
    np.random.seed(3)
    assert np.allclose(ours, [draw(m) for m in V])


def test_what_is_refused():
    with pytest.raises(OptionError, match=r"scipy\.stats\.multivariate_normal\.logpdf: allow_singular is True"):
        vmap(lambda c: stats.multivariate_normal.logpdf(np.ones(3), cov=c, allow_singular=True))(S)
    with pytest.raises(np.linalg.LinAlgError):
        vmap(lambda c: stats.multivariate_normal.logpdf(np.ones(3), cov=c))(-S)
    with pytest.raises(ShapeError, match=r"x is f64\[3\]; its last axis must have 2 elements"):
        vmap(lambda x: stats.multivariate_normal.logpdf(x, np.zeros(2)))(X)
    with pytest.raises(TypeError, match=r"scipy\.stats\.multivariate_normal.*: has no form"):
        vmap(lambda x: stats.multivariate_normal.cdf(x, np.zeros(3)))(X)
