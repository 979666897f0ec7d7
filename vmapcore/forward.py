"""Forward mode: JVPTracer, its trace, and jvp."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arguments import Split, check_callable, check_differentiable, separate
from .core import SEQUENCES, Primitive, Trace
from .errors import DTypeError, ShapeError, StructureError, describe, name_of
from .names import call_user
from .pytree import flatten, unflatten
from .refusals import DERIVATIVE, may_lose_derivative, without_derivative
from .tracer import Tracer
from .views import as_argument
from .words import checks_keywords


class JVPTracer(Tracer):
    """Forward mode's tracer: a value and its tangent; `None` for a tangent that is zero."""

    __slots__ = ("tangent",)

    def __init__(self, trace: "JVPTrace", value: Any, tangent: Any) -> None:
        self._trace = trace
        self.value = value
        self.storage = None
        self.tangent = tangent

    def rebind(self, other: Any) -> None:
        self.value = other.value
        self.tangent = other.tangent

    beyond = DERIVATIVE

    def _known(self, wanted: str) -> Any:
        return self.value if self.tangent is None or may_lose_derivative(wanted, self.dtype) else None

    def _instead(self, call: str, wanted: str) -> tuple[str, str]:
        return without_derivative(call, wanted)


class JVPTrace(Trace):
    """One running forward-mode differentiation."""

    __slots__ = ()

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        if self.ended:
            return self.after(primitive, args, params)
        values = []
        tangents = []
        moving = False
        for a in args:
            if type(a) is JVPTracer and a._trace is self:
                values.append(a.value)
                tangents.append(a.tangent)
                if a.tangent is not None:
                    moving = True
            else:
                values.append(np.asarray(a) if type(a) in SEQUENCES else a)
                tangents.append(None)
        rule = primitive.jvp
        out = primitive(*values, **params)
        if not moving or primitive.vjps is None:
            return self._wrap(primitive, out, None)
        if rule is None:
            raise self.no_rule(primitive, "jvp")
        return self._wrap(primitive, out, rule(tangents, out, *values, **params))

    def _wrap(self, primitive: Primitive, out: Any, tangent: Any) -> Any:
        if primitive.multiple:
            tangents = (None,) * len(out) if tangent is None else tangent
            return tuple(
                [JVPTracer(self, o, t) if o.dtype.kind in "fc" else o for o, t in zip(out, tangents, strict=True)]
            )
        return JVPTracer(self, out, tangent) if out.dtype.kind in "fc" else out

    def holds(self, dtype: Any) -> bool:
        return dtype.kind in "fc"

    def lift(self, value: Any) -> JVPTracer:
        if isinstance(value, JVPTracer) and value._trace is self:
            return JVPTracer(self, value.value, value.tangent)
        return JVPTracer(self, value if hasattr(value, "shape") else np.asarray(value), None)


@checks_keywords
def jvp(fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Evaluates `fun` and its derivative along `tangents`.

    Law:  jvp(fun, (x,), (t,))[1] == (fun(x + e * t) - fun(x)) / e, as e -> 0

    Args:
        fun: a function of arrays in any pytree.
        primals: a tuple of its arguments; floats or complex numbers.
        tangents: a tuple like `primals`, of the same shapes.

    Returns:
        `(out, tangent)`, both structured like the result of `fun`.

    Raises:
        StructureError, ShapeError, DTypeError: `tangents` is not like `primals`, or has no derivative.

    Example:
        >>> jvp(np.sin, (np.zeros(2),), (np.ones(2),))
        (array([0., 0.]), array([1., 1.]))
    """
    check_callable("jvp", fun)
    call = f"jvp({name_of(fun)})"
    split = Split(call, fun, tuple(range(len(primals))), tuple(primals))
    directions, tree = flatten(tuple(tangents))
    if split.tree != tree:
        raise StructureError(call, f"tangents have structure {tree}", f"primals have {split.tree}")
    directions = [t for t, is_buffer in zip(directions, split.is_buffer, strict=True) if not is_buffer]
    trace = JVPTrace(call)
    tracers = []
    for x, t in zip(split.leaves, directions, strict=True):
        t = check_differentiable(call, "a tangent", t)
        if np.shape(x) != np.shape(t):
            raise ShapeError(call, f"a tangent is {describe(t)}", f"its primal is {describe(x)}")
        if t.dtype != x.dtype:
            if t.dtype.kind == "c" and x.dtype.kind != "c":
                raise DTypeError(call, f"a tangent is {describe(t)}", f"its primal is {describe(x)}")
            t = t.astype(x.dtype)
        tracer = JVPTracer(trace, *[v.snapshot() if isinstance(v, Tracer) else v for v in (x, t)])
        tracers.append(as_argument(x, tracer))

    def run() -> tuple[Any, list[Any], list[Any]]:
        out_leaves, out_tree = flatten(call_user(fun, split.put(tracers)))
        return out_tree, *_unwrap(trace, out_leaves)

    out_tree, outs, out_tangents = trace.run(run)
    return unflatten(out_tree, outs), unflatten(out_tree, separate(out_tangents, directions))


def _unwrap(trace: JVPTrace, leaves: list[Any]) -> tuple[list[Any], list[Any]]:
    outs, tangents = [], []
    for x in leaves:
        if isinstance(x, Tracer) and x._trace.ended:
            x = x._trace.settled(x)
        mine = isinstance(x, JVPTracer) and x._trace is trace
        outs.append(x.value if mine else x)
        tangent = x.tangent if mine else None
        tangents.append(np.zeros_like(outs[-1]) if tangent is None else tangent)
    return outs, tangents
