"""vmaps of an operation whose rules are for one example: one primitive for all of its levels, outermost first.

Its derivative rules are the operation's, vmapped over the same levels, so they see one example in every nesting.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arguments import separate
from ..arrays import namespace
from ..batching import vmap
from ..core import Primitive
from ..errors import ShapeError, describe
from ..rules._work import each
from ..tracer import Tracer
from .loops import loop, timed
from .specs import check_spec, spec_of

Levels = tuple[tuple[int, tuple[bool, ...]], ...]
"""For each vmap, outermost first, its size and which arguments it maps: those have its batch in front of what is left
when the batches of the outer ones are gone."""

Places = Callable[[Sequence[int | None]], Any]


def over(
    levels: Levels, fun: Callable[..., Any], lead: Places = lambda axes: (), out: Places | None = None
) -> Callable[..., Any]:
    """`fun(*lead_arguments, *arguments)` for every example of `levels`.

    From the axis of each argument, 0 or None, `lead` gives the in_axes of the arguments in front, and `out` the
    out_axes, 0 by default.
    """
    for size, mapped in reversed(levels):
        axes = tuple([0 if m else None for m in mapped])
        fun = vmap(fun, (*lead(axes), *axes), 0 if out is None else out(axes), axis_size=size)
    return fun


def reduced(axis: int | None) -> Any:
    """Where the batch of a cotangent goes: away, if the argument had none."""
    return "sum" if axis is None else axis


def over_vjp(levels: Levels, i: int, rule: Callable[..., Any]) -> Callable[..., Any]:
    """`rule(g, out, *args)`, the cotangent of argument `i`, for every example of `levels`."""
    return over(levels, rule, lambda axes: (0, 0), lambda axes: reduced(axes[i]))


def over_jvp(levels: Levels, rule: Callable[..., Any]) -> Callable[..., Any]:
    """`rule(tangents, out, *args)` for every example of `levels`; `tangents` must be a tuple."""
    return over(levels, rule, lambda axes: (tuple(axes), 0))


class Batched(Primitive):
    """A form of an operation, vmapped."""

    def __init__(self, form: Any, levels: Levels) -> None:
        Primitive.__init__(self, self._run, name=form.name, multiple=True, listed=False)
        self.def_facts(work=each, pure=False)
        self.form = form
        self.levels = levels
        self.vmap = self._vmap
        self.forward = None if form.forward is None else self._forward
        self.vjps = (
            tuple([None if rule is None else self._vjp(i, rule) for i, rule in enumerate(form.vjps)])
            if form.vjps
            else form.vjps
        )
        self.jvp = None if form.jvp is None else self._jvp

    def remedy(self, kind: str) -> str:
        return self.form.remedy(kind)

    def _run(self, xp: Any, *leaves: Any, **params: Any) -> Any:
        return run(self.form, xp, self.levels, leaves, params)

    def _vmap(self, size: int, mapped: Sequence[bool], *leaves: Any, **params: Any) -> Any:
        return batched(self.form, ((size, tuple(mapped)), *self.levels), leaves, params)

    def _vjp(self, i: int, rule: Callable[..., Any]) -> Callable[..., Any]:
        def vjp(gs: Any, outs: Any, *leaves: Any, **params: Any) -> Any:
            return over_vjp(self.levels, i, lambda g, out, *xs: rule(g, out, *xs, **params))(gs, outs, *leaves)

        return vjp

    def _forward(self, wanted: Sequence[bool], *leaves: Any, **params: Any) -> Any:
        outs = self(*leaves, **params)

        def pullback(gs: Any) -> Any:
            def pull(g: Any, out: Any, *xs: Any) -> Any:
                return self.form.pull(wanted, g, out, xs, params)

            return over(self.levels, pull, lambda _: (0, 0), lambda axes: list(map(reduced, axes)))(gs, outs, *leaves)

        return outs, pullback

    def _jvp(self, tangents: Any, outs: Any, *leaves: Any, **params: Any) -> Any:
        rule = self.form.jvp
        jvp = over_jvp(self.levels, lambda ts, out, *xs: rule(ts, out, *xs, **params))
        return jvp(tuple(tangents), outs, *leaves)


def batched(form: Any, levels: Levels, leaves: Sequence[Any], params: dict[str, Any]) -> Any:
    """The results of a form, vmapped, on arrays or tracers."""
    for x in leaves:
        if isinstance(x, Tracer):
            return Batched(form, levels)(*leaves, **params)
    return run(form, namespace(leaves), levels, leaves, params)


# How a form runs on the arrays of a batch.


def run(form: Any, xp: Any, levels: Levels, leaves: Sequence[Any], params: dict[str, Any]) -> Any:
    """Computes the results of a form, a tuple, on arrays with the batches of `levels` in front."""
    op = form.op
    if op.own_vmap is not None:
        return tuple(separate(list(_by_rule(form, levels, leaves, params)), list(leaves)))
    if 0 in [size for size, _ in levels] and (op.result is not None or op.method is None):
        return _of_nothing(form, xp, levels, leaves, params)
    if op.method is not None:
        return tuple(separate(list(_at_once(form, xp, levels, leaves, params)), list(leaves)))
    calls = math.prod([size for size, _ in levels])
    given = op.prepared(leaves)
    return timed(op, op.declared_loop, calls, lambda: _looped(form, xp, levels, given, params))


def _by_rule(form: Any, levels: Levels, leaves: Sequence[Any], params: dict[str, Any]) -> Any:
    """By the author's rule, for the innermost level, in vmaps for the others."""
    size, mapped = levels[-1]
    return over(levels[:-1], lambda *xs: form.run_own_vmap(size, mapped, xs, params))(*leaves)


