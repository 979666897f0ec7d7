"""Rows for vmapcore/rules/indexing.py, gather.py, at.py and taking.py."""

import functools

import numpy as np

from vmapcore.core import lift
from vmapcore.numpy_protocol import NUMPY
from vmapcore.rules.at import at
from vmapcore.rules.gather import gather, last_writes, scatter_place
from vmapcore.rules.slicing import slice_place

from . import Arg, row


def index(*shape, n=3):
    """An argument of valid indices of an axis of length `n`, some of them negative."""
    return Arg(shape, "i", -n, n)


def order(*shape):
    """An argument of indices from 0."""
    return Arg(shape, "i", 0, 3)


MASK = np.array([True, False, True])
GRID = np.array([[True, False, True], [False, False, True]])


def read(name, place, *args, **options):
    """A row for `x[place(*indices)]`, where NumPy's own brackets would not see that an index is traced and x is not."""

    def fun(x, *indices):
        return NUMPY["getitem"](x, place(*indices))

    def loop(x, *indices):
        return x[place(*indices)]

    return row(name, fun, *args, loop=loop, **options)


def write(name, place, *args, **options):
    """A row for what `x` is after `x[place(*indices)] = v`, a function of x, v and the indices."""

    def fun(x, v, *indices):
        return NUMPY["setitem"](x, place(*indices), v)

    return row(name, fun, *args, loop=written(place), **options)


def written(place):
    """The same in plain NumPy."""

    def loop(x, v, *indices):
        y = np.array(x)
        y[place(*indices)] = v
        return y

    return loop


def at_row(name, method, ufunc, *args, place=lambda *i: i, **options):
    """A row that holds `at(x)[i].method(v)` against `ufunc.at`."""

    def loop(x, v, *indices):
        y = x.copy()
        ufunc.at(y, place(*indices), v)
        return y

    def fun(x, v, *indices):
        return getattr(at(x)[place(*indices)], method)(v)

    return row(name, fun, *args, loop=loop, **options)


def in_place(name, change, *args, **options):
    """A row for a function that writes into its first argument."""

    def fun(x, *rest):
        y = lift(x.copy())  # so that values of every running transform may be written to it
        change(y, *rest)
        return y

    def loop(x, *rest):
        y = x.copy()
        change(y, *rest)
        return y

    return row(name, fun, *args, **{"loop": loop} | options)


BASIC = [
    row("getitem int", lambda x: x[1], (3,), kinds="fcib"),
    row("getitem ints", lambda x: x[-1, 0], (2, 3)),
    row("getitem slice", lambda x: x[1:], (3, 2), kinds="fcib"),
    row("getitem step", lambda x: x[::-2, 2:0:-1], (3, 4)),
    row("getitem None", lambda x: x[None, :, None, 1], (2, 3)),
    row("getitem Ellipsis", lambda x: x[..., 0], (2, 3)),
    row("getitem Ellipsis of nothing", lambda x: x[1, ...], (3,)),
    row("getitem everything", lambda x: x[...] * x[:] * x[()], (2, 3)),
    row("getitem empty", lambda x: x[3:], (3,)),
    row("getitem 0-d", lambda x: x[()] * x[None], ()),
    row("getitem numpy int", lambda x: x[np.int8(1), np.array(0)], (2, 3)),
    write("setitem slice", lambda: np.s_[1:], (3, 2), (2, 2), kinds="fcib"),
    write("setitem broadcast", lambda: np.s_[:, None, ::2], (2, 3), (2,)),
    write("setitem spare axes", lambda: 0, (2, 3), (1, 1, 3)),
    write("setitem 0-d", lambda: ..., (), ()),
    write("setitem everything", lambda: np.s_[:], (2, 3), (3,)),
    in_place("setitem number", lambda x: x.__setitem__(np.s_[1:, 0], 2.5), (3, 2), kinds="fci"),
    in_place("setitem list of arrays", lambda x: x.__setitem__(np.s_[:2], [x[1], 2 * x[0]]), (3,)),
]

