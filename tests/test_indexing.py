"""Indexing beyond the rows: every mix of entries between the brackets, writes through views, errors.

The oracle is NumPy on one example at a time.
"""

import itertools

import numpy as np
import pytest

import vmapcore as vc
from vmapcore.errors import ConcretizationError, DTypeError, IndexingError, MutationError, ShapeError
from vmapcore.numpy_protocol import NUMPY
from vmapcore.rules.at import at
from vmapcore.rules.slicing import slice_write
from vmapcore.testing import check_grads

SHAPE = (3, 4, 2)
BATCH = 3

ENTRIES = {
    "int": 1,
    "slice": slice(1, None),
    "back": slice(None, None, -1),
    "None": None,
    "...": Ellipsis,
    "i": "i",  # an array of two indices
    "j": "j",  # an array of indices that broadcasts with the first
    "k": "k",  # an index of no axes
    "mask": "mask",  # a mask for the axis where it stands, the same for all examples
}


def fits(names):
    """Whether NumPy takes an index of these entries for an array of three axes."""
    covered = sum(name not in ("None", "...") for name in names)
    masks = sum(name == "mask" for name in names)
    arrays = sum(name in ("i", "j", "mask") for name in names)
    return covered <= 3 and names.count("...") <= 1 and names.count("None") <= 2 and masks <= 1 and arrays <= 2


FAMILY = [names for n in range(5) for names in itertools.product(ENTRIES, repeat=n) if fits(names)]
LONG = [names for names in FAMILY if len(names) == 4]
FAMILY = [names for names in FAMILY if len(names) < 4] + LONG[::7]


def axis_of(names, position):
    """The axis that the entry at a position is for."""
    before = sum(name not in ("None", "...") for name in names[:position])
    if "..." in names[:position]:
        after = sum(name not in ("None", "...") for name in names[position:])
        return len(SHAPE) - after
    return before


def brackets(names, arrays):
    """The index: a tuple of what the names stand for, arrays by what they are for."""
    index = []
    for position, name in enumerate(names):
        if name == "mask":
            index.append(np.arange(SHAPE[axis_of(names, position)]) % 2 == 0)
        else:
            index.append(arrays[name] if name in arrays else ENTRIES[name])
    return tuple(index)


def index_arrays(rng, batch):
    """Values for the entries that are arrays: all in range for every axis, some negative, some twice."""
    return {
        "i": rng.integers(-2, 2, (*batch, 2)),
        "j": rng.integers(-2, 2, (*batch, 2, 1)),
        "k": rng.integers(-2, 2, batch),
    }


def example(arrays, b):
    return {name: a[b] for name, a in arrays.items()}


def read(x, names, arrays):
    """`x[...]`, through the table where NumPy's brackets would not see a traced index."""
    return NUMPY["getitem"](x, brackets(names, arrays))


def numpy_takes(names):
    """Whether the arrays broadcast: a mask has two true values on axes of length 3 and 4, and one on the last."""
    arrays = example(index_arrays(np.random.default_rng(0), (1,)), 0)
    try:
        np.zeros(SHAPE)[brackets(names, arrays)]
    except IndexError:
        return False
    return True


FAMILY = [names for names in FAMILY if numpy_takes(names)]


def chunks(family, size=100):
    return [family[start : start + size] for start in range(0, len(family), size)]


@pytest.mark.parametrize("mapped", ["x", "index", "both"])
@pytest.mark.parametrize("family", chunks(FAMILY), ids=lambda family: ",".join(family[0]) or "empty")
def test_getitem_is_numpys(family, mapped, rng):
    x = rng.normal(size=(BATCH, *SHAPE))
    arrays = index_arrays(rng, (BATCH,))
    for names in family:
        if mapped == "x":
            same = example(arrays, 0)
            found = vc.vmap(lambda x: x[brackets(names, same)])(x)
            expected = [x[b][brackets(names, same)] for b in range(BATCH)]
        elif mapped == "index":
            found = vc.vmap(lambda arrays: read(x[0], names, arrays))(arrays)
            expected = [x[0][brackets(names, example(arrays, b))] for b in range(BATCH)]
        else:
            found = vc.vmap(lambda x, arrays: x[brackets(names, arrays)])(x, arrays)
            expected = [x[b][brackets(names, example(arrays, b))] for b in range(BATCH)]
        np.testing.assert_array_equal(found, np.stack(expected), str(names))


