"""In-place writes and views: what a transformed function sees is what NumPy does with bytes that are shared."""

import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vmapcore.numpy as vnp
from tests.own_names import grad, jvp, vmap
from vmapcore.errors import ConcretizationError, MutationError
from vmapcore.testing import assert_same, check_composition, check_grads, check_vmap

PROGRAMS = []


def program(fun):
    """A function of a 3×4 array that writes to arrays of its own."""
    PROGRAMS.append(fun)
    return fun


@program
def row_by_row(x):
    y = x.copy()
    r = y[0]
    r[1] = 5
    r *= 2
    y.T[0] += 2
    return y, r


@program
def base_to_views(x):
    y = x * x
    row, column, corner, part = y[1], y[:, 2], y[1:, ::2], y.T[::-1]
    y[1, 2] = y[0, 0] * 3
    y += 1
    return y, row, column, corner, part


@program
def view_of_a_view(x):
    y = x * 1
    a = y[1:]
    b = a.T
    c = b[::-1, 0]
    c[1:3] = c[1:3] * b[0, 0]
    return y, a, b, c


@program
def transposes(x):
    y = x.copy()
    for view in (y.T, y.swapaxes(0, 1), np.moveaxis(y, 0, 1), np.transpose(y, (1, 0)), y.mT, np.rollaxis(y, 1)):
        view[1] *= view[0]
    return y


@program
def axes_of_length_one(x):
    y = x.copy()
    y[None][0, 1] = 7
    np.expand_dims(y, 1)[:, 0, 2] += y[:, 0]
    np.squeeze(y[:, None, :, None])[0, 3] = 1
    np.atleast_3d(y)[2, 2, 0] *= 2
    np.atleast_2d(y[2])[0, 1] *= 3
    return y


@program
def flips(x):
    y = x.copy()
    y[::-1, ::-1][0, 0] = 9
    np.flip(y, 0)[1] += y[0]
    np.fliplr(y)[:, 0] *= 2
    np.flipud(y)[0, 0] = 4
    for k in range(4):
        np.rot90(y, k)[0, 1] *= 2
    return y


@program
def pieces(x):
    y = x.copy()
    left, right = np.split(y, 2, axis=1)
    left[0] = right[1] * 2
    top, middle, bottom = np.unstack(y)
    bottom += top
    np.array_split(y, 2)[0][1, 1] = 3
    np.hsplit(y, [1])[0][...] = 8
    return y, left, right, middle


@program
def split_axes(x):
    y = x.copy()
    y.reshape(3, 2, 2)[:, 1, 0] *= 5
    y.reshape(1, 3, 4, 1)[0, 0, 0, 0] = 2
    return y


@program
def reshaped_copy(x):
    y = x.copy()
    flat = y.reshape(-1)
    flat[5] = flat[0] * 2
    y.ravel()[[0, 7]] = 3
    y.reshape(2, 6)[1, 1:] += 1
    return y, flat


@program
def swap(x):
    y = x.copy()
    y[[0, 1]] = y[[1, 0]]
    y[:, 0], y[:, 1] = y[:, 1].copy(), y[:, 0].copy()
    y[0], y[2] = y[2], y[0]  # not a swap, as NumPy users learn
    return y


@program
def self_overlap(x):
    y = x.copy()
    y[1:] += y[:-1]
    y[:, 1:] = y[:, :-1]
    np.add(y[:2], y[1:], out=y[:2])
    return y


@program
def copies_are_apart(x):
    y = x.copy()
    a, b, c, d = y[[0, 2]], y.flatten(), y + 0, y[0].copy()
    y[0] = 100
    a[0] += 1
    return y, a, b, c, d


@program
def made_here(x):
    z = vnp.zeros((4, 3))
    z[1] = x[:, 0]
    z.T[2] = x[1]
    flat = z.reshape(-1)
    flat[0] = x[0, 0]
    w = np.zeros_like(x)
    w[...] = x
    w += 1
    return z, flat, w


@program
def accumulate(x):
    total = vnp.zeros(4)
    history = vnp.zeros((3, 4))
    for i in range(3):
        total += x[i]
        history[i] = total
    return history, total


@program
def outs(x):
    y = np.empty_like(x)
    np.multiply(x, 2, out=y)
    np.exp(y[0], out=y[1])
    total = np.zeros_like(x[0])
    np.sum(x, axis=0, out=total)
    np.add(x, 1, out=y, where=x > 0)
    return y, total