GATHER = [
    read("getitem array", lambda i: i, (3, 2), index(4), kinds="fcib"),
    read("getitem array of two axes", lambda i: i, (3,), index(2, 2)),
    read("getitem array after slice", lambda i: np.s_[1:, i], (3, 3), index(4)),
    read("getitem array last", lambda i: np.s_[..., i, None], (2, 3), index(4)),
    read("getitem traced int", lambda i: i, (3, 2), index()),
    read("getitem 0-d of row", lambda i: (0, i), (2, 3), index()),
    read("getitem two arrays", lambda i, j: (i, j), (3, 3, 2), index(2), index(2)),
    read("getitem two arrays that broadcast", lambda i, j: np.s_[:, i, j], (2, 3, 3), index(2, 1), index(4)),
    read("getitem two arrays apart", lambda i, j: np.s_[i, :, j], (3, 2, 3), index(2), index(2)),
    read("getitem int apart", lambda i: np.s_[0, :, i], (2, 4, 3), index(2)),
    read("getitem None apart", lambda i, j: (i, None, j), (3, 3), index(2), index(2)),
    read("getitem 0-d apart", lambda i, j: np.s_[i, :, j], (3, 2, 3), index(), index()),
    row("getitem list", lambda x: x[[0, -1, 0]], (3, 2)),
    row("getitem empty list", lambda x: x[[]], (3, 2)),
    read("getitem list of indices", lambda i, j: [i, j, 0], (3, 2), index(), index()),
    read("getitem many", lambda i: i, (3, 2), index(300)),
    row("getitem mask", lambda x: x[MASK], (3, 2), kinds="fcib"),
    row("getitem mask of two axes", lambda x: x[GRID], (2, 3)),
    read("getitem mask and array", lambda i: (MASK, i), (3, 3), index(2)),
    row("getitem mask apart", lambda x: x[MASK, :, 0], (3, 2, 2)),
    row("getitem true", lambda x: x[True, None, np.True_], (3,)),
    row("getitem false", lambda x: x[False], (3,)),
    row("getitem second order", lambda x: x[[0, 2, 0, 1]] ** 3 * x[0], (3,)),
    write("setitem array", lambda i: i, (3, 2), (4, 2), index(4), kinds="fcib"),
    write("setitem array broadcast", lambda i: i, (3, 2), (2,), index(4)),
    write("setitem array after slice", lambda i: np.s_[1:, i], (3, 3), (2, 4), index(4)),
    write("setitem traced int", lambda i: i, (3, 2), (2,), index()),
    write("setitem two arrays", lambda i, j: (i, j), (3, 3), (4,), index(4), index(4)),
    write("setitem two arrays apart", lambda i, j: np.s_[i, :, j], (3, 2, 3), (4, 2), index(4), index(4)),
    write("setitem int apart", lambda i: np.s_[0, :, i], (2, 4, 3), (2, 1), index(2)),
    write("setitem list", lambda: [2, 0, 2], (3, 2), (3, 1)),
    write("setitem fixed mask", lambda: MASK, (3, 2), (2, 2)),
    write("setitem fixed grid", lambda: GRID, (2, 3), (3,)),
    write("setitem mask", lambda m: m, (3, 2), (2,), Arg((3,), "b")),
    in_place("setitem mask of number", lambda x, m: x.__setitem__(m, 2), (3, 2), Arg((3,), "b"), kinds="fcib"),
    write("setitem mask of two axes", lambda m: m, (2, 3, 2), (1, 2), Arg((2, 3), "b")),
    write("setitem mask last", lambda m: np.s_[..., m], (2, 3), (2, 1), Arg((3,), "b")),
    write("setitem mask apart", lambda m: np.s_[0, :, m], (2, 3, 2), (3,), Arg((2,), "b")),
    write("setitem mask 0-d", lambda m: m, (3,), (3,), Arg((), "b")),
    row("setitem second order", lambda x, v: at(x * v[0])[[0, 2, 0]].set(v * v * v) * x, (3,), (3,)),
    in_place("setitem of a view", lambda x, v: x[1:].__setitem__(0, v), (3, 2), (2,)),
    in_place("setitem of a view at a number", lambda x, i, v: x[i[()]].__setitem__(0, v), (3, 2), index(), ()),
    in_place("x[i] += v", lambda x, i, v: x.__setitem__(i, x[i] + v), (3, 2), index(4), (2,)),
]

