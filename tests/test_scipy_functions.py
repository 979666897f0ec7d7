"""Functions of `scipy.special` that are no ufuncs, called by their names inside transforms, against SciPy's own."""

import os
import subprocess
import sys

import numpy as np
import pytest

from vmapcore import grad, jit, plain, vmap
from vmapcore.errors import ArgumentError, ConcretizationError, OptionError
from vmapcore.libraries.functions import FUNCTIONS
from vmapcore.names import call_user
from vmapcore.testing import check_composition, check_grads, check_jit, check_vmap

from .together import together

scipy = pytest.importorskip("scipy")
special = pytest.importorskip("scipy.special")

X = np.array([[-1.3, 0.4, 2.2], [0.5, -0.1, 0.9]])
P = np.array([[0.3, 1.2, 4.5], [2.0, 0.7, 3.1]])
N = np.array([2, 3])
"""A batch of two."""

CASES = {
    "logsumexp": (lambda x: special.logsumexp(x), X),
    "logsumexp axis": (lambda x: special.logsumexp(x, axis=-1, keepdims=True), X),
    "logsumexp weights": (lambda x, b: special.logsumexp(x, b=b), X, P),
    "logsumexp of a number": (lambda x: special.logsumexp(x[0]), X),
    "logsumexp signs": (
        lambda x, b: special.logsumexp(x, b=b, return_sign=True),
        X,
        np.array([[1, -2, 0.5], [1, 2, 3]]),
    ),
    "logsumexp complex": (lambda x: special.logsumexp(x + 1j * x), X),
    "logsumexp none": (lambda x: special.logsumexp(x, b=np.array([0.0, 1.0, 0.0]), axis=0), X),
    "softmax": (lambda x: special.softmax(x), X),
    "softmax axis": (lambda x: special.softmax(np.outer(x, x), axis=1), X),
    "log_softmax": (lambda x: special.log_softmax(x, axis=0), X),
    "polygamma": (lambda x: special.polygamma(2, x), P),
    "polygamma 0": (lambda x: special.polygamma(np.array([0, 1, 3]), x), P),
    "multigammaln": (lambda x: special.multigammaln(x + 1.0, 3), P),
    "zeta": (lambda q: special.zeta(2.5, q), P),
    "lambertw": (lambda z: special.lambertw(z).real, P),
    "lambertw branch": (lambda z: special.lambertw(-z / 20, -1).real, P),
    "spherical_jn": (lambda z: special.spherical_jn(2, z), X),
    "spherical_yn": (lambda z: special.spherical_yn(1, z), X),
    "spherical_in": (lambda z: special.spherical_in(1, z, derivative=True), X),
    "spherical_kn": (lambda z: special.spherical_kn(2, z), X),
    "spherical_jn complex": (lambda z: special.spherical_jn(2, z + 1j), X),
    "jvp": (lambda z: special.jvp(1.5, z, 2), P),
    "yvp": (lambda z: special.yvp(1, z), P),
    "ivp": (lambda z: special.ivp(1.5, z, 2), P),
    "kvp": (lambda z: special.kvp(1, z, 3), P),
    "h1vp": (lambda z: special.h1vp(1, z), P),
    "h2vp": (lambda z: special.h2vp(1, z, 0), P),
    "comb": (lambda n: special.comb(n + 2, 1.5), P),
    "comb repetition": (lambda n: special.comb(n, 2, repetition=True), P),
    "perm": (lambda n: special.perm(n + 2, 1.5), P),
    "factorial": (lambda n: special.factorial(n), P),
    "softplus": (lambda x: special.softplus(x), X),
    "by the package": (lambda x: scipy.special.logsumexp(x) * scipy.special.erf(x[0]), X),
}

INTEGERS = {
    "polygamma": (lambda n: special.polygamma(n, 1.5), N),
    "lambertw": (lambda k: special.lambertw(2.0, k), N),
    "spherical_jn": (lambda n: special.spherical_jn(n, 1.5), N),
    "jvp": (lambda v: special.jvp(v, 1.5), N),
    "comb": (lambda n: special.comb(n, 2), N),
    "perm": (lambda n: special.perm(n, 2), N),
    "factorial": (lambda n: special.factorial(n), N),
    "logsumexp": (lambda n: special.logsumexp(n * np.ones(2, int)), N),
}

each = together("name", CASES, str, str)


def with_names(fun):
    """The function as transforms run it, for a check that gives them one of its own."""
    return lambda *args: call_user(fun, args)


@each
def test_of_traced_values(name):
    plain_fun, *args = CASES[name]
    fun = with_names(plain_fun)
    check_vmap(fun, *args, in_axes=0, like=plain_fun)
    check_jit(vmap(fun), *args)
    first = [a[0] for a in args]
    check_grads(fun, *first)
    check_composition(fun, *args)


