"""Rows for vmapcore/rules/casts.py."""

import numpy as np

from vmapcore.numpy_protocol import NUMPY

from . import Arg, row

X = Arg((2, 3))


def write_through(part):
    """A write to a part of complex numbers, seen in the whole."""

    def fun(x):
        whole = x * (1 + 2j)
        view = getattr(np, part)(whole)
        view[0] = 7 * view[1]
        return whole

    return fun


ROWS = [
    row("astype wider", lambda x: x.astype(np.complex128), X, kinds="fcib"),
    row("astype integers to float32", lambda x: x.astype(np.float32), Arg((3,), "i", -3, 4)),
    row("astype to integers", lambda x: x.astype(np.int64), X, kinds="fub"),
    row("astype to bool", lambda x: x.astype(bool), X, kinds="fci"),
    row("astype of its own dtype", lambda x: x.astype(x.dtype, copy=False) + 0, X, kinds="fi"),
    row("astype, copied", lambda x: x.astype(x.dtype), X, kinds="fi"),
    row("np.astype", lambda x: np.astype(x, np.float64), X, kinds="fi"),
    row("cast", lambda x: NUMPY["cast"](x, np.float64, "same_kind"), X, kinds="fi"),
    row("cast of a number", lambda x: x + NUMPY["cast"](2, x.dtype, "same_kind"), X, kinds="fcu"),
    row("real", np.real, X, kinds="fci"),
    row("imag", np.imag, X, kinds="fci"),
    row("x.real and x.imag", lambda x: x.real * x.imag, X, kinds="fc"),
    row("real, written to", write_through("real"), X, kinds="fc"),
    row("imag, written to", write_through("imag"), X, kinds="fc"),
    row("angle", np.angle, X, kinds="c"),
    row("angle deg=True", np.angle, X, params={"deg": True}, kinds="c"),
    row("angle of real numbers", np.angle, X, kinds="fi", differentiable=False),
    row("isreal", np.isreal, X, kinds="fci", differentiable=False),
    row("iscomplex", np.iscomplex, X, kinds="fci", differentiable=False),
    row("result_type", lambda x: x.astype(np.result_type(x, np.float32, 1j)), X, kinds="fci"),
    row("can_cast", lambda x: x * np.can_cast(x, np.float64), X, kinds="fci"),
    row("common_type", lambda x: x.astype(np.common_type(x, x)), X, kinds="fci"),
    row("min_scalar_type", lambda x: x.astype(np.min_scalar_type(x)), X, kinds="fi"),
    row("iscomplexobj", lambda x: x * np.iscomplexobj(x), X, kinds="fci"),
    row("isrealobj", lambda x: x * np.isrealobj(x), X, kinds="fci"),
]
