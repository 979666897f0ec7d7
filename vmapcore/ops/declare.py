"""custom_op, and the kinds of operations as decorators."""

from collections.abc import Callable
from typing import Any, overload

from ..arguments import check_callable
from ..errors import name_of
from .op import CustomOp
from .signature import after_xp
from .ufuncs import declare_ufunc, is_ufunc

Decorator = Callable[[Callable[..., Any]], CustomOp]


@overload
def custom_op(fun: Callable[..., Any], *, name: str | None = ...) -> CustomOp: ...
@overload
def custom_op(fun: None = ..., *, name: str | None = ...) -> Decorator: ...
def custom_op(fun: Callable[..., Any] | None = None, *, name: str | None = None) -> Any:
    """Makes an operation of a function of arrays: it meets vmap, grad and jvp as the built-in ones do.

    Law:  vmap(op)(x)[i] == op(x[i])

    Its rules are declared by methods of the result, see `CustomOp`. Without a vmap rule it runs in a loop under vmap,
    and warns; without a derivative rule, differentiating it is an error that says what to declare.

    Args:
        fun: `fun(xp, *arrays, **params)`, with `xp` the library of the arrays, NumPy or CuPy, static parameters
            keyword-only, and one array or a pytree of arrays as result. Or a ufunc, of SciPy say: tracers then run
            this operation wherever that ufunc is called. Left out, `custom_op(...)` is a decorator.
        name: for messages; that of the function by default.

    Returns:
        A `CustomOp`.

    Raises:
        ArgumentError: `fun` does not take `xp` first.

    Example:
        >>> import numpy as np
        >>> from vmapcore import grad, vmap
        >>> @custom_op
        ... def softplus(xp, x):
        ...     return xp.logaddexp(x, 0)
        >>> _ = softplus.elementwise(lambda out, x: 1 - np.exp(-out))
        >>> vmap(grad(softplus))(np.array([-100.0, 0.0, 100.0]))
        array([0. , 0.5, 1. ])
    """
    if fun is None:
        return lambda f: custom_op(f, name=name)
    check_callable("custom_op", fun)
    if is_ufunc(fun):
        return declare_ufunc(fun, name)
    name = name or name_of(fun)
    op = CustomOp(fun, after_xp(f"custom_op({name})", fun), name, fun.__doc__)
    op.__module__ = fun.__module__
    return op


def elementwise(*partials: Any) -> Decorator:
    """`custom_op(fun).elementwise(*partials)`, as a decorator.

    Law:  grad(lambda x: np.sum(op(x)))(x) == partial(op(x), x)

    Example:
        >>> import numpy as np
        >>> from vmapcore import grad
        >>> @elementwise(lambda out, x: 1 - np.exp(-out))
        ... def softplus(xp, x):
        ...     return xp.logaddexp(x, 0)
        >>> grad(softplus)(0.0)
        np.float64(0.5)
    """
    return lambda fun: custom_op(fun).elementwise(*partials)


def reduction(*partials: Any, axis: str = "axis") -> Decorator:
    """`custom_op(fun).reduction(*partials, axis=axis)`, as a decorator.

    Law:  grad(lambda x: op(x, axis=0))(x) == partial(op(x, axis=0), x, axis=0)

    Example:
        >>> import numpy as np
        >>> from vmapcore import vmap
        >>> @reduction(lambda out, x, *, axis: np.exp(x - out))
        ... def logsumexp(xp, x, *, axis):
        ...     return xp.log(xp.sum(xp.exp(x), axis=axis))
        >>> vmap(lambda x: logsumexp(x, axis=0))(np.zeros((2, 1)))
        array([0., 0.])
    """
    return lambda fun: custom_op(fun).reduction(*partials, axis=axis)


def gufunc(signature: str) -> Decorator:
    """`custom_op(fun).gufunc(signature)`, as a decorator.

    Law:  op(x)[i] == op(x[i]), for an x with an axis more than its core ones

    Example:
        >>> import numpy as np
        >>> from vmapcore import vmap
        >>> @gufunc("(n),(n)->()")
        ... def dot(xp, x, y):
        ...     return xp.sum(x * y, axis=-1)
        >>> vmap(dot, in_axes=(0, None))(np.ones((2, 3)), np.ones(3))
        array([3., 3.])
    """
    return lambda fun: custom_op(fun).gufunc(signature)


def linear(transpose: Callable[..., Any]) -> Decorator:
    """`custom_op(fun).linear(transpose)`, as a decorator.

    Law:  <g, op(x)> == <transpose(g, op(x), x), x>, with <a, b> = Re(sum(a * b))

    Example:
        >>> import numpy as np
        >>> from vmapcore import vjp
        >>> @linear(lambda g, out, x: -np.diff(g, prepend=0, append=0))
        ... def steps(xp, x):
        ...     return xp.diff(x)
        >>> vjp(steps, np.zeros(3))[1](np.array([1.0, 3.0]))[0]
        array([-1., -2.,  3.])
    """
    return lambda fun: custom_op(fun).linear(transpose)


def bilinear(left: Callable[..., Any], right: Callable[..., Any]) -> Decorator:
    """`custom_op(fun).bilinear(left, right)`, as a decorator.

    Law:  <g, op(x, y)> == <left(g, op(x, y), x, y), x> == <right(g, op(x, y), x, y), y>

    Example:
        >>> import numpy as np
        >>> from vmapcore import grad
        >>> @bilinear(lambda g, out, x, y: g * y, lambda g, out, x, y: g * x)
        ... def dot(xp, x, y):
        ...     return xp.vdot(x, y)
        >>> grad(dot)(np.ones(2), np.array([3.0, 4.0]))
        array([3., 4.])
    """
    return lambda fun: custom_op(fun).bilinear(left, right)
