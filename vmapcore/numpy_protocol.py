"""The table from NumPy's functions to ours, and the two protocols that look things up in it.

`vmapcore.rules` fills the table through `@implements`; tracers read it. Nothing here knows an operation.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from .arrays import UNTRACED, is_array
from .errors import ArgumentError, MissingRuleError, MutationError, OptionError
from .refusals import parts_of_write

F = TypeVar("F", bound=Callable[..., Any])

NUMPY: dict[Any, Callable[..., Any]] = {}
"""NumPy function or ufunc -> our function of the same signature.

Some keys are not functions: "getitem", "setitem", "cast", "as_array" and "namespace" are what tracers do by operator or
method, `(ufunc, "at")` is `ufunc.at`, and "reduce", "accumulate", "reduceat" and "at" are methods of any ufunc.
"""

MAKERS: list[Callable[[Any], Callable[..., Any]]] = []
"""What makes a function of tracers from a ufunc that has no entry, such as one of SciPy; `vmapcore.ops` adds one."""

REDUCE: dict[Any, Any] = {np.add: np.sum, np.multiply: np.prod}
ACCUMULATE: dict[Any, Any] = {np.add: np.cumsum, np.multiply: np.cumprod}
"""Ufunc -> the key of what its method is; a function, or `(ufunc, "reduce")` where no function has its options."""


def implements(*functions: Any) -> Callable[[F], F]:
    """Declares the decorated function to be what tracers run in place of each NumPy function named."""

    def register(ours: F) -> F:
        for function in functions:
            if function in NUMPY:
                raise ArgumentError("implements", f"np.{function.__name__} is already implemented")
            NUMPY[function] = ours
        return ours

    return register


def full_name(function: Any) -> str:
    """`np.fft.rfft` for NumPy's own, `module.name` for others."""
    module = getattr(function, "__module__", None) or "numpy"
    name = getattr(function, "__name__", repr(function))
    return f"{module}.{name}".replace("numpy.", "np.", 1)


def supported() -> list[str]:
    """Returns the names of the NumPy functions that work on tracers, sorted.

    Example:
        >>> "np.einsum" in supported()
        True
    """
    return sorted({full_name(function) for function in NUMPY if callable(function)})


def missing(function: Any) -> MissingRuleError:
    """The error for a NumPy function that no rule module implements."""
    name = full_name(function)
    return MissingRuleError(
        name,
        "has no vmapcore rule",
        "supported NumPy functions are listed by vmapcore.supported()",
        f"Write it with those, or add it with @vmapcore.implements({name})",
    )


def array_function(function: Any, args: Any, kwargs: Any) -> Any:
    """What every tracer's `__array_function__` does."""
    ours = NUMPY.get(function)
    if ours is None:
        raise missing(function)
    return ours(*args, **kwargs)


def answers(x: Any) -> bool:
    """Whether an operand of another library has NumPy's operators and ufuncs answered by itself."""
    kind = type(x)
    if kind in UNTRACED or hasattr(kind, "_assign") or is_array(x):
        return False
    return hasattr(kind, "__array_ufunc__") or getattr(x, "__array_priority__", 0) > 0  # that of arrays


def array_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What every tracer's `__array_ufunc__` does."""
    for x in inputs:
        if type(x) not in UNTRACED and hasattr(type(x), "__array_ufunc__") and answers(x):
            return NotImplemented
    if method == "__call__" and not kwargs:
        return (NUMPY.get(ufunc) or MAKERS[0](ufunc))(*inputs)
    if method == "__call__":
        return _call_with_options(ufunc, inputs, **kwargs)
    if method == "reduce" and ufunc in REDUCE:
        axis = kwargs.pop("axis", 0)
        return NUMPY[REDUCE[ufunc]](*inputs, axis=axis, **_single_out(kwargs))
    if method == "accumulate" and ufunc in ACCUMULATE:
        axis = _one_axis(f"{ufunc.__name__}.accumulate", np.ndim(inputs[0]), kwargs.pop("axis", 0))
        return NUMPY[ACCUMULATE[ufunc]](*inputs, axis=axis, **_single_out(kwargs))
    if method == "outer":
        x, y = inputs
        shape = np.shape(x) + (1,) * np.ndim(y)
        return array_ufunc(ufunc, "__call__", (NUMPY[np.reshape](x, shape), y), kwargs)
    if method == "at" and (ufunc, "at") in NUMPY:
        return NUMPY[ufunc, "at"](*inputs)
    if method in NUMPY and (ufunc.nin, ufunc.nout, ufunc.signature) == (2, 1, None):
        if method in ("accumulate", "reduceat"):
            kwargs["axis"] = _one_axis(f"{ufunc.__name__}.{method}", np.ndim(inputs[0]), kwargs.get("axis", 0))
        return NUMPY[method](ufunc, *inputs, **_single_out(kwargs))
    allowed = "ufuncs of two arguments and one result have methods"
    raise MissingRuleError(f"np.{ufunc.__name__}.{method}", "has no vmapcore rule", allowed)


