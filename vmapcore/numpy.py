"""NumPy's namespace, for tracers, NumPy arrays and CuPy arrays alike: every name of NumPy's, and so the array API's.

What needs this module is what NumPy cannot know a tracer by: arrays made from nothing (`zeros(3)` inside a transform
may be written into; `like=x` chooses the library of `x`), lists that hold tracers, and functions of CuPy arrays only.
On plain arrays all others are NumPy's own. In a function that a transform runs `np` is this module (see `names`).

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

import builtins
import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from .arrays import UNTRACED, namespace
from .core import RUNNING, SEQUENCES
from .errors import OptionError, message
from .names import INSTEAD, stands_for
from .numpy_protocol import NUMPY
from .outside import OutsideArray
from .randomness.makers import NUMPYS
from .rules.creation import as_array, asarray, made
from .rules.selected import Selection, apply
from .rules.sets import SIZED, fixed
from .tracer import Tracer

PLAIN = (
    "pi e inf nan newaxis euler_gamma "
    "bool bool_ int8 int16 int32 int64 intp uint8 uint16 uint32 uint64 uintp "
    "float16 float32 float64 complex64 complex128 int_ uint single double half csingle cdouble "
    "integer signedinteger unsignedinteger inexact floating complexfloating number generic "
    "dtype ndarray finfo iinfo isdtype issubdtype promote_types broadcast_shapes errstate s_ index_exp ndindex "
    "from_dlpack __array_namespace_info__ __array_api_version__"
)
"""Names taken over from NumPy as they are: constants, dtypes, and functions of no array."""


OWN = {
    *("arange", "array", "asarray", "empty", "empty_like", "eye", "full", "full_like", "identity", "linspace"),
    *("ones", "ones_like", "tri", "zeros", "zeros_like"),
}
"""Functions that make an array of what is none."""

JOINING = {
    *("broadcast_arrays", "choose", "column_stack", "concat", "concatenate", "dstack", "einsum", "hstack"),
    *("lexsort", "multi_dot", "ravel_multi_index", "select", "stack", "vstack"),
}
"""Functions of lists of arrays."""


class Dispatching:
    """A function of NumPy that takes traced values also in lists, where NumPy does not look for them.

    On plain arrays NumPy's own runs; what that makes inside a transform may be written to.
    """

    def __init__(self, theirs: Any, ours: Callable[..., Any]) -> None:
        self.theirs = theirs
        self.applied = theirs if isinstance(theirs, np.ufunc) else ours
        self.joins = theirs.__name__ in JOINING
        functools.update_wrapper(self, theirs)

    def __call__(self, *args: Any, **options: Any) -> Any:
        traced = False
        for x in args if not options else (*args, *options.values()):
            kind = type(x)
            if kind is list or kind is tuple:
                if is_traced(x):
                    args = tuple([self._array(x) if type(x) in SEQUENCES and is_traced(x) else x for x in args])
                    return self.applied(*args, **options)
            elif kind not in UNTRACED and FOREIGN[kind]:
                if kind is Selection:
                    return apply(self.theirs, args, options)
                traced = True
        if traced:
            return self.applied(*args, **options)
        result = self.theirs(*args, **options)
        return self._made(result, args, options) if RUNNING.get() else result

    def _array(self, x: Any) -> Any:
        """A list that holds traced values as an array, or as a list of arrays."""
        if self.theirs is np.block:  # whose rule reads nested lists
            return x
        return [as_array(e, None) if type(e) in SEQUENCES else e for e in x] if self.joins else as_array(x, None)

    def _made(self, result: Any, args: Any, options: Any) -> Any:
        """A new array that NumPy made, for the innermost running transform."""
        if type(result) is tuple:
            return tuple([self._made(x, args, options) for x in result])
        if type(result) is OutsideArray:
            fresh = not builtins.any(np.may_share_memory(result, x) for x in args if type(x) is OutsideArray)
        else:
            fresh = type(result) is np.ndarray and result.base is None and "out" not in options
        return made(result, "K") if fresh and not builtins.any(result is x for x in args) else result

    def __getattr__(self, name: str) -> Any:
        return getattr(self.theirs, name)

    def __repr__(self) -> str:
        return repr(self.theirs)

    def __eq__(self, other: object) -> bool:
        return self is other or self.theirs is other

    def __hash__(self) -> int:
        return hash(self.theirs)

    def __reduce__(self) -> Any:
        return _found, (self.theirs,)


class Making(Dispatching):
    """One of which NumPy's own never serves: what it makes belongs to a transform."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.applied(*args, **options)


