"""Casts, parts of complex numbers, and questions about dtypes and shapes.

Every primitive here works element by element and batches as itself.
"""

import math
from typing import Any

import numpy as np

from ..arrays import is_array
from ..core import Memory
from ..errors import ArgumentError, DTypeError, describe
from ..numpy_protocol import NUMPY, implements
from ..tracer import Tracer
from ._axes import EACH
from ._families import cast_like, fit, linear, link, match, operand, trailing
from ._ints import last_axes
from ._work import nothing

# Casts.


def _is_defined(ins: Any, outs: Any, *, dtype: Any) -> bool:
    """Whether every processor casts numbers out of range alike."""
    return not (ins[0].dtype.kind == "f" and outs[0].dtype.kind in "iu" and outs[0].dtype.char not in "ilq")


@trailing(axes=EACH, work=nothing, formula=True, fits=_is_defined)
def convert(xp: Any, x: Any, *, dtype: Any) -> Any:
    """`x` in the dtype `dtype`, of floats or complex numbers."""
    return x.astype(dtype)


linear(convert)(lambda g, out, x, *, dtype: cast_like(g, x))


@trailing(axes=EACH, work=nothing, formula=True, fits=_is_defined, zero_derivative=True)
def convert_to_discrete(xp: Any, x: Any, *, dtype: Any) -> Any:
    """`x` in the dtype `dtype`, of integers or truth values."""
    return x.astype(dtype)


def cast(x: Any, dtype: Any, casting: Any = "unsafe", copy: bool = False) -> Any:
    """Returns `x` in `dtype`; `x` itself where that is its dtype, unless `copy`."""
    target = np.dtype(dtype)
    if not hasattr(x, "shape"):
        return _cast_plain(x, target, casting)
    if getattr(x, "kind", None) is not None:
        return NUMPY["in_dtype"](x, target)
    if x.dtype == target and not copy:
        return x
    if casting != "unsafe" and not np.can_cast(x.dtype, target, casting):
        raise _no_cast(x, target, casting)
    if target.kind in "fc":
        return convert(x, dtype=target)
    if target.kind in "OSUV" and isinstance(x, Tracer):
        raise DTypeError("astype", f"the dtype is {target}", "a traced array holds truth values or numbers")
    return convert_to_discrete(x, dtype=target)


def _cast_plain(x: Any, target: Any, casting: Any) -> Any:
    """An array of a Python number, which fits every dtype of its kind or a later one, or of a list."""
    array = np.asarray(x)
    weak = isinstance(x, (int, float, complex)) and np.result_type(x, target) == target
    if not (casting == "unsafe" or weak or np.can_cast(array.dtype, target, casting)):
        raise _no_cast(array, target, casting)
    return (np.asarray(x, target) if weak else array.astype(target))[()]


def _no_cast(x: Any, target: Any, casting: Any) -> DTypeError:
    fact = f"{describe(x)} cannot become {target} by the rule '{casting}'"
    return DTypeError("astype", fact, "", "Convert it with astype first")


NUMPY["cast"] = cast


@implements(np.astype)
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    if device not in (None, "cpu") and device != getattr(x, "device", None):
        raise ArgumentError("np.astype", f"device is {device!r}", "an array stays on its device")
    return cast(x, dtype, copy=copy)


def inexact(x: Any) -> Any:
    """Returns `x` as an array of floats or complex numbers, which functions make of integers and truth values."""
    x = operand(x)
    return x if x.dtype.kind in "fc" else cast(x, np.float64)


# Parts of complex numbers.


@trailing(work=nothing, axes=EACH, memory=Memory.VIEW)
def real_part(xp: Any, x: Any) -> Any:
    """The real part of complex `x`."""
    return x.real


@trailing(work=nothing, axes=EACH, memory=Memory.VIEW)
def imaginary_part(xp: Any, x: Any) -> Any:
    """The imaginary part of complex `x`."""
    return x.imag


@trailing(work=nothing, axes=EACH, memory=Memory.COPY)
def join_parts(xp: Any, re: Any, im: Any) -> Any:
    """The complex numbers with these parts, exactly: `re + 1j * im` would turn an infinite part into nan."""
    shape = np.broadcast_shapes(np.shape(re), np.shape(im))
    out = xp.empty(shape, np.result_type(re, im, np.complex64))
    out.real = re
    out.imag = im
    return out


linear(real_part)(lambda g, out, x: join_parts(g, 0))
linear(imaginary_part)(lambda g, out, x: join_parts(0, -g))
join_parts.def_vjp(lambda g, out, re, im: match(real_part(g), re), lambda g, out, re, im: match(-imaginary_part(g), im))
join_parts.def_jvp(lambda tangents, out, re, im: fit(join_parts(*[0 if t is None else t for t in tangents]), out))


@implements(np.real)
def real(val: Any) -> Any:
    x = operand(val)
    if not isinstance(x, Tracer) or x.dtype.kind != "c":
        return x.real if not isinstance(x, Tracer) else x
    return link(x, real_part(x), real_part, lambda base, view: join_parts(view, imaginary_part(base)))


@implements(np.imag)
def imag(val: Any) -> Any:
    x = operand(val)
    if not isinstance(x, Tracer):
        return x.imag
    if x.dtype.kind != "c":
        return link(x, np.zeros_like(x), np.zeros_like, None)
    return link(x, imaginary_part(x), imaginary_part, lambda base, view: join_parts(real_part(base), view))


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    x = operand(z)
    result = np.arctan2(imag(x), real(x)) if x.dtype.kind == "c" else np.arctan2(0, x)
    return result * (180 / math.pi) if deg else result


@implements(np.isreal)
def isreal(x: Any) -> Any:
    return np.equal(imag(x), 0)


@implements(np.iscomplex)
def iscomplex(x: Any) -> Any:
    return np.not_equal(imag(x), 0)


# Questions about dtypes and shapes.


def _typed(x: Any) -> Any:
    """The dtype in place of an array or tracer; a number of Python's has none."""
    if isinstance(x, Tracer) and x.kind is not None:
        return x.kind(0)
    return x.dtype if isinstance(x, Tracer) or is_array(x) else x


@implements(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> Any:
    return np.result_type(*map(_typed, arrays_and_dtypes))


@implements(np.can_cast)
def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    return np.can_cast(_typed(from_), _typed(to), casting)


@implements(np.min_scalar_type)
def min_scalar_type(a: Any, /) -> Any:
    return a.dtype if isinstance(a, Tracer) and not a._is_scalar else np.min_scalar_type(np.asarray(a)[()])


@implements(np.common_type)
def common_type(*arrays: Any) -> Any:
    return np.common_type(*[np.empty(0, operand(x).dtype) for x in arrays])


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    return operand(x).dtype.kind == "c"


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    return operand(x).dtype.kind != "c"


@implements(np.shape)
def shape(a: Any) -> tuple[int, ...]:
    return operand(a).shape


@implements(np.ndim)
def ndim(a: Any) -> int:
    return len(operand(a).shape)


@implements(np.size)
def size(a: Any, axis: Any = None) -> int:
    x = operand(a)
    return math.prod(x.shape if axis is None else [x.shape[i] for i in last_axes(axis, x.ndim, "np.size")])
