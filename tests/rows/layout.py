"""Rows for vmapcore/rules/layout.py, joining.py, repeating.py, padding.py and diagonals.py."""

import numpy as np

import vmapcore.numpy as vnp
from vmapcore.rules.diagonals import overlap_add

from . import Arg, row

sliding_window_view = np.lib.stride_tricks.sliding_window_view

SHAPES = [
    row("reshape", np.reshape, (2, 3), params={"shape": (3, 2)}, kinds="fcib"),
    row("reshape -1", lambda x: np.reshape(x, (3, -1)), (2, 3)),
    row("reshape to an int", lambda x: np.reshape(x, -1), (2, 3)),
    row("reshape order=F", np.reshape, (2, 3, 2), params={"shape": (4, 3), "order": "F"}),
    row("reshape copy", np.reshape, (2, 3), params={"shape": 6, "copy": True}),
    row("reshape 0-d", lambda x: np.reshape(x, ()), (1, 1)),
    row("reshape method", lambda x: x.reshape(3, 2) * x.reshape((3, 2), order="F"), (2, 3)),
    row("ravel", np.ravel, (2, 3)),
    row("ravel order=F", np.ravel, (2, 3, 2), params={"order": "F"}),
    row("ravel 0-d", np.ravel, ()),
    row("flatten method", lambda x: x.flatten("F"), (2, 3)),
    row("transpose", np.transpose, (2, 3, 4), kinds="fcib"),
    row("transpose axes", np.transpose, (2, 3, 4), params={"axes": (-1, 0, 1)}),
    row("transpose 0-d", np.transpose, ()),
    row("transpose methods", lambda x: x.T + x.transpose(1, 0) + x.transpose((-1, 0)) + x.mT, (2, 3)),
    row("matrix_transpose", np.matrix_transpose, (2, 3, 4)),
    row("swapaxes", np.swapaxes, (2, 3, 4), params={"axis1": 0, "axis2": -1}),
    row("moveaxis", np.moveaxis, (2, 3, 4), params={"source": 0, "destination": -1}),
    row("moveaxis of two", np.moveaxis, (2, 3, 4), params={"source": (0, -1), "destination": (1, 0)}),
    row("rollaxis", np.rollaxis, (2, 3, 4), params={"axis": -1}),
    row("rollaxis start", np.rollaxis, (2, 3, 4), params={"axis": 0, "start": 2}),
    row("expand_dims", np.expand_dims, (2, 3), params={"axis": -1}),
    row("expand_dims of two", np.expand_dims, (2, 3), params={"axis": (0, -2)}),
    row("squeeze", np.squeeze, (1, 3, 1)),
    row("squeeze axis", np.squeeze, (1, 3, 1), params={"axis": -1}),
    row("squeeze axes", np.squeeze, (1, 3, 1), params={"axis": (0, 2)}),
    row("atleast_1d", np.atleast_1d, ()),
    row("atleast_1d of two", np.atleast_1d, (), (2, 3)),
    row("atleast_2d", np.atleast_2d, (3,)),
    row("atleast_2d of three", np.atleast_2d, (), (3,), (2, 3)),
    row("atleast_3d 0-d", np.atleast_3d, ()),
    row("atleast_3d", np.atleast_3d, (3,)),
    row("atleast_3d of two", np.atleast_3d, (2, 3), (2, 3, 2)),
    row("broadcast_to", np.broadcast_to, (3, 1), params={"shape": (2, 3, 4)}, kinds="fcib"),
    row("broadcast_to from 0-d", np.broadcast_to, (), params={"shape": 3}),
    row("broadcast_arrays", np.broadcast_arrays, (3, 1), (4,), ()),
    row("flip", np.flip, (2, 3), kinds="fcib"),
    row("flip axis", np.flip, (2, 3), params={"axis": -1}),
    row("flip axes", np.flip, (2, 3, 4), params={"axis": (0, 2)}),
    row("flip 0-d", np.flip, ()),
    row("flipud", np.flipud, (3, 2)),
    row("fliplr", np.fliplr, (3, 2)),
    *[row(f"rot90 k={k}", np.rot90, (2, 3, 2), params={"k": k, "axes": (0, 1)}) for k in (0, 1, 2, 3)],
    row("rot90 axes", np.rot90, (2, 3, 2), params={"k": -1, "axes": (2, 0)}),
    row("copy", np.copy, (2, 3), kinds="fcib"),
    row("copy method", lambda x: x.copy() * x, (3,)),
]