@pytest.mark.parametrize("mapped", ["x", "value", "index", "x, index", "value, index", "all"])
@pytest.mark.parametrize("family", chunks(FAMILY[::2]), ids=lambda family: ",".join(family[0]) or "empty")
def test_setitem_is_numpys(family, mapped, rng):
    x = rng.normal(size=(BATCH, *SHAPE))
    arrays = index_arrays(rng, (BATCH,))
    for names, broadcast in zip(family, itertools.cycle(["no", "leading", "ones"])):
        shape = x[0][brackets(names, example(arrays, 0))].shape
        shape = {"no": shape, "leading": shape[1:], "ones": (1,) * len(shape)}[broadcast]
        v = rng.normal(size=(BATCH, *shape))
        every = mapped == "all"
        args = [
            x if every or "x" in mapped.split(", ") else x[0],
            v if every or "value" in mapped else v[0],
            arrays if every or "index" in mapped else example(arrays, 0),
        ]
        in_axes = tuple(0 if every or word in mapped.split(", ") else None for word in ("x", "value", "index"))
        found = vc.vmap(lambda x, v, arrays: NUMPY["setitem"](x, brackets(names, arrays), v), in_axes)(*args)
        for b in range(BATCH):
            y, w, same = (a if axis is None else pick(a, b) for a, axis in zip(args, in_axes, strict=True))
            y = y.copy()
            y[brackets(names, same)] = w
            np.testing.assert_array_equal(found[b], y, f"{names} with a value of shape {shape}")


def pick(a, b):
    return example(a, b) if isinstance(a, dict) else a[b]


NESTED = [names for names in FAMILY if set(names) & {"i", "j", "k"}][::9]


@pytest.mark.parametrize("outer", ["x", "index", "both"])
@pytest.mark.parametrize("inner", ["x", "index", "both"])
def test_two_levels(outer, inner, rng):
    """The array and its indices mapped at either level, or at both."""
    axes = {"x": (0, None), "index": (None, 0), "both": (0, 0)}
    batch_x = [n for n, how in ((2, outer), (BATCH, inner)) if how != "index"]
    batch_i = [n for n, how in ((2, outer), (BATCH, inner)) if how != "x"]
    x = rng.normal(size=(*batch_x, *SHAPE))
    arrays = index_arrays(rng, tuple(batch_i))
    for names in NESTED:

        def f(x, arrays):
            return read(x, names, arrays)

        def g(x, arrays):
            return NUMPY["setitem"](x, brackets(names, arrays), 7.0 * read(x, names, arrays))

        for fun in (f, g):
            found = vc.vmap(vc.vmap(fun, axes[inner]), axes[outer])(x, arrays)
            for a, b in np.ndindex(2, BATCH):
                place_x = (a,) * (outer != "index") + (b,) * (inner != "index")
                place_i = (a,) * (outer != "x") + (b,) * (inner != "x")
                y, same = x[place_x], {name: array[place_i] for name, array in arrays.items()}
                if fun is f:
                    expected = y[brackets(names, same)]
                else:
                    expected = y.copy()
                    expected[brackets(names, same)] = 7.0 * y[brackets(names, same)]
                np.testing.assert_array_equal(found[a, b], expected, str(names))


