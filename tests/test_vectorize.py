"""vectorize has np.vectorize's contract: what that makes of a function by a loop, it makes by vmap."""

import numpy as np
import pytest

import vmapcore.numpy as vnp
from vmapcore import grad, jit, vectorize, vmap
from vmapcore.errors import ArgumentError, OptionError, PerformanceWarning, ShapeError

from .branching import collatz
from .together import together

X = np.random.default_rng(0).normal(size=(3, 4))


def branching(x, y=1.0):
    if x > 0:
        return x * y
    return y - x


CALLS = [
    (branching, {}, (X,), {}),
    (branching, {}, (X, X[0]), {}),
    (branching, {}, (X[:, None], X[0]), {}),
    (branching, {}, (X[0].tolist(),), {"y": 2.0}),
    (branching, {"otypes": [np.float32]}, (X, 3), {}),
    (branching, {"otypes": "f"}, (np.zeros((0, 4)), 3), {}),
    (branching, {}, (2.0, 3.0), {}),
    (collatz, {}, (np.arange(1, 12),), {}),
    (lambda x: (x, -x), {"otypes": "df"}, (X,), {}),
    (lambda p, x: np.polyval(p, x), {"excluded": [0]}, ([1, 2, 3], X), {}),
    (lambda x, p: np.polyval(p, x), {"excluded": ["p"]}, (X,), {"p": [1, 2, 3]}),
    (np.dot, {"signature": "(n),(n)->()"}, (X, X[0]), {}),
    (np.outer, {"signature": "(n),(m)->(n,m)"}, (X, X[0, :2]), {}),
    (lambda a, b: (a @ b, b), {"signature": "(m,n),(n)->(m),(n)"}, (np.ones((2, 1, 3, 4)), X), {}),
    (lambda x: x.mean(), {"signature": "(n)->()", "otypes": [np.float32]}, (X,), {}),
    (lambda x: x * 2, {"signature": "( n ) -> ( n )"}, (X[0],), {}),
]


@together("case", CALLS)
def test_calls_are_those_of_numpy(case):
    fun, options, args, kwargs = case
    wanted = np.vectorize(fun, **options)(*args, **kwargs)
    found = vectorize(fun, **options)(*args, **kwargs)
    assert isinstance(found, tuple) == isinstance(wanted, tuple)
    for a, b in zip(*[x if isinstance(x, tuple) else (x,) for x in (found, wanted)], strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b)


def test_as_a_decorator():
    @vectorize(otypes=[float], doc="Twice.")
    def twice(x):
        return x + x

    assert twice.__doc__ == "Twice."
    assert twice.__name__ == "twice"
    np.testing.assert_allclose(twice([1, 2]), [2.0, 4.0])


def test_inside_of_transforms():
    def total(x):
        return np.sum(vectorize(lambda v: v * v if v > 0 else v)(x))

    wanted = np.where(X > 0, 2 * X, 1)
    np.testing.assert_allclose(grad(total)(X), wanted)
    np.testing.assert_allclose(vmap(grad(total), branches="split")(X), wanted)

    def by_numpy(x):
        return np.vectorize(lambda v: v**2 + 1)(x).sum()

    np.testing.assert_allclose(vmap(by_numpy)(X), (X**2 + 1).sum(1))
    np.testing.assert_allclose(jit(vmap(grad(by_numpy)))(X), 2 * X)
    assert isinstance(vnp.vectorize(abs), np.vectorize)
    np.testing.assert_allclose(vnp.vectorize(abs)(X), np.abs(X))


def test_drawing_is_that_of_a_loop():
    """np.vectorize draws once more, before, to find out how many results there are."""
    rng = np.random.default_rng(3)
    with pytest.warns(PerformanceWarning, match="rows draw from a generator that they share"):
        found = vectorize(lambda x: x + rng.normal())(X)
    rng = np.random.default_rng(3)
    np.testing.assert_allclose(found, [[x + rng.normal() for x in row] for row in X])


def test_what_is_refused():
    def refuses(kind, text, fun, *args, **options):
        with pytest.raises(kind, match=text):
            vectorize(fun, **options)(*args)

    refuses(ShapeError, "do not broadcast", branching, np.ones(2), np.ones(3))
    refuses(ShapeError, "it must be a number. Pass signature=", lambda x: np.ones(2) * x, X)
    refuses(ShapeError, "its signature has 2 axes for it", np.sum, np.ones(2), signature="(m,n)->()")
    refuses(ShapeError, "axis n has lengths 2 and 3", np.dot, np.ones(2), np.ones(3), signature="(n),(n)->()")
    refuses(ShapeError, r"result 0 has shape \(4,\); its signature has \(\)", lambda x: x, X, signature="(n)->()")
    refuses(ArgumentError, "got 1 arguments; its signature has 2", np.dot, X, signature="(n),(n)->()")
    refuses(OptionError, "reads like", np.dot, X, signature="n->n")
    refuses(OptionError, "there are no elements", branching, np.zeros(0))
    refuses(OptionError, "there are 1 results; its otypes has 2", branching, X, otypes="dd")
    with pytest.raises(ArgumentError, match="'pyfunc' is int 3"):
        vectorize(3)
