"""Nested containers of arrays: thin names over optree, with dataclasses as nodes.

`None` in a tree of values is an empty container; in a tree of axes it is a leaf, "not mapped". A dataclass is a node
as soon as it is met. A field declared with `field(metadata={"static": True})` is part of its structure, not a child;
one with `{"buffer": True}` holds state without derivative; one with `{"unnamed": True}` is left out of names.
"""

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

import optree

from .errors import StructureError

NAMESPACE = "vmapcore"
Treedef = Any

_registered: set[type] = set()

FIELDS: dict[type, tuple[Callable[[Any], tuple[Any, ...]], Callable[[Any], tuple[Any, ...]]]] = {}
"""For dataclasses and named tuples: what returns the children of one, and what returns its static fields."""

_BUFFERS: dict[str, set[type]] = {}
_UNNAMED: dict[str, set[type]] = {}
"""By the names of fields: the dataclasses that mark them so."""

_NONE = object()  # stands for a None that is a leaf


def register_pytree(kind: type, flatten: Callable[[Any], Any], unflatten: Callable[[Any, Any], Any]) -> type:
    """Makes `kind` a pytree node.

    Args:
        kind: the class.
        flatten: `flatten(value) -> (children, static)`; `static` must be hashable and comparable.
        unflatten: `unflatten(static, children) -> value`.

    Returns:
        `kind`, so that it can be used on a class of one's own.

    Example:
        >>> class Pair:
        ...     def __init__(self, a, b): self.a, self.b = a, b
        >>> _ = register_pytree(Pair, lambda p: ((p.a, p.b), None), lambda _, ab: Pair(*ab))
        >>> flatten(Pair(1, 2))[0]
        [1, 2]
    """
    optree.register_pytree_node(kind, flatten, unflatten, namespace=NAMESPACE)
    _registered.add(kind)
    return kind


def register_dataclass(kind: type) -> type:
    """Makes a dataclass a pytree node whose children are its fields, in order, but for the static ones."""
    fields = dataclasses.fields(kind)
    children = tuple(f.name for f in fields if not f.metadata.get("static"))
    static = tuple(f.name for f in fields if f.metadata.get("static"))
    FIELDS[kind] = children_of, static_of = _getter(children), _getter(static)
    for f in fields:
        for mark, marked in (("buffer", _BUFFERS), ("unnamed", _UNNAMED)):
            if f.metadata.get(mark):
                marked.setdefault(f.name, set()).add(kind)

    def flatten_dataclass(value: Any) -> Any:
        return children_of(value), static_of(value), children

    def unflatten_dataclass(metadata: Any, values: Any) -> Any:
        new: Any = object.__new__(kind)  # a field may hold anything during a transform, so __init__ must not check it
        for name, value in zip(children, values, strict=True):
            object.__setattr__(new, name, value)
        for name, value in zip(static, metadata, strict=True):
            object.__setattr__(new, name, value)
        return new

    return register_pytree(kind, flatten_dataclass, unflatten_dataclass)


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """What returns the attributes of these names."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple([getattr(value, name) for name in names])


def _new_dataclasses(leaves: list[Any]) -> bool:
    """Registers the dataclasses among `leaves`; whether there were any."""
    found = False
    for leaf in leaves:
        kind = type(leaf)
        if hasattr(kind, "__dataclass_fields__") and kind not in _registered:
            register_dataclass(kind)
            found = True
    return found


def flatten(tree: Any) -> tuple[list[Any], Treedef]:
    """Returns the leaves of `tree` and its treedef."""
    leaves, treedef = optree.tree_flatten(tree, namespace=NAMESPACE)
    if _new_dataclasses(leaves):
        return flatten(tree)
    return leaves, treedef


class Node(NamedTuple):
    """A container: its children, what else it is, and what makes another one of other children."""

    children: list[Any]
    static: Any
    with_children: Callable[[Any], Any]


def one_level(tree: Any) -> Node | None:
    """Returns `tree` taken apart, its children left whole; None if it is a leaf."""
    if optree.tree_is_leaf(tree, namespace=NAMESPACE) and not _new_dataclasses([tree]):
        return None
    static: Any
    children, static, _, unflatten_one = optree.tree_flatten_one_level(tree, namespace=NAMESPACE)
    kind = type(tree)
    if optree.is_namedtuple_class(kind) and static == kind:
        FIELDS[kind] = tuple, lambda _: ()
    return Node(children, static, lambda values: unflatten_one(static, values))


def flatten_axes(axes: Any) -> list[Any]:
    """Returns the leaves of a tree of axes, `None` among them."""
    flatten(axes)
    return optree.tree_leaves(axes, none_is_leaf=True, namespace=NAMESPACE)


def unflatten(treedef: Treedef, leaves: Any) -> Any:
    """Returns the tree of structure `treedef` with `leaves`."""
    return optree.tree_unflatten(treedef, leaves)


def tree_map(fun: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """Returns `tree` with every leaf `x` replaced by `fun(x, ...)`, the further leaves taken from `rest`.

    Example:
        >>> tree_map(lambda a, b: a + b, {"u": 1, "v": (2, 3)}, {"u": 10, "v": (20, 30)})
        {'u': 11, 'v': (22, 33)}
    """
    leaves, treedef = flatten(tree)
    columns = [leaves]
    for other in rest:
        values, structure = flatten(other)
        if structure != treedef:
            raise StructureError("tree_map", f"trees differ in structure: {treedef} and {structure}")
        columns.append(values)
    return unflatten(treedef, [fun(*xs) for xs in zip(*columns, strict=True)])


def paths(tree: Any) -> list[str]:
    """Returns for each leaf how it is reached, as Python source: `['img'][0].weight`."""
    _, treedef = flatten(tree)
    return ["".join([str(entry.codify("")) for entry in accessor]) for accessor in treedef.accessors()]


def buffers(treedef: Treedef) -> list[bool]:
    """Returns for each leaf whether it lies in a buffer, at any depth."""
    if all(_BUFFERS.keys().isdisjoint(path) for path in treedef.paths()):  # which costs a tenth of the accessors
        return [False] * treedef.num_leaves
    return [any(e.type in _BUFFERS.get(e.entry, ()) for e in accessor) for accessor in treedef.accessors()]


def names(treedef: Treedef) -> list[str]:
    """Returns for each leaf its name: `features.0.weight`."""
    return [
        ".".join([str(e.entry) for e in accessor if e.type not in _UNNAMED.get(e.entry, ())])
        for accessor in treedef.accessors()
    ]


def broadcast_prefix(prefix: Any, tree: Any) -> list[Any]:
    """Returns a leaf of `prefix`, a tree of axes, for every leaf of `tree`; raises ValueError if it is not a prefix."""
    flatten(prefix)
    marked = optree.tree_map(lambda x: _NONE if x is None else x, prefix, none_is_leaf=True, namespace=NAMESPACE)
    return [None if x is _NONE else x for x in optree.broadcast_prefix(marked, tree, namespace=NAMESPACE)]