@pytest.mark.parametrize("family", chunks(FAMILY[::5], 200), ids=lambda family: ",".join(family[0]) or "empty")
def test_no_example(family):
    """A batch of size 0 has the shapes and dtypes of one example."""
    x = np.zeros((0, *SHAPE), np.float32)
    arrays = index_arrays(np.random.default_rng(0), (0,))
    one = example(index_arrays(np.random.default_rng(0), (1,)), 0)
    for names in family:
        expected = np.zeros(SHAPE, np.float32)[brackets(names, one)]
        found = vc.vmap(lambda x, arrays: x[brackets(names, arrays)])(x, arrays)
        assert (found.shape, found.dtype) == ((0, *expected.shape), expected.dtype), names
        after = vc.vmap(lambda x, arrays: NUMPY["setitem"](x, brackets(names, arrays), 1))(x, arrays)
        assert (after.shape, after.dtype) == (x.shape, x.dtype), names


def test_duplicates_keep_the_order_of_writes(rng):
    """The last of several writes to one place wins, for every layout of indices and values."""
    i = rng.integers(0, 3, (4, 5, 6))
    v = rng.normal(size=(4, 5, 6))
    for layout in (np.asarray, np.asfortranarray, lambda a: np.moveaxis(np.moveaxis(a, 0, -1).copy(), -1, 0)):
        found = vc.vmap(lambda i, v: at(np.zeros(3))[i].set(v))(layout(i), layout(v))
        for b in range(4):
            expected = np.zeros(3)
            expected[np.ascontiguousarray(i[b])] = v[b]
            np.testing.assert_array_equal(found[b], expected)


# In place.


def law(fun, *args):
    """Holds `vmap(fun)` against the loop, each on copies, and returns the results."""
    found = vc.vmap(fun)(*args)
    expected = [fun(*[a[b].copy() for a in args]) for b in range(len(args[0]))]
    np.testing.assert_array_equal(found, np.stack(expected))
    return found


def fill_by_rows(x):
    out = np.zeros_like(x)
    for i in range(len(x)):
        out[i] = np.sin(x[i]) * i
    return out


def running_sum(x):
    y = x.copy()
    for i in range(1, len(y)):
        y[i] += y[i - 1]
    return y


def swap(x):
    y = x.copy()
    y[[0, 1]] = y[[1, 0]]
    a, b = y[1].copy(), y[2].copy()
    y[1], y[2] = b, a
    return y


def write_through_views(x):
    y = x.copy()
    row = y[1]
    part = row[1:]
    part *= 2
    y[:, 1] = 5
    part[0] += row[0]
    column = y[:, None, 0]
    column[...] = column + 1
    return y + row


def reverse_in_place(x):
    y = x.copy()
    y[:] = y[::-1]
    y[1:] -= y[:-1]
    return y


def advanced_reads_are_copies(x):
    y = x.copy()
    rows = y[[0, 1]]
    rows += 1
    y[0] = 7
    return np.concatenate([y, rows])


def scalars_are_copies(x):
    y = x.copy()
    first = y[0, 0]
    y[0, 0] = 9
    first += 1
    return y * first


def masked_writes(x):
    y = x.copy()
    y[y < 0] = 0
    y[np.abs(y[:, 0]) > 0.5, 1:] = -1
    return y


def matrix(x):
    y = np.zeros((3, 3), x.dtype) if isinstance(x, np.ndarray) else np.zeros_like(x, shape=(3, 3))
    np.fill_diagonal(y, x[0])
    y[0, 1:] = x[1, 0]
    return y


IN_PLACE = [
    fill_by_rows,
    running_sum,
    swap,
    write_through_views,
    reverse_in_place,
    advanced_reads_are_copies,
    scalars_are_copies,
    masked_writes,
    matrix,
]


@pytest.mark.parametrize("fun", IN_PLACE)
def test_in_place(fun, rng):
    x = rng.normal(size=(4, 3, 3))
    before = x.copy()
    law(fun, x)
    np.testing.assert_array_equal(x, before)
    check_grads(fun, x[0], order=2)
    first = vc.vmap(vc.grad(lambda x: np.sum(fun(x) ** 2)))(x)
    np.testing.assert_allclose(first, vc.grad(lambda x: np.sum(vc.vmap(fun)(x) ** 2))(x))


