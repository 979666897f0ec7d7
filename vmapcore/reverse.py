"""Reverse mode: GradTracer, its tape, and vjp, grad, value_and_grad.

The tape lists primitive applications in the order they ran; one walk back turns the cotangents of results into
those of inputs. The vjp rules are plain functions of arrays, so they can be traced again.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arrays import is_array
from .core import RUNNING, SEQUENCES, Primitive, Trace
from .errors import ArgumentError, DTypeError, ShapeError, StructureError, describe, message, name_of
from .pytree import flatten, paths, unflatten
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
        raise self._concretization(call, wanted + " without losing its derivative",
                                   "Keep it an array, or use vmapcore.stop_gradient(x) first if the derivative is not wanted")


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


class Pullback:
    """The linear map from cotangents of a function's results to those of its inputs."""

    def __init__(self, call: str, tape: list[Node], inputs: list[Any], in_tree: Any, outputs: list[Any], out_nodes: list[Any],
                 out_tree: Any) -> None:
        self.call = call
        self.tape = tape
        self.inputs = inputs  # (leaf node, primal) or (None, primal)
        self.in_tree = in_tree
        self.outputs = outputs
        self.out_nodes = out_nodes
        self.out_tree = out_tree

    def __call__(self, cotangent: Any) -> Any:
        leaves, tree = flatten(cotangent)
        if tree != self.out_tree:
            raise StructureError(message(self.call, f"the cotangent has structure {tree}", f"the result has {self.out_tree}"))
        for g, out in zip(leaves, self.outputs, strict=True):
            if np.shape(g) != np.shape(out):
                raise ShapeError(message(self.call, f"a cotangent is {describe(g)}", f"the result it belongs to is {describe(out)}"))
        return unflatten(self.in_tree, self.leaves([_cast_like(g, out) for g, out in zip(leaves, self.outputs, strict=True)]))

    def leaves(self, cotangents: list[Any]) -> list[Any]:
        grads = pull_back(self.tape, self.out_nodes, cotangents)
        return [grads[node] if node in grads else np.zeros_like(x) for node, x in self.inputs]


def _cast_like(g: Any, out: Any) -> Any:
    dtype = out.dtype if hasattr(out, "dtype") else np.asarray(out).dtype
    g = g if hasattr(g, "dtype") else np.asarray(g, dtype)
    return g if g.dtype == dtype else g.astype(dtype)


def record(call: str, fun: Callable[..., Any], leaves: list[Any], run: Callable[[list[Any]], Any]) -> tuple[Any, ...]:
    """Runs `run` on tracers of `leaves`; returns its result's values and nodes, its treedef, the tape and input nodes."""
    trace = GradTrace(call)
    nodes = [Node(None, None, None, None, None) for _ in leaves]
    tracers = [GradTracer(trace, x.snapshot() if isinstance(x, Tracer) else x, node) for x, node in zip(leaves, nodes, strict=True)]
    token = RUNNING.set((*RUNNING.get(), trace))
    try:
        result, aux = run(tracers)
        out_leaves, out_tree = flatten(result)
        values, out_nodes = _unwrap(trace, out_leaves)
        if aux is not None:
            aux_leaves, aux_tree = flatten(aux)
            aux = unflatten(aux_tree, _unwrap(trace, aux_leaves)[0])
    finally:
        RUNNING.reset(token)
        trace.ended = True
    return values, out_nodes, out_tree, aux, trace.tape, nodes


def _unwrap(trace: GradTrace, leaves: list[Any]) -> tuple[list[Any], list[Any]]:
    values, nodes = [], []
    for x in leaves:
        if isinstance(x, Tracer) and x._trace.ended:
            raise x._trace.leaked()
        mine = isinstance(x, GradTracer) and x._trace is trace
        values.append(x.value if mine else x)
        nodes.append(x.node if mine else None)
    return values, nodes


