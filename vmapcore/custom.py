"""Functions whose derivative their author writes: custom_vjp and custom_jvp.

Each call is one primitive whose static parameters are the functions themselves, flattened to lists of leaves, so
that it meets the other transforms as any primitive does: under vmap, the functions are vmapped.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arguments import check_callable
from .arrays import is_array
from .batching import vmap
from .core import facts, multiple
from .errors import ArgumentError, MissingRuleError, ShapeError, StructureError, describe, message, name_of
from .parameters import POSITIONAL
from .pytree import flatten, unflatten
from .rules._work import each
from .tracer import Tracer
from .transposing import cotangents_from, has_derivative, zeros_for_none

Flat = Callable[..., Any]


@facts(work=each, pure=False)
@multiple
def custom_vjp_call(xp: Any, *leaves: Any, fun: Flat, fwd: Flat, bwd: Flat) -> Any:
    """A call of a function with a pullback of its own."""
    return tuple(fun(*leaves))


@custom_vjp_call.def_vmap
def custom_vjp_call_vmap(size: int, mapped: Sequence[bool], *leaves: Any, fun: Flat, fwd: Flat, bwd: Flat) -> Any:
    axes = tuple(0 if m else None for m in mapped)

    def batched_bwd(residuals: Any, gs: Any) -> Any:
        cotangents = vmap(bwd, axis_size=size)(residuals, gs)
        return [ct if m or ct is None else np.sum(ct, axis=0) for ct, m in zip(cotangents, mapped, strict=True)]

    return custom_vjp_call(
        *leaves, fun=vmap(fun, axes, axis_size=size), fwd=vmap(fwd, axes, axis_size=size), bwd=batched_bwd
    )


@custom_vjp_call.def_forward
def custom_vjp_call_forward(wanted: Any, *leaves: Any, fun: Flat, fwd: Flat, bwd: Flat) -> Any:
    outs, residuals = fwd(*leaves)

    def pullback(gs: Sequence[Any]) -> Any:
        return bwd(residuals, zeros_for_none(gs, outs))

    return tuple(outs), pullback


@custom_vjp_call.def_jvp
def custom_vjp_call_jvp(tangents: Any, out: Any, *leaves: Any, fun: Flat, fwd: Flat, bwd: Flat) -> Any:
    raise MissingRuleError(
        "jvp",
        f"{name_of(fun)} is a custom_vjp function, which has no tangent rule",
        "",
        "Write it with custom_jvp, which serves both modes",
    )


@facts(work=each, pure=False)
@multiple
def custom_jvp_call(xp: Any, *leaves: Any, fun: Flat, rule: Flat) -> Any:
    """A call of a function with a tangent rule of its own."""
    return tuple(fun(*leaves))


@custom_jvp_call.def_vmap
def custom_jvp_call_vmap(size: int, mapped: Sequence[bool], *leaves: Any, fun: Flat, rule: Flat) -> Any:
    axes = tuple(0 if m else None for m in mapped)

    def batched_rule(primals: Any, tangents: Any) -> Any:
        # A tangent has its batch even where its primal has none.
        moving = tuple(None if t is None else 0 for t in tangents)
        spread = [
            t if t is None or m else t if len(t.shape) > len(p.shape) else np.broadcast_to(t, (size, *t.shape))
            for t, p, m in zip(tangents, primals, mapped, strict=True)
        ]
        return vmap(lambda ps, ts: rule(list(ps), list(ts)), (axes, moving), axis_size=size)(
            tuple(primals), tuple(spread)
        )

    return custom_jvp_call(*leaves, fun=vmap(fun, axes, axis_size=size), rule=batched_rule)


@custom_jvp_call.def_jvp
def custom_jvp_call_jvp(tangents: Any, out: Any, *leaves: Any, fun: Flat, rule: Flat) -> Any:
    filled = [np.zeros_like(x) if t is None and has_derivative(x) else t for x, t in zip(leaves, tangents, strict=True)]
    return rule(list(leaves), filled)


@custom_jvp_call.def_forward
def custom_jvp_call_forward(wanted: Any, *leaves: Any, fun: Flat, rule: Flat) -> Any:
    outs = tuple(fun(*leaves))

    def pullback(gs: Sequence[Any]) -> Any:
        return cotangents_from(name_of(fun), lambda ts: rule(list(leaves), ts), zeros_for_none(gs, outs), outs, leaves)

    return outs, pullback


for _call in (custom_vjp_call, custom_jvp_call):
    _call.transparent = True  # by the time it is recorded, every derivative has been taken


class _Custom:
    """What custom_vjp and custom_jvp share: the function, and which arguments are static."""

    def __init__(self, fun: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        check_callable(type(self).__name__, fun)
        self.fun = fun
        self.nondiff_argnums = tuple(nondiff_argnums)
        self._signature = inspect.signature(fun)
        self._arity = sum(p.kind in POSITIONAL for p in self._signature.parameters.values())
        self.call = f"{type(self).__name__}({name_of(fun)})"
        functools.update_wrapper(self, fun)  # type: ignore[arg-type]  # an instance that stands for a function

    def __getattr__(self, name: str) -> Any:
        kind, wanted = type(self), name.replace("_", "")
        remedy = f"Write {wanted}" if hasattr(kind, wanted) else ""
        if wanted in ("defvjp", "defjvp") and not remedy:
            remedy = f"Use {kind.__name__}.{'defvjp' if kind is custom_vjp else 'defjvp'}, or custom_{wanted[3:]}"
        raise AttributeError(message(kind.__name__, f"it has no attribute {name!r}", "", remedy))

    def _split(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], list[Any], Any]:
        """Static arguments; the leaves of the others; and their treedef. Keywords and defaults become positional."""
        if kwargs or len(args) < self._arity:
            bound = self._signature.bind(*args, **kwargs)
            bound.apply_defaults()
            if bound.kwargs:
                fact = f"'{next(iter(bound.kwargs))}' is keyword-only"
                raise ArgumentError(self.call, fact, "a rule gets its arguments by position")
            args = bound.args
        static = [args[i] for i in self.nondiff_argnums]
        leaves, tree = flatten([a for i, a in enumerate(args) if i not in self.nondiff_argnums])
        for x in leaves:
            if not (is_array(x) or isinstance(x, (Tracer, int, float, complex))):
                fact, remedy = f"an argument holds {describe(x)}", "Name its position in nondiff_argnums"
                raise ArgumentError(self.call, fact, "arguments must be arrays or numbers", remedy)
        return static, [x if hasattr(x, "dtype") else np.asarray(x) for x in leaves], tree

    def _flat(self, static: list[Any], tree: Any, trees: dict[str, Any]) -> Flat:
        """The function as one of leaves, which notes under "out" how its results are structured."""

        def fun(*xs: Any) -> Any:
            outs, trees["out"] = flatten(self.fun(*self._join(static, unflatten(tree, xs))))
            return outs

        fun.__name__ = name_of(self.fun)
        return fun

    def _pair(self, rule: str, found: Any, parts: str) -> tuple[Any, Any]:
        """What a rule returned, if that is a pair."""
        if not isinstance(found, tuple) or len(found) != 2:
            raise StructureError(self.call, f"{rule} returned {describe(found)}", f"it must return ({parts})")
        return found

    def _check_like(self, rule: str, what: str, found: Any, like: str, other: Any) -> list[Any]:
        """The leaves of what a rule returned, if it is structured like `other`, and leaves are shaped alike."""
        (leaves, tree), (others, wanted) = flatten(found), flatten(other)
        if tree != wanted:
            raise StructureError(self.call, f"{rule} returned a {what} of structure {tree}", f"{like} has {wanted}")
        for x, y in zip(leaves, others, strict=True):
            if np.shape(x) != np.shape(y):
                raise ShapeError(self.call, f"{rule} returned the {what} {describe(x)}", f"{like} is {describe(y)}")
        return leaves

    def _join(self, static: list[Any], others: list[Any]) -> list[Any]:
        args = list(others)
        for i, value in sorted(zip(self.nondiff_argnums, static, strict=True)):
            args.insert(i, value)
        return args


class custom_vjp(_Custom):  # noqa: N801  a decorator, named like the function it is used as
    """Gives a function a reverse-mode derivative of its author's.

    Law:  grad(f)(x) == bwd(fwd(x)[1], 1.0)[0]

    Works under vmap and grad in any nesting: both rules are traced like the function itself. Forward mode needs
    `custom_jvp`.

    Args:
        fun: a function of arrays in any pytree.
        nondiff_argnums: positions of arguments that are not arrays; handed to the rules first, as they are.

    Example:
        >>> from vmapcore import grad
        >>> @custom_vjp
        ... def clipped(x):
        ...     return x
        >>> clipped.defvjp(lambda x: (x, None), lambda res, g: (np.clip(g, -1, 1),))
        >>> grad(lambda x: np.sum(100 * clipped(x)))(np.ones(2))
        array([1., 1.])
    """

    _fwd: Callable[..., Any] | None = None
    _bwd: Callable[..., Any]

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Declares `fwd(*args) -> (out, residuals)` and `bwd(*static, residuals, g) -> cotangents`, one per argument.

        A cotangent is structured like its argument, or None for no gradient.
        """
        self._fwd = fwd
        self._bwd = bwd

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._fwd is None:
            raise MissingRuleError(self.call, "it has no rules yet", "", "Declare them with .defvjp(fwd, bwd)")
        static, leaves, tree = self._split(args, kwargs)
        trees: dict[str, Any] = {}

        def fwd(*xs: Any) -> Any:
            assert self._fwd is not None
            out, kept = self._pair("fwd", self._fwd(*self._join(static, unflatten(tree, xs))), "out, residuals")
            outs, trees["out"] = flatten(out)
            residuals, trees["residuals"] = flatten(kept)
            return outs, residuals

        def bwd(residuals: Any, gs: Any) -> Any:
            cotangents = self._bwd(*static, unflatten(trees["residuals"], residuals), unflatten(trees["out"], gs))
            return self._leaf_cotangents(unflatten(tree, leaves), cotangents)

        outs = custom_vjp_call(*leaves, fun=self._flat(static, tree, trees), fwd=fwd, bwd=bwd)
        return unflatten(trees["out"], outs)

    def _leaf_cotangents(self, args: list[Any], cotangents: Any) -> list[Any]:
        if not isinstance(cotangents, (tuple, list)) or len(cotangents) != len(args):
            raise StructureError(
                self.call,
                f"bwd returned {describe(cotangents)}",
                f"it must return a tuple with one cotangent for each of {len(args)} arguments",
            )
        flat: list[Any] = []
        for arg, ct in zip(args, cotangents, strict=True):
            if ct is None:
                flat += [None] * len(flatten(arg)[0])
            else:
                flat += self._check_like("bwd", "cotangent", ct, "its argument", arg)
        return flat