@program
def branches_of_a_tree(x):
    y = x.copy()
    a, b = y[:2], y[1:]
    c, d = a.T, b[:, 1:]
    c[0] = d[0, 0]
    b *= 2
    del a
    d[0] = c[3, 0]
    return y, b, c, d


@program
def base_is_gone(x):
    a = x.copy()[1:]
    b = a[0]
    a[0, 1] = 3
    b[2] = a[1, 0]
    return a, b


@program
def augmented_methods(x):
    y = x.copy()
    y.fill(2)
    y -= x
    y /= 2
    y **= 2
    y[0].fill(1)
    y[1].sort()
    return y


@program
def views_outlive_rebinding(x):
    y = x.copy()
    r = y[0]
    y = y * 2  # a new array, of which r is no view
    y[0] = 0
    r += 1
    return y, r


every = pytest.mark.parametrize("fun", PROGRAMS, ids=[fun.__name__ for fun in PROGRAMS])


def arrays(xp=np, *batch):
    return xp.asarray(np.random.default_rng(7).uniform(0.5, 2.0, (*batch, 3, 4)))


@every
def test_writes_under_vmap(fun, xp):
    check_vmap(fun, arrays(xp, 3))


@every
def test_writes_under_derivatives(fun, xp):
    check_grads(fun, arrays(xp))
    check_composition(fun, arrays(xp, 2))


def test_arguments_stay_as_they_are(xp):
    def scaled(x):
        x[0] = 0
        x *= 2
        return x

    x = arrays(xp, 2)
    before = x.copy()
    expected = xp.stack([scaled(row.copy()) for row in x])
    assert_same(vmap(scaled)(x), expected)
    assert_same(grad(lambda x: scaled(x).sum())(x[0]), xp.where(xp.arange(3)[:, None] > 0, 2.0, 0.0) * xp.ones((3, 4)))
    assert_same(jvp(scaled, (x[0],), (x[0],))[1], expected[0])
    assert_same(x, before)


# What NumPy does not let one write to.


@pytest.mark.parametrize(
    "view",
    [
        lambda x: np.diagonal(x),
        lambda x: np.diag(x),
        lambda x: np.broadcast_to(x, (2, 3, 4)),
        lambda x: np.broadcast_arrays(x, np.zeros((2, 1, 1)))[0],
        lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 2)),
        lambda x: np.diagonal(x)[1:],
    ],
)
def test_read_only_views(view):
    def writes(x):
        v = view(x)
        v[0] = 1
        return x

    for transformed in (vmap(writes), grad(lambda x: writes(x[0]).sum()), lambda x: jvp(writes, (x[0],), (x[0],))):
        with pytest.raises(MutationError, match=r"read-only view, as in NumPy. Write to a \.copy\(\)"):
            transformed(arrays(np, 2))


def test_read_only_views_see_writes():
    def writes(x):
        y = x.copy()
        diagonal, wide = np.diagonal(y), np.broadcast_to(y[0], (2, 4))
        y *= 2
        return diagonal, wide

    check_vmap(writes, arrays(np, 2))


# Reshapes that are a view or a copy by the memory layout.


def merged(x):
    return x.reshape(-1)


def flattened(x):
    return x.ravel()


@pytest.mark.parametrize("flat", [merged, flattened])
@pytest.mark.parametrize("transform", [vmap, lambda f: grad(lambda x: f(x[0]).sum())])
def test_ambiguity_is_settled_by_use(flat, transform):
    def fine(x):
        y = flat(x)
        y[0] = 5  # whether x sees this is not known, and need not be
        return y * 2

    def ambiguous(x):
        y = flat(x)
        y[0] = 5
        return x.sum() + y

    def the_other_way_round(x):
        y = flat(x)
        x[0, 0] = 5
        return y

    transform(fine)(arrays(np, 2))
    for fun in (ambiguous, the_other_way_round):
        with pytest.raises(MutationError, match=r"x\[i\] = v: wrote to an array .* by the memory layout"):
            transform(fun)(arrays(np, 2))


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x,
        lambda x: x + 1,
        lambda x: 1 + x,
        lambda x: np.exp(x),
        lambda x: x[0],
        lambda x: x.T,
        lambda x: x.copy(),
        lambda x: x.fill(1),
        lambda x: x.__setitem__(0, 1),
        lambda x: x.__iadd__(1),
        lambda x: bool(x[:1, :1] > 0),
        lambda x: vmap(np.sin)(x),
        lambda x: grad(lambda y: (x * y).sum())(1.0),
        lambda x: np.add(1.0, np.ones((3, 4)), out=x),
    ],
)
def test_no_use_of_what_is_not_known(use):
    def lost(x):
        y = x.reshape(-1)
        y *= 2
        assert x.shape == (3, 4)  # these are known
        assert x.dtype == float
        return use(x)

    with pytest.raises(MutationError, match="memory layout"):
        vmap(lost)(arrays(np, 2))
    with pytest.raises(MutationError, match="memory layout"):
        grad(lambda x: lost(x))(arrays(np))


