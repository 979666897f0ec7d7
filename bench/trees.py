"""Arguments and results are arrays in dicts and tuples; a list holds what a loop collected, one entry per member."""

from collections.abc import Callable
from typing import Any


def tree_map(f: Callable[[Any], Any], tree: Any) -> Any:
    """`tree` with every array replaced by `f` of it."""
    if isinstance(tree, dict):
        return {key: tree_map(f, value) for key, value in tree.items()}
    if isinstance(tree, (tuple, list)):
        return type(tree)([tree_map(f, value) for value in tree])
    return f(tree)


def tree_stack(stack: Callable[[list[Any]], Any], trees: list[Any]) -> Any:
    """One tree whose arrays are those of `trees`, stacked."""
    first = trees[0]
    if isinstance(first, dict):
        return {key: tree_stack(stack, [tree[key] for tree in trees]) for key in first}
    if isinstance(first, tuple):
        return tuple([tree_stack(stack, [tree[i] for tree in trees]) for i in range(len(first))])
    return stack(trees)


def gather(stack: Callable[[list[Any]], Any], tree: Any) -> Any:
    """`tree` with every list that a loop left in it stacked, innermost first."""
    if isinstance(tree, list):
        return tree_stack(stack, [gather(stack, entry) for entry in tree])
    if isinstance(tree, dict):
        return {key: gather(stack, value) for key, value in tree.items()}
    if isinstance(tree, tuple):
        return tuple([gather(stack, value) for value in tree])
    return tree


def named(tree: Any, path: str = "out") -> dict[str, Any]:
    """The arrays of `tree` by how they are reached."""
    if isinstance(tree, dict):
        return {name: x for key in sorted(tree) for name, x in named(tree[key], f"{path}.{key}").items()}
    if isinstance(tree, tuple):
        return {name: x for i, value in enumerate(tree) for name, x in named(value, f"{path}[{i}]").items()}
    return {path: tree}
