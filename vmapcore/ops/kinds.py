"""Kinds of operations, and the rules that follow from them.

- elementwise: batches as itself, on arguments whose axes are aligned; derivatives from partial derivatives
- gufunc: batches as itself, on arguments whose leading axes are aligned; derivative rules for the core axes alone
- reduction: batches as itself, over axes counted from the end; derivatives from partial derivatives
- linear, bilinear: derivatives from transposes; say nothing of batches

Where rules of several arguments meet, dtypes do too: all but rules without a kind have the dtypes of their cotangents
and tangents converted to those of what they belong to.
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arrays import UNTRACED
from ..core import Rule
from ..errors import ArgumentError, MissingRuleError, ShapeError, StructureError, describe
from ..pytree import flatten, tree_map, unflatten
from ..rules._families import add_tangents, align, cast_like, fit, match
from ..rules._ints import last_axes
from .forms import check_batch
from .levels import Levels, leading, over_jvp, over_vjp


class Kind:
    """How an operation batches, and what a derivative rule of its author's must be told."""

    name = "own"

    def rule(self, made: Any) -> Rule:
        """The vmap rule of a form, or of an operation that is called with arrays and returns one."""
        raise NotImplementedError

    def direct(self, op: Any) -> Rule:
        """That of an operation, quicker perhaps."""
        return self.rule(op)

    def vjp(self, i: int, rule: Rule) -> Rule:
        """The author's vjp rule for argument `i`, made to take what the operation takes."""
        return rule

    def jvp(self, rule: Rule) -> Rule:
        """The author's jvp rule, made to take what the operation takes."""
        return rule


class Elementwise(Kind):
    """Works element by element, and broadcasts its arguments as NumPy does."""

    name = "elementwise"

    def rule(self, made: Any) -> Rule:
        def elementwise_vmap(size: int, mapped: Sequence[bool], /, *leaves: Any, **params: Any) -> Any:
            args = align(mapped, leaves)
            outs = made.with_batch(size, made(*args, **params))
            for out in outs:
                _check_rank(made.name, out, args)
            return outs

        return elementwise_vmap

    def direct(self, op: Any) -> Rule:
        evaluate = op.evaluate

        def elementwise_vmap(size: int, mapped: Sequence[bool], /, *args: Any, **params: Any) -> Any:
            if len(args) == 1:
                x = args[0]
                if type(x) is not np.ndarray:
                    return op(x, **params)
                out = evaluate(np, x, **params)
                if getattr(out, "shape", None) != x.shape:
                    fact = f"returned {describe(out)} for {describe(x)}"
                    raise ShapeError(op.name, fact, "it is declared elementwise")
                return out
            args = tuple(align(mapped, args))
            for x in args:
                if type(x) not in UNTRACED:
                    return op(*args, **params)
            out = evaluate(np, *args, **params)
            check_batch(op.name, size, out, "elementwise")
            _check_rank(op.name, out, args)
            return out

        return elementwise_vmap

    def vjp(self, i: int, rule: Rule) -> Rule:
        def vjp(g: Any, out: Any, /, *args: Any, **params: Any) -> Any:
            ct, x = rule(g, out, *args, **params), args[i]
            if getattr(ct, "shape", x.shape) == x.shape or ct.dtype != x.dtype:
                return ct
            return match(ct, x) if ct.shape == np.broadcast_shapes(*map(np.shape, args)) else ct

        return vjp


def _check_rank(name: str, out: Any, args: Sequence[Any]) -> None:
    """Raises unless `out` has all the axes of its arguments: without the batch, its first axis only looks like one."""
    rank = max([getattr(x, "ndim", 0) for x in args])
    if out.ndim != rank:
        of = " and ".join([describe(x) for x in args])
        fact = f"as elementwise, on a batch, it returned {describe(out)} for {of}"
        raise ShapeError(name, fact, "every result must have the shape to which its arguments broadcast")