DIAGONALS = [
    row("tril", np.tril, (3, 4), kinds="fcib"),
    row("tril k", np.tril, (2, 3, 4), params={"k": -1}),
    row("tril of a vector", np.tril, (3,), params={"k": 1}),
    row("triu", np.triu, (3, 4), kinds="fcib"),
    row("triu k", np.triu, (2, 4, 3), params={"k": 1}),
    row("diagonal", np.diagonal, (3, 4), kinds="fcib"),
    row("diagonal offset", np.diagonal, (3, 4), params={"offset": 2}),
    row("diagonal below", np.diagonal, (4, 3), params={"offset": -2}),
    row("diagonal axes", np.diagonal, (2, 3, 4), params={"offset": 1, "axis1": -1, "axis2": 0}),
    row("diagonal beyond", np.diagonal, (2, 3), params={"offset": 4}),
    row("diag of a vector", np.diag, (3,), kinds="fcib"),
    row("diag of a vector, above", np.diag, (3,), params={"k": 2}),
    row("diag of a vector, below", np.diag, (3,), params={"k": -1}),
    row("diag of a matrix", np.diag, (3, 4), params={"k": -1}),
    row("diagflat", np.diagflat, (2, 2), params={"k": 1}),
    row("trace", np.trace, (3, 4), kinds="fci"),
    row("trace axes", np.trace, (2, 3, 4), params={"offset": -1, "axis1": 2, "axis2": 1}),
    row("trace dtype", lambda x: np.trace(x, dtype=np.complex128), (3, 3)),
    row("sliding_window_view", sliding_window_view, (5,), params={"window_shape": 3}, kinds="fci"),
    row("sliding_window_view of matrices", sliding_window_view, (3, 4), params={"window_shape": (2, 3)}),
    row("sliding_window_view axis", sliding_window_view, (3, 4), params={"window_shape": 2, "axis": 0}),
    row("sliding_window_view twice", sliding_window_view, (5, 2), params={"window_shape": (2, 3), "axis": (0, 0)}),
]

DIAGONALS.append(
    row(
        "overlap_add",
        lambda x: overlap_add(x, sizes=(3,), axes=(-1,)),
        (2, 4, 3),
        loop=lambda x: sum(np.pad(x[..., i], ((0, 0), (i, 2 - i))) for i in range(3)),
    )
)

