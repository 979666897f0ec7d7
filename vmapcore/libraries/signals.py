"""The functions of `scipy.signal`: convolutions, filters of a difference equation, and what is made of these."""

import sys
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ..errors import OptionError, ShapeError, describe
from ..ops import custom_op
from ..rules._families import operand
from ..rules._ints import as_int, last_axis, listed_axes
from ..rules.casts import inexact
from ..rules.creation import library
from ..tracer import Tracer
from .factors import each

FEW = 64
"""The length of a kernel from which a Fourier transform costs less."""


# Convolutions.


def _by_fourier(x: Any, y: Any, axes: tuple[int, ...]) -> Any:
    """The whole convolution along some axes; along the others `x` and `y` broadcast."""
    lengths = [x.shape[i] + y.shape[i] - 1 for i in axes]
    complex_ones = "c" in (x.dtype.kind, y.dtype.kind)
    forth, back = (np.fft.fftn, np.fft.ifftn) if complex_ones else (np.fft.rfftn, np.fft.irfftn)
    return back(forth(x, lengths, axes) * forth(y, lengths, axes), lengths, axes)


def _by_shifts(x: Any, y: Any) -> Any:
    """The same along all axes, element by element of the smaller one."""
    if prod(y.shape) > prod(x.shape):
        x, y = y, x
    total = None
    for index in np.ndindex(y.shape):
        around = [(i, m - 1 - i) for i, m in zip(index, y.shape, strict=True)]
        term = np.pad(x * y[index], around)
        total = term if total is None else total + term
    return total


def _whole(x: Any, y: Any, method: str = "auto") -> Any:
    if x.shape == () or (0 in x.shape) or (0 in y.shape):
        return x * y if x.shape == () else np.zeros((0,) * len(x.shape), np.result_type(x, y))
    small = min(prod(x.shape), prod(y.shape)) <= FEW
    whole_numbers = "c" not in (kinds := x.dtype.kind + y.dtype.kind) and "f" not in kinds
    if method == "direct" or (method == "auto" and (small or whole_numbers)):
        return np.convolve(x, y) if len(x.shape) == 1 else _by_shifts(x, y)
    return _by_fourier(inexact(x), inexact(y), tuple(range(-len(x.shape), 0)))


def _part(call: str, whole: Any, x: Any, y: Any, mode: Any, axes: tuple[int, ...], late: bool = False) -> Any:
    """The part of a whole convolution that `mode` names; the middle of an even length is the later one if `late`."""
    if mode not in ("full", "same", "valid"):
        raise OptionError(call, f"mode is {mode!r}", "it must be 'full', 'same' or 'valid'")
    if mode == "full":
        return whole
    longer = [x.shape[i] >= y.shape[i] for i in axes]
    if mode == "valid" and not (all(longer) or not any(n > m for n, m in _pairs(x, y, axes))):
        fact = f"shapes {describe(x)} and {describe(y)} do not fit mode='valid'"
        raise ShapeError(call, fact, "one must be as long as the other along each axis")
    for i, (n, m) in zip(axes, _pairs(x, y, axes), strict=True):
        size = n if mode == "same" else max(n, m) - min(n, m) + 1
        start = (m - (not late)) // 2 if mode == "same" else min(n, m) - 1
        whole = np.moveaxis(np.moveaxis(whole, i, 0)[start : start + size], 0, i)
    return whole


def _pairs(x: Any, y: Any, axes: tuple[int, ...]) -> list[tuple[int, int]]:
    return [(x.shape[i], y.shape[i]) for i in axes]


def _two(call: str, in1: Any, in2: Any) -> tuple[Any, Any]:
    x, y = operand(in1), operand(in2)
    if len(x.shape) != len(y.shape):
        raise ShapeError(call, f"shapes {describe(x)} and {describe(y)} do not fit", "they must have as many axes")
    return x, y


def _convolved(call: str, in1: Any, in2: Any, mode: Any, method: Any = "auto", late: bool = False) -> Any:
    x, y = _two(call, in1, in2)
    if method not in ("auto", "direct", "fft"):
        raise OptionError(call, f"method is {method!r}", "it must be 'auto', 'direct' or 'fft'")
    return _part(call, _whole(x, y, method), x, y, mode, tuple(range(-len(x.shape), 0)), late)


def convolve(in1: Any, in2: Any, mode: Any = "full", method: Any = "auto") -> Any:
    return _convolved("scipy.signal.convolve", in1, in2, mode, method)


def _mirrored(y: Any) -> Any:
    return np.conjugate(np.flip(operand(y)))


def correlate2d(in1: Any, in2: Any, mode: Any = "full") -> Any:
    return _convolved("scipy.signal.correlate2d", in1, _mirrored(in2), mode, late=True)


def correlate(in1: Any, in2: Any, mode: Any = "full", method: Any = "auto") -> Any:
    return _convolved("scipy.signal.correlate", in1, _mirrored(in2), mode, method)