@together("name", INTEGERS)
def test_of_traced_integers(name):
    fun, numbers = INTEGERS[name]
    check_vmap(with_names(fun), numbers, in_axes=0, like=fun)


def test_every_function_has_a_case():
    assert FUNCTIONS.keys() <= {name.split()[0] for name in CASES}


def test_of_plain_values_they_are_scipys():
    def fun(x):
        known = special.logsumexp([1.0, 2.0]), special.comb(5, 2, exact=True), special.factorial(20, exact=True)
        assert type(known[0]) is np.float64 and known[1:] == (10, 2432902008176640000)
        assert special.erf is scipy.special.erf and special.__name__ == "scipy.special"
        assert "logsumexp" in dir(special) and repr(special) == repr(sys.modules["scipy.special"])
        return x * known[0]

    assert vmap(fun)(np.ones(2))[0] == special.logsumexp([1.0, 2.0])
    assert vars(special)["logsumexp"] is special.logsumexp


def test_lists_of_traced_values():
    def fun(x):
        return special.logsumexp([x, 2 * x, 1.0])

    check_vmap(with_names(fun), np.arange(3.0), like=fun)
    check_grads(with_names(fun), np.array(0.5))
    check_vmap(
        with_names(lambda x: special.beta([x, 2.0], [1.0, x])), P[0], like=lambda x: special.beta([x, 2], [1, x])
    )


def test_what_it_makes_takes_traced_values():
    table = np.arange(3.0)

    def fun(x):
        y = special.gamma(table + 1)
        y[0] = x
        return y

    assert vmap(fun)(np.array([5.0, 7.0])).tolist() == [[5.0, 1.0, 2.0], [7.0, 1.0, 2.0]]


def test_names_imported_from_it():
    names = {}
    exec("from scipy.special import logsumexp as lse, softmax", names)
    assert np.allclose(vmap(names["lse"])(X), special.logsumexp(X, axis=1))
    assert np.allclose(jit(vmap(names["softmax"]))(X), special.softmax(X, axis=1))

    def inside(x):
        from scipy.special import log_softmax  # noqa: PLC0415

        return log_softmax(x)

    assert np.allclose(vmap(inside)(X), special.log_softmax(X, axis=1))


def test_far_and_empty_sums():
    assert grad(lambda x: special.logsumexp(x))(np.array([1e4, 0.0])).tolist() == [1.0, 0.0]
    zero = vmap(lambda b: special.logsumexp(np.zeros(2), b=b))(np.zeros((1, 2)))
    assert zero == -np.inf
    negative = vmap(lambda b: special.logsumexp(np.zeros(2), b=b))(np.array([[1.0, -3.0]]))
    assert np.isnan(negative)


def test_multigammaln_outside_is_nan():
    assert np.isnan(vmap(lambda a: special.multigammaln(a, 3))(np.array([0.5, 2.0]))).tolist() == [True, False]


def test_what_is_refused():
    with pytest.raises(ArgumentError, match="exact=True"):
        vmap(lambda n: special.comb(n, 2, exact=True))(N)
    with pytest.raises(OptionError, match="d is no positive integer"):
        vmap(lambda a: special.multigammaln(a, 2.5))(np.ones(2))
    with pytest.raises(OptionError, match="n is -1"):
        vmap(lambda x: special.jvp(1, x, -1))(np.ones(2))
    with pytest.raises(ConcretizationError, match="spherical_jn: has no form"):
        vmap(plain(lambda x: special.spherical_jn(1, x)))(np.ones(2))


IMPORTED_LATER = """
import numpy as np, sys
from vmapcore import vmap, grad, jit
vmap(np.sin)(np.ones(2))
assert not [m for m in sys.modules if m.startswith("scipy")]
import scipy
def f(x):
    return scipy.special.logsumexp(np.array([x, 1.0])) + scipy.special.erf(x) + scipy.special.gammainc(2.0, x)
def g(x):
    from scipy.special import softmax
    return softmax(np.array([x, 1.0]))[0]
print(vmap(grad(f))(np.ones(2))[0], jit(vmap(g))(np.ones(2))[0])
"""


@pytest.mark.parametrize("array_api", ["0", "1"])
def test_scipy_is_imported_by_the_user_alone(array_api):
    """Later than this package, lazily, with and without SciPy's own dispatch."""
    variables = os.environ | {"SCIPY_ARRAY_API": array_api}
    run = subprocess.run(
        [sys.executable, "-c", IMPORTED_LATER], env=variables, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    slope = 0.5 + 2 / np.sqrt(np.pi) / np.e + 1 / np.e
    assert np.allclose([float(x) for x in run.stdout.split()], [slope, 0.5])