JOINING = [
    row("concatenate", lambda x, y: np.concatenate([x, y]), (2, 3), (1, 3), kinds="fcib"),
    row("concatenate axis", lambda x, y, z: np.concatenate((x, y, z), axis=-1), (2, 3), (2, 1), (2, 2)),
    row("concatenate axis=None", lambda x, y: np.concatenate([x, y], axis=None), (2, 3), (2,)),
    row("concatenate dtype", lambda x, y: np.concatenate([x, y], dtype=np.complex128), (2,), (3,)),
    row("concatenate dtypes", lambda x, y: np.concatenate([x, y]), (2,), Arg((3,), "i")),
    row("concatenate real and complex", lambda x, y: np.concatenate([x, 1j * y]), (2,), (3,)),
    row("concatenate with a list", lambda x: np.concatenate([x, [1.0, 2.0]]), (2,)),
    row("concatenate with a list of traced", lambda x, y: vnp.concatenate([x, [y, 2.0 * y]]), (2,), ()),
    row("concatenate the rows", lambda x: np.concatenate(x * x), (2, 3)),
    row("stack", lambda x, y: np.stack([x, y]), (2, 3), (2, 3), kinds="fcib"),
    row("stack axis", lambda x, y, z: np.stack((x, y, z), axis=-1), (2, 3), (2, 3), (2, 3)),
    row("stack dtype", lambda x, y: np.stack([x, y], axis=1, dtype=np.complex128), (3,), (3,)),
    row("stack with numbers", lambda x, y: np.stack([x, 2.0, y, 1]), (), ()),
    row("vstack", lambda x, y: np.vstack([x, y]), (3,), (2, 3)),
    row("hstack", lambda x, y: np.hstack([x, y]), (2, 1), (2, 3)),
    row("hstack of vectors", lambda x, y: np.hstack([x, y, 1.0]), (2,), (3,)),
    row("dstack", lambda x, y: np.dstack([x, y]), (2, 3), (2, 3)),
    row("dstack of vectors", lambda x, y: np.dstack([x, y]), (3,), (3,)),
    row("column_stack", lambda x, y: np.column_stack([x, y]), (2,), (2, 3)),
    row("append", np.append, (2, 3), (2,)),
    row("append axis", np.append, (2, 3), (2, 1), params={"axis": 1}),
    row("block", lambda x, y: np.block([[x, y], [np.ones_like(y).T, 1.0]]), (3, 3), (3, 1)),
    row("block of vectors", lambda x, y: np.block([x, y, 2.0]), (2,), ()),
    row("block of one", np.block, (2, 2)),
    row("split", np.split, (6, 2), params={"indices_or_sections": 3}, kinds="fcib"),
    row("split one used", lambda x: np.split(x, 3)[1] ** 2, (6, 2)),
    row("split at", np.split, (6,), params={"indices_or_sections": [1, 4]}),
    row("split beyond", np.split, (6,), params={"indices_or_sections": [-2, 9]}),
    row("split overlapping", np.split, (6,), params={"indices_or_sections": [4, 2]}),
    row("array_split", np.array_split, (2, 5), params={"indices_or_sections": 3, "axis": -1}),
    row("hsplit", np.hsplit, (2, 4), params={"indices_or_sections": 2}),
    row("hsplit of a vector", np.hsplit, (4,), params={"indices_or_sections": [1]}),
    row("vsplit", np.vsplit, (4, 2), params={"indices_or_sections": 2}),
    row("dsplit", np.dsplit, (1, 2, 4), params={"indices_or_sections": 2}),
    row("unstack", np.unstack, (3, 2)),
    row("unstack axis", np.unstack, (3, 2), params={"axis": -1}),
]

REPEATING = [
    row("tile", np.tile, (2, 3), params={"reps": (2, 1)}, kinds="fcib"),
    row("tile once", np.tile, (2, 3), params={"reps": 1}),
    row("tile to more axes", np.tile, (3,), params={"reps": (2, 1, 2)}),
    row("tile fewer", np.tile, (2, 3), params={"reps": 3}),
    row("tile by nothing", np.tile, (2, 3), params={"reps": ()}),
    row("tile none", np.tile, (2, 3), params={"reps": (0, 2)}),
    row("repeat", np.repeat, (2, 3), params={"repeats": 2}, kinds="fcib"),
    row("repeat axis", np.repeat, (2, 3), params={"repeats": 3, "axis": 0}),
    row("repeat counts", np.repeat, (2, 3), params={"repeats": [2, 0, 1], "axis": -1}),
    row("repeat 0-d", np.repeat, (), params={"repeats": 2}),
    row("repeat none", np.repeat, (2, 3), params={"repeats": 0, "axis": 1}),
    row("roll", np.roll, (2, 3), params={"shift": 1}, kinds="fcib"),
    row("roll axis", np.roll, (2, 3), params={"shift": -4, "axis": -1}),
    row("roll axes", np.roll, (2, 3), params={"shift": (1, 2), "axis": (0, 1)}),
    row("roll one shift, two axes", np.roll, (2, 3), params={"shift": 1, "axis": (1, 0)}),
    row("roll one axis twice", np.roll, (5,), params={"shift": (1, 1), "axis": 0}),
    row("roll shift traced", lambda x, n: vnp.roll(x, n, axis=0), (4, 2), Arg((), "i", -5, 6)),
    row("roll shift traced, flat", lambda x, n: vnp.roll(x, n), (2, 3), Arg((), "i", -5, 6)),
    row("roll 0-d", np.roll, (), params={"shift": 2}),
    row("resize", np.resize, (2, 3), params={"new_shape": (3, 3)}, kinds="fcib"),
    row("resize smaller", np.resize, (2, 3), params={"new_shape": 4}),
    row("resize to nothing", np.resize, (2, 3), params={"new_shape": (0, 2)}),
    row("delete", np.delete, (5,), params={"obj": 1}, kinds="fcib"),
    row("delete slice", np.delete, (2, 5), params={"obj": slice(1, None, 2), "axis": 1}),
    row("delete several", np.delete, (2, 5), params={"obj": [0, -1], "axis": -1}),
    row("delete flat", np.delete, (2, 3), params={"obj": [0, 4]}),
    row("insert", lambda x, v: np.insert(x, 1, v), (5,), ()),
    row("insert a list", np.insert, (5,), params={"obj": 2, "values": [1.0, 2.0]}),
    row("insert a list of traced", lambda x, v: vnp.insert(x, 2, [v, 2 * v]), (5,), ()),
    row("insert a row", lambda x, v: np.insert(x, 1, v, axis=0), (2, 3), (3,)),
    row("insert a column", lambda x, v: np.insert(x, -1, v, axis=1), (2, 3), (2,)),
    row("insert columns", lambda x, v: np.insert(x, 1, v, axis=1), (2, 3), (2, 2)),
    row("insert at several", lambda x, v: np.insert(x, [0, 3, 3], v), (3,), (3,)),
    row("insert at a list of one", lambda x, v: np.insert(x, [1], v, axis=1), (2, 3), (2, 1)),
    row("insert at a slice", lambda x, v: np.insert(x, slice(0, 2), v, axis=-1), (2, 3), ()),
    row("meshgrid", np.meshgrid, (2,), (3,)),
    row("meshgrid ij", np.meshgrid, (2,), (3,), (), params={"indexing": "ij"}),
    row("meshgrid sparse", np.meshgrid, (2,), (3,), params={"sparse": True, "copy": False}),
    row("ix_", np.ix_, Arg((2,), "i"), Arg((3,), "i")),
    row("vander", np.vander, (3,), kinds="fci"),
    row("vander N", np.vander, (3,), params={"N": 4, "increasing": True}),
    row("vander N=0", np.vander, (3,), params={"N": 0}),
]

