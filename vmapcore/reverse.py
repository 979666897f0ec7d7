"""Reverse mode: GradTracer and its tape.

The tape lists primitive applications in the order they ran; one walk back turns the cotangents of results into
those of inputs. The vjp rules are plain functions of arrays, so they can be traced again.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arrays import is_array
from .core import RUNNING, SEQUENCES, Primitive, Trace
from .errors import ArgumentError
from .pytree import flatten, unflatten
from .tracer import Tracer

SMALL = 4096  # bytes below which a second copy of a constant costs less than looking for the first


class Node:
    """One application of a primitive: what its vjps need, and the nodes its arguments came from."""

    __slots__ = ("args", "out", "params", "parents", "primitive")

    def __init__(self, primitive: Any, args: Any, out: Any, params: Any, parents: Any) -> None:
        self.primitive = primitive
        self.args = args
        self.out = out
        self.params = params
        self.parents = parents


class GradTracer(Tracer):
    """Reverse mode's tracer: a value and the place on the tape it came from; `None` for a constant."""

    __slots__ = ("node",)

    def __init__(self, trace: "GradTrace", value: Any, node: Any) -> None:
        self._trace = trace
        self.value = value
        self.storage = None
        self.node = node

    def rebind(self, other: Any) -> None:
        self.value = other.value
        self.node = other.node

    def _concrete(self, call: str, wanted: str) -> Any:
        if "truth" in wanted or self.dtype.kind in "biu":  # a branch or a count takes no part in the derivative
            return self.value
        raise self._concretization(
            call,
            wanted + " without losing its derivative",
            "Keep it an array, or use vmapcore.stop_gradient(x) first if the derivative is not wanted",
        )


class GradTrace(Trace):
    """One running reverse-mode differentiation."""

    __slots__ = ("saved", "tape")

    def __init__(self, call: str) -> None:
        Trace.__init__(self, call)
        self.tape: list[Node] = []
        self.saved: dict[int, tuple[Any, Any]] = {}

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        if self.ended:
            raise self.leaked()
        values = []
        parents = []
        recorded = False
        for a in args:
            if type(a) is GradTracer and a._trace is self:
                values.append(a.value)
                parents.append(a.node)
                if a.node is not None:
                    recorded = True
            else:
                values.append(np.asarray(a) if type(a) in SEQUENCES else a)
                parents.append(None)
        if recorded and primitive.forward is not None:
            return self._process_forward(primitive, values, params, parents)
        out = primitive(*values, **params)
        vjps = primitive.vjps
        if vjps is None or not recorded:
            return self._constant(primitive, out)
        if vjps == ():
            raise self.no_rule(primitive, "vjp")
        saved = [v if p is not None else self.keep(v) for v, p in zip(values, parents, strict=True)]
        node = Node(primitive, saved, out, params, parents)
        self.tape.append(node)
        return self._wrap(primitive, out, node)

    def _process_forward(self, primitive: Primitive, values: Any, params: Any, parents: Any) -> Any:
        assert primitive.forward is not None
        out, pullback = primitive.forward(*values, **params)
        for o in out if primitive.multiple else (out,):
            if isinstance(o, Tracer) and o._trace.level >= self.level:
                raise ArgumentError(
                    self.call,
                    f"{primitive.name} of a function that closes over a value traced by it",
                    "only arguments reach its rule",
                    "Pass the value as an argument",
                )
        node = Node(None, pullback, out, None, parents)
        self.tape.append(node)
        return self._wrap(primitive, out, node)

    def _wrap(self, primitive: Primitive, out: Any, node: Node) -> Any:
        if primitive.multiple:
            return tuple([GradTracer(self, o, (node, i)) for i, o in enumerate(out)])
        return GradTracer(self, out, node)

    def _constant(self, primitive: Primitive, out: Any) -> Any:
        """A result without derivative: ints and bools leave as they are, floats stay writable for traced values."""
        if primitive.multiple:
            return tuple([self._constant_leaf(o) for o in out])
        return self._constant_leaf(out)

    def _constant_leaf(self, out: Any) -> Any:
        return GradTracer(self, out, None) if out.dtype.kind in "fc" else out

    def lift(self, value: Any) -> GradTracer:
        if isinstance(value, GradTracer) and value._trace is self:
            return GradTracer(self, value.value, value.node)
        return GradTracer(self, value if hasattr(value, "shape") else np.asarray(value), None)

    def keep(self, constant: Any) -> Any:
        """A constant as it is now: the function may write to it before its rule reads it again."""
        if isinstance(constant, Tracer):
            return constant.snapshot()
        if not is_array(constant) or isinstance(constant, np.generic):
            return constant
        if constant.nbytes < SMALL:
            return constant.copy()
        seen, copy = self.saved.get(id(constant), (None, None))
        if seen is not constant or not np.array_equal(constant, copy):
            copy = constant.copy()
            self.saved[id(constant)] = (constant, copy)
        return copy