def fftconvolve(in1: Any, in2: Any, mode: Any = "full", axes: Any = None) -> Any:
    x, y = _two("scipy.signal.fftconvolve", in1, in2)
    axes = listed_axes(axes, len(x.shape), "scipy.signal.fftconvolve", "axes")
    return _part("scipy.signal.fftconvolve", _by_fourier(inexact(x), inexact(y), axes), x, y, mode, axes)


# Filters. A difference equation is a convolution, and a recurrence of what that makes; an initial state is added to the
# first numbers in between, and the last state is what comes after the end.


@custom_op
def recurrence(xp: Any, a: Any, u: Any) -> Any:
    """The `y` with `y[n] = u[n] - a[0] y[n - 1] - a[1] y[n - 2] - ...`."""
    lfilter = sys.modules["scipy.signal"].lfilter
    dtype = np.result_type(a, u)
    if not u.size:
        return np.zeros(np.broadcast_shapes(a.shape[:-1], u.shape[:-1]) + u.shape[-1:], dtype)
    one = np.ones(1, dtype)
    if a.ndim == 1:
        return lfilter(one, np.concatenate([one, a]), u).astype(dtype)
    return each(lambda a, u: lfilter(one, np.concatenate([one, a]), u), dtype, u.shape[-1:], a, u, ranks=(1, 1))


def _backwards(a: Any, g: Any) -> Any:
    return np.flip(recurrence(a, np.flip(g, -1)), -1)


def _by_coefficients(g: Any, out: Any, a: Any, u: Any) -> Any:
    w, n = _backwards(a, g), out.shape[-1]
    slopes = [-np.sum(w[k:] * out[: max(0, n - k)]) for k in range(1, a.shape[-1] + 1)]
    return np.stack(slopes).astype(a.dtype) if slopes else np.zeros_like(a)


recurrence.gufunc("(k),(n)->(n)")
recurrence.def_vjp(_by_coefficients, lambda g, out, a, u: _backwards(a, g))


def _along_last(x: Any, taps: Any) -> Any:
    """The whole convolution along the last axis."""
    if len(x.shape) == 1:
        return _whole(x, taps)
    if taps.shape[0] > FEW:
        return _by_fourier(x, taps.reshape((1,) * (len(x.shape) - 1) + taps.shape), (-1,))
    before = [(0, 0)] * (len(x.shape) - 1)
    last = taps.shape[0] - 1
    return sum([np.pad(x * taps[k], [*before, (k, last - k)]) for k in range(last + 1)])


def _padded(x: Any, before: int, after: int) -> Any:
    return np.pad(x, [(0, 0)] * (len(x.shape) - 1) + [(before, after)])


def _coefficients(b: Any, a: Any) -> tuple[Any, Any]:
    """Both of one length, so that the first of the recurrence is 1."""
    b, a = (np.atleast_1d(inexact(x)) for x in (b, a))
    size = max(b.shape[0], a.shape[0])
    b, a = b / a[0], a / a[0]
    return _padded(b, 0, size - b.shape[0]), _padded(a, 0, size - a.shape[0])


def lfilter(b: Any, a: Any, x: Any, axis: Any = -1, zi: Any = None) -> Any:
    recursive = np.atleast_1d(operand(a)).shape[0] > 1
    b, a = _coefficients(b, a)
    x = operand(x)
    x = x.astype(np.result_type(x, b, a, np.float32 if x.dtype.char in "ef" else np.float64))
    axis = last_axis(axis, len(x.shape), "scipy.signal.lfilter")
    x, order = np.moveaxis(x, axis, -1), b.shape[0] - 1
    n = x.shape[-1]
    whole = _along_last(x, b)
    if zi is not None:
        state = np.moveaxis(operand(zi), axis, -1)
        if state.shape[-1] != order or len(state.shape) != len(x.shape):
            fact = f"zi is {describe(state)} for {describe(x)} and {order + 1} coefficients"
            raise ShapeError("scipy.signal.lfilter", fact, "it has as many axes, and one number less than coefficients")
        whole = whole + _padded(state, 0, n)
    y = recurrence(a[1:], whole[..., :n]) if recursive else whole[..., :n]
    if zi is None:
        return np.moveaxis(y, -1, axis)
    last = whole - _along_last(y, np.concatenate([np.zeros_like(a[:1]), a[1:]])) if order else whole
    return np.moveaxis(y, -1, axis), np.moveaxis(last[..., n:], -1, axis)


def lfilter_zi(b: Any, a: Any) -> Any:
    b, a = _coefficients(b, a)
    n = b.shape[0] - 1
    first = np.concatenate([-a[1:, None], library(a).eye(n, n - 1)], axis=1) if n else np.zeros((0, 0))
    return np.linalg.solve(library(a).eye(n) - first, b[1:] - a[1:] * b[0])


