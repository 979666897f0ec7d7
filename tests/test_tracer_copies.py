"""No copy of a tracer leaves its transform: those in memory are part of it, and there are no others."""

import copy
import dataclasses
import functools
import pickle
import re
import shelve
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest

from vmapcore import grad, jacfwd, jit, jvp, vmap
from vmapcore.errors import ArgumentError, LeakedTracerError

X = np.array([2.0, -1.0, 3.0])


def fails(error, message):
    return pytest.raises(error, match=re.escape(message))


MAPPED = [vmap, lambda f: jit(vmap(f)), lambda f: grad(lambda x: np.sum(vmap(f)(x))), lambda f: vmap(grad(f))]
BY = [grad, lambda f: jit(grad(f)), lambda f: lambda x: jvp(f, (x,), (np.ones_like(x),))[1], jacfwd]


@dataclasses.dataclass
class Pair:
    left: object
    right: object


DUMPS = {f"pickle {protocol}": functools.partial(pickle.dumps, protocol=protocol) for protocol in range(6)} | {
    "pickle in Python": pickle._dumps,
    "of what holds it": lambda x: pickle.dumps({"x": [Pair(x, 1)]}),
    "of a method": lambda x: pickle.dumps(x.sum),
    "shelve": lambda x: shelve.Shelf({}).__setitem__("x", x),
    "a process": lambda x: ForkingPickler.dumps(x),
}
COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "method": lambda x: x.copy(),
    "asdict": lambda x: dataclasses.asdict(Pair(x, 1))["left"],
    "list": lambda x: copy.deepcopy({"x": [Pair(1, x)]})["x"][0].right,
    "view": lambda x: copy.copy(x[:]),
}


@pytest.mark.parametrize("transform", MAPPED + BY)
@pytest.mark.parametrize("dump", DUMPS.values(), ids=list(DUMPS))
def test_no_copy_leaves_the_transform(dump, transform):
    """One by way of bytes would have a transform of its own, which nothing reaches."""

    def f(x):
        return np.sum(dump(x) * 2 + x)

    with fails(ArgumentError, "pickle: a"):
        transform(f)(X)


@pytest.mark.parametrize("copied", COPIES.values(), ids=list(COPIES))
@pytest.mark.parametrize("transform", [grad, lambda f: jit(grad(f)), jacfwd])
def test_copies_in_the_transform(copied, transform):
    """They are part of the derivative, and in memory of their own."""

    def f(x):
        y = copied(x)
        y[0] = 7.0
        return np.sum(y * x)

    assert np.array_equal(transform(f)(X), [7.0, -2.0, 6.0])
    assert np.array_equal(X, [2.0, -1.0, 3.0])


def test_a_tracer_that_has_leaked_is_not_pickled():
    kept = []
    vmap(lambda x: kept.append(x) or x)(X)
    with pytest.raises(LeakedTracerError):
        pickle.dumps(kept)
