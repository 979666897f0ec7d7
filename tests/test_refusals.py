"""What a tracer refuses to say: the function that catches that and goes on is told so; who only looks is not."""

import contextlib
import copy
import functools
import inspect
import io
import logging
import numbers
import operator
import pprint
import re
import sys
import weakref
from collections.abc import Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import ndimage, signal, sparse, stats
from scipy.cluster import vq
from scipy.spatial import distance

import vmapcore as vc
from tests.own_names import grad, jacfwd, jit, jvp, trace, vjp, vmap
from vmapcore import custom_op
from vmapcore.errors import ArgumentError, ConcretizationError

from .together import together

X = np.array([2.0, -1.0, 3.0])

LOG = logging.Logger("of refusals")
"""Whose handler writes nowhere, nor says that it could not."""
LOG.addHandler(logging.StreamHandler(io.StringIO()))
LOG.handlers[0].handleError = lambda record: None


def fails(error, message):
    return pytest.raises(error, match=re.escape(message))


def pushed(fun):
    return lambda x: jvp(fun, (x,), (np.ones_like(x),))


def each(fun):
    """`grad` of one number after the other: what is refused is a number that carries a derivative."""
    return lambda x: [grad(fun)(v) for v in x]


def recorded(fun):
    return lambda x: jit(lambda x: fun(x[0]))(x)


def caught(ask):
    """A function that takes another way where `ask` raises."""

    def f(x):
        try:
            ask(x)
        except (TypeError, ValueError, IndexError):
            return -x
        return x

    return f


ASKS = {
    "bool": lambda x: 1 if x > 1 else 2,
    "and": lambda x: x > 1 and x < 2,
    "int": lambda x: int(x),
    "float": lambda x: float(x),
    "complex": lambda x: complex(x),
    "round": lambda x: round(x),
    "item": lambda x: x.item(),
    "tolist": lambda x: x.tolist(),
    "in": lambda x: x in [1.0, 2.0],
    "set": lambda x: {x},
    "dict": lambda x: {2.0: "two"}.get(x),
    "sorted": lambda x: sorted([x, x + 1]),
    "asarray": lambda x: np.asarray(x),
    "index": lambda x: range(x.astype(int)),
    "plain index": lambda x: X[x.astype(int)],
    "plain write": lambda x: np.zeros(3).__setitem__(0, x),
    "C": lambda x: np.zeros(x.astype(int)),
    "C under Python": lambda x: np.full(x.astype(int), 1.0),
    "raised anew": lambda x: np.partition(X, x.astype(int)),
    "length": lambda x: np.nonzero(x),
    "mask": lambda x: X[x > X],
    "masks": lambda x: np.ones((3, 3))[x > X, x > X],
    "write by a mask": lambda x: (x * X).__setitem__(x > X, X[:2]),
    "slice": lambda x: np.diff(x.reshape(1)[: x.astype(int)]),
    "bins": lambda x: np.bincount(x.astype(int).reshape(1)),
    "thread": lambda x: ThreadPoolExecutor(1).submit(lambda: float(x)).result(),
}
OF_VALUES = {"float", "complex", "item", "tolist", "asarray", "plain write", "thread"}
"""Those that lose a derivative; others do not hang on it, or are asked of an int."""


OF_NONE = [
    vmap,
    recorded,
    lambda f: trace(lambda x: f(x[0])),
    lambda f: vmap(grad(f)),
    lambda f: jit(vmap(f)),
    lambda f: grad(summed(vmap(f))),
]
OF_DERIVATIVES = [each, pushed, jacfwd, lambda f: lambda x: vjp(f, x), lambda f: jit(lambda x: jvp(f, (x,), (x,))[1])]


def summed(fun):
    return lambda x: np.sum(fun(x))


@pytest.mark.parametrize("name", ASKS)
@together("transform", OF_NONE + OF_DERIVATIVES)
def test_a_refusal_that_is_caught(name, transform):
    """The results would be those of the other way, for all examples."""
    if transform in OF_DERIVATIVES and name not in OF_VALUES:
        return
    with fails(ConcretizationError, "the function caught what follows, at test_refusals.py:"):
        transform(caught(ASKS[name]))(X)


def test_a_refusal_that_is_caught_is_told_whole():
    def f(x):
        try:
            return x if x > 1 else -x
        except TypeError:
            return 0 * x

    first = f.__code__.co_firstlineno
    with fails(ConcretizationError, "vmap(f): the function caught what follows, at") as error:
        vmap(f)(X)
    assert str(error.value) == (
        f"vmap(f): the function caught what follows, at test_refusals.py:{first + 2} in f, and went on; its results "
        "may hang on that. if/while/and/or/bool: a BatchedTensor bool[] of vmap(f) is not one truth value: it has 3 of "
        f"them, at test_refusals.py:{first + 2} in f. Use np.where(condition, a, b), in a loop x = np.where(goes_on, "
        'new, x), or vmap(f, branches="split").'
    )


def test_the_line_is_that_of_who_caught_it():
    def ask(x):
        return float(x)

    def f(x):
        with contextlib.suppress(TypeError):
            ask(x)
        return x

    first = ask.__code__.co_firstlineno
    with fails(ConcretizationError, f"at test_refusals.py:{first + 5} in f, and went on") as error:
        vmap(f)(X)
    assert f"of them, at test_refusals.py:{first + 1} in ask." in str(error.value)


def test_one_that_is_caught_is_not_forgotten_for_others():
    """By a refusal after it that nobody caught, or that a library did."""

    def f(x):
        with contextlib.suppress(TypeError):
            float(x)
        LOG.warning("%f", x)
        return x

    with fails(ConcretizationError, "in f, and went on"):
        vmap(f)(X)