class Gufunc(Kind):
    """Broadcasts over leading axes, given the core axes of each argument, as NumPy's generalised ufuncs do."""

    name = "gufunc"

    def __init__(self, op: str, signature: str) -> None:
        self.op = op
        self.text = signature.replace(" ", "")
        dims = r"\((?:\w+(?:,\w+)*)?\)"
        if not re.fullmatch(rf"{dims}(,{dims})*->{dims}(,{dims})*", self.text):
            allowed = "it must name the core axes of arguments and results, as in '(m,n),(n)->(m)'"
            raise ArgumentError(f"{op}.gufunc", f"the signature is {signature!r}", allowed)
        before = self.text.split("->")[0]
        self.core = [tuple(d for d in group.split(",") if d) for group in re.findall(r"\(([^)]*)\)", before)]

    def rule(self, made: Any) -> Rule:
        def gufunc_vmap(size: int, mapped: Sequence[bool], /, *args: Any, **params: Any) -> Any:
            ranks = [len(shape) for shape in self.loops(made.name, args, mapped)]
            return made.with_batch(size, made(*align(mapped, args, ranks), **params))

        return gufunc_vmap

    def loops(self, name: str, args: Sequence[Any], mapped: Sequence[bool]) -> list[tuple[int, ...]]:
        """The shape of each argument in front of its core axes, the batch left out; raises if those do not fit."""
        if len(args) != len(self.core):
            raise ArgumentError(name, f"got {len(args)} arguments", f"its signature is {self.text}")
        sizes: dict[str, int] = {}
        shapes = []
        for x, m, dims in zip(args, mapped, self.core, strict=True):
            shape = np.shape(x)[1:] if m else np.shape(x)
            if len(shape) < len(dims):
                raise ShapeError(name, f"an argument has the shape {shape}", f"its signature is {self.text}")
            cut = len(shape) - len(dims)
            for dim, n in zip(dims, shape[cut:], strict=True):
                if sizes.setdefault(dim, int(dim) if dim.isdigit() else n) != n:
                    fact = f"core axis '{dim}' has {sizes[dim]} and {n}"
                    raise ShapeError(name, fact, f"its signature is {self.text}")
            shapes.append(shape[:cut])
        return shapes

    def _examples(self, args: Sequence[Any]) -> tuple[Levels, Callable[[Sequence[Any]], tuple[Any, ...]]]:
        """The levels that leading axes make, and what drops from values like `args` those that are broadcast."""
        levels, dropped = leading(self.loops(self.op, args, [False] * len(args)))
        return levels, lambda xs: tuple([_squeezed(x, axes) for x, axes in zip(xs, dropped, strict=True)])

    def vjp(self, i: int, rule: Rule) -> Rule:
        like_argument = cast(rule, i)

        def vjp(g: Any, out: Any, /, *args: Any, **params: Any) -> Any:
            levels, reduced = self._examples(args)
            if not levels:
                return like_argument(g, out, *args, **params)
            ct = over_vjp(levels, i, lambda g, out, *xs: like_argument(g, out, *xs, **params))(g, out, *reduced(args))
            return ct if ct.shape == args[i].shape else ct.reshape(args[i].shape)

        return vjp

    def jvp(self, rule: Rule) -> Rule:
        if getattr(rule, "free", False):
            return rule

        def like_result(tangents: Sequence[Any], out: Any, /, *args: Any, **params: Any) -> Any:
            return _cast(rule(tangents, out, *args, **params), out)

        def jvp(tangents: Sequence[Any], out: Any, /, *args: Any, **params: Any) -> Any:
            levels, reduced = self._examples(args)
            if not levels:
                return like_result(tangents, out, *args, **params)
            along = over_jvp(levels, lambda ts, out, *xs: like_result(ts, out, *xs, **params))
            return along(reduced(tangents), out, *reduced(args))

        return jvp


def _squeezed(x: Any, axes: tuple[int, ...]) -> Any:
    """`x`, unless that is None, without these axes, of length 1."""
    return x.reshape([n for k, n in enumerate(x.shape) if k not in axes]) if axes and x is not None else x