def test_row_at_a_traced_index_is_a_view(rng):
    def fun(x, i):
        y = x.copy()
        row = y[i]
        i += 1  # NumPy's scalar is replaced; the row stays where it was
        row[1:] *= 3
        y[i] += row
        return y

    law(fun, rng.normal(size=(4, 3, 2)), np.array([0, 1, 0, 1]))


def test_element_at_a_traced_index_beside_an_ellipsis_is_a_view(rng):
    """It is an array of no axes; without the ellipsis it is a scalar, and nobody's view."""

    def fun(x, i):
        y, z = x.copy(), x.copy()
        element, scalar = y[..., i], y[i]
        other = z[i, ...]
        y *= 2
        other += 5
        return np.concatenate([y, z, np.stack([element, scalar, other])])

    law(fun, rng.normal(size=(4, 3)), np.array([0, 2, 0, 1]))


def test_row_at_an_array_of_no_axes_is_a_copy():
    """NumPy takes a scalar for an int, and an array of ints for one that chooses."""

    def fun(x, i):
        y = x.copy()
        row, view = y[i], y[i + 0]
        y *= 2
        row += 1
        view -= 1
        return y, row, view

    x = np.arange(6.0).reshape(3, 2)
    for i in (np.array(1), np.int64(1)):
        expected = fun(x, i)
        for wrapped in (vc.jit(fun), lambda x, i: vc.vmap(lambda x: fun(x, i), out_axes=0)(x[None])):
            for got, right in zip(wrapped(x, i), expected, strict=True):
                np.testing.assert_array_equal(got.reshape(right.shape), right)


def test_row_of_an_outer_array_at_an_inner_index_is_not_written_to():
    """NumPy would write into the array, which has no place for what differs between the examples."""

    def fun(x, i):
        row = x[i]
        row += 1
        return x, row

    x = np.arange(6.0).reshape(3, 2)
    for outer in (vc.jit, lambda f: vc.vmap(f, (0, None))):
        with pytest.raises(MutationError, match="outer"):
            outer(lambda x, i: vc.vmap(lambda i: fun(x, i))(i))(x if outer is vc.jit else x[None], np.array([0, 2]))

    def read(x, i):
        row = x[i]
        return row * 2 + x[0]

    np.testing.assert_array_equal(vc.jit(vc.vmap(read, (None, 0)))(x, np.array([0, 2])), x[[0, 2]] * 2 + x[0])


def test_augmented_write_is_one_write(rng, monkeypatch):
    """After `x[i] += v` the row is in the array already: Python's own write of it is left out."""
    writes = []
    evaluate = slice_write.eval
    monkeypatch.setattr(slice_write, "eval", lambda *args, **params: writes.append(args) or evaluate(*args, **params))

    def fun(x):
        y = x.copy()
        y[1:] += 1.0
        return y

    law(fun, rng.normal(size=(4, 3)))
    assert len(writes) == 1


def copies_of(fun, *args):
    """How many copies the writes of `vmap(fun)` made, after holding it against the loop."""
    made = []
    evaluate = slice_write.eval
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            slice_write, "eval", lambda *a, own=False, **params: made.append(not own) or evaluate(*a, own=own, **params)
        )
        law(fun, *args)
    return sum(made)


def fill(x):
    y = np.zeros_like(x)
    for i in range(len(x)):
        y[i] = x[i]
    return y


def accumulate(x):
    y = np.zeros_like(x)
    for i in range(1, len(x)):
        y[i] += x[i] + y[i - 1]
    return y


@pytest.mark.parametrize(("fun", "copies"), [(fill, 1), (accumulate, 1)])
def test_writes_go_into_memory_nobody_else_has(fun, copies, rng):
    """One copy, from the zeros that all examples share; then none, however many writes."""
    assert copies_of(fun, rng.normal(size=(3, 9, 2))) == copies


