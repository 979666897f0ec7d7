"""The law of vmap, checked on every way to map a function's arguments."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..batching import vmap
from ..errors import name_of
from ..pytree import broadcast_prefix, flatten, unflatten
from .compare import aliases, assert_same, copies, untouched
from .oracles import Fun, call_seen, example, vmap_loop
from .reproduction import reproducible

Mapped = tuple[bool, ...]
"""For each leaf of the arguments, whether it is mapped."""


def check_vmap(
    fun: Fun,
    *args: Any,
    in_axes: Any = None,
    out_axes: Any = 0,
    branches: str = "error",
    like: Fun | None = None,
    tol: float = 1.0,
) -> None:
    """Checks that `vmap(fun)` equals a loop over `fun`, in value, shape and dtype, and leaves its arguments alone.

    Law:  vmap(fun)(x)[i] == fun(x[i])

    Batches of one and of none are checked too, a batch as long as an axis of what is not mapped, and vmaps in vmaps,
    two and three deep; with `branches` none of none, as no example answers. Results may share memory only where those
    of one example do.

    Args:
        fun: a function of arrays in any pytree, written for one example.
        *args: its arguments, with a batch of two or more.
        in_axes: an int, or a tuple with an entry per argument. By default every leaf carries the batch on axis 0, and
            all the combinations of mapped and unmapped leaves, and of axes to map, are derived from them.
        out_axes, branches: as for `vmap`.
        like: what the loop runs in place of `fun`, for a function that does not run on plain arrays.
        tol: a factor on the tolerances.

    Raises:
        AssertionError: the law is broken.

    Example:
        >>> check_vmap(np.outer, np.ones((4, 2)), np.ones((4, 3)))
    """
    leaves, tree = flatten(args)
    law = _Law(fun, like, tree, of_leaves(fun, tree), of_leaves(like or fun, tree), out_axes, branches, tol)
    axes = (
        [0] * len(leaves)
        if in_axes is None
        else broadcast_prefix(tuple(in_axes) if isinstance(in_axes, list) else in_axes, args)
    )
    front = [x if a is None else np.moveaxis(x, a, 0) for x, a in zip(leaves, axes, strict=True)]
    mapped = tuple([a is not None for a in axes])
    if not any(mapped) or len(front[mapped.index(True)]) < 2:
        raise AssertionError(f"check_vmap({name_of(fun)}): needs a batch of two or more, to tell examples apart")
    if in_axes is None:
        with law.reproducible(leaves, None):
            law.check_every(front)
    else:
        with law.reproducible(leaves, axes):
            law.check_sizes(front, axes)
            every = tuple([hasattr(x, "shape") for x in front])
            values = [nested(x, m, [True, m]) for x, m in zip(front, mapped, strict=True)]
            law.check(values, [axes_of(every), axes_of(mapped)])


def of_leaves(fun: Fun, tree: Any) -> Fun:
    """`fun` as a function of the leaves of its arguments."""

    def f(*leaves: Any) -> Any:
        return call_seen(fun, *unflatten(tree, leaves))

    f.__name__ = name_of(fun)
    return f


def axes_of(mapped: Mapped) -> tuple[int | None, ...]:
    return tuple([0 if m else None for m in mapped])


EVERY = 5
"""Up to how many leaves every combination is checked."""


def patterns(k: int) -> list[Mapped]:
    """Which of `k` leaves to map: every combination; of many leaves, all, one or two alone, and all but one or two."""
    if k <= EVERY:
        return [p for p in itertools.product((True, False), repeat=k) if any(p)]
    chosen = [c for n in (1, 2) for c in itertools.combinations(range(k), n)]
    few = [tuple([i in c for i in range(k)]) for c in chosen]
    return [(True,) * k, *few, *[tuple([not m for m in p]) for p in few]]


def _placements(front: list[Any]) -> Iterator[tuple[list[Any], tuple[int | None, ...]]]:
    """Every leaf in turn with its batch on each of its axes, the others once mapped and once not."""
    for i, x in enumerate(front):
        for axis in (*range(1, x.ndim), -1):
            for other in (0, None) if len(front) > 1 else (0,):
                values = [y if other == 0 else y[0] for y in front]
                values[i] = _placed(x, axis)
                yield values, tuple([axis if j == i else other for j in range(len(front))])


def _placed(x: Any, axis: int) -> Any:
    """The batch moved from axis 0, and contiguous there: so it is not when `vmap` has moved it to the front again."""
    return np.moveaxis(x, 0, axis).copy(order="C")


def nests(k: int) -> list[tuple[Mapped, ...]]:
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


def nested(x: Any, is_mapped: bool, levels: list[bool]) -> Any:
    """A leaf with an axis for each level that maps it, its examples spread over them so that neighbours differ."""
    if not any(levels):
        return x[0]
    sizes = tuple([n for n, m in zip(SIZES, levels, strict=False) if m])
    if not is_mapped:
        return np.broadcast_to(x, sizes + x.shape) if hasattr(x, "shape") else x
    return x[sum(np.ogrid[tuple([slice(n) for n in sizes])]) % len(x)]


LONGEST = 8
"""The longest axis that a batch is made as long as."""


def _other_lengths(front: list[Any], axes: Sequence[Any], size: int) -> list[int]:
    """Lengths of the axes of what is not mapped: a rule may take one of them for the batch."""
    lengths = {n for x, a in zip(front, axes, strict=True) if a is None for n in getattr(x, "shape", ())}
    return sorted([n for n in lengths if 1 < n <= LONGEST and n != size])[:3]


def _resized(x: Any, size: int) -> Any:
    """A batch of `size`, of the examples of `x` over and over."""
    return x[np.arange(size) % len(x)]


@dataclass(frozen=True)
class _Law:
    """A function, itself and what the loop runs for it by the leaves of its arguments, and how results are compared."""

    fun: Fun
    like: Fun | None
    tree: Any
    of_leaves: Fun
    oracle: Fun
    out_axes: Any
    branches: str
    tol: float

    def check_every(self, front: list[Any]) -> None:
        """All the ways to map leaves that have the batch on axis 0."""
        for pattern in patterns(len(front)):
            values = [x if m else x[0] for x, m in zip(front, pattern, strict=True)]
            with self.reproducible(values, axes_of(pattern)):
                self.check_sizes(values, axes_of(pattern))
        for placed, placement in _placements(front):
            with self.reproducible(placed, placement):
                self.check(placed, [placement])
        for levels in nests(len(front)):
            values = [nested(x, True, [level[i] for level in levels]) for i, x in enumerate(front)]
            self.check(values, [axes_of(m) for m in levels])
        self.check_nested_empty([x[0] for x in front])

    def check(self, args: list[Any], levels: list[tuple[Any, ...]]) -> None:
        """`vmap` of `vmap` of ... against the loops, with `in_axes` by level, outermost first."""
        looped, what = self.oracle, self._what(levels)
        for in_axes in reversed(levels):
            looped = vmap_loop(looped, in_axes, self.out_axes)
        expected = looped(*args)
        with untouched(what, args):
            actual = self._vmapped(levels)(*args)
        assert_same(actual, expected, what, self.tol)
        if len(levels) == 1:
            self._check_aliases(what, actual, args, levels[0])

    def check_sizes(self, front: list[Any], axes: Sequence[Any]) -> None:
        """The whole batch, given on axis 0; as many as an unmapped axis is long; one example alone; and none."""
        in_axes = tuple(axes)
        size = next(len(x) for x, a in zip(front, axes, strict=True) if a is not None)
        whole, one, none, *others = [
            [x if a is None else _placed(_resized(x, n), a) for x, a in zip(front, axes, strict=True)]
            for n in (size, 1, 0, *_other_lengths(front, axes, size))
        ]
        for batch in (whole, *others, one):
            self.check(batch, [in_axes])
        if "mean" not in flatten(self.out_axes)[0]:
            self._check_again(whole, in_axes)
            if self.branches == "error":
                self._check_empty(one, none, in_axes)

    def _check_again(self, batch: list[Any], in_axes: tuple[Any, ...]) -> None:
        """Another batch of the same shape has its own results, which leave the earlier ones alone."""
        other = [x if a is None else np.flip(x, a).copy() for x, a in zip(batch, in_axes, strict=True)]
        expected = vmap_loop(self.oracle, in_axes, self.out_axes)(*other)
        vmapped, what = self._vmapped([in_axes]), f"{self._what([in_axes])}, called again,"
        before = [y for y in flatten(vmapped(*batch))[0] if hasattr(y, "dtype")]
        with untouched(what, before, "its earlier result"):
            after = vmapped(*other)
        assert_same(after, expected, what, self.tol)
        shared = aliases(before, flatten(after)[0])
        if shared and not aliases(batch, before):
            raise AssertionError(f"{what}: {min(shared).replace('argument', 'the earlier result')}")

    def check_nested_empty(self, examples: list[Any]) -> None:
        """A vmap of none in a vmap of two, and the other way, have the shapes and dtypes of an example."""
        if self.out_axes != 0 or self.branches != "error":
            return
        results, _ = flatten(self.oracle(*[np.copy(x) for x in examples]))
        expected = [y if hasattr(y, "dtype") else np.asarray(y) for y in results]
        levels = [axes_of((True,) * len(examples))] * 2
        for sizes in (0, 2), (2, 0):
            results, _ = flatten(self._vmapped(levels)(*[np.zeros_like(x, shape=sizes + x.shape) for x in examples]))
            for y, e in zip(results, expected, strict=True):
                what = f"{self._what(levels)} of batches of {sizes[0]} and {sizes[1]}"
                assert_same(y, np.zeros_like(e, shape=sizes + e.shape), what)

    def _check_empty(self, one: list[Any], none: list[Any], in_axes: tuple[Any, ...]) -> None:
        """A batch of size 0 has the shapes and dtypes of a batch of one, but for the batch axis."""
        actual, tree = flatten(self._vmapped([in_axes])(*none))
        expected = vmap_loop(self.oracle, in_axes, self.out_axes)(*one)
        axes = broadcast_prefix(self.out_axes, expected)
        leaves, wanted = flatten(expected)
        what = f"{self._what([in_axes])} of an empty batch"
        if tree != wanted:
            raise AssertionError(f"{what}: has structure {tree}, not {wanted}")
        for a, e, axis in zip(actual, leaves, axes, strict=True):
            if axis is not None:
                empty = np.zeros_like(e) if axis == "sum" else np.moveaxis(np.moveaxis(e, axis, 0)[:0], 0, axis)
                assert_same(a, empty, what)

    def _check_aliases(self, what: str, actual: Any, args: list[Any], in_axes: tuple[Any, ...]) -> None:
        """Results may share memory only where `fun`'s own do, in one layout or another: a write to one changes both."""
        shared = aliases(args, flatten(actual)[0])
        if shared:
            values = [example(x, a, 0) for x, a in zip(args, in_axes, strict=True)]
            own = [aliases(given, flatten(self.oracle(*given))[0]) for given in (values, copies(values))]
            wrong = shared.difference(*own)
            if wrong:
                raise AssertionError(f"{what}: {min(wrong)}, but for one example it does not")

    def _vmapped(self, levels: list[tuple[Any, ...]]) -> Fun:
        vmapped = self.of_leaves
        for in_axes in reversed(levels):
            vmapped = vmap(vmapped, in_axes, self.out_axes, branches=self.branches)
        return vmapped

    def _what(self, levels: list[tuple[Any, ...]]) -> str:
        return " of ".join([f"vmap({name_of(self.fun)}, {in_axes})" for in_axes in levels])

    def reproducible(self, args: Sequence[Any], axes: Sequence[Any] | None) -> Any:
        """Says how the check of these arguments is done again."""
        options: dict[str, Any] = {} if self.like is None else {"like": self.like}
        if self.out_axes != 0:
            options["out_axes"] = self.out_axes
        if self.branches != "error":
            options["branches"] = self.branches
        if axes is not None:
            options["in_axes"] = tuple(unflatten(self.tree, axes))
        return reproducible("check_vmap", self.fun, unflatten(self.tree, args), options)