def _extended(call: str, x: Any, padtype: Any, padlen: Any, ntaps: int) -> tuple[Any, int]:
    """A signal with both ends continued, and by how much."""
    if padtype is None:
        return x, 0
    edge, n = ntaps * 3 if padlen is None else as_int(call, "padlen", padlen), x.shape[-1]
    if n <= edge or edge < 0:
        raise OptionError(call, f"padlen is {edge} for {n} numbers", "it must be less, and not negative")
    if edge == 0:
        return x, 0
    if padtype == "constant":
        return np.concatenate([*[x[..., :1]] * edge, x, *[x[..., -1:]] * edge], axis=-1), edge
    if padtype not in ("odd", "even"):
        raise OptionError(call, f"padtype is {padtype!r}", "it must be 'odd', 'even', 'constant' or None")
    left, right = x[..., edge:0:-1], x[..., -2 : -edge - 2 : -1]
    if padtype == "odd":
        left, right = 2 * x[..., :1] - left, 2 * x[..., -1:] - right
    return np.concatenate([left, x, right], axis=-1), edge


def _forth_and_back(run: Callable[[Any, Any], Any], x: Any, edge: int, axis: int) -> Any:
    y = np.flip(run(x, x[..., :1]), -1)
    y = np.flip(run(y, y[..., :1]), -1)
    return np.moveaxis(y[..., edge : y.shape[-1] - edge] if edge else y, -1, axis)


def filtfilt(b: Any, a: Any, x: Any, axis: Any = -1, padtype: Any = "odd", padlen: Any = None) -> Any:
    b, a = (np.atleast_1d(inexact(c)) for c in (b, a))
    x = inexact(x)
    axis = last_axis(axis, len(x.shape), "scipy.signal.filtfilt")
    ntaps = max(a.shape[0], b.shape[0])
    x, edge = _extended("scipy.signal.filtfilt", np.moveaxis(x, axis, -1), padtype, padlen, ntaps)
    zi = lfilter_zi(b, a)
    return _forth_and_back(lambda x, first: lfilter(b, a, x, zi=zi * first)[0], x, edge, axis)


def _sections(call: str, sos: Any) -> Any:
    sos = inexact(sos)
    if len(sos.shape) != 2 or sos.shape[1] != 6:
        raise ShapeError(call, f"sos is {describe(sos)}", "it must have rows of six coefficients")
    return sos


def sosfilt(sos: Any, x: Any, axis: Any = -1, zi: Any = None) -> Any:
    sos, x = _sections("scipy.signal.sosfilt", sos), inexact(x)
    last = []
    for i in range(sos.shape[0]):
        x = lfilter(sos[i, :3], sos[i, 3:], x, axis, None if zi is None else operand(zi)[i])
        if zi is not None:
            x, state = x
            last.append(state)
    return x if zi is None else (x, np.stack(last))


def sosfilt_zi(sos: Any) -> Any:
    sos, states, scale = _sections("scipy.signal.sosfilt_zi", sos), [], 1.0
    for i in range(sos.shape[0]):
        b, a = sos[i, :3], sos[i, 3:]
        states.append(scale * lfilter_zi(b, a))
        scale = scale * np.sum(b) / np.sum(a)
    return np.stack(states)


def sosfiltfilt(sos: Any, x: Any, axis: Any = -1, padtype: Any = "odd", padlen: Any = None) -> Any:
    sos, x = _sections("scipy.signal.sosfiltfilt", sos), inexact(x)
    axis = last_axis(axis, len(x.shape), "scipy.signal.sosfiltfilt")
    if padlen is None and isinstance(sos, Tracer) and padtype is not None:
        fact = "padlen is None, and the sections are traced"
        raise OptionError("scipy.signal.sosfiltfilt", fact, "it depends on zeros among them", "Pass padlen=")
    ntaps = 2 * sos.shape[0] + 1
    if padlen is None and padtype is not None:
        ntaps -= min(int((sos[:, 2] == 0).sum()), int((sos[:, 5] == 0).sum()))
    x, edge = _extended("scipy.signal.sosfiltfilt", np.moveaxis(x, axis, -1), padtype, padlen, ntaps)
    zi = sosfilt_zi(sos).reshape((sos.shape[0], *(1,) * (len(x.shape) - 1), 2))
    return _forth_and_back(lambda x, first: sosfilt(sos, x, zi=zi * first)[0], x, edge, axis)


def freqz(b: Any, a: Any = 1, worN: Any = 512, whole: Any = False, fs: Any = 2 * np.pi) -> Any:
    b, a = (np.atleast_1d(inexact(c)) for c in (b, a))
    if np.ndim(worN) == 0 and not isinstance(worN, Tracer):
        turns = np.linspace(
            0, 2 * np.pi if whole else np.pi, as_int("scipy.signal.freqz", "worN", worN), endpoint=False
        )
    else:
        turns = operand(worN) * (2 * np.pi / fs)
    z = np.exp(-1j * turns)

    def at(c: Any) -> Any:
        return sum([c[k] * z**k for k in range(c.shape[0])])

    return turns * (fs / (2 * np.pi)), at(b) / at(a)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "oaconvolve": fftconvolve,
    "convolve2d": lambda in1, in2, mode="full": _convolved("scipy.signal.convolve2d", in1, in2, mode),
    **{
        f.__name__: f
        for f in (
            *(
                convolve,
                correlate,
                correlate2d,
                fftconvolve,
                lfilter,
                lfilter_zi,
                filtfilt,
                sosfilt,
                sosfilt_zi,
                sosfiltfilt,
            ),
            freqz,
        )
    },
}