def keep_a_snapshot(x):
    y = x * 1.0
    y[0] = 1.0
    before = y.copy()
    y[0] = 2.0
    return y - before


def keep_a_view(x):
    y = x * 1.0
    y[0] = 1.0
    row, all_ = y[1], y[:]
    y[1] = 2.0
    y[:, 0] = 3.0
    return np.concatenate([y, row[None], all_])


def keep_a_reshape(x):
    y = x * 1.0
    y[0] = 1.0
    flat = (y + 0.0).reshape(-1)
    y[0] = 5.0
    flat[0] = 9.0
    return y + flat[0]


def write_itself(x):
    y = x * 1.0
    y[1:] = y[:-1]
    y[...] = y
    y[::-1] = y
    y[0] += y[0]
    return y


def keep_in_a_list(x):
    y = x * 1.0
    rows = []
    for i in range(2):
        y[i] = float(i)
        rows.append(y * 1.0)
    return np.stack(rows) + y


def write_another(x):
    y = x * 1.0
    z = np.zeros_like(y)
    z[...] = y
    y[0] = 7.0
    z[1] = 8.0
    return y + z


def write_twice_through_a_row(x):
    y = x * 1.0
    row = y[0]
    row += 1
    row[0] = 5
    y[0, 1] = 3
    row *= 2
    return np.stack([y[0], row])


@pytest.mark.parametrize(
    "fun",
    [keep_a_snapshot, keep_a_view, keep_a_reshape, write_itself, keep_in_a_list, write_another]
    + [write_twice_through_a_row],
)
def test_no_write_is_seen_by_others(fun, rng):
    x = rng.normal(size=(3, 4, 2))
    before = x.copy()
    law(fun, x)
    law(fun, np.ascontiguousarray(x.transpose(0, 2, 1)).transpose(0, 2, 1))
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(
        vc.grad(lambda x: np.sum(vc.vmap(fun)(x) ** 2))(x), vc.vmap(vc.grad(lambda x: np.sum(fun(x) ** 2)))(x)
    )


def test_a_write_that_fails_leaves_the_array(rng):
    def fun(x):
        y = x * 1.0
        y[0] = 1.0
        row = y[1]
        with pytest.raises(ValueError):
            y[1] = np.zeros(7)
        with pytest.raises(ValueError):
            row += np.zeros((7, 2))
        other = y[1:]
        with pytest.raises(ValueError):
            y[0] = np.zeros(7)
        row *= 2
        return np.concatenate([y, row[None], other])

    law(fun, rng.normal(size=(3, 4, 2)))


def test_constants_of_a_derivative_are_not_overwritten(rng):
    """An array that a formula of an outer derivative will read again has been copied, or is left alone."""

    def fun(x, w):
        y = w * 1.0
        y[0] = 2.0
        first = x * y
        y[0] = 3.0
        return first * y

    x, w = rng.normal(size=(3, 700)), rng.normal(size=(3, 700))
    found = vc.grad(lambda x: np.sum(vc.vmap(fun)(x, w)))(x)
    expected = w * w
    expected[:, 0] = 6.0
    np.testing.assert_allclose(found, expected)


def test_iteration_and_unpacking(rng):
    law(lambda x: sum(row * k for k, row in enumerate(x)), rng.normal(size=(4, 3, 2)))
    law(lambda x: np.stack([x[0], *x[1:]]), rng.normal(size=(4, 3, 2)))


# at.


def test_at_leaves_the_array_as_it_is(rng):
    x = rng.normal(size=(3, 2))
    before = x.copy()
    y = at(x)[0].set(5.0)
    assert y[0, 0] == 5.0
    np.testing.assert_array_equal(x, before)
    at([1.0, 2.0])[0].add(1)


