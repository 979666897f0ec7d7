"""Forward mode: JVPTracer, its trace, and jvp."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arguments import Split, check_callable, check_differentiable, separate
from .core import AS_ARRAYS, Primitive, Trace
from .errors import DTypeError, ShapeError, StructureError, describe, name_of
from .names import call_user
from .pytree import flatten, unflatten
from .refusals import Differentiated
from .tracer import Tracer
from .views import as_argument
from .words import checks_keywords


class JVPTracer(Differentiated, Tracer):
    """Forward mode's tracer: a value and its tangent; `None` for a tangent that is zero."""

    __slots__ = ()

    tangent = Tracer.beside  # type: ignore[misc]  # that slot, by its name here


class JVPTrace(Trace):
    """One running forward-mode differentiation."""

    __slots__ = ()

    tracer = JVPTracer
    differentiates = True

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
                values.append(np.asarray(a) if type(a) in AS_ARRAYS else a)
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
        outs, found = trace.unwrapped(out_leaves)
        return out_tree, outs, [np.zeros_like(x) if t is None else t for x, t in zip(outs, found, strict=True)]

    out_tree, outs, out_tangents = trace.run(run)
    return unflatten(out_tree, outs), unflatten(out_tree, separate(out_tangents, directions))