AT = [
    row("at set", lambda x, v, i: at(x)[i].set(v), (3,), (4,), index(4), loop=written(lambda i: i)),
    row("at get", lambda x, i: at(x)[i].get(), (3,), index(4), loop=lambda x, i: x[i]),
    row("at apply", lambda x: at(x)[1:].apply(np.sin), (3,), loop=lambda x: np.append(x[:1], np.sin(x[1:]))),
    at_row("at add", "add", np.add, (3, 2), (4, 2), index(4), kinds="fciub"),
    at_row("at add slice", "add", np.add, (3, 2), (2,), place=lambda: np.s_[1:]),
    at_row("at add 0-d", "add", np.add, (3, 2), (2,), index()),
    at_row("at add elements", "add", np.add, (3,), (4,), index(4)),
    at_row("at add two", "add", np.add, (3, 3, 2), (4, 1), index(4), index(4)),
    at_row("at add apart", "add", np.add, (3, 2, 3), (4, 2), index(4), index(4), place=lambda i, j: np.s_[i, :, j]),
    at_row("at add long rows", "add", np.add, (3, 1200), (4, 1200), index(4), differentiable=False),
    at_row("at add mask", "add", np.add, (3, 2), (2,), Arg((3,), "b")),
    at_row("at subtract", "subtract", np.subtract, (3, 2), (4, 2), index(4), kinds="fciu"),
    at_row("at multiply", "multiply", np.multiply, (3, 2), (4, 2), index(4), kinds="fciu"),
    at_row("at multiply elements", "multiply", np.multiply, (3,), (2, 3), index(2, 3)),
    at_row("at multiply slice", "multiply", np.multiply, (3,), (2,), place=lambda: np.s_[1:]),
    at_row(
        "at multiply two", "multiply", np.multiply, (2, 3, 3), (4,), index(4), index(4), place=lambda i, j: (..., i, j)
    ),
    at_row("at divide", "divide", np.divide, (3, 2), Arg((4, 2), low=0.5), index(4), kinds="fc"),
    at_row("at max", "max", np.maximum, Arg((3, 2), distinct=True), Arg((4, 2), distinct=True), index(4), kinds="fiu"),
    at_row("at min", "min", np.minimum, Arg((3,), distinct=True), Arg((5,), distinct=True), index(5), kinds="fiu"),
    in_place("np.add.at", lambda x, i, v: np.add.at(x, i, v), (3,), index(4), (4,), kinds="fciu"),
    in_place("np.subtract.at", lambda x, i, v: np.subtract.at(x, i, v), (3, 2), index(4), (4, 2)),
    in_place("np.multiply.at", lambda x, i, v: np.multiply.at(x, (i, 0), v), (3, 2), index(4), ()),
    in_place("np.divide.at", lambda x, i, v: np.divide.at(x, i, v), (3,), index(4), Arg((4,), low=0.5)),
    in_place("np.maximum.at", lambda x, i, v: np.maximum.at(x, i, v), (3,), index(4), Arg((4,), distinct=True)),
    in_place("np.minimum.at", lambda x, i, v: np.minimum.at(x, i, v), (3,), index(4), Arg((4,), distinct=True)),
]

TAKES = [
    ("take", (3, 2), index(4, n=6), {}),
    ("take axis", (2, 3), index(2, 2), {"axis": -1}),
    ("take axis=0", (3, 2), index(4), {"axis": 0}),
    ("take 0-d", (3, 2), index(), {"axis": 0}),
    ("take wrap", (3,), Arg((4,), "i", -9, 9), {"mode": "wrap"}),
    ("take clip", (2, 3), Arg((4,), "i", -9, 9), {"mode": "clip", "axis": 1}),
]
"""`np.take` itself does not look at its indices, which may be all that is traced."""