@pytest.mark.parametrize("method", ["add", "multiply", "max", "min", "subtract"])
def test_at_of_many_duplicates(method, rng):
    ufunc = {"max": np.maximum, "min": np.minimum}.get(method) or getattr(np, method)
    x, v, i = rng.normal(size=(4, 3, 2)), rng.normal(size=(4, 50, 2)), rng.integers(-3, 3, (4, 50))
    found = vc.vmap(lambda x, v, i: getattr(at(x)[i], method)(v))(x, v, i)
    expected = x.copy()
    for b in range(4):
        ufunc.at(expected[b], i[b], v[b])
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_at_by_a_mask_that_differs(rng):
    x = rng.normal(size=(4, 3))
    found = vc.vmap(lambda x: at(x)[x > 0].multiply(10.0))(x)
    np.testing.assert_array_equal(found, np.where(x > 0, 10 * x, x))


def test_product_has_second_derivatives_at_zero():
    def fun(v):
        return at(np.ones(2))[[0, 0, 0]].multiply(v)[0]

    np.testing.assert_array_equal(vc.hessian(fun)(np.array([0.0, 0.0, 3.0])), [[0, 3, 0], [3, 0, 0], [0, 0, 0]])


def test_overwritten_values_have_no_gradient():
    def fun(v):
        y = np.zeros_like(v)
        y[[0, 1, 0]] = v
        return np.sum(y * np.array([2.0, 3.0, 5.0]))

    np.testing.assert_array_equal(vc.grad(fun)(np.ones(3)), [0, 3, 2])
    np.testing.assert_array_equal(vc.vmap(vc.grad(fun))(np.ones((2, 3))), [[0, 3, 2]] * 2)
    with np.errstate(divide="ignore"):
        steep = vc.grad(lambda v: np.sum(at(np.zeros(1))[[0, 0]].set(v) ** 0.5))(np.array([4.0, 0.0]))
    np.testing.assert_array_equal(steep, [0, np.inf])


@pytest.mark.parametrize(
    "index",
    [
        (True, [0, 0]),
        (np.array([True, False]), [0, 0]),
        ([0, 0], np.array([True, False, False])),
        (np.array([[True, False, False], [False, False, False]]), [0, 0]),
        (np.array([True, False]), 1, [0, 0]),
        (np.array([True, False]), np.array(2)),
        (np.array([True, True]), [0, 1]),
    ],
    ids=repr,
)
def test_a_mask_beside_an_array_may_name_a_place_twice(index, rng):
    x = rng.normal(size=(2, 3, 2))
    values = rng.normal(size=x[index].shape)
    counts = np.zeros_like(x)
    np.add.at(counts, index, values)
    np.testing.assert_array_equal(vc.grad(lambda x: np.sum(x[index] * values))(x), counts)
    np.testing.assert_allclose(at(x)[index].add(values), x + counts)

    def written(v):
        y = np.zeros_like(v, shape=x.shape)
        y[index] = v
        return y

    check_grads(written, values)
    np.testing.assert_array_equal(vc.vmap(written)(np.stack([values, -values]))[1], written(-values))


@pytest.mark.parametrize("rows", [3, 300])
@pytest.mark.parametrize("columns", [(), (1,), (40,), (2, 700)])
def test_sums_are_numpys_for_every_size(rows, columns, rng):
    """Each way of adding gives the sums of `np.add.at`."""
    x, v = rng.normal(size=(5, *columns)), rng.normal(size=(rows, *columns))
    i = rng.integers(-5, 5, rows)
    expected = x.copy()
    np.add.at(expected, i, v)
    np.testing.assert_allclose(at(x)[i].add(v), expected, rtol=1e-12)
    found = vc.vmap(lambda x, v: at(x)[i].add(v), in_axes=-1)(np.stack([x, x], -1), np.stack([v, v], -1))
    np.testing.assert_allclose(found, np.stack([expected] * 2), rtol=1e-12)
    found = vc.vmap(lambda i: at(x)[i].add(v))(np.stack([i, i]))
    np.testing.assert_allclose(found, np.stack([expected] * 2), rtol=1e-12)


# dtypes.