class Sized(Dispatching):
    """One whose result has a length that depends on values, unless that is given as `size=`."""

    def __call__(self, *args: Any, size: Any = None, fill_value: Any = None, **options: Any) -> Any:
        if size is None and fill_value is not None:
            raise OptionError(f"np.{self.theirs.__name__}", "got fill_value= without size=", "it fills up to that")
        found = Dispatching.__call__(self, *args, **options)
        if size is None:
            return found
        made_so = fixed(self.theirs, found, size, fill_value, options)
        return self._made(made_so, (), {}) if RUNNING.get() else made_so


def _found(theirs: Any) -> Any:
    return INSTEAD[theirs]


class _Foreign(dict[type, bool]):
    """Whether arrays of a type have NumPy's functions answered by themselves: tracers, and CuPy's."""

    def __missing__(self, kind: type) -> bool:
        found = self[kind] = hasattr(kind, "__array_function__") and not issubclass(kind, np.ndarray)
        return found


FOREIGN = _Foreign()


def is_traced(x: Any) -> bool:
    """Whether `x` is a tracer or of another library than NumPy, or a nested list that holds such."""
    kind = type(x)
    return builtins.any(map(is_traced, x)) if kind in SEQUENCES else FOREIGN[kind]


def _section(module: Any, plain: str = "") -> dict[str, Any]:
    """By name: the functions of a module of NumPy that have a rule, and what is named besides."""
    found = {name: getattr(module, name) for name in plain.split()}
    for name, value in vars(module).items():
        if callable(value) and value in NUMPY:
            ours = NUMPY[value]
            kind = Making if name in OWN else Sized if value in SIZED else Dispatching
            found[name] = INSTEAD.get(value) or stands_for(kind(value, ours), value)
    return found


class Section(ModuleType):
    """A module of NumPy, with our functions where there are such."""

    def __init__(self, theirs: ModuleType, **ours: Any) -> None:
        ModuleType.__init__(self, theirs.__name__, theirs.__doc__)
        self.__dict__.update(_section(theirs), **ours)
        self._theirs = theirs
        stands_for(self, theirs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._theirs, name)


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


class _Joined:
    """`np.r_` or `np.c_`: of what is traced, a concatenation."""

    def __init__(self, theirs: Any, axis: int) -> None:
        self.theirs, self.axis = theirs, axis
        stands_for(self, theirs)

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        if not builtins.any(map(is_traced, parts)):
            return made(self.theirs[key])
        if isinstance(parts[0], str):
            fact = f"starts with {parts[0]!r} and has traced values"
            raise OptionError("np.r_", fact, "", "Use np.concatenate or np.stack")
        arrays = [np.r_[x] if isinstance(x, slice) else as_array(x, None) for x in parts]
        if self.axis:
            arrays = [x.reshape((-1, 1)) if len(x.shape) < 2 else x for x in arrays]
        return np.concatenate([x if x.shape else x.reshape((1,)) for x in arrays], self.axis)


def isscalar(element: Any) -> bool:
    return element._is_scalar if isinstance(element, Tracer) else np.isscalar(element)


def _making(name: str, ours: Callable[..., Any]) -> Any:
    return stands_for(Making(getattr(np, name), ours), getattr(np, name))


_FUNCTIONS = _section(np, PLAIN)
for _name in ("zeros_like", "ones_like", "empty_like", "full_like"):
    _FUNCTIONS[_name] = _making(_name, _made_here(_FUNCTIONS[_name]))
for _name in ("ascontiguousarray", "asfortranarray"):
    _FUNCTIONS[_name] = _making(_name, _laid_out(getattr(np, _name)))
_FUNCTIONS["isscalar"] = stands_for(functools.update_wrapper(isscalar, np.isscalar), np.isscalar)
_FUNCTIONS["asanyarray"] = _making("asanyarray", asarray)
globals().update(_FUNCTIONS)

linalg, fft, random = Section(np.linalg), Section(np.fft), NUMPYS
lib = Section(np.lib, stride_tricks=Section(np.lib.stride_tricks))
r_, c_ = _Joined(np.r_, 0), _Joined(np.c_, -1)
__all__ = [*_FUNCTIONS, "c_", "fft", "lib", "linalg", "r_", "random"]
_namespace = stands_for(sys.modules[__name__], np)
NUMPY["namespace"] = lambda: _namespace


def __getattr__(name: str) -> Any:
    found = getattr(np, name, None)
    if found is None:
        raise AttributeError(message("vmapcore.numpy", f"has no {name!r}", "it has the names of NumPy"))
    if callable(found) and found in NUMPY:  # declared with @implements after this module was imported
        return NUMPY[found]
    return INSTEAD.get(found, found) if isinstance(found, type) else found