TAKING = [
    *[
        row(name, functools.partial(NUMPY[np.take], **params), shape, i, loop=functools.partial(np.take, **params))
        for name, shape, i, params in TAKES
    ],
    row("take list", lambda x: np.take(x, [[0, -1]], axis=1), (2, 3)),
    row("take method", lambda x: x.take([0, 2], axis=1), (2, 3), kinds="fcib"),
    in_place(
        "take out", lambda y, x: np.take(x.astype(y.dtype), [0, 2], out=y), (2,), (3,), differentiable=(False, True)
    ),
    row("take_along_axis", np.take_along_axis, (2, 3), index(2, 4), kinds="fcib"),
    row("take_along_axis axis=0", np.take_along_axis, (3, 2), index(4, 2), params={"axis": 0}),
    row("take_along_axis broadcast", np.take_along_axis, (2, 3, 2), index(1, 4, 2), params={"axis": 1}),
    row("take_along_axis flat", np.take_along_axis, (2, 3), index(4, n=6), params={"axis": None}),
    row("compress", lambda x: np.compress([1, 0, 1], x), (3, 2)),
    row("compress axis", lambda x: x.compress(MASK, axis=-1), (2, 3)),
    row("compress short", lambda x: np.compress([False, True], x), (3,)),
    row("extract", lambda x: np.extract(GRID, x), (2, 3)),
    in_place("put", np.put, (3, 2), index(4, n=6), (4,), kinds="fci"),
    in_place("put cycled", np.put, (3,), index(5), (2,)),
    in_place("put fewer", np.put, (3,), index(2), (4,)),
    in_place("put clip", lambda x, i, v: np.put(x, i, v, mode="clip"), (3,), Arg((4,), "i", -9, 9), (4,)),
    in_place("put method", lambda x, v: x.put([0, -1], v), (3,), ()),
    in_place(
        "put_along_axis", lambda x, i, v: np.put_along_axis(x, i, v, -1), (2, 3), index(2, 4), (2, 4), kinds="fci"
    ),
    in_place("put_along_axis broadcast", lambda x, i, v: np.put_along_axis(x, i, v, 0), (3, 2), index(2, 1), (2,)),
    in_place("put_along_axis flat", lambda x, i, v: np.put_along_axis(x, i, v, None), (3, 2), index(4, n=6), ()),
    in_place(
        "putmask", lambda x, m, v: np.putmask(x, m, v.astype(x.dtype)), (2, 3), Arg((2, 3), "b"), (4,), kinds="fci"
    ),
    in_place("putmask longer", lambda x, m, v: np.putmask(x, m, v.astype(x.dtype)), (3,), Arg((3,), "b"), (2, 3)),
    in_place("putmask number", lambda x, m: np.putmask(x, m, 2), (3,), Arg((3,), "b")),
    in_place("place", lambda x, m, v: np.place(x, m, v.astype(x.dtype)), (2, 3), Arg((2, 3), "b"), (2,), kinds="fci"),
    in_place("copyto", np.copyto, (2, 3), (3,), kinds="fcib"),
    in_place("copyto where", lambda x, v, m: np.copyto(x, v, where=m), (2, 3), (3,), Arg((3,), "b")),
    in_place("copyto unsafe", lambda x: np.copyto(x, np.array([1.5, 2, 3]), casting="unsafe"), (3,), kinds="fi"),
    in_place("fill_diagonal", np.fill_diagonal, (3, 3), (2,), kinds="fci"),
    in_place("fill_diagonal number", lambda x: np.fill_diagonal(x, 7), (2, 3)),
    in_place("fill_diagonal wrap", lambda x, v: np.fill_diagonal(x, v, wrap=True), (5, 2), (3,)),
    in_place("fill_diagonal tall", np.fill_diagonal, (5, 2), ()),
    in_place("fill_diagonal of three axes", np.fill_diagonal, (3, 3, 3), (1, 3)),
    row("apply_along_axis", lambda x: np.apply_along_axis(np.cumsum, 1, x), (2, 3, 2)),
    row("apply_along_axis to numbers", lambda x: np.apply_along_axis(lambda r: np.max(r) * r[0], 0, x), (3, 2)),
    row("apply_along_axis to matrices", lambda x: np.apply_along_axis(lambda r: np.outer(r, r), 1, x), (2, 3, 2)),
    row("apply_along_axis with arguments", lambda x: np.apply_along_axis(np.add, -1, x, MASK), (2, 3)),
    row("apply_over_axes", lambda x: np.apply_over_axes(np.sum, x, [0, -1]), (2, 3, 2)),
    row("diag_indices_from", lambda x: x[np.diag_indices_from(x)], (3, 3)),
    row("tril_indices_from", lambda x: x[np.tril_indices_from(x, -1)], (3, 3)),
    row("triu_indices_from", lambda x: x[np.triu_indices_from(x)], (2, 3)),
    row("unravel_index", np.unravel_index, Arg((2, 2), "i", 0, 6), params={"shape": (2, 3)}),
    row("unravel_index order=F", np.unravel_index, Arg((), "i", 0, 6), params={"shape": (2, 3), "order": "F"}),
    row("unravel_index one axis", np.unravel_index, Arg((2,), "i", 0, 6), params={"shape": 6}),
    row("ravel_multi_index", lambda i, j: np.ravel_multi_index((i, j), (3, 3)), order(2, 2), order(2)),
    row(
        "ravel_multi_index mode",
        lambda i: np.ravel_multi_index(i, (3, 2), mode=("wrap", "clip"), order="F"),
        Arg((2, 4), "i", -5, 9),
    ),
]


