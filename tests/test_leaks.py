"""Nothing outlives its use: no tracer, tape or array is kept by a cycle, a cache or a transform that ended."""

import contextlib
import gc
import io
import logging
import weakref

import numpy as np
import pytest

from vmapcore import grad, hessian, jacfwd, jacrev, jit, jvp, value_and_grad, vjp, vmap
from vmapcore.core import RUNNING, Trace
from vmapcore.tracer import Tracer
from vmapcore.views import Storage

LOG = logging.Logger("of leaks")
LOG.addHandler(logging.StreamHandler(io.StringIO()))
LOG.handlers[0].handleError = lambda record: None

A = np.linspace(0.1, 1.2, 12).reshape(3, 4)


class Buffer(np.ndarray):
    """An array that can be watched."""


def watched(x):
    return np.array(x).view(Buffer)


@pytest.fixture(autouse=True)
def _without_collector():
    """What reference counting alone does not free is found."""
    gc.collect()
    BEFORE.clear()
    BEFORE.extend(alive())  # the traceback of another test that failed holds what it saw
    gc.disable()
    yield
    gc.enable()
    BEFORE.clear()


BEFORE = []


def alive():
    """The machinery that lives, but for what lived before the test."""
    known = set(map(id, BEFORE))
    return [x for x in gc.get_objects() if issubclass(type(x), (Tracer, Trace, Storage)) and id(x) not in known]


def busy(x):
    """A function that makes views, writes, constants and results of several parts."""
    y = np.sin(x) * 2 + A[0]
    row = y[1:]
    row += 1
    y[0] = row[0]
    z = np.zeros_like(x)
    z[:2] = y[2:]
    q = np.stack([y, z]).reshape(-1)
    a, b = np.split(q, 2)
    return np.sum(a * b) + np.max(np.where(x > 0.5, x, -x))


TRANSFORMS = {
    "vmap": lambda: vmap(busy)(A),
    "vmap of vmap": lambda: vmap(vmap(busy, 0), 1)(A.reshape(3, 1, 4)),
    "grad": lambda: grad(busy)(A[0]),
    "value_and_grad": lambda: value_and_grad(busy)(A[0]),
    "jvp": lambda: jvp(busy, (A[0],), (A[1],)),
    "vjp": lambda: vjp(busy, A[0])[1](1.0),
    "vmap of grad": lambda: vmap(grad(busy))(A),
    "grad of vmap": lambda: grad(lambda x: np.sum(vmap(busy)(x)))(A),
    "grad of grad": lambda: grad(lambda x: np.sum(grad(busy)(x) ** 2))(A[0]),
    "hessian": lambda: hessian(busy)(A[0]),
    "jacrev": lambda: jacrev(np.tanh)(A[0]),
    "jacfwd": lambda: jacfwd(np.tanh)(A[0]),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_no_tracer_is_left(name):
    TRANSFORMS[name]()
    assert not alive(), f"{len(alive())} objects are kept, such as {type(alive()[0]).__name__}"


@pytest.mark.parametrize("name", TRANSFORMS)
def test_no_garbage_is_made(name):
    """Cycles would be freed some day; arrays in them, far too late."""
    TRANSFORMS[name]()
    gc.collect()
    TRANSFORMS[name]()
    assert gc.collect() <= 2  # pytest's own


def test_no_tracer_is_left_by_an_exception():
    def f(x):
        y = busy(x)
        raise KeyError("own")
        return y

    for transform in (vmap, grad, lambda f: lambda x: vmap(grad(f))(x)):
        with contextlib.suppress(KeyError):
            transform(f)(A)
        assert not alive()
        assert RUNNING.get() == ()


def test_refusals_are_let_go():
    """Those that were caught, by whomever, and those that end the function."""

    def caught(x):
        with contextlib.suppress(TypeError, ValueError):
            float(x)
        return x

    for f in (caught, float, lambda x: np.zeros(x.astype(int)), lambda x: LOG.warning("%f", x) or x):
        for transform in (vmap, grad, lambda f: lambda x: vmap(grad(f))(x), lambda f: lambda x: jit(f)(x[0])):
            with contextlib.suppress(TypeError, ValueError):
                transform(f)(A[0, 0] if transform is grad else A[0])
            assert not alive()


@pytest.mark.parametrize("name", TRANSFORMS)
def test_arguments_are_let_go(name):
    for run in (vmap(busy), vmap(grad(busy)), lambda x: vjp(busy, x[0])[1](1.0), lambda x: jvp(busy, (x[0],), (x[1],))):
        x = watched(A)
        ref = weakref.ref(x)
        run(x)
        del x
        assert ref() is None


def test_a_pullback_keeps_its_tape_and_no_longer():
    _, pullback = vjp(busy, A[0])
    assert alive() == []  # the tape holds plain arrays
    refs = []

    def f(x):
        y = np.sin(x).value.view(Buffer)  # what the tape keeps for the derivative of the next line
        refs.append(weakref.ref(y))
        return np.sum(x * y)

    _, pullback = vjp(f, np.ones(10_000))
    pullback(1.0)
    (ref,) = refs
    del pullback
    assert ref() is None


def test_intermediate_results_go_while_vmap_runs():
    """Memory at any time is that of what the function itself still holds."""
    refs = []

    def f(x):
        for _ in range(5):
            x = np.sin(x)
            refs.append(weakref.ref(x))
        return sum(ref() is not None for ref in refs)

    assert (vmap(f)(A) == 1).all()


def test_many_views_of_one_array_do_not_pile_up():
    sizes = []

    def f(x):
        total = np.zeros_like(x[0])
        for i in range(2000):
            part = x[i % 4 :]
            part[:1] += 1
            total += part[0]
            sizes.append(len(x.storage.members))
        return total

    vmap(f)(A)
    assert max(sizes) < 200


def test_results_do_not_hold_the_batch_they_came_from():
    """But where NumPy's own would: a slice is a view of it."""
    big = watched(np.ones((3, 100_000)))
    ref = weakref.ref(big)
    result = vmap(lambda x: np.sum(x) * 2)(big)
    del big
    assert ref() is None
    assert result.shape == (3,)