@pytest.mark.parametrize("dtype", ["int32", "float32", "complex64", "bool", "uint8"])
@pytest.mark.parametrize("value", [3.7, 2, True, "float64", "int64", "bool"])
def test_values_are_cast_as_numpy_casts(dtype, value, rng):
    x = rng.integers(0, 2, (2, 3)).astype(dtype)
    v = (rng.normal(size=(2, 2)) * 3).astype(value) if isinstance(value, str) else value

    def fun(x, v):
        y = x.copy()
        y[1:] = v
        return y

    found = vc.vmap(fun, in_axes=(0, 0 if isinstance(value, str) else None))(x, v)
    assert found.dtype == x.dtype
    for b in range(2):
        np.testing.assert_array_equal(found[b], fun(x[b], v[b] if isinstance(value, str) else v))


def test_numbers_that_do_not_fit_raise():
    def fun(x):
        x = x.copy()
        x[0] = 300
        return x

    with pytest.raises(OverflowError):
        vc.vmap(fun)(np.zeros((2, 3), np.uint8))


# Errors.


def raises(error, match, fun, *args, **options):
    with pytest.raises(error, match=match):
        vc.vmap(fun, **options)(*args)


X = np.arange(12.0).reshape(2, 3, 2)
I = np.array([0, 1])


def test_out_of_range():
    raises(IndexingError, r"index 3 is out of range for axis 0, which has size 3", lambda x: x[3], X)
    raises(IndexingError, r"index -3 is out of range for axis 1, which has size 2", lambda x: x[..., -3], X)
    raises(IndexingError, r"index 2 is out of range for axis 1, which has size 2", lambda x: x[:, [0, 2]], X)
    raises(IndexingError, r"index 2 is out of range for axis 1, which has size 2", lambda x, i: x[0, i + 1], X, I)
    raises(IndexingError, r"index 2 is out of range for axis 1, which has size 2", lambda x, i: x[i, None, i + 1], X, I)
    raises(IndexingError, r"index -4 is out of range for axis 0", lambda x: x[np.full(300, -4)], X)
    raises(IndexingError, r"index 2 is out of range for axis 1", lambda x, i: x[0, np.zeros(999, int) + i + 1], X, I)
    raises(IndexingError, r"index 2 is out of range for axis 1", lambda x, i: at(x)[0, i + 1].add(1.0), X, I)
    raises(IndexingError, r"index 4 is out of range for axis 0", lambda x, i: at(x)[[0, 4]].multiply(1.0), X, I)
    raises(IndexingError, r"np.take: index 3", lambda x: np.take(x, [3], axis=0), X)
    raises(IndexingError, r"3 indices for an array of 2 axes", lambda x: x[0, 0, 0], X)
    raises(IndexingError, r"more than one Ellipsis", lambda x: x[..., 0, ...], X)
    with pytest.raises(IndexingError, match="index 3 is out of range for axis 0"):
        vc.grad(lambda x: x[3])(np.zeros(3))


def test_what_is_no_index():
    raises(IndexingError, "the index is float 1.0", lambda x: x[1.0], X)
    raises(IndexingError, "the index is str", lambda x: x["a"], X)
    raises(IndexingError, r"the index is f64\[2\]", lambda x: x[x[0]], X)
    raises(IndexingError, "bounds are ints", lambda x: x[1.0:], X)
    raises(IndexingError, "do not broadcast together", lambda x: x[[0, 1], [0, 1, 2]], X)
    raises(IndexingError, "mask has 2 entries for axis 0, which has size 3", lambda x: x[[True, False]], X)


def test_what_has_no_shape():
    raises(IndexingError, r"np.where\(mask, x, other\)", lambda x: x[x > 3], X)
    raises(IndexingError, "np.arange", lambda x, i: x[i : i + 2], X, I)
    raises(IndexingError, "stands beside another array", lambda x: x[x[:, 0] > 3, [0]], X)
    raises(IndexingError, "the number of elements it chooses", lambda x: np.compress(x[:, 0] > 0, x, axis=0), X)

    def write(x, v):
        y = x.copy()
        y[y > 3] = v
        return y

    raises(ShapeError, "an axis for the elements that the mask chooses", write, X, np.zeros((2, 4)))