def placed(v, i, shape):
    """Zeros of `shape` with `v` added in every line at the indices of that line."""
    out = np.zeros(shape, v.dtype)
    for line in np.ndindex(shape[:-1]):
        np.add.at(out[line], i[line], v[line])
    return out


def kept(i, n):
    """Whether no later index is the same, negative ones counted from the end."""
    places = list(np.ravel(i % n))
    return np.array([place not in places[k + 1 :] for k, place in enumerate(places)], bool).reshape(i.shape)


LINES = {"paired": 1, "tail": 0, "unique": False}

PRIMITIVES = [
    row(
        "slice_place",
        lambda v: slice_place(v[..., None], index=((1, None, None), None, 0), shape=(v.shape[1] + 1, 3)),
        (4, 2),
        loop=lambda v: np.pad(v[..., None], ((0, 0), (1, 0), (0, 2))),
    ),
    row("gather lines", lambda x, i: gather(x, i, **LINES), (2, 3), index(2, 4), loop=np.take_along_axis),
    row(
        "gather in line",
        lambda x, i: gather(x, i, **LINES),
        (2, 3),
        index(2),
        loop=lambda x, i: x[np.arange(len(x)), i],
    ),
    row(
        "scatter_place",
        lambda v, i: scatter_place(v, i, shape=(len(v), 3), **LINES),
        (2, 4),
        index(2, 4),
        loop=lambda v, i: placed(v, i, (len(v), 3)),
    ),
    row(
        "scatter_place after lead",
        lambda v, i: scatter_place(v, i, shape=(3,), paired=0, tail=0, unique=False),
        (2, 4),
        index(4),
        loop=lambda v, i: placed(v, np.broadcast_to(i, v.shape), (len(v), 3)),
    ),
    row("last_writes", lambda i: last_writes(i, shape=(3,), paired=0), index(5), loop=lambda i: kept(i, 3)),
    row(
        "last_writes of two axes",
        lambda i: last_writes(i, shape=(3,), paired=0),
        index(2, 3),
        loop=lambda i: kept(i, 3),
    ),
]

ROWS = BASIC + GATHER + AT + TAKING + PRIMITIVES