def test_truth_of_what_is_not_known():
    def lost(x):
        y = x.reshape(-1)
        y *= 2
        return y.sum() if x else 0.0

    with pytest.raises(MutationError, match="memory layout"):
        grad(lost)(arrays(np))


def test_order_a_needs_a_layout():
    with pytest.raises(TypeError, match=r"np.ravel: order 'A' goes by the memory layout .* Use 'C' or 'F'"):
        vmap(lambda x: np.ravel(x, "A"))(arrays(np, 2))
    check_vmap(lambda x: np.ravel(x.copy(), "A"), arrays(np, 2))


# Between transforms, and between tracers and plain arrays.


def test_inner_values_do_not_enter_outer_arrays():
    def outer(x):
        def inner(y):
            x[0] = y
            return y * y

        return vmap(inner)(x[0])

    with pytest.raises(MutationError, match=r"value of vmap\(inner\) into an array of the outer vmap\(outer\)"):
        vmap(outer)(arrays(np, 2))

    def outer_like(x):
        def inner(y):
            z = np.zeros_like(x)
            z[0, 0] = y
            return z.sum()

        return grad(inner)(x[0, 0])

    with pytest.raises(MutationError, match=r"vmapcore\.numpy\.zeros_like"):
        vmap(outer_like)(arrays(np, 2))


def test_arrays_made_for_the_inner_transform():
    def outer(x):
        def inner(y):
            z = vnp.zeros_like(x)
            z[0] = y
            z += x
            return (z * z).sum()

        return grad(inner)(x[0])

    assert_same(vmap(outer)(arrays(np, 2)), 4 * arrays(np, 2)[:, 0])


def test_outer_values_enter_inner_arrays():
    def outer(x):
        def inner(y):
            z = y * 1
            z[1:] = x[1:, 0]
            z[0] *= x[0, 0]
            return z

        return vmap(inner)(x.T)

    check_vmap(outer, arrays(np, 2), like=lambda x: np.stack([np.append(c[:1] * x[0, 0], x[1:, 0]) for c in x.T]))
    check_composition(outer, arrays(np, 2))


@pytest.mark.parametrize(
    "write",
    [
        lambda z, x: z.__setitem__(0, x[0]),
        lambda z, x: z.__setitem__(slice(None), x),
        lambda z, x: z.__iadd__(x),
        lambda z, x: np.add(z, x, out=z),
        lambda z, x: np.copyto(z, x),
        lambda z, x: z.fill(x[0]),
    ],
    ids=["z[0] = t", "z[:] = t", "z += t", "out=z", "copyto", "fill"],
)
@pytest.mark.parametrize(
    "transform", [vmap, lambda f: lambda x: grad(lambda x: f(x).sum())(x[0])], ids=["vmap", "grad"]
)
def test_tracers_do_not_enter_plain_arrays(write, transform):
    def writes(x):
        z = np.zeros(4)
        write(z, x)
        return z

    with pytest.raises((MutationError, ConcretizationError, ValueError)) as caught:
        transform(lambda x: writes(x[0]))(arrays(np, 2))
    error = caught.value if isinstance(caught.value, (MutationError, ConcretizationError)) else caught.value.__cause__
    assert "vmapcore.numpy.zeros" in str(error)


