"""What a recording is kept under: the structure of the arguments, shapes and dtypes of arrays, values of the rest.

`collect` runs in every call of a function under jit, so containers of Python's own are walked right here.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import numpy as np

from .arrays import is_array
from .errors import ArgumentError, describe
from .pytree import FIELDS, flatten, paths, unflatten

Key = tuple[Any, ...]

NUMBERS = (int, float, complex, bool)
PLAIN = frozenset({*NUMBERS, str, type(None)})


def collect(values: Iterable[Any], arrays: list[Any], key: list[Any]) -> None:
    """Adds the arrays in `values` to `arrays`, and to `key` what a recording depends on.

    Keys are equal only for what can share a recording: each entry says what comes after it.
    """
    for x in values:
        kind = type(x)
        if kind is np.ndarray:
            arrays.append(x)
            key.append(x.shape)
            key.append(x.dtype)
        elif kind is dict:
            key.append(dict)
            key.append(tuple(x))
            collect(x.values(), arrays, key)
        elif kind is tuple or kind is list:
            key.append(kind)
            key.append(len(x))
            collect(x, arrays, key)
        elif kind in FIELDS:
            children, static = FIELDS[kind]
            key.append(kind)
            key.append(static(x))
            collect(children(x), arrays, key)
        else:
            _collect_other(x, arrays, key)


def _collect_other(x: Any, arrays: list[Any], key: list[Any]) -> None:
    if type(x) in PLAIN:
        key.append(value_key(x))
    elif is_recorded(x):
        arrays.append(x)
        key.append((type(x), x.shape, x.dtype, getattr(x, "device", None)))
    else:
        leaves, tree = flatten(x)
        if tree.is_leaf():
            key.append(value_key(x))
        elif type(x) in FIELDS:  # a dataclass that was not known before
            collect((x,), arrays, key)
        else:
            key.append(tree)
            collect(leaves, arrays, key)


def is_recorded(x: Any) -> bool:
    """Whether a leaf is an array, whose values a recording leaves open. A NumPy scalar of text is a value."""
    return is_array(x) and (x.dtype.kind not in "SUV" or not isinstance(x, np.generic))


def value_key(x: Any) -> tuple[Any, ...]:
    """A value, so that keys are equal for those alone that are the same in every respect."""
    kind = type(x)
    if kind in NUMBERS:
        return kind, repr(x)  # 0.0 and -0.0 are equal, a NaN is not even to itself
    return (kind, x.dtype, x.tobytes()) if isinstance(x, np.generic) else (kind, x)


def static_key(call: str, position: int, x: Any) -> tuple[Any, ...]:
    """What a recording depends on of a static argument: its value."""
    leaves, tree = flatten(x)
    for leaf, path in zip(leaves, paths(x), strict=True) if any(map(is_array, leaves)) else ():
        if is_array(leaf) and not isinstance(leaf, np.generic):
            raise ArgumentError(
                call,
                f"static argument {position}{path} is {describe(leaf)}",
                "static arguments are hashable values, not arrays",
                "Leave it out of static_argnums",
            )
    return (position, tree, *map(value_key, leaves))


def is_hashable(x: Any) -> bool:
    """Whether a leaf can be part of a key."""
    try:
        hash(x if not is_recorded(x) else None)
    except TypeError:
        return False
    return True


def without_numbers(key: Key) -> Key:
    """A key that is the same for arguments alike but for Python numbers."""
    return tuple([k[0] if type(k) is tuple and len(k) == 2 and k[0] in NUMBERS else k for k in key])


class _Place(int):
    """The number of an array among those that `collect` finds."""


def places_of(args: Iterable[Any], kwargs: dict[str, Any]) -> list[int]:
    """Where, among the arrays that `collect` finds in these, are those that `flatten` finds, in its order."""
    count = iter(range(2**63))
    marked = [_marked(x, count) for x in args]
    leaves, _ = flatten((marked, {name: _marked(x, count) for name, x in kwargs.items()}))
    return [int(place) for place in leaves if type(place) is _Place]


def _marked(x: Any, count: Iterator[int]) -> Any:
    """`x` with places for arrays, which are met in the order of `collect`."""
    kind = type(x)
    if is_recorded(x):
        return _Place(next(count))
    if kind is dict:
        return {name: _marked(value, count) for name, value in x.items()}
    if kind is tuple or kind is list:
        return kind([_marked(value, count) for value in x])
    if kind in FIELDS:
        return [_marked(child, count) for child in FIELDS[kind][0](x)]
    leaves, tree = flatten(x)
    return x if tree.is_leaf() else unflatten(tree, [_marked(leaf, count) for leaf in leaves])


def positions(argnums: Collection[int], count: int) -> list[int]:
    """Those of `argnums` that are passed, in order and counted from 0."""
    return sorted({i % count for i in argnums if -count <= i < count})
