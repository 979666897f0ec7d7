"""Form: a custom operation for arguments of one structure, as a primitive of their leaves.

Rules get and return what their author's function does; a form takes that apart and puts it together, and checks it.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arguments import separate
from ..arrays import is_array
from ..core import Primitive
from ..errors import ArgumentError, DTypeError, ShapeError, StructureError, describe
from ..pytree import flatten, paths, unflatten
from ..rules._work import each
from ..tracer import Tracer
from ..transposing import cotangents_from, has_derivative, tangents_from, zeros_for_none
from .levels import batched
from .specs import check_spec, spec_of

LEAF = flatten(0)[1]


class Form(Primitive):
    """A custom operation for arguments of the structure `tree`; `plain` if they are all arrays."""

    def __init__(self, op: Any, tree: Any, plain: bool) -> None:
        Primitive.__init__(self, self._evaluate, name=op.name, multiple=True, listed=False)
        self.def_facts(work=each, pure=False)
        self.op = op
        self.tree = tree
        self.plain = plain
        self.spelled = None if op.spelled is None else self._spelled
        self.out_tree: Any = None
        self.shares = False  # whether the function has returned an argument, or a view of one, for a copy to be made
        self.counts = [t.num_leaves for t in tree.children()]
        self.vmap = op.vmap_kind.rule(self) if op.vmap_kind is not None else self._vmap
        if op.vjp_rules is None:
            self.vjps = None
        elif op.forward_rule is not None or (op.vjp_rules != () and not plain):
            self.forward = self._forward
        elif op.vjp_rules != ():
            self.vjps = tuple([self._vjp(i) for i in range(len(self.counts))])
        elif op.jvp_rule is not None:
            self.forward = self._forward
        if op.jvp_rule is not None:
            self.jvp = self._jvp
        elif self.forward is not None or self.vjps:
            self.jvp = self._transposed_pullback

    @property
    def direct(self) -> bool:
        """Whether the operation itself can take these arguments: arrays, for one array."""
        return self.plain and self.out_tree == LEAF and self.op.result is None and not self.shares

    def remedy(self, kind: str) -> str:
        return self.op.remedy(kind)

    # Structure.

    def arguments(self, leaves: Sequence[Any]) -> Sequence[Any]:
        """The arguments with these leaves."""
        return leaves if self.plain else unflatten(self.tree, leaves)

    def _by_argument(self, leaves: Sequence[Any]) -> list[Sequence[Any]]:
        """The leaves, or what there is for each, of one argument after the other."""
        return [leaves[a:b] for a, b in itertools.pairwise(itertools.accumulate(self.counts, initial=0))]

    def outputs(self, result: Any, of: str = "for arguments of the same structure it was") -> tuple[Any, ...]:
        """The leaves of what a function or rule returned, all of them arrays."""
        leaves, tree = ([result], LEAF) if is_array(result) else flatten(result)
        for x in leaves or [None]:
            if not is_array(x) and not isinstance(x, Tracer):
                remedy = "Make it one with xp.asarray" if leaves else ""
                raise ArgumentError(self.name, f"returned {describe(x)}", "results must be arrays", remedy)
        if self.out_tree is None:
            self.out_tree = tree
        elif tree != self.out_tree:
            fact = f"returned {_structure(result)}"
            raise StructureError(self.name, fact, f"{of} {_named_structure(self.out_tree)}")
        return tuple(leaves)

    def outputs_like(self, rule: str, result: Any, outs: Sequence[Any]) -> list[Any]:
        """The leaves of what a tangent rule returned, one per result and like it; None for zero."""
        if result is None:
            return [None] * len(outs)
        found = self._leaves_like(rule, result, self.out_tree, "the result")
        for t, out in zip(found, outs, strict=True):
            if t is not None and has_derivative(out):
                check_like(rule, "tangent", t, "its result", out)
        return [t if has_derivative(out) else None for t, out in zip(found, outs, strict=True)]

    def _leaves_like(self, rule: str, value: Any, tree: Any, of: str) -> list[Any]:
        try:
            return tree.flatten_up_to(value)
        except ValueError:
            fact = f"the rule returned {_structure(value)}"
            raise StructureError(rule, fact, f"{of} is {_named_structure(tree)}") from None

    # Evaluation and batches.

    def _spelled(self, xp: Any, *leaves: Any, **params: Any) -> tuple[Any, ...]:
        return self.outputs(self.op.spelled(xp, *self.arguments(leaves), **params))

    def _evaluate(self, xp: Any, *leaves: Any, **params: Any) -> Any:
        declared = None if self.op.result is None else self.declared([spec_of(x) for x in leaves], params)
        of = "for arguments of the same structure it was" if declared is None else "its declared result is"
        outs = self.outputs(self.op.evaluate(xp, *self.arguments(leaves), **params), of)
        for out in outs:
            if isinstance(out, Tracer):
                fact = f"its function closes over a value traced by {out._trace.call}"
                raise ArgumentError(self.name, fact, "only arguments reach its rules", "Pass the value as an argument")
        if declared is not None:
            for out, spec in zip(outs, declared, strict=True):
                extra = out.ndim - len(spec.shape) if self.op.vmap_kind is not None else 0  # of a batch, run as it is
                check_spec(self.name, out, spec, out.shape[: max(extra, 0)])
        own = tuple(separate(list(outs), list(leaves)))
        self.shares = self.shares or any(a is not b for a, b in zip(own, outs, strict=True))
        return own

    def swiftly(self, xp: Any, params: dict[str, Any]) -> tuple[Callable[..., Any], bool, Callable[[Any], Any]]:
        """What computes the results of an example once one is known, with as few checks as can be.

        And whether it returns just one of them, and what makes their tuple of what it returned.
        """
        single = self.out_tree == LEAF
        if self.plain and (single or self.out_tree == flatten((0,) * self.out_tree.num_leaves)[1]):
            run = self.op.swift(xp)
            run = functools.partial(run, **params) if params else run
            return run, single, lambda found: self.outputs(self.op.tidy(xp, found))
        return functools.partial(self._evaluate, xp, **params), False, lambda found: found

    def _vmap(self, size: int, mapped: Sequence[bool], *leaves: Any, **params: Any) -> Any:
        return batched(self, ((size, tuple(mapped)),), leaves, params)

    def run_own_vmap(self, size: int, mapped: Sequence[bool], leaves: Sequence[Any], params: dict[str, Any]) -> Any:
        """The results of the author's vmap rule."""
        flags = mapped if self.plain else unflatten(self.tree, mapped)
        return self.with_batch(size, self.outputs(self.op.own_vmap(size, flags, *self.arguments(leaves), **params)))

    def with_batch(self, size: int, outs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Returns `outs` if every one has a batch of `size` on axis 0, or raises."""
        for out in outs:
            check_batch(self.name, size, out, self.op.kind)
        return outs

    def declared(self, specs: Sequence[Any], params: dict[str, Any]) -> Any:
        """The specs of the results for arguments of these specs; None if they are not declared."""
        if self.op.result is None:
            return None
        found, tree = flatten(self.op.result(*self.arguments(specs), **params))
        for spec in found:
            if not (hasattr(spec, "shape") and hasattr(spec, "dtype")):
                allowed = "it must return a vmapcore.ops.ArraySpec for every result"
                raise ArgumentError(f"{self.name}.def_result", f"the rule returned {describe(spec)}", allowed)
        if self.out_tree is None:
            self.out_tree = tree
        elif tree != self.out_tree:
            of = f"the result was {_named_structure(self.out_tree)}"
            raise StructureError(f"{self.name}.def_result", f"the rule returned {_named_structure(tree)}", of)
        return found

    def specs(self, xp: Any, examples: Sequence[Any], params: dict[str, Any]) -> Any:
        """The specs of the results, declared or found out by a run on ones, and on zeros where they are no floats."""
        if self.op.result is not None:
            return self.declared(examples, params)
        remedy = f"Declare the shapes with {self.name}.def_result(lambda ...: vmapcore.ops.ArraySpec(shape, dtype))"
        if not self.op.probed:
            fact = "the batch is empty, and without an example the result has no known shape"
            raise ShapeError(self.name, fact, "", remedy)
        fakes = [(xp.ones if e.dtype.kind in "fc" else xp.zeros)(e.shape, e.dtype) for e in examples]
        try:
            with np.errstate(all="ignore"):
                return [spec_of(out) for out in self._evaluate(xp, *fakes, **params)]
        except Exception as error:
            fact = f"the batch is empty, and the function fails on an example of ones: {error}"
            raise ShapeError(self.name, fact, "so that its result has no known shape", remedy) from error

    # Derivatives.

    def _filled(self, gs: Sequence[Any], outs: Sequence[Any]) -> Any:
        """Cotangents of the results, structured as the results are: zero where none came.

        Partial derivatives are left out then, since they may be infinite.
        """
        return unflatten(self.out_tree, gs if self.op.by_partials else zeros_for_none(gs, outs))

    def _vjp(self, i: int) -> Callable[..., Any] | None:
        rule = self.op.checked_vjp(i)
        if rule is None:
            return None

        def vjp(gs: Any, outs: Any, *leaves: Any, **params: Any) -> Any:
            return rule(self._filled(gs, outs), unflatten(self.out_tree, outs), *leaves, **params)

        return vjp

    def pull(
        self, wanted: Sequence[bool], gs: Sequence[Any], outs: Sequence[Any], leaves: Any, params: dict[str, Any]
    ) -> list[Any]:
        """The cotangent of every `wanted` leaf of the arguments, by whichever rule there is; None for no gradient."""
        op = self.op
        args = self.arguments(leaves)
        if op.forward_rule is not None:
            return self.cotangents(op.forward_rule(*args, **params)[1](self._filled(gs, outs)), leaves)
        if op.vjp_rules == ():
            moving = [x if w else None for x, w in zip(leaves, wanted, strict=True)]
            return cotangents_from(
                self.name, lambda ts: self._jvp(ts, outs, *leaves, **params), zeros_for_none(gs, outs), outs, moving
            )
        g, out = self._filled(gs, outs), unflatten(self.out_tree, outs)
        found: list[Any] = []
        for i, flags in enumerate(self._by_argument(wanted)):
            rule = op.vjp_rule(i) if any(flags) else None
            found.append(None if rule is None else rule(g, out, *args, **params))
            if rule is not None and found[-1] is None:
                raise returned_none(op, i)
        return self.cotangents(found, leaves)

    def cotangents(self, found: Any, leaves: Sequence[Any]) -> list[Any]:
        """The leaves of cotangents that rules returned, one for each argument, in its structure."""
        call = f"{self.name}.{'def_forward' if self.op.forward_rule else 'def_vjp'}"
        if not isinstance(found, (tuple, list)) or len(found) != len(self.counts):
            allowed = f"it must return a tuple with one cotangent for each of {len(self.counts)} arguments"
            raise StructureError(call, f"the pullback returned {describe(found)}", allowed)
        flat: list[Any] = []
        for i, (ct, tree, count) in enumerate(zip(found, self.tree.children(), self.counts, strict=True)):
            of = f"argument '{self.op.signature.name(i)}'"
            for g in [None] * count if ct is None else self._leaves_like(call, ct, tree, of):
                x = leaves[len(flat)]
                if g is not None and has_derivative(x):
                    check_like(call, "cotangent", g, of, x)
                flat.append(g if has_derivative(x) else None)
        return flat

    def _forward(self, wanted: Sequence[bool], *leaves: Any, **params: Any) -> Any:
        rule = self.op.forward_rule
        if rule is None:
            outs = self(*leaves, **params)
            return outs, lambda gs: self.pull(wanted, gs, outs, leaves, params)
        pair = rule(*self.arguments(leaves), **params)
        if not isinstance(pair, tuple) or len(pair) != 2:
            fact = f"the rule returned {describe(pair)}"
            raise StructureError(f"{self.name}.def_forward", fact, "it must return (out, pullback)")
        outs = self.outputs(pair[0])
        return outs, lambda gs: self.cotangents(pair[1](self._filled(gs, outs)), leaves)

    def _jvp(self, tangents: Sequence[Any], outs: Sequence[Any], *leaves: Any, **params: Any) -> list[Any]:
        rule = self.op.rules_kind.jvp(self.op.jvp_rule)
        found = rule(
            self._tangents(tangents, leaves), unflatten(self.out_tree, outs), *self.arguments(leaves), **params
        )
        return self.outputs_like(f"{self.name}.def_jvp", found, outs)

    def _tangents(self, tangents: Sequence[Any], leaves: Sequence[Any]) -> tuple[Any, ...]:
        """One per argument: None if all of it is zero, else structured as it is."""
        if self.plain:
            return tuple(tangents)
        parts = zip(self.tree.children(), self._by_argument(tangents), self._by_argument(leaves), strict=True)
        return tuple(
            [None if all(t is None for t in ts) else unflatten(tree, zeros_for_none(ts, xs)) for tree, ts, xs in parts]
        )

    def _transposed_pullback(self, tangents: Any, outs: Any, *leaves: Any, **params: Any) -> list[Any]:
        wanted = [t is not None for t in tangents]
        return tangents_from(self.name, lambda gs: self.pull(wanted, gs, outs, leaves, params), tangents, outs)


def check_like(rule: str, what: str, value: Any, of: str, like: Any) -> None:
    """Raises unless a tangent or cotangent has the shape and dtype of what it belongs to."""
    if getattr(value, "shape", None) != like.shape:
        raise ShapeError(rule, f"the rule returned the {what} {describe(value)}", f"{of} is {describe(like)}")
    if value.dtype != like.dtype:
        remedy = "Take its real part" if value.dtype.kind == "c" else "Convert it with astype"
        raise DTypeError(rule, f"the rule returned the {what} {describe(value)}", f"{of} is {describe(like)}", remedy)


def check_cotangent(op: Any, i: int, ct: Any, x: Any) -> None:
    """Raises unless `ct` can be the cotangent of argument `i`, the single array `x`."""
    if getattr(ct, "shape", None) == x.shape and ct.dtype == x.dtype:
        return
    if ct is None:
        raise returned_none(op, i)
    check_like(f"{op.name}.def_vjp", "cotangent", ct, f"argument '{op.signature.name(i)}'", x)


def returned_none(op: Any, i: int) -> StructureError:
    """The error for a vjp rule without a result."""
    name = op.signature.name(i)
    return StructureError(f"{op.name}.def_vjp", f"the rule for '{name}' returned None", "", "Declare None in its place")


def check_batch(name: str, size: int, out: Any, kind: str | None) -> None:
    """Raises unless `out`, computed by the vmap rule, has the batch on axis 0."""
    shape = getattr(out, "shape", None)
    if not shape or shape[0] != size:
        of = "its vmap rule" if kind == "own" else f"as {kind}, on a batch, it"
        fact = f"{of} returned {describe(out)}"
        raise ShapeError(name, fact, f"every result must have the batch, of {size}, on axis 0")


def _structure(value: Any) -> str:
    tree = flatten(value)[1]
    return describe(value) if tree == LEAF else _named_structure(tree)


def _named_structure(tree: Any) -> str:
    return "one array" if tree == LEAF else f"the structure {tree}"


def check_leaves(op: Any, args: Sequence[Any], leaves: Sequence[Any]) -> None:
    """Raises unless every leaf of the arguments is an array or a number."""
    for i, x in enumerate(leaves):
        if not (is_array(x) or isinstance(x, (Tracer, int, float, complex))):
            named = [f"'{op.signature.name(j)}{path}'" for j, arg in enumerate(args) for path in paths(arg)]
            fact = f"argument {named[i]} is {describe(x)}"
            allowed = "positional arguments are arrays or pytrees of arrays"
            raise ArgumentError(op.name, fact, allowed, "Make it a keyword-only parameter, for a static value")
