"""NumPy's namespace, for tracers, NumPy arrays and CuPy arrays alike.

Every function with a rule is here under NumPy's name, and so under the Python array API standard's. Most run equally
well as `numpy.sum(tracer)`; what needs this module is what NumPy cannot know a tracer by: arrays made from nothing
(`zeros(3)` inside a transform may be written into; `like=x` chooses the library of `x`), `asarray` of lists that hold
tracers, and functions of CuPy arrays only.

Example:
    >>> import vmapcore.numpy as vnp
    >>> from vmapcore import vmap
    >>> def f(x):
    ...     y = vnp.zeros(2)
    ...     y[0] = x
    ...     return y
    >>> vmap(f)(np.arange(3.0))
    array([[0., 0.],
           [1., 0.],
           [2., 0.]])
"""

import functools
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from .arrays import namespace
from .errors import message
from .numpy_protocol import NUMPY
from .rules.creation import asarray, made
from .tracer import Tracer

PLAIN = (
    "pi e inf nan newaxis euler_gamma "
    "bool bool_ int8 int16 int32 int64 intp uint8 uint16 uint32 uint64 uintp "
    "float16 float32 float64 complex64 complex128 int_ uint single double half csingle cdouble "
    "integer signedinteger unsignedinteger inexact floating complexfloating number generic "
    "dtype ndarray finfo iinfo isdtype issubdtype promote_types broadcast_shapes errstate s_ index_exp ndindex "
    "isscalar from_dlpack __array_namespace_info__ __array_api_version__"
)
"""Names taken over from NumPy as they are: constants, dtypes, and functions of no array."""


def _ufunc(ufunc: Any) -> Callable[..., Any]:
    """The rule of a ufunc, called at once; with options such as `out=` by way of NumPy, which finds it too."""
    ours = NUMPY[ufunc]

    @functools.wraps(ufunc)
    def function(*args: Any, **options: Any) -> Any:
        return ufunc(*args, **options) if options else ours(*args)

    return function


def _section(module: Any, plain: str = "") -> dict[str, Any]:
    """By name: the functions of a module of NumPy that have a rule, and what is named besides."""
    found = {name: getattr(module, name) for name in plain.split()}
    for name, value in vars(module).items():
        if callable(value) and value in NUMPY:
            found[name] = _ufunc(value) if isinstance(value, np.ufunc) else NUMPY[value]
    return found


def _made_here(function: Callable[..., Any]) -> Callable[..., Any]:
    """One of `zeros_like` and its kin, whose result belongs to the innermost transform, whatever it is like."""

    @functools.wraps(function)
    def made_here(*args: Any, **options: Any) -> Any:
        value = function(*args, **options)
        return made(value, "C" if len(value.shape) < 2 else options.get("order", "K"))

    return made_here


def _laid_out(function: Callable[..., Any]) -> Callable[..., Any]:
    """One of `ascontiguousarray` and its kin; a tracer, which has no memory layout, stays as it is."""

    @functools.wraps(function)
    def laid_out(a: Any, dtype: Any = None, *, like: Any = None) -> Any:
        x = asarray(a, dtype, like=like)
        return x if isinstance(x, Tracer) else getattr(namespace((x,)), function.__name__)(x)

    return laid_out


_FUNCTIONS = _section(np, PLAIN)
for _name in ("zeros_like", "ones_like", "empty_like", "full_like"):
    _FUNCTIONS[_name] = _made_here(_FUNCTIONS[_name])
globals().update(_FUNCTIONS)
__all__ = [*_FUNCTIONS, "asanyarray", "ascontiguousarray", "asfortranarray", "fft", "lib", "linalg"]

linalg = SimpleNamespace(**_section(np.linalg, "LinAlgError"))
"""The functions of `np.linalg` that have a rule."""
fft = SimpleNamespace(**_section(np.fft))
"""The functions of `np.fft` that have a rule."""
lib = SimpleNamespace(stride_tricks=SimpleNamespace(**_section(np.lib.stride_tricks)))
"""`lib.stride_tricks.sliding_window_view`."""
asanyarray = asarray
ascontiguousarray, asfortranarray = _laid_out(np.ascontiguousarray), _laid_out(np.asfortranarray)
NUMPY["namespace"] = lambda: sys.modules[__name__]


def __getattr__(name: str) -> Any:
    function = getattr(np, name, None)
    if callable(function) and function in NUMPY:  # declared with @implements after this module was imported
        return NUMPY[function]
    raise AttributeError(
        message("vmapcore.numpy", f"has no {name!r}", "NumPy functions with a rule are listed by vmapcore.supported()")
    )
