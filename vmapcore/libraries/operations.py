"""Code that runs on plain values, a solver of SciPy's perhaps, as one operation with rules: under vmap, grad and jit.

What a rule computes is such an operation too, since it calls the user's function, which may ask for values.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from ..arrays import on_host
from ..batched import BatchedTensor, BatchTrace
from ..batching import vmap
from ..core import Primitive
from ..derivatives import vjp
from ..errors import ConcretizationError, MissingRuleError
from ..forward import jvp
from ..names import call_user
from ..opaque import untraced
from ..transposing import has_derivative

Rule = Callable[..., Any]
Enter = Callable[[Any], Any]
Taken = Callable[[Any, Any], Any]
R = TypeVar("R")


class PlainRun(Primitive):
    """`run(*leaves)`, which returns a tuple of arrays, and gets plain ones.

    - `push(leaves, outs, tangents)` returns the tangents of the results; of an argument without one it gets None;
    - `pull(leaves, outs, gs, wanted)` returns a cotangent for each argument at `wanted`, all of them of floats; of a
      result that nothing hangs on it gets None.

    Both are functions that can be transformed. Results that are no floats have no derivative.
    """

    pure = False

    instead: Rule | None = None
    """What `run` returns, in shape and dtype, where it raises of made-up values: for a batch of none."""

    def __init__(self, name: str, run: Rule, push: Rule, pull: Rule, rows: Rule | None = None) -> None:
        Primitive.__init__(self, self._evaluate, name=name, multiple=True, listed=False)
        self.work = lambda ins, outs, **params: 0
        self.run, self.push, self.pull = run, push, pull
        self.rows = rows or self._one_by_one
        self.vmap, self.jvp, self.forward = self._batched, self._tangents, self._forward

    def _evaluate(self, xp: Any, *leaves: Any) -> tuple[Any, ...]:
        found = untraced(self.run, *map(on_host, leaves))
        return tuple([x if isinstance(x, np.generic) and xp is np else xp.asarray(x) for x in found])

    # Rules.

    def _batched(self, size: int, mapped: Sequence[bool], *leaves: Any) -> Any:
        return RunByRows(self, size, mapped)(*leaves)

    def _tangents(self, tangents: Sequence[Any], outs: Any, *leaves: Any) -> Any:
        moving = [i for i, t in enumerate(tangents) if t is not None]
        push = self.pushes(moving, len(leaves), len(outs))
        return derived(f"jvp of {self.name}", push)(*leaves, *outs, *[tangents[i] for i in moving])

    def pushes(self, moving: Sequence[int], count: int, outs: int) -> Rule:
        """`push` as a function of arguments, results, and the tangents that there are, of the arguments at `moving`."""
        ends = count + outs
        return lambda *xs: tuple(self.push(xs[:count], xs[count:ends], _at(moving, xs[ends:], count)))

    def _forward(self, wanted: Sequence[bool], *leaves: Any) -> Any:
        outs = self(*leaves)
        count, ends = len(leaves), len(leaves) + len(outs)
        places = [i for i, x in enumerate(leaves) if wanted[i] and has_derivative(x)]

        def pullback(gs: Sequence[Any]) -> list[Any]:
            reached = [i for i, g in enumerate(gs) if g is not None and has_derivative(outs[i])]

            def pull(*xs: Any) -> Any:
                given = _at(reached, xs[ends:], len(outs))
                cotangents = self.pull(xs[:count], xs[count:ends], given, places)
                return tuple([_like(ct, xs[i]) for ct, i in zip(cotangents, places, strict=True)])

            found = derived(f"vjp of {self.name}", pull)(*leaves, *outs, *[gs[i] for i in reached])
            return _at(places, found, count)

        return outs, pullback

    def _one_by_one(self, size: int, mapped: Sequence[bool], *leaves: Any) -> list[Any]:
        """The results for each row, of which a batch is made."""
        if not size:
            some = [np.ones_like(x[:0], shape=x.shape[1:]) if m else x for x, m in zip(leaves, mapped, strict=True)]
            return [np.empty((0, *np.shape(x)), np.asarray(x).dtype) for x in self._made_up(some)]
        found = [self.run(*[x[i] if m else x for x, m in zip(leaves, mapped, strict=True)]) for i in range(size)]
        return [np.stack(column) for column in zip(*found, strict=True)]

    def _made_up(self, leaves: Sequence[Any]) -> Any:
        with np.errstate(all="ignore"):
            try:
                return self.run(*leaves)
            except Exception:
                if self.instead is None:
                    raise
                return self.instead(*leaves)


def _at(places: Sequence[int], values: Sequence[Any], count: int) -> list[Any]:
    """A list of `count` with `values` at `places` and None elsewhere."""
    full: list[Any] = [None] * count
    for i, value in zip(places, values, strict=True):
        full[i] = value
    return full


def _like(ct: Any, x: Any) -> Any:
    """A cotangent with the dtype of its argument."""
    if ct.dtype.kind == "c" and x.dtype.kind != "c":
        ct = ct.real
    return ct.astype(x.dtype)


class RunByRows(PlainRun):
    """An operation on rows."""

    def __init__(self, one: PlainRun, size: int, mapped: Sequence[bool]) -> None:
        self.one, self.size, self.mapped = one, size, tuple(mapped)
        PlainRun.__init__(
            self, one.name, lambda *xs: one.rows(size, self.mapped, *xs), self._push, self._pull, self._flat
        )

    def _flat(self, size: int, mapped: Sequence[bool], *leaves: Any) -> list[Any]:
        """Rows of rows, as so many."""
        either = [a or b for a, b in zip(mapped, self.mapped, strict=True)]
        flat = []
        for x, outer, inner in zip(leaves, mapped, self.mapped, strict=True):
            if outer or inner:
                x = x if outer else x[None]
                x = x if inner else x[:, None]
                x = np.broadcast_to(x, (size, self.size, *x.shape[2:])).reshape(-1, *x.shape[2:])
            flat.append(x)
        outs = self.one.rows(size * self.size, either, *flat)
        return [x.reshape(size, self.size, *x.shape[1:]) for x in outs]

    def _axes(self) -> tuple[Any, ...]:
        return tuple([0 if m else None for m in self.mapped])

    def _push(self, leaves: Any, outs: Any, tangents: Sequence[Any]) -> Any:
        moving = [i for i, t in enumerate(tangents) if t is not None]
        flat = self.one.pushes(moving, len(leaves), len(outs))
        axes = self._axes()
        along = [0] * len(outs) + [axes[i] for i in moving]
        return by_rows(flat, [*axes, *along], self.size, [*leaves, *outs, *[tangents[i] for i in moving]])

    def _pull(self, leaves: Any, outs: Any, gs: Any, wanted: Sequence[int]) -> Any:
        reached = [i for i, g in enumerate(gs) if g is not None]

        count, ends = len(leaves), len(leaves) + len(outs)

        def flat(*xs: Any) -> Any:
            return tuple(self.one.pull(xs[:count], xs[count:ends], _at(reached, xs[ends:], len(outs)), wanted))

        axes = [*self._axes(), *[0] * (len(outs) + len(reached))]
        found = by_rows(flat, axes, self.size, [*leaves, *outs, *[gs[i] for i in reached]])
        return [ct if self.mapped[i] else np.sum(ct, axis=0) for ct, i in zip(found, wanted, strict=True)]


def derived(name: str, fun: Rule) -> PlainRun:
    """An operation that calls `fun(*leaves)`, a function that can be transformed and returns a tuple."""

    def push(leaves: Any, outs: Any, tangents: Sequence[Any]) -> Any:
        moving = [i for i, t in enumerate(tangents) if t is not None]

        def moved(*xs: Any) -> Any:
            return fun(*_with(leaves, moving, xs))

        return jvp(moved, tuple([leaves[i] for i in moving]), tuple([tangents[i] for i in moving]))[1]

    def pull(leaves: Any, outs: Any, gs: Any, wanted: Sequence[int]) -> Any:
        reached = [i for i, g in enumerate(gs) if g is not None]

        def moved(*xs: Any) -> Any:
            found = fun(*_with(leaves, wanted, xs))
            return tuple([found[i] for i in reached])

        _, pullback = vjp(moved, *[leaves[i] for i in wanted])
        return pullback(tuple([gs[i] for i in reached]))

    def rows(size: int, mapped: Sequence[bool], *leaves: Any) -> Any:
        return by_rows(fun, [0 if m else None for m in mapped], size, leaves)

    return PlainRun(name, lambda *leaves: call_user(fun, leaves), push, pull, rows)


def by_rows(fun: Rule, axes: Sequence[int | None], size: int, args: Sequence[Any]) -> Any:
    """The tuple that `fun` returns, for all rows in one run; row by row where the user's function asks for values."""
    try:
        return vmap(fun, tuple(axes), axis_size=size)(*args)
    except ConcretizationError:
        if not size:
            raise
    rows = [[x if axis is None else x[i] for x, axis in zip(args, axes, strict=True)] for i in range(size)]
    return tuple([np.stack(column) for column in zip(*[call_user(fun, row) for row in rows], strict=True)])