def pull_back(tape: list[Node], outputs: Sequence[Any], cotangents: Sequence[Any]) -> dict[Any, Any]:
    """Walks the tape back once; returns the cotangent of every input node that was reached."""
    grads: dict[Any, Any] = {}
    for node, g in zip(outputs, cotangents, strict=True):
        if node is not None:
            _add(grads, node, g)
    for node in reversed(tape):
        g = grads.pop(node, None)
        if g is None:
            continue
        primitive = node.primitive
        if primitive is None:
            for parent, ct in zip(node.parents, node.args(g), strict=True):
                if parent is not None and ct is not None:
                    _add(grads, parent, ct)
            continue
        args, vjps = node.args, primitive.vjps
        for i, parent in enumerate(node.parents):
            if parent is None:
                continue
            vjp = vjps[i]
            if vjp is None:
                continue
            ct = vjp(g, node.out, *args, **node.params)
            if type(parent) is Node and parent not in grads:
                grads[parent] = ct
            else:
                _add(grads, parent, ct)
    return grads


def _add(grads: dict[Any, Any], node: Any, g: Any) -> None:
    """Adds `g` to the cotangent of `node`; of one output of it where `node` is `(node, i)`."""
    if type(node) is tuple:
        node, i = node
        entry = grads.get(node)
        if entry is None:
            entry = grads[node] = [None] * len(node.out)
        entry[i] = g if entry[i] is None else np.add(entry[i], g)
        return
    old = grads.get(node)
    grads[node] = g if old is None else np.add(old, g)


class Recording:
    """What one run of a function left on the tape: the values and nodes of its results, ready to be pulled back."""

    __slots__ = ("aux", "inputs", "nodes", "out_nodes", "out_tree", "tape", "values")

    def __init__(self, call: str, run: Callable[[list[Any]], tuple[Any, Any]], inputs: list[Any]) -> None:
        """Calls `run`, which returns `(result, aux)`, on tracers of `inputs`."""
        trace = GradTrace(call)
        self.inputs = inputs
        self.nodes = [Node(None, None, None, None, None) for _ in inputs]
        tracers = [
            GradTracer(trace, x.snapshot() if isinstance(x, Tracer) else x, node)
            for x, node in zip(inputs, self.nodes, strict=True)
        ]
        token = RUNNING.set((*RUNNING.get(), trace))
        try:
            result, aux = run(tracers)
            leaves, self.out_tree = flatten(result)
            self.values, self.out_nodes = _unwrap(trace, leaves)
            aux_leaves, aux_tree = flatten(aux)
            self.aux = unflatten(aux_tree, _unwrap(trace, aux_leaves)[0])
        finally:
            RUNNING.reset(token)
            trace.ended = True
        self.tape = trace.tape

    def pull_back(self, cotangents: Sequence[Any]) -> list[Any]:
        """Returns the cotangent of every input, given those of the results."""
        grads = pull_back(self.tape, self.out_nodes, cotangents)
        return [
            grads[node] if node in grads else np.zeros_like(x) for node, x in zip(self.nodes, self.inputs, strict=True)
        ]


def _unwrap(trace: GradTrace, leaves: list[Any]) -> tuple[list[Any], list[Any]]:
    values, nodes = [], []
    for x in leaves:
        if isinstance(x, Tracer) and x._trace.ended:
            raise x._trace.leaked()
        mine = isinstance(x, GradTracer) and x._trace is trace
        values.append(x.value if mine else x)
        nodes.append(x.node if mine else None)
    return values, nodes