PADDING = [
    row("pad", np.pad, (2, 3), params={"pad_width": 1}, kinds="fcib"),
    row("pad widths", np.pad, (2, 3), params={"pad_width": ((0, 1), (2, 0))}),
    row("pad none", np.pad, (2, 3), params={"pad_width": 0, "mode": "edge"}),
    row("pad by axis", np.pad, (2, 3), params={"pad_width": {-1: (1, 2)}}),
    row("pad constant", np.pad, (2, 3), params={"pad_width": (1, 2), "constant_values": 1.5}, kinds="fi"),
    row("pad constants", np.pad, (2, 3), params={"pad_width": 1, "constant_values": ((1, 2), (3, 4))}),
    row("pad constant traced", lambda x, v: vnp.pad(x, 1, constant_values=v), (2, 3), ()),
    row("pad constants traced", lambda x, v: vnp.pad(x, 1, constant_values=((v, 1), (2, 3 * v))), (2, 3), ()),
    row("pad 0-d", np.pad, (), params={"pad_width": 1}),
    *[
        row(f"pad {mode}", np.pad, (3, 4), params={"pad_width": ((2, 1), (0, 3)), "mode": mode}, kinds="fi")
        for mode in ("edge", "reflect", "symmetric", "wrap", "linear_ramp", "mean")
    ],
    *[
        row(
            f"pad {mode} odd {n}",
            np.pad,
            (n, 4),
            params={"pad_width": ((5, 2), (0, 3)), "mode": mode, "reflect_type": "odd"},
            kinds="fib",
        )
        for mode in ("reflect", "symmetric")
        for n in (1, 2, 3)
    ],
    *[
        row(f"pad {mode}", np.pad, Arg((3, 4), distinct=True), params={"pad_width": 1, "mode": mode}, kinds="fi")
        for mode in ("maximum", "minimum", "median")
    ],
    row(
        "pad linear_ramp end_values",
        np.pad,
        (3,),
        params={"pad_width": 3, "mode": "linear_ramp", "end_values": (1, -1)},
    ),
    row(
        "pad mean stat_length", np.pad, (2, 4), params={"pad_width": 2, "mode": "mean", "stat_length": ((1, 2), (3, 9))}
    ),
]

ROWS = SHAPES + DIAGONALS + JOINING + REPEATING + PADDING