def check_differentiable(call: str, what: str, x: Any) -> Any:
    """Returns `x` as an array, or raises if it has no derivative."""
    if isinstance(x, (float, complex)) and not isinstance(x, np.generic):
        return np.asarray(x)
    if not (is_array(x) or isinstance(x, Tracer)):
        raise ArgumentError(message(call, f"{what} is {describe(x)}", "only arrays of floats or complex numbers can be "
                                    "differentiated", "Leave it out of argnums, or make it a float array"))
    if x.dtype.kind not in "fc":
        raise DTypeError(message(call, f"{what} is {describe(x)}", "only floats and complex numbers can be differentiated",
                                 "Convert it with astype(float), or leave it out of argnums"))
    return x


def split_arguments(call: str, fun: Callable[..., Any], argnums: Any, args: tuple[Any, ...]) -> tuple[list[Any], Any, Callable[..., Any]]:
    """Returns the leaves of the arguments `argnums`, their treedef, and how to put new leaves back in place."""
    if isinstance(argnums, bool) or not isinstance(argnums, (int, tuple, list)):
        raise ArgumentError(message(call, f"argnums is {argnums!r}", "it must be an int or a tuple of ints"))
    positions = [argnums] if isinstance(argnums, int) else list(argnums)
    for i in positions:
        if not -len(args) <= i < len(args):
            raise ArgumentError(message(call, f"argnums has {i}, but {len(args)} positional arguments were passed", "",
                                        "Pass what is differentiated by position"))
    positions = [i % len(args) for i in positions]
    chosen = args[positions[0]] if isinstance(argnums, int) else tuple([args[i] for i in positions])
    leaves, tree = flatten(chosen)
    checked = []
    for j, x in enumerate(leaves):
        if type(x) is np.ndarray and x.dtype.kind in "fc":
            checked.append(x)
        else:
            checked.append(check_differentiable(call, _argument_path(fun, argnums, chosen, j), x))

    def replace(new: list[Any]) -> list[Any]:
        values = unflatten(tree, new)
        full = list(args)
        for i, value in zip(positions, [values] if isinstance(argnums, int) else values, strict=True):
            full[i] = value
        return full

    return checked, tree, replace


def _argument_path(fun: Callable[..., Any], argnums: Any, chosen: Any, leaf: int) -> str:
    try:
        names = list(inspect.signature(fun).parameters)
    except (TypeError, ValueError):
        names = []
    positions = [argnums] if isinstance(argnums, int) else list(argnums)
    every = [f"argument '{names[i] if i < len(names) else f'args[{i}]'}{p}'"
             for i, x in zip(positions, [chosen] if isinstance(argnums, int) else chosen, strict=True) for p in paths(x)]
    return every[leaf]


def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Evaluates `fun` and returns the pullback of its derivative.

    Law:  <pullback(g), t> == <g, jvp(fun, primals, t)[1]>, with <a, b> = Re(sum(a * b))

    Args:
        fun: a function of arrays in any pytree.
        *primals: where to evaluate it; floats or complex numbers.
        has_aux: whether `fun` returns `(out, aux)`; `aux` is handed back without derivative.

    Returns:
        `(out, pullback)` or `(out, pullback, aux)`; `pullback(g)`, with `g` like `out`, is a tuple like `primals`.

    Raises:
        DTypeError: a primal is not of floats or complex numbers.

    Example:
        >>> out, pullback = vjp(np.sin, np.zeros(3))
        >>> out.shape, pullback(np.ones(3))[0]
        ((3,), array([1., 1., 1.]))
    """
    call = f"vjp({name_of(fun)})"
    leaves, tree, _ = split_arguments(call, fun, tuple(range(len(primals))), primals)
    leaves = [_own(x) for x in leaves]  # the caller may write to its arrays before it calls the pullback
    values, out_nodes, out_tree, aux, tape, nodes = record(
        call, fun, leaves, lambda new: _with_aux(call, fun(*unflatten(tree, new)), has_aux))
    pullback = Pullback(f"pullback of {call}", tape, list(zip(nodes, leaves, strict=True)), tree, values, out_nodes, out_tree)
    out = unflatten(out_tree, [_own(x) for x in values])
    return (out, pullback, aux) if has_aux else (out, pullback)


def _own(x: Any) -> Any:
    if isinstance(x, Tracer):
        return x.snapshot()
    return x.copy() if is_array(x) else x


def _with_aux(call: str, result: Any, has_aux: bool) -> tuple[Any, Any]:
    if not has_aux:
        return result, None
    if not isinstance(result, tuple) or len(result) != 2:
        raise StructureError(message(call, f"has_aux=True, but the function returned {describe(result)}",
                                     "it must return a pair (out, aux)"))
    return result


def value_and_grad(fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Makes a function that returns the value of `fun` and its gradient.

    Law:  value_and_grad(fun)(x) == (fun(x), grad(fun)(x))

    Args, raises: as `grad`.

    Returns:
        A function of the same arguments that returns `(value, gradient)`, or `((value, aux), gradient)`.

    Example:
        >>> value_and_grad(lambda x: np.sum(x * x))(np.ones(3))
        (np.float64(3.0), array([2., 2., 2.]))
    """
    return _gradient("value_and_grad", fun, argnums, has_aux, lambda value, gradient, aux: (((value, aux) if has_aux else value), gradient))