def test_ints_made_under_a_derivative_are_plain():
    def counts(x):
        n = vnp.zeros(3, int)
        m = n.reshape(3, 1)
        n[0] = 4
        m[1] = 5
        return (x * n).sum()

    assert_same(grad(counts)(np.ones(3)), np.array([4.0, 5.0, 0.0]))
    assert_same(vmap(grad(counts))(np.ones((2, 3))), np.array([[4.0, 5.0, 0.0]] * 2))


# Programs at random, held against NumPy on arrays of either layout.

INDICES = [
    0,
    -1,
    slice(1, None),
    slice(None, None, -1),
    slice(None, None, 2),
    (Ellipsis, 0),
    (Ellipsis, slice(0, 2)),
    None,
]
VIEWS = {
    "index": lambda x, i: x[INDICES[i]],
    "T": lambda x, i: x.T,
    "flip": lambda x, i: np.flip(x),
    "split": lambda x, i: np.array_split(x, 2)[i % 2],
    "expand": lambda x, i: np.expand_dims(x, -1),
    "squeeze": lambda x, i: np.squeeze(x),
    "reshape": lambda x, i: x.reshape(-1),
    "ravel": lambda x, i: x.ravel(),
    "rows": lambda x, i: x.reshape((*x.shape[:-1], -1, 2 if x.shape[-1] % 2 == 0 else 1)),
    "copy": lambda x, i: x.copy(),
    "new": lambda x, i: x + 0.5,
}
WRITES = {
    "set": lambda x, i: x.__setitem__(INDICES[i] if not isinstance(INDICES[i], tuple) else Ellipsis, 3.0 + i),
    "add": lambda x, i: x.__iadd__(1.0 + i),
    "shift": lambda x, i: x[1:].__iadd__(x[:-1]),
    "out": lambda x, i: np.multiply(x, 2.0, out=x),
    "first": lambda x, i: x.__setitem__((0,) * x.ndim, x.sum()),
}
steps = st.tuples(st.sampled_from([*VIEWS, *WRITES, "drop"]), st.integers(0, 7), st.integers(0, 7))


def run(program, x):
    """The arrays that are alive at the end."""
    alive = [x]
    for name, which, i in program:
        y = alive[which % len(alive)]
        if name == "drop":
            alive = [a for a in alive if a is not y] or alive
        elif y.ndim == 0 or y.shape[0] < 2 or y.shape[-1] < 2 or y.ndim > 3:
            continue
        elif name in VIEWS:
            alive.append(VIEWS[name](y, i))
        else:
            WRITES[name](y, i)
    return [a * 1 for a in alive]


@given(st.lists(steps, max_size=12), st.sampled_from([vmap, None]))
def test_random_programs(program, transform):
    """Equal to NumPy on contiguous and on other rows; else an error, and only where a reshape may copy."""
    rows = np.arange(24.0).reshape(2, 3, 4)

    def fun(x):
        return run(program, x)

    try:
        if transform is vmap:
            actual = vmap(fun)(rows)
        else:
            actual = [np.stack(pair) for pair in zip(*[jvp(fun, (x,), (x,))[0] for x in rows], strict=True)]
    except MutationError:
        assert {"reshape", "ravel", "rows"} & {name for name, _, _ in program}
        return
    for order in "CF":
        expected = [fun(np.array(x, order=order)) for x in rows]
        assert_same(actual, [np.stack(pair) for pair in zip(*expected, strict=True)], f"on rows in {order} order")


def test_in_place_operators_rebind_scalars(xp):
    """NumPy's scalars are not written to: what an example of a vector is, or an element, or a sum."""

    def f(s, v):
        before = s
        s += 1.0
        first = v[0]
        kept = first
        first *= 10.0
        return s, before, first, kept, v

    s, v = xp.asarray([1.0, 2.0]), xp.asarray([[1.0, 2.0], [3.0, 4.0]])
    for got, wanted in zip(vmap(f)(s, v), ([2.0, 3.0], [1.0, 2.0], [10.0, 30.0], [1.0, 3.0], v), strict=True):
        assert np.array_equal(got, xp.asarray(wanted))
    assert vmap(lambda n: n.__iadd__(0.5))(xp.asarray([1, 2])).dtype == np.float64