def together(
    name: str, size: int, mapped: Sequence[bool], leaves: Sequence[Any], run: Callable[[list[Any], Enter, Taken], R]
) -> R:
    """Runs `run(leaves, enter, taken)`, in which a user's function is called with all rows at once.

    `enter(x)` is an array of rows as the function sees it, and `taken(x, dtype)` such an array of what it returns.
    """
    trace = BatchTrace(name, size, "error")

    def enter(x: Any) -> Any:
        return BatchedTensor(trace, x)

    def taken(x: Any, dtype: Any) -> Any:
        value, has_rows = trace.taken(x)
        value = np.asarray(value, dtype)
        return value if has_rows else np.broadcast_to(value, (size, *value.shape))

    inside = [enter(x) if m else x for x, m in zip(leaves, mapped, strict=True)]
    return trace.run(lambda: call_user(run, (inside, enter, taken)))


def _with(leaves: Sequence[Any], places: Sequence[int], values: Sequence[Any]) -> list[Any]:
    full = list(leaves)
    for i, x in zip(places, values, strict=True):
        full[i] = x
    return full


def no_derivative(name: str) -> tuple[Rule, Rule]:
    """Rules of an operation that has none."""

    def refuse(*args: Any) -> Any:
        raise MissingRuleError(name, "has no derivative", "", "Make its arguments constants, with stop_gradient")

    return refuse, refuse