def _one_axis(method: str, ndim: int, axis: Any) -> Any:
    """The axis of `ufunc.accumulate` or `reduceat`, which may be None, or in a tuple, where it is the only one."""
    axes = tuple(range(ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if len(axes) != 1:
        raise OptionError(f"np.{method}", f"axis is {axis}", "it goes along one axis")
    return axes[0]


def _single_out(kwargs: dict[str, Any]) -> dict[str, Any]:
    if kwargs.get("dtype", ...) is None:
        del kwargs["dtype"]
    out = kwargs.pop("out", None)
    if out is not None:
        kwargs["out"] = out[0] if isinstance(out, tuple) else out
    return kwargs


def _axis_options(ufunc: Any) -> set[str]:
    """What a generalised ufunc takes for its axes: one for all operands only where they share the only one."""
    signature = ufunc.signature or ""
    return {"axes"} | ({"axis", "keepdims"} if signature.endswith("->()") else set()) if signature else set()


def _with_last_axes(
    ufunc: Any, inputs: tuple[Any, ...], *, axis: Any = None, axes: Any = None, keepdims: bool = False
) -> tuple[tuple[Any, ...], Callable[[Any], Any]]:
    """The operands of a generalised ufunc with the axes that it works on last, and what moves those of its result."""
    if axes is not None and (axis is not None or not len(inputs) <= len(axes) <= len(inputs) + 1):
        raise OptionError(
            f"np.{ufunc.__name__}",
            f"axes is {axes} and axis {axis}",
            "axes has an entry for each operand and for the result, or axis is given alone",
        )
    if axes is None:
        axes = [-1 if axis is None else axis] * len(inputs)
    spots = [a if isinstance(a, tuple) else (a,) for a in axes]
    last = [tuple(range(-len(a), 0)) for a in spots]
    moved = tuple([np.moveaxis(x, a, b) for x, a, b in zip(inputs, spots, last, strict=False)])
    if keepdims:
        return moved, lambda y: np.expand_dims(y, spots[-1])
    return moved, lambda y: y if len(spots) == len(inputs) else np.moveaxis(y, last[-1], spots[-1])


def _call_with_options(
    ufunc: Any,
    inputs: tuple[Any, ...],
    *,
    out: Any = None,
    where: Any = True,
    dtype: Any = None,
    casting: str = "same_kind",
    **rest: Any,
) -> Any:
    """A ufunc call with `out=`, `where=` or `dtype=`, spelled as calls without them."""
    call = f"np.{ufunc.__name__}"
    rest = {k: v for k, v in rest.items() if not (k == "order" or (k == "subok" and v))}
    if rest and where is True and rest.keys() <= _axis_options(ufunc):
        inputs, back = _with_last_axes(ufunc, inputs, **rest)
        if out is not None:
            raise OptionError(call, "got out= with axes of its own", "", "Write to it with out[...] =")
        return back(ufunc(*inputs) if dtype is None else ufunc(*inputs, dtype=dtype, casting=casting))
    if rest:
        names = f"{', '.join(rest)}="
        allowed = "out=, where=, dtype= and casting= are understood"
        raise ArgumentError(call, f"got {names} with a tracer", allowed, f"Drop {names}")
    if dtype is not None:
        inputs = _in_loop_dtypes(ufunc, inputs, dtype, casting)
    if out is not None and where is not True:
        inputs = tuple([_masked(x, where) for x in inputs])
    result = array_ufunc(ufunc, "__call__", inputs, {})
    if out is None and where is True:
        return result
    if out is None:
        allowed = "what lies outside the mask would be undefined"
        raise ArgumentError(call, "got where= without out= on a tracer", allowed, "Pass out=, or use np.where")
    outs = out if isinstance(out, tuple) else (out,)
    results = result if isinstance(result, tuple) else (result,)
    for target, value in zip(outs, results, strict=True):
        if target is not None:
            assign(call, target, value, where)
    return out if isinstance(out, tuple) and len(out) > 1 else outs[0]


def _masked(x: Any, where: Any) -> Any:
    """An input, with 0.5 outside the mask, where nothing is computed, if it is traced and inexact.

    So a pole there gives no warning: none of NumPy's ufuncs has one at 0.5, and only arccosh is not defined there. In
    a derivative this choice and the one that `assign` makes drop whatever the ufunc's own is there.
    """
    return NUMPY[np.where](where, x, 0.5) if hasattr(x, "_assign") and x.dtype.kind in "fc" else x


def _in_loop_dtypes(ufunc: Any, inputs: tuple[Any, ...], dtype: Any, casting: Any) -> tuple[Any, ...]:
    """The inputs in the dtypes in which NumPy would compute a result of `dtype`."""
    arrays = [x if hasattr(x, "dtype") else np.asarray(x) for x in inputs]
    given = [type(x) if type(x) in (int, float, complex) else a.dtype for x, a in zip(inputs, arrays, strict=True)]
    signature = (None,) * ufunc.nin + (np.dtype(dtype),) * ufunc.nout
    loop = ufunc.resolve_dtypes((*given, *[None] * ufunc.nout), signature=signature, casting=casting)
    return tuple([NUMPY["cast"](x, d, casting) for x, d in zip(inputs, loop, strict=False)])


def assign(call: str, target: Any, value: Any, where: Any = True) -> Any:
    """Writes `value` into `target` in place (what `out=` means) and returns `target`."""
    if hasattr(target, "_assign"):
        target._assign(call, value, where)
    elif hasattr(value, "_assign"):
        raise MutationError(*parts_of_write(call, value))
    else:  # ints and bools, which leave a derivative as they are
        np.copyto(target, value, where=where)
    return target
