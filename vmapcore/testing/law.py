"""The law of vmap, checked on every way to map a function's arguments."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..batching import vmap
from ..errors import name_of
from ..pytree import broadcast_prefix, flatten, unflatten
from .compare import assert_same, function_source, reproducible, untouched
from .oracles import Fun, example, vmap_loop

Mapped = tuple[bool, ...]
"""For each leaf of the arguments, whether it is mapped."""


def check_vmap(
    fun: Fun,
    *args: Any,
    in_axes: Any = None,
    out_axes: Any = 0,
    like: Fun | None = None,
    tol: float = 1.0,
) -> None:
    """Checks that `vmap(fun)` equals a loop over `fun`, in value, shape and dtype, and leaves its arguments alone.

    Law:  vmap(fun)(x)[i] == fun(x[i])

    Batches of one and of none are checked too, and vmaps in vmaps, two and three deep.

    Args:
        fun: a function of arrays in any pytree, written for one example.
        *args: its arguments, with a batch of two or more.
        in_axes: an int, or a tuple with an entry per argument. By default every leaf carries the batch on axis 0, and
            all the combinations of mapped and unmapped leaves, and of axes to map, are derived from them.
        out_axes: as for `vmap`.
        like: what the loop runs in place of `fun`, for a function that does not run on plain arrays.
        tol: a factor on the tolerances.

    Raises:
        AssertionError: the law is broken.

    Example:
        >>> check_vmap(np.outer, np.ones((4, 2)), np.ones((4, 3)))
    """
    leaves, tree = flatten(args)
    law = _Law(_of_leaves(fun, tree), _of_leaves(like or fun, tree), tree, out_axes, tol)
    axes = (
        [0] * len(leaves)
        if in_axes is None
        else broadcast_prefix(tuple(in_axes) if isinstance(in_axes, list) else in_axes, args)
    )
    front = [x if a is None else np.moveaxis(x, a, 0) for x, a in zip(leaves, axes, strict=True)]
    mapped = tuple([a is not None for a in axes])
    if not any(mapped) or len(front[mapped.index(True)]) < 2:
        raise AssertionError(f"check_vmap({name_of(fun)}): needs a batch of two or more, to tell examples apart")
    if in_axes is not None:
        law.check_sizes(front, axes)
        every = tuple([hasattr(x, "shape") for x in front])
        law.check([_nested(x, m, [True, m]) for x, m in zip(front, mapped, strict=True)], [_axes(every), _axes(mapped)])
        return
    for pattern in _patterns(len(front)):
        law.check_sizes([x if m else x[0] for x, m in zip(front, pattern, strict=True)], _axes(pattern))
    for placed, placement in _placements(front):
        law.check(placed, [placement])
    for levels in _nests(len(front)):
        values = [_nested(x, True, [level[i] for level in levels]) for i, x in enumerate(front)]
        law.check(values, [_axes(m) for m in levels])


def _of_leaves(fun: Fun, tree: Any) -> Fun:
    def f(*leaves: Any) -> Any:
        return fun(*unflatten(tree, leaves))

    f.__name__ = name_of(fun)
    return f


def _axes(mapped: Mapped) -> tuple[int | None, ...]:
    return tuple([0 if m else None for m in mapped])


def _patterns(k: int) -> list[Mapped]:
    """Which of `k` leaves to map: every combination; of many leaves, all, each alone, and all but each."""
    if k <= 4:
        return [p for p in itertools.product((True, False), repeat=k) if any(p)]
    alone = [tuple([i == j for i in range(k)]) for j in range(k)]
    return [(True,) * k, *alone, *[tuple([not m for m in p]) for p in alone]]


def _placements(front: list[Any]) -> Iterator[tuple[list[Any], tuple[int | None, ...]]]:
    """Every leaf in turn with its batch on each of its axes, the others once mapped and once not."""
    for i, x in enumerate(front):
        for axis in (*range(1, x.ndim), -1):
            for other in (0, None) if len(front) > 1 else (0,):
                values = [y if other == 0 else y[0] for y in front]
                values[i] = np.moveaxis(x, 0, axis)
                yield values, tuple([axis if j == i else other for j in range(len(front))])


def _nests(k: int) -> list[tuple[Mapped, ...]]:
    """By level, outermost first, which of `k` leaves are mapped: all; each alone within the others and around them."""
    every = (True,) * k
    nests: list[tuple[Mapped, ...]] = [(every, every), (every, every, every)]
    for j in range(k) if k > 1 else ():
        alone = tuple([i == j for i in range(k)])
        rest = tuple([i != j for i in range(k)])
        nests += [(alone, rest), (rest, alone), (alone, every, rest)]
    return nests


SIZES = (2, 3, 2)
"""Batch sizes of the levels, outermost first: neighbours differ, so that swapped levels do not fit."""


def _nested(x: Any, is_mapped: bool, levels: list[bool]) -> Any:
    """A leaf with an axis for each level that maps it, its examples spread over them so that neighbours differ."""
    if not any(levels):
        return x[0]
    sizes = tuple([n for n, m in zip(SIZES, levels, strict=False) if m])
    if not is_mapped:
        return np.broadcast_to(x, sizes + x.shape) if hasattr(x, "shape") else x
    return x[sum(np.ogrid[tuple([slice(n) for n in sizes])]) % len(x)]


@dataclass(frozen=True)
class _Law:
    """A function of leaves, what the loop runs for it, the tree they come from, and how results are compared."""

    fun: Fun
    oracle: Fun
    tree: Any
    out_axes: Any
    tol: float

    def check(self, args: list[Any], levels: list[tuple[Any, ...]]) -> None:
        """`vmap` of `vmap` of ... against the loops, with `in_axes` by level, outermost first."""
        vmapped, looped = self.fun, self.oracle
        for in_axes in reversed(levels):
            vmapped, looped = vmap(vmapped, in_axes, self.out_axes), vmap_loop(looped, in_axes, self.out_axes)
        what = " of ".join([f"vmap({name_of(self.fun)}, {in_axes})" for in_axes in levels])
        with self._reproducible(args, levels):
            with untouched(what, args):
                actual = vmapped(*args)
            assert_same(actual, looped(*args), what, self.tol)
            if len(levels) == 1:
                self._check_aliases(what, actual, args, levels[0])

    def check_sizes(self, front: list[Any], axes: Sequence[Any]) -> None:
        """The whole batch, given on axis 0; its first example alone; and none."""
        whole, one, none = [
            [x if a is None else np.moveaxis(x[:n], 0, a) for x, a in zip(front, axes, strict=True)]
            for n in (None, 1, 0)
        ]
        self.check(whole, [tuple(axes)])
        self.check(one, [tuple(axes)])
        if "mean" not in flatten(self.out_axes)[0]:
            self._check_empty(one, none, tuple(axes))

    def _check_empty(self, one: list[Any], none: list[Any], in_axes: tuple[Any, ...]) -> None:
        """A batch of size 0 has the shapes and dtypes of a batch of one, but for the batch axis."""
        with self._reproducible(none, [in_axes]):
            actual, _ = flatten(vmap(self.fun, in_axes, self.out_axes)(*none))
            expected = vmap_loop(self.oracle, in_axes, self.out_axes)(*one)
            axes = broadcast_prefix(self.out_axes, expected)
            for a, e, axis in zip(actual, flatten(expected)[0], axes, strict=True):
                if axis is not None:
                    empty = np.zeros_like(e) if axis == "sum" else np.moveaxis(np.moveaxis(e, axis, 0)[:0], 0, axis)
                    assert_same(a, empty, f"vmap({name_of(self.fun)}, {in_axes}) of an empty batch")

    def _check_aliases(self, what: str, actual: Any, args: list[Any], in_axes: tuple[Any, ...]) -> None:
        """A result may share memory with an argument only where `fun`'s own does: a write to one changes the other."""
        results, _ = flatten(actual)
        shared = [x for x in args if _shares(x, results)]
        if shared:
            own, _ = flatten(self.oracle(*[example(x, a, 0) for x, a in zip(args, in_axes, strict=True)]))
            if not all(_shares(x, own) for x in shared):
                raise AssertionError(f"{what}: the result shares memory with an argument, but one example's does not")

    def _reproducible(self, args: list[Any], levels: list[tuple[Any, ...]]) -> Any:
        source = function_source(self.fun)
        for in_axes in reversed(levels[1:]):
            source = f"vmap({source}, {unflatten(self.tree, in_axes)}, {self.out_axes!r})"
        options = f", in_axes={unflatten(self.tree, levels[0])}, out_axes={self.out_axes!r}"
        return reproducible("check_vmap", source, unflatten(self.tree, args), options)


def _shares(x: Any, ys: list[Any]) -> bool:
    return isinstance(x, np.ndarray) and any(isinstance(y, np.ndarray) and np.may_share_memory(x, y) for y in ys)
