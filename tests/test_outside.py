"""Arrays from outside, as a function sees them: they take traced indices, and are NumPy's in all else."""

import pickle
from dataclasses import dataclass, field

import numpy as np
import pytest

from vmapcore import grad, jit, vmap
from vmapcore.errors import MutationError
from vmapcore.outside import OutsideArray, inside, outside
from vmapcore.testing import assert_same

TABLE = np.arange(12.0).reshape(4, 3)
WEIGHTS = np.array([0.5, -1.0, 2.0])
COUNTS = np.zeros(3, int)
S = np.array([0, 3, 2, 3])
X = np.array([1.0, 2.0, -3.0, 0.5])


class Chain:
    """A model as people write it, made before it meets a transform."""

    def __init__(self):
        self.moves = np.array([[0.9, 0.1], [0.3, 0.7]])
        self.seen = np.array([[0.5, 0.4, 0.1], [0.1, 0.2, 0.7]])
        self.steps = np.zeros(1, int)

    def likelihood(self, state, first):
        total = 0.0
        for k in range(3):
            self.steps += 1
            total += np.log(self.moves[state % 2] @ self.seen[:, (first + k) % 3])
            state = np.argmax(self.moves[state % 2] * self.seen[:, first % 3])
        return total


@dataclass
class Lookup:
    values: np.ndarray = field(default_factory=lambda: np.arange(4.0) ** 2)

    def at(self, s):
        return self.values[s]


CHAIN, LOOKUP = Chain(), Lookup()
NEAR = np.arange(4.0)


def by_global(s, x):
    return TABLE[s] * x + TABLE[s, 1] + TABLE[s][2] + (2 * TABLE)[s, 0] + TABLE.T[0][s] + WEIGHTS[1]


def by_closure(s, x):
    near = NEAR

    def inner(i, table=TABLE):
        return near[i] + table[i, 0]

    return inner(s) * x


def by_default(s, x, table=TABLE, *, near=NEAR):
    return table[s].sum() * x + near[s]


def by_object(s, x):
    return CHAIN.likelihood(s, s) * x + LOOKUP.at(s)


def by_arrays(s, x):
    places = np.array([s, 0, 1])
    return TABLE[places] * x, TABLE[places, 1:]


def by_walk(s, x):
    own = WEIGHTS.copy()
    own[0] = x
    as_ints = NEAR.astype(int)
    as_ints[s] = 7
    for _ in range(3):
        s = (s * 3 + 1) % 4
        own += TABLE[s]
    return own, as_ints


FUNCTIONS = [by_global, by_closure, by_default, by_object, by_arrays, by_walk]


@pytest.mark.parametrize("fun", FUNCTIONS)
def test_they_take_traced_indices(fun):
    rows = [fun(s, x) for s, x in zip(S, X, strict=True)]
    expected = tuple(map(np.stack, zip(*rows, strict=True))) if type(rows[0]) is tuple else np.stack(rows)
    planned = jit(vmap(fun))
    for together in (vmap(fun), vmap(fun, branches="split"), vmap(jit(fun)), planned, planned, planned):
        assert_same(together(S, X), expected)
    nested = vmap(vmap(fun))(S[None], X[None])
    assert_same(tuple([y[0] for y in nested]) if type(nested) is tuple else nested[0], expected)


@pytest.mark.parametrize("fun", FUNCTIONS)
def test_they_are_constants_to_derivatives(fun):
    def total(s, x):
        made = fun(s, x)
        return sum(map(np.sum, made)) if type(made) is tuple else np.sum(made)

    expected = [(total(s, x + 1e-5) - total(s, x - 1e-5)) / 2e-5 for s, x in zip(S, X, strict=True)]
    np.testing.assert_allclose(vmap(grad(total, argnums=1))(S, X), expected, rtol=1e-6, atol=1e-6)


def test_what_a_function_writes_into_them_it_writes_outside():
    def f(x):
        COUNTS[1] += 2
        COUNTS[0:1] += 1
        return x

    COUNTS[:] = 0
    vmap(f)(X)
    assert COUNTS.tolist() == [1, 2, 0]
    before, CHAIN.steps[:] = CHAIN.steps, 0
    vmap(by_object)(S, X)
    assert type(CHAIN.steps) is np.ndarray and CHAIN.steps is before and CHAIN.steps.tolist() == [3]


def test_traced_values_are_not_written_into_them():
    def row(s):
        r = TABLE[s]
        r += 1
        return r

    def element(s):
        TABLE[s, 0] += 1
        return s

    before = TABLE.copy()
    for f in (row, element, lambda s: TABLE.__setitem__(s, 1.0), lambda s: TABLE.__setitem__(0, s)):
        for transform in (vmap, lambda f: jit(vmap(f))):
            with pytest.raises((MutationError, TypeError, ValueError)):
                transform(f)(S)
    np.testing.assert_array_equal(TABLE, before)


def test_a_table_that_changes_is_read_anew():
    """Also one that is put in the place of the first."""
    global NEAR
    kept = NEAR

    def f(s):
        return NEAR[s]

    try:
        for table in (np.arange(4.0) * 2, np.arange(5.0) + 1):
            NEAR = table
            assert_same(vmap(f)(S), table[S])
            table[3] = -5.0
            assert_same(vmap(f)(S), table[S])
    finally:
        NEAR = kept


def test_nobody_gets_them_but_the_function():
    found = []
    assert vmap(lambda x: TABLE, out_axes=None)(X) is TABLE
    assert grad(lambda x: (x * x, WEIGHTS), has_aux=True)(1.0)[1] is WEIGHTS
    made = vmap(lambda x: (WEIGHTS * 2, WEIGHTS[1:]), out_axes=None)(X)
    assert [type(x) for x in made] == [np.ndarray] * 2
    assert type(jit(lambda x: WEIGHTS + x)(1.0)) is np.ndarray
    vmap(lambda x: found.append(np.asarray(TABLE)) or TABLE[0] * x)(X)
    assert isinstance(TABLE, np.ndarray) and type(TABLE) is np.ndarray
    assert type(pickle.loads(pickle.dumps(outside(TABLE)))) is np.ndarray
    assert inside(outside(TABLE)) is TABLE and type(inside(outside(TABLE)[1:])) is np.ndarray


def test_objects_and_numbers_are_as_they_were():
    names = np.array(["a", "b"])
    one = np.array(2.0)
    seen = []
    vmap(lambda x: seen.extend([type(names) is np.ndarray, type(one) is np.ndarray, names[0]]) or x)(X)
    assert seen == [True, True, "a"]
    assert outside(names) is names and outside(one) is one and type(outside(TABLE)) is OutsideArray