class Reduction(Kind):
    """Takes axes away, those that the static parameter named `axis` says."""

    name = "reduction"

    def __init__(self, axis: str) -> None:
        self.axis = axis

    def rule(self, made: Any) -> Rule:
        def reduction_vmap(size: int, mapped: Sequence[bool], /, *args: Any, **params: Any) -> Any:
            args = tuple(align(mapped, args))
            shapes = [np.shape(x)[1:] if m else np.shape(x) for x, m in zip(args, mapped, strict=True)]
            shape = np.broadcast_shapes(*shapes)
            axis = params[self.axis]
            if axis is not None:
                axes = last_axes(axis, len(shape), made.name)
                params[self.axis] = axes if isinstance(axis, tuple) else axes[0]
                return made.with_batch(size, made(*args, **params))
            # All axes of an example, as one: an index or an order among all elements stays what it was.
            flat = [
                _flat(np.broadcast_to(x, x.shape[:1] + shape) if m else np.broadcast_to(x, shape), size if m else None)
                for x, m in zip(args, mapped, strict=True)
            ]
            outs = made.with_batch(size, made(*flat, **{**params, self.axis: -1}))
            if params.get("keepdims"):
                outs = tree_map(lambda out: out.reshape((size,) + (1,) * len(shape)), outs)
            return outs

        return reduction_vmap


def _flat(x: Any, size: int | None) -> Any:
    lead = () if size is None else (size,)
    return x.reshape((*lead, math.prod(x.shape[len(lead) :])))


PLAIN = Kind()
"""Tells rules nothing: they get what the operation gets."""


# Derivatives from partial derivatives.


def elementwise_rules(name: str, partials: Sequence[Any]) -> tuple[tuple[Rule | None, ...], Rule]:
    """The vjp rules, one per argument, and the jvp rule of an elementwise operation of any number of results."""

    def times(factors: Sequence[Any], i: int, out: Any, args: Any, params: Any) -> list[Any]:
        """The partial derivative of each result by argument `i`, times the factor for it."""
        found = partials[i](out, *args, **params) if callable(partials[i]) else partials[i]
        try:
            each = flatten(out)[1].flatten_up_to(found)
        except ValueError:
            fact = f"the partial derivative by argument {i} is {describe(found)}"
            raise StructureError(f"{name}.elementwise", fact, "it must have an entry for each result") from None
        return [None if h is None or d is None else h * d for h, d in zip(factors, each, strict=True)]

    def vjp_by(i: int) -> Rule:
        def elementwise_vjp(g: Any, out: Any, /, *args: Any, **params: Any) -> Any:
            total = add_tangents(times(flatten(out)[1].flatten_up_to(g), i, out, args, params))
            return np.zeros_like(args[i]) if total is None else match(total, args[i])

        return elementwise_vjp

    def elementwise_jvp(tangents: Sequence[Any], out: Any, /, *args: Any, **params: Any) -> Any:
        outs, tree = flatten(out)
        moving = [i for i, t in enumerate(tangents) if t is not None and partials[i] is not None]
        columns = [times([tangents[i]] * len(outs), i, out, args, params) for i in moving]
        totals = [add_tangents(terms) for terms in zip(*columns, strict=True)] if columns else [None] * len(outs)
        return unflatten(tree, [None if t is None else fit(t, o) for t, o in zip(totals, outs, strict=True)])

    return tuple([None if p is None else vjp_by(i) for i, p in enumerate(partials)]), elementwise_jvp