def _looped(form: Any, xp: Any, levels: Levels, leaves: Sequence[Any], params: dict[str, Any]) -> Any:
    (size, mapped), *rest = levels
    if rest:
        inner = tuple(rest)

        def run_inner(*xs: Any) -> Any:
            return _looped(form, xp, inner, xs, params)

        return loop(form, run_inner, lambda: (run_inner, False, lambda outs: outs), xp, size, mapped, leaves)
    first = functools.partial(form.eval, xp, **params)
    return loop(form, first, lambda: form.swiftly(xp, params), xp, size, mapped, leaves)


def _at_once(form: Any, xp: Any, levels: Levels, leaves: Sequence[Any], params: dict[str, Any]) -> Any:
    """In one call, every argument with an axis for each level: of size 1 where it is not mapped, or broadcast."""
    lead = tuple([size for size, _ in levels])
    whole = []
    for i, x in enumerate(leaves):
        x = xp.asarray(x)
        flags = [mapped[i] for _, mapped in levels]
        shape = x.shape[sum(flags) :]
        x = x.reshape(tuple([n if m else 1 for n, m in zip(lead, flags, strict=True)]) + shape)
        whole.append(xp.broadcast_to(x, lead + shape) if form.op.method == "broadcast_all" else x)
    outs = form.outputs(form.op.evaluate(xp, *form.arguments(whole), **params))
    for out in outs:
        if out.shape[: len(lead)] != lead:
            fact = f"its result for a batch is {describe(out)}"
            remedy = "Let the function broadcast over leading axes, or choose vmap_method='loop'"
            raise ShapeError(form.name, fact, f"vmap_method='{form.op.method}' needs {lead} in front", remedy)
    declared = form.declared(examples(levels, leaves), params)
    if declared is not None:
        for out, spec in zip(outs, declared, strict=True):
            check_spec(form.name, out, spec, lead)
    return outs


def _of_nothing(form: Any, xp: Any, levels: Levels, leaves: Sequence[Any], params: dict[str, Any]) -> Any:
    """For a batch without examples, results of the right shapes and dtypes."""
    lead = tuple([size for size, _ in levels])
    specs = form.specs(xp, examples(levels, leaves), params)
    return tuple([xp.zeros(lead + tuple(s.shape), s.dtype) for s in specs])


def examples(levels: Levels, leaves: Sequence[Any]) -> list[Any]:
    """What one example of each leaf is."""
    return [spec_of(x, sum([mapped[i] for _, mapped in levels])) for i, x in enumerate(leaves)]


# Levels that the arguments' own leading axes make.


def leading(shapes: Sequence[tuple[int, ...]]) -> tuple[Levels, list[tuple[int, ...]]]:
    """The levels over leading axes that broadcast, by the `shapes` of the arguments' ones, and which axes to drop.

    An axis that is broadcast is dropped: its argument is not mapped there.
    """
    full = np.broadcast_shapes(*shapes)
    padded = [(1,) * (len(full) - len(shape)) + shape for shape in shapes]
    levels = tuple([(n, tuple([shape[k] == n != 1 for shape in padded])) for k, n in enumerate(full)])
    dropped = [
        tuple([k - len(full) + len(shape) for k in range(len(full) - len(shape), len(full)) if not levels[k][1][i]])
        for i, shape in enumerate(shapes)
    ]
    return levels, dropped