class custom_jvp(_Custom):  # noqa: N801  a decorator, named like the function it is used as
    """Gives a function a derivative of its author's, as a tangent rule; reverse mode transposes it.

    Law:  jvp(f, (x,), (t,)) == rule((x,), (t,))

    Args:
        fun: a function of arrays in any pytree.
        nondiff_argnums: positions of arguments that are not arrays; handed to the rule first, as they are.

    Example:
        >>> from vmapcore import grad
        >>> @custom_jvp
        ... def log1pexp(x):
        ...     return np.log1p(np.exp(x))
        >>> log1pexp.defjvp(lambda primals, tangents: (
        ...     log1pexp(*primals), tangents[0] * (1 - 1 / (1 + np.exp(primals[0])))))
        >>> grad(log1pexp)(0.0)
        np.float64(0.5)
    """

    _rule: Callable[..., Any] | None = None

    def defjvp(self, rule: Callable[..., Any]) -> None:
        """Declares `rule(*static, primals, tangents) -> (out, tangent)`; it must be linear in the tangents."""
        self._rule = rule

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._rule is None:
            raise MissingRuleError(self.call, "it has no rule yet", "", "Declare it with .defjvp(rule)")
        static, leaves, tree = self._split(args, kwargs)
        trees: dict[str, Any] = {}

        def rule(primals: Any, tangents: Any) -> Any:
            assert self._rule is not None
            found = self._rule(*static, tuple(unflatten(tree, primals)), tuple(unflatten(tree, tangents)))
            out, tangent = self._pair("its rule", found, "out, tangent")
            return self._check_like("its rule", "tangent", tangent, "the result", out)

        outs = custom_jvp_call(*leaves, fun=self._flat(static, tree, trees), rule=rule)
        return unflatten(trees["out"], outs)