def reduction_rules(partials: Sequence[Any], axis: str) -> tuple[tuple[Rule | None, ...], Rule]:
    """The vjp rules, one per argument, and the jvp rule of a reduction to one result."""

    def kept(x: Any, args: Any, params: Any) -> Any:
        """A result, or its cotangent, with axes of length 1 where it was reduced."""
        if params.get("keepdims"):
            return x
        return np.expand_dims(x, last_axes(params[axis], max([len(np.shape(a)) for a in args]), "axis"))

    def derivative(i: int, out: Any, args: Any, params: Any) -> Any:
        return partials[i](kept(out, args, params), *args, **params) if callable(partials[i]) else partials[i]

    def vjp_by(i: int) -> Rule:
        def reduction_vjp(g: Any, out: Any, /, *args: Any, **params: Any) -> Any:
            ct = kept(g, args, params) * derivative(i, out, args, params)
            return match(_spread(ct, args), args[i])

        return reduction_vjp

    def reduction_jvp(tangents: Sequence[Any], out: Any, /, *args: Any, **params: Any) -> Any:
        terms = [
            t * derivative(i, out, args, params)
            for i, t in enumerate(tangents)
            if t is not None and partials[i] is not None
        ]
        if not terms:
            return None
        total = _spread(add_tangents(terms), args)
        return fit(np.sum(total, axis=params[axis], keepdims=bool(params.get("keepdims"))), out)

    return tuple([None if p is None else vjp_by(i) for i, p in enumerate(partials)]), reduction_jvp


def _spread(x: Any, args: Sequence[Any]) -> Any:
    """`x` broadcast to the shape that the arguments have together."""
    shape = np.broadcast_shapes(*[np.shape(a) for a in args])
    return x if x.shape == shape else np.broadcast_to(x, shape)


# Derivatives of linear and bilinear operations.


def cast(rule: Rule, i: int) -> Rule:
    """The vjp rule for argument `i`, with the cotangent in the dtypes of that argument; others may be wider."""

    def cast_vjp(g: Any, out: Any, /, *args: Any, **params: Any) -> Any:
        return _cast(rule(g, out, *args, **params), args[i])

    return cast_vjp


def _cast(tree: Any, like: Any) -> Any:
    """`tree` in the dtypes of `like`, leaf by leaf; what is not structured like it is left for a check to find."""
    if hasattr(tree, "dtype") and hasattr(like, "dtype"):
        return cast_like(tree, like) if like.dtype.kind in "fc" else tree
    found, tree_of = flatten(tree)
    leaves, wanted = flatten(like)
    if tree_of != wanted or (len(found) == 1 and found[0] is tree):
        return tree
    return unflatten(wanted, [_cast(x, y) for x, y in zip(found, leaves, strict=True)])


def linear_rules(op: Any, transpose: Rule) -> tuple[Any, Rule]:
    """The vjp rules and the jvp rule of an operation that is linear in its first argument."""

    def others(*_: Any, **__: Any) -> Any:
        fact = f"is declared linear in '{op.signature.name(0)}', which says nothing of its other arguments"
        remedy = f"Declare rules for all of them with {op.name}.def_vjp, or bilinear; stop_gradient makes one constant"
        raise MissingRuleError(op.name, fact, "", remedy)

    def linear_jvp(tangents: Sequence[Any], out: Any, /, *args: Any, **params: Any) -> Any:
        if any(t is not None for t in tangents[1:]):
            others()
        return _cast(op(tangents[0], *args[1:], **params), out)

    linear_jvp.free = True  # type: ignore[attr-defined]  # told to Gufunc.jvp: takes leading axes as op does
    return (cast(transpose, 0), *[others] * (len(op.signature.arrays) - 1)), linear_jvp


def bilinear_rules(op: Any, left: Rule, right: Rule) -> tuple[Any, Rule]:
    """The vjp rules and the jvp rule of an operation that is linear in each of its two arguments."""

    def bilinear_jvp(tangents: Sequence[Any], out: Any, x: Any, y: Any, /, **params: Any) -> Any:
        dx, dy = tangents
        terms = [None if dx is None else op(dx, y, **params), None if dy is None else op(x, dy, **params)]
        total = terms[0] if terms[1] is None else terms[1] if terms[0] is None else tree_map(np.add, *terms)
        return _cast(total, out)

    bilinear_jvp.free = True  # type: ignore[attr-defined]  # told to Gufunc.jvp: takes leading axes as op does
    return (cast(left, 0), cast(right, 1)), bilinear_jvp