def grad(fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Makes a function that returns the gradient of the scalar function `fun`.

    Law:  grad(fun)(x)[i] == (fun(x + e * unit_i) - fun(x)) / e, as e -> 0

    For a complex argument x = a + ib the gradient is df/da - i df/db; its conjugate is the direction of steepest ascent.

    Args:
        fun: a function that returns one real number (an array of shape `()`).
        argnums: the position, or positions, of what to differentiate by; each any pytree of floats or complex numbers.
        has_aux: whether `fun` returns `(value, aux)`.

    Returns:
        A function of the same arguments that returns the gradient, structured like the argument (a tuple of gradients
        for a tuple of `argnums`), or `(gradient, aux)`.

    Raises:
        ShapeError: `fun` did not return a scalar.
        DTypeError: `fun` did not return a float, or an argument has no derivative.

    Example:
        >>> grad(lambda w, x: np.sum(w * x))(np.ones(3), np.arange(3.0))
        array([0., 1., 2.])
    """
    return _gradient("grad", fun, argnums, has_aux, lambda value, gradient, aux: (gradient, aux) if has_aux else gradient)


def _gradient(which: str, fun: Callable[..., Any], argnums: Any, has_aux: bool, pack: Callable[..., Any]) -> Callable[..., Any]:
    if not callable(fun):
        raise ArgumentError(message(which, f"argument 'fun' is {describe(fun)}", "it must be callable"))
    call = f"{which}({name_of(fun)})"

    @functools.wraps(fun)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        leaves, tree, replace = split_arguments(call, fun, argnums, args)
        values, out_nodes, out_tree, aux, tape, nodes = record(
            call, fun, leaves, lambda new: _with_aux(call, fun(*replace(new), **kwargs), has_aux))
        value = _scalar(call, unflatten(out_tree, values))
        grads = pull_back(tape, out_nodes, [np.ones_like(value)])
        leaf_grads = [grads[node] if node in grads else np.zeros_like(x) for node, x in zip(nodes, leaves, strict=True)]
        return pack(value, unflatten(tree, leaf_grads), aux)

    return gradient


def _scalar(call: str, value: Any) -> Any:
    if isinstance(value, (int, float)):
        value = np.asarray(value, float)
    if not (is_array(value) or isinstance(value, Tracer)):
        raise ArgumentError(message(call, f"the function returned {describe(value)}", "it must return one real number",
                                    "Return (value, aux) and pass has_aux=True for further results"))
    if value.shape != ():
        raise ShapeError(message(call, f"the function returned {describe(value)}", "a gradient needs a scalar",
                                 "Use vjp or jacrev, or sum the result"))
    if value.dtype.kind != "f":
        raise DTypeError(message(call, f"the function returned {describe(value)}", "a gradient needs a real float",
                                 "Use vjp for complex results, or take np.real or np.abs"))
    return value