# Who caught it when the function ends otherwise.


def test_an_error_of_the_function_stays():
    def f(x):
        try:
            return float(x)
        except TypeError:
            raise KeyError("mine") from None

    with pytest.raises(KeyError, match="mine"):
        vmap(f)(X)


def test_a_transform_that_refuses_may_be_caught_outside():
    """It has said so by its error, and what its caller does then hangs on no value."""

    def branches(x):
        return x if x > 1 else -x

    def f(x):
        try:
            return np.sum(vmap(branches)(x))
        except TypeError:
            return np.sum(np.abs(x))

    def loss(x):
        try:
            return x * grad(float)(x)
        except TypeError:
            return x * 2

    assert np.array_equal(grad(f)(X), np.sign(X))
    assert np.array_equal(vmap(f)(X[:, None]), np.abs(X))
    assert np.array_equal(grad(summed(vmap(loss)))(X), np.full(3, 2.0))
    assert jit(f)(X) == jit(f)(X) == 6.0


def test_a_value_of_an_outer_transform_is_its_matter():
    def outer(x):
        def inner(y):
            with contextlib.suppress(TypeError):
                float(x)
            return y

        return np.sum(vmap(inner)(np.ones(2)))

    with fails(ConcretizationError, "vmap(outer): the function caught"):
        vmap(outer)(X)


# Who only looks.


LOOKS = {
    "hasattr": lambda x: [hasattr(x, name) for name in ("strides", "data", "__array_interface__", "foo")],
    "getattr": lambda x: getattr(x, "flat", None),
    "isscalar": lambda x: np.isscalar(x),
    "isinstance": lambda x: [isinstance(x, kind) for kind in ABCS],
    "iterable": lambda x: np.iterable(x),
    "text": lambda x: f"{x} {x!r} {x!s}" + f"{x!s} {x!r}" + str([x, {"x": x}]),
    "log": lambda x: LOG.warning("%.2f", x),
    "is none": lambda x: x is None or x in (x, None),
    "callable": lambda x: callable(x),
    "dir": lambda x: dir(x),
    "size": lambda x: sys.getsizeof(x),
    "hint": lambda x: operator.length_hint(x, 0) if x.ndim else 0,
    "ndim": lambda x: (np.ndim(x), np.shape(x), np.size(x), np.result_type(x)),
    "copies": lambda x: (copy.copy(x), copy.deepcopy([x])),
    "pprint": lambda x: pprint.pformat({"x": x}),
    "identity": lambda x: {id(x): x}[id(x)],
    "weakref": lambda x: weakref.ref(x)() is x,
    "path": lambda x: inspect.isclass(x) or inspect.isfunction(x) or inspect.unwrap(x),
    "dispatch": lambda x: functools.singledispatch(lambda x: 0)(x),
}
ABCS = (numbers.Number, Iterable, Sequence, Hashable, Mapping, str, np.ndarray, np.generic)


@pytest.mark.parametrize("name", LOOKS)
@together("transform", [*OF_NONE, *OF_DERIVATIVES])
def test_who_only_looks(name, transform):
    def f(x):
        LOOKS[name](x)
        return np.sum(x * 2)

    transform(f)(X)


def test_a_parameter_that_is_no_key():
    """What our own code catches, it answers."""
    op = custom_op(lambda xp, x, *, by=1.0: x * by)
    with fails(ArgumentError, "by"):
        vmap(lambda x: op(x, by=x))(X)


# SciPy's functions that ask.

ASKING = {
    "scipy.ndimage.grey_dilation": lambda x: ndimage.grey_dilation(x, 3),
    "scipy.spatial.distance.directed_hausdorff": lambda x: distance.directed_hausdorff(x[:, None], x[:, None])[0],
    "scipy.signal.argrelmax": lambda x: signal.argrelmax(x)[0],
    "scipy.stats.kruskal": lambda x: stats.kruskal(x, x + 1).pvalue,  # within a decorator of SciPy's
    "scipy.stats.gaussian_kde": lambda x: stats.gaussian_kde(x)(0.0),
    "scipy.sparse.csr_matrix": lambda x: sparse.csr_matrix(x),  # which has an error of its own
    "scipy.cluster.vq.kmeans": lambda x: vq.kmeans(x, 1, rng=0)[1],
}


SAID = {
    "vmap": (vc.vmap, 1, ', with vmapcore.external, or vmap(f, branches="split").'),
    "vmap in split": (lambda f: vc.vmap(vc.vmap(f), branches="split"), 2, "with vmapcore.external"),
    "jacfwd": (
        vc.jacfwd,
        0,
        "Declare it as an operation with a derivative, with vmapcore.external or custom_op; or use",
    ),
    "jit": (vc.jit, 0, "Call it outside, on plain values, or declare it as an operation, with vmapcore.external."),
}


@pytest.mark.parametrize("name", ASKING)
@pytest.mark.parametrize("said", SAID)
def test_a_function_of_scipys_that_asks_is_named(name, said):
    transform, levels, remedy = SAID[said]
    x = np.broadcast_to(np.array([0.0, 2.0, 1.0]), (2,) * levels + (3,))
    with fails(ConcretizationError, f"{name}: ") as caught:
        transform(ASKING[name])(x)
    assert remedy in str(caught.value) and re.search(r"at test_refusals.py:\d+ in <lambda>", str(caught.value))


def test_an_error_of_the_users_own_stays():
    def f(x):
        try:
            return float(x)
        except TypeError as error:
            raise KeyError("mine") from error

    with pytest.raises(KeyError, match="mine"):
        grad(f)(1.0)