def test_shapes_and_dtypes_that_do_not_fit():
    def write(v):
        def fun(x):
            y = x.copy()
            y[1:] = v
            return y

        return fun

    raises(ShapeError, r"the value is f64\[3\]; x\[i\] has shape \(2, 2\)", write(np.zeros(3)), X)
    raises(ShapeError, r"the value is f64\[2,1,2\]", write(np.zeros((2, 1, 2))), X)
    raises(DTypeError, "np.abs", write(1j), X)
    raises(DTypeError, "the result is float64", lambda x: at(x)[0].add(1.5), X.astype(int))


def test_traced_index_of_a_plain_array():
    """NumPy asks the index for a number: the error says what to write."""
    table = np.arange(5.0)
    raises(ConcretizationError, "take", vc.plain(lambda i: table[i]), I)
    raises(ConcretizationError, "take", vc.plain(lambda i: table[i + I]), I)
    np.testing.assert_array_equal(vc.vmap(lambda i: NUMPY[np.take](table, i))(I), table[I])


def test_traced_value_into_a_plain_array():
    raises(ConcretizationError, "zeros_like", vc.plain(lambda x: np.zeros(2).__setitem__(slice(None), x[0])), X)
    raises(MutationError, "plain array", vc.plain(lambda x: np.add.at(np.zeros(3), [0], x[0, 0])), X)
    raises(MutationError, "plain array", vc.plain(lambda x: np.put(np.zeros(3), [0], x[0, 0])), X)


@pytest.mark.parametrize("dtype", ["f4", "i8", "i1", "?"])
@pytest.mark.parametrize("value", [np.float64(2.5), np.float32(2.5), np.int8(3), 2, True, np.array(2.5)], ids=repr)
def test_a_write_by_a_mask_keeps_the_dtype(dtype, value):
    def write(x):
        x = x.copy()
        x[x > 1] = value
        return x

    x = np.arange(6).reshape(2, 3).astype(dtype)
    expected = np.stack([write(row) for row in x])
    found = vc.vmap(write)(x)
    assert found.dtype == expected.dtype and np.array_equal(found, expected)
    assert vc.vmap(lambda x: at(x)[x > 1].set(value))(x).dtype == expected.dtype


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u8"])
def test_indices_of_small_dtypes_and_long_axes(dtype):
    rng = np.random.default_rng(0)
    x, i, j = np.ones((2, 300, 120)), rng.integers(0, 100, (2, 40)).astype(dtype), np.zeros((2, 40), dtype)

    def write(x, i, j):
        x = x.copy()
        np.multiply.at(x, (i, j), 2.0)
        return x

    expected = np.stack([write(*each) for each in zip(x, i, j, strict=True)])
    assert np.array_equal(vc.vmap(write)(x, i, j), expected)
    line = np.arange(300.0)
    assert np.array_equal(vc.vmap(lambda i: vc.numpy.take(line, i, mode="wrap"))(i), line[i])


def test_unstacked_rows_are_views_and_elements_scalars():
    def rows(x):
        x = x.copy()
        first, second = np.unstack(x)
        first[0] = 9
        return x, second

    def elements(x):
        x = x.copy()
        first, second = np.unstack(x)
        first += 9
        return x, first, second

    for fun, x in [(rows, np.arange(12.0).reshape(2, 2, 3)), (elements, np.arange(4.0).reshape(2, 2))]:
        for found, expected in zip(vc.vmap(fun)(x), zip(*map(fun, x), strict=True), strict=True):
            assert np.array_equal(found, np.stack(expected))


def test_sorted_by_scalars():
    assert vc.vmap(lambda a: np.lexsort((a, a)))(np.ones(3)).tolist() == [0, 0, 0]
