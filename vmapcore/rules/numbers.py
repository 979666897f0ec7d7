"""Traced numbers of Python's, made of others, and the dtypes in which they go into NumPy's operations."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import Primitive
from ..numbers import DTYPES, Number, is_int64, kind_of, number
from ..numpy_protocol import implements
from ._axes import EACH
from .pythons import (
    AS_WHOLE,
    COMPARED,
    ROOM,
    SMALL,
    WHOLE,
    bounded,
    by_python,
    extent,
    in_dtype,
    rounded,
    surely,
    too_large,
)

# Dtypes.


@implements("in_dtypes")
def in_dtypes(primitive: Primitive, args: Sequence[Any]) -> Sequence[Any]:
    """The arguments of an operation by element, with numbers in the dtypes that NumPy gives Python's among arrays."""
    if primitive.axes is not EACH:
        return args
    kinds = tuple([a.kind if type(a) is Number else kind_of(a) or a.dtype for a in args])
    wanted = _loop(primitive, kinds)
    if wanted is None:
        return args
    return [
        cast_number(a, dtype) if type(a) is Number and a.kind is not bool else a
        for a, dtype in zip(args, wanted, strict=True)
    ]


@functools.lru_cache(maxsize=1024)
def _loop(primitive: Primitive, kinds: tuple[Any, ...]) -> Any:
    """The dtypes of arguments; None where numbers stay as they are."""
    strong = [k for k in kinds if isinstance(k, np.dtype)]
    if not strong:
        return None
    if isinstance(primitive.ufunc, np.ufunc):
        if primitive.ufunc in COMPARISONS and int in kinds and all(d.kind in "biu" for d in strong):
            return None  # which compares any int with any
        given = [np.dtype(bool) if k is bool else k for k in kinds]
        return primitive.ufunc.resolve_dtypes((*given, *[None] * primitive.ufunc.nout))[: len(kinds)]
    return [k if isinstance(k, np.dtype) else np.result_type(k(0), *strong) for k in kinds]


COMPARISONS = frozenset(ours for _, ours in COMPARED.values())


@implements("in_dtype")
def cast_number(x: Any, dtype: Any) -> Any:
    """A number's value in a dtype that NumPy makes of it, which raises of an int that is out of its bounds."""
    if x.value.dtype == dtype:
        return x.value
    if x.kind is int and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if not surely(functools.partial(_within, limits.min, limits.max), x.value):
            return by_python(x.value, function=in_dtype(dtype), dtype=dtype)
    return x.value.astype(dtype)


def _within(least: int, most: int, x: Any) -> Any:
    low, high = extent(x)
    return (low >= least) & (high <= most)


# Numbers.


def in_kind(kind: Any, x: Any) -> Any:
    """The value behind a number, in the dtype of a type that has no lower rank."""
    if type(x) is not Number:
        if kind is int and not is_int64(x):
            raise too_large("int", x)
        return kind(x)
    return x.value if x.kind is kind else x.value.astype(DTYPES[kind])


@implements("number")
def convert(kind: Any, x: Any, how: str = "int") -> Any:
    """What `kind(x)` is, of a traced value without axes, a number or NumPy's; ints are made of floats as `how` says."""
    value = x
    if type(x) is Number:
        if x.kind is kind:
            return x
        if x.kind is complex and kind is not bool:
            kind(0j)  # raises
        value = x.value
    if kind is bool:
        return number(bool, np.not_equal(value, 0))
    if kind is int and value.dtype.kind in "fu":
        return _whole(how, value)
    bound = 1.0 if value.dtype == bool else x.bound if type(x) is Number else None
    if value.dtype == DTYPES[kind]:
        return number(kind, value if value._is_scalar else value.snapshot(), bound)
    return number(kind, value.astype(DTYPES[kind]), bound)


def _whole(how: str, x: Any) -> Any:
    """An int made of a float, or of an unsigned int."""
    bound = bounded(x, SMALL)
    if bound >= ROOM:
        return number(int, by_python(x, function=AS_WHOLE[how], dtype=DTYPES[int]))
    return number(int, (x if x.dtype.kind == "u" else WHOLE[how][1](x)).astype(np.int64), bound)


@implements("rounded")
def round_number(kind: Any, x: Any, digits: int) -> Any:
    """What `round(x, digits)` is of a number of Python's."""
    return number(kind, by_python(in_kind(kind, x), digits, function=rounded, dtype=DTYPES[kind]))