def test_in_place_operators_write_to_arrays_without_axes(xp):
    def f(a):
        same = a
        a *= 3.0
        return np.sum(same)

    assert f(xp.asarray(2.0)) == 6.0
    assert grad(f)(xp.asarray(2.0)) == 3.0
    assert jvp(f, (xp.asarray(2.0),), (xp.asarray(1.0),))[1] == 3.0
    assert np.array_equal(vmap(lambda s: f(vnp.full((), 1.0)) + s)(xp.zeros(2)), xp.asarray([3.0, 3.0]))


SCALARS = {
    "an element": lambda x: x[0],
    "a sum": np.sum,
    "a median": np.median,
    "a percentile": lambda x: np.percentile(x, 30),
    "between points": lambda x: np.interp(x[0], [0.0, 1.0], [1.0, 3.0]),
    "a condition number": lambda x: np.linalg.cond(np.eye(3) * x[0]),
    "turned round": lambda x: np.flip(x[0]),
    "transposed": lambda x: x[0].T,
    "of another shape": lambda x: x[0].reshape(()),
    "without axes of 1": lambda x: np.squeeze(x[0]),
    "a copy": lambda x: x[0].copy(),
    "of a stack": lambda x: np.unstack(x)[0],
}
"""What NumPy has as a scalar."""

ZERO_DIMENSIONAL = {
    "chosen": lambda x: np.where(x[0] > 0, x[0], x[1]),
    "selected": lambda x: np.select([x[0] > 0], [x[1]], 0.0),
    "by pieces": lambda x: np.piecewise(x[0], [x[0] > 0], [1.0, 2.0]),
    "a product": lambda x: np.tensordot(x, x, 1),
    "rolled": lambda x: np.roll(x[0], 1),
    "everything": lambda x: x[0][...],
    "an element as a view": lambda x: x[0, ...] if x.ndim == 1 else x,
    "copied": lambda x: np.copy(x[0]),
    "tiled": lambda x: np.tile(x[0], ()),
    "resized": lambda x: np.resize(x[0], ()),
    "a variance": np.cov,
    "along an axis": lambda x: np.apply_along_axis(np.sum, 0, x),
}
"""What it has as an array of no axes."""

USES = {
    "in place": lambda s: (s, operator.iadd(s, 1.0)),
    "by a view": lambda s: (s, operator.imul(s[None], 3.0), s),
    "under a view": lambda s: (np.atleast_1d(s), operator.iadd(s, 1.0)),
    "under an axis": lambda s: (s[None], operator.iadd(s, 1.0)),
    "under a shape": lambda s: (s.reshape(1), np.expand_dims(s, 0), operator.iadd(s, 1.0)),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", [*SCALARS, *ZERO_DIMENSIONAL])
def test_scalars_have_no_views_and_arrays_of_no_axes_have(kind, use, xp):
    make = {**SCALARS, **ZERO_DIMENSIONAL}[kind]

    def f(x):
        results = USES[use](make(x))
        return np.stack([r.reshape(-1)[0] for r in results])

    rows = np.array([[0.5, -1.0, 2.0], [-0.25, 1.5, 0.75]])
    expected = np.stack([f(row.copy()) for row in rows])
    assert_same(vmap(f)(xp.asarray(rows)), xp.asarray(expected))
    for row, values in zip(rows, expected, strict=True):
        out, tangent = jvp(f, (xp.asarray(row),), (xp.ones(3),))
        assert_same(out, xp.asarray(values))
        step = (f(row + 1e-6) - f(row - 1e-6)) / 2e-6
        assert np.allclose(tangent, xp.asarray(step), atol=1e-6)


def test_conjugates_of_real_arrays_are_the_arrays():
    def f(x):
        x = x.copy()
        x.conj()[0] = 9
        x.conjugate()[1] = 8
        return x

    check_vmap(f, np.arange(6.0).reshape(2, 3))
    assert f(np.arange(3.0)).tolist() == [9, 8, 2]
    assert grad(lambda x: np.sum(f(x)))(np.arange(3.0)).tolist() == [0, 0, 1]


def test_parts_are_written_to():
    def f(z):
        z = z.copy()
        z.real = 2 * z.imag
        z.imag = 1
        return z

    check_vmap(f, np.array([[1 + 2j, 3 - 1j], [2j, 0.5]]))


def test_filling_a_scalar_does_nothing_as_in_numpy():
    check_vmap(lambda x: (x[0].fill(3.0), x[0] * 1)[1], np.ones((2, 3)))
