"""What a recording is kept under: the structure of the arguments, shapes and dtypes of arrays, values of the rest.

`collect` runs in every call of a function under jit, so containers of Python's own are walked right here.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from .arrays import is_array
from .errors import ArgumentError, describe
from .pytree import FIELDS, flatten, one_level, paths

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
            key.append(tuple([name if type(name) is str else value_key(name) for name in x]))
            collect(x.values(), arrays, key)
        elif kind is tuple or kind is list:
            key.append(kind)
            key.append(len(x))
            collect(x, arrays, key)
        elif kind in FIELDS:
            children, static = FIELDS[kind]
            key.append(kind)
            key.append(tuple([value_key(value) for value in static(x)]))
            collect(children(x), arrays, key)
        else:
            _collect_other(x, arrays, key)


def _collect_other(x: Any, arrays: list[Any], key: list[Any]) -> None:
    kind = type(x)
    if kind in PLAIN:
        key.append(value_key(x))
    elif is_recorded(x):
        if isinstance(x, np.generic):  # to NumPy the same as an array without axes
            collect((np.asarray(x),), arrays, key)
            return
        arrays.append(plain(x))
        key.append((kind, x.shape, x.dtype, getattr(x, "device", None)))
    else:
        node = one_level(x)
        if node is None:
            key.append(value_key(x))
        elif kind in FIELDS:  # a dataclass or named tuple that was not known before
            collect((x,), arrays, key)
        else:
            key.append((kind, len(node.children), value_key(node.static)))
            collect(node.children, arrays, key)


def plain(x: Any) -> Any:
    """An array of a subclass as NumPy's own, so that the results of all calls are of one type."""
    return np.asarray(x) if isinstance(x, np.ndarray) else x


def is_recorded(x: Any) -> bool:
    """Whether a leaf is an array, whose values a recording leaves open. A NumPy scalar of text is a value."""
    return is_array(x) and (x.dtype.kind not in "SUV" or not isinstance(x, np.generic))


def value_key(x: Any) -> tuple[Any, ...]:
    """A value, so that keys are equal for those alone that are the same in every respect, in what they hold too."""
    kind = type(x)
    if kind is str:
        return kind, x
    if isinstance(x, float):
        return kind, float.__repr__(x)  # 0.0 and -0.0 are equal, a NaN is not even to itself
    if isinstance(x, complex):
        return kind, complex.__repr__(x)
    if isinstance(x, np.generic):
        return kind, x.dtype, x.tobytes()
    if isinstance(x, (tuple, list)):
        return kind, *map(value_key, x)
    if isinstance(x, (set, frozenset)):
        return kind, frozenset(map(value_key, x))
    if isinstance(x, dict):
        return kind, *[(value_key(name), value_key(value)) for name, value in x.items()]
    if is_dataclass(x) and not isinstance(x, type):
        return kind, x, *[value_key(getattr(x, f.name)) for f in fields(x)]
    return kind, x


def static_key(call: str, name: int | str, x: Any) -> tuple[Any, ...]:
    """What a recording depends on of a static argument: its value."""
    if type(x) not in PLAIN:
        leaves, _ = flatten(x)
        for leaf, path in zip(leaves, paths(x), strict=True) if any(map(is_array, leaves)) else ():
            if is_array(leaf) and not isinstance(leaf, np.generic):
                raise ArgumentError(
                    call,
                    f"static argument {name}{path} is {describe(leaf)}",
                    "static arguments are hashable values, not arrays",
                    "Leave it out of the static ones",
                )
    return name, _tree_key(x)


def _tree_key(x: Any) -> tuple[Any, ...]:
    """A pytree of values: unlike `value_key` it sees nodes, which need not be hashable."""
    node = None if type(x) in PLAIN else one_level(x)
    if node is None:
        return value_key(x)
    return type(x), value_key(node.static), *map(_tree_key, node.children)


def is_value(x: Any) -> bool:
    """Whether a leaf can be part of a key: it can be hashed and compared, or is an array."""
    if is_recorded(x):
        return True
    try:
        hash(value_key(x))
        bool(x == x)  # what compares element by element has no truth
    except (TypeError, ValueError):
        return False
    return True


def without(kinds: tuple[type, ...], key: Key) -> Key:
    """A key that is the same for arguments alike but for Python numbers of these types."""
    return tuple([k[0] if type(k) is tuple and len(k) == 2 and k[0] in kinds else k for k in key])


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
    node = one_level(x)
    return x if node is None else node.with_children([_marked(child, count) for child in node.children])


def positions(argnums: Collection[int], count: int) -> list[int]:
    """Those of `argnums` that are passed, in order and counted from 0."""
    return sorted({i % count for i in argnums if -count <= i < count})
