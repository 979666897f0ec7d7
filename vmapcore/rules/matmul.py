"""NumPy's matrix products, each a few letters for `contract`; and `cross`.

No function here has a batching rule of its own: `contract` batches by one more letter, `cross` as itself.
"""

import functools
from typing import Any

import numpy as np

from ..errors import ArgumentError, AxisError, ShapeError, describe
from ..numpy_protocol import implements
from ._families import as_new_array, bilinear, into, match, operand, trailing
from ._ints import as_ints, as_size, is_row, last_axis
from ._matrices import conj
from ._work import PRODUCT, complexes, parts
from .contract import LETTERS, broadcasting, contract
from .joining import flat
from .layout import moveaxis, reshape

Shape = tuple[int, ...]


def _gufunc(call: str, core: str, x: Any, y: Any) -> Any:
    """The product of the last axes, as `core` names them, over leading axes that broadcast."""
    return _product(call, core, x, y, broadcasting(core, x.shape, y.shape))


def _product(call: str, core: str, x: Any, y: Any, subscripts: str | None) -> Any:
    if subscripts is None:
        fact = f"shapes {describe(x)} and {describe(y)} do not fit"
        raise ShapeError(call, fact, f"the last axes must fit {core}, the others broadcast")
    return contract(x, y, subscripts=subscripts)


@functools.lru_cache(maxsize=4096)
def _matrix_product(x_shape: Shape, y_shape: Shape) -> tuple[str, str | None]:
    """The core of a matrix product, an operand of one axis being a row or a column, and its subscripts."""
    left, right = "ij"[len(x_shape) == 1 :], "jk"[: 1 + (len(y_shape) != 1)]
    core = f"{left},{right}->{left[:-1]}{right[1:]}"
    return core, broadcasting(core, x_shape, y_shape)


@implements(np.matmul, np.linalg.matmul)
def matmul(x1: Any, x2: Any) -> Any:
    """Matrix product over the last two axes; an array of one axis is a row before, a column after the `@`."""
    x, y = operand(x1), operand(x2)
    core, subscripts = _matrix_product(x.shape, y.shape)
    return _product("np.matmul", core, x, y, subscripts)


@implements(*[getattr(np, name) for name in ("matvec",) if hasattr(np, name)])  # NumPy 2.2
def matvec(x1: Any, x2: Any) -> Any:
    """Matrices times vectors."""
    return _gufunc("np.matvec", "ij,j->i", operand(x1), operand(x2))


@implements(*[getattr(np, name) for name in ("vecmat",) if hasattr(np, name)])
def vecmat(x1: Any, x2: Any) -> Any:
    """Conjugated vectors times matrices."""
    return _gufunc("np.vecmat", "i,ij->j", conj(operand(x1)), operand(x2))


@implements(np.vecdot, np.linalg.vecdot)
def vecdot(x1: Any, x2: Any, axis: int = -1) -> Any:
    """Sum over `axis` of the products, the first factor conjugated."""
    x, y = (_with_last("np.vecdot", operand(v), axis) for v in (x1, x2))
    return _gufunc("np.vecdot", "i,i->", conj(x), y)


def _with_last(call: str, x: Any, axis: Any) -> Any:
    last = last_axis(axis, len(x.shape), call)
    return x if last == -1 else moveaxis(x, last, -1)


@implements(np.dot)
def dot(a: Any, b: Any, out: Any = None) -> Any:
    """Sum of products over the last axis of `a` and the last but one of `b`, or its only one."""
    x, y = operand(a), operand(b)
    if not (x.shape and y.shape):
        result = np.multiply(x, y)
    else:
        rank = len(x.shape)
        result = _summed("np.dot", x, y, (rank - 1,), (max(len(y.shape) - 2, 0),))
    return into("np.dot", out, result)


@implements(np.inner)
def inner(a: Any, b: Any) -> Any:
    """Sum of products over the last axes."""
    x, y = operand(a), operand(b)
    if not (x.shape and y.shape):
        return np.multiply(x, y)
    return _summed("np.inner", x, y, (len(x.shape) - 1,), (len(y.shape) - 1,))


@implements(np.vdot)
def vdot(a: Any, b: Any) -> Any:
    """Sum of products of all elements, the first factor conjugated."""
    x, y = operand(a), operand(b)
    if x.shape != y.shape:
        x, y = flat(x), flat(y)
    axes = tuple(range(len(x.shape)))
    return _summed("np.vdot", conj(x), y, axes, axes)


@implements(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Any:
    """All products of an element of `a` and one of `b`, both flattened."""
    result = contract(flat(operand(a)), flat(operand(b)), subscripts="i,j->ij")
    return into("np.outer", out, result)


@implements(np.linalg.outer)
def linalg_outer(x1: Any, x2: Any) -> Any:
    """All products of an element of `x1` and one of `x2`, both of one axis."""
    x, y = operand(x1), operand(x2)
    if len(x.shape) != 1 or len(y.shape) != 1:
        fact = f"the arrays are {describe(x)} and {describe(y)}"
        raise ShapeError("np.linalg.outer", fact, "both must have one axis")
    return contract(x, y, subscripts="i,j->ij")


@implements(np.tensordot, np.linalg.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum of products over the last `axes` axes of `a` and the first of `b`, or over the two lists of axes given."""
    x, y = operand(a), operand(b)
    if is_row(axes):
        if len(axes) != 2:
            raise ArgumentError("np.tensordot", f"axes is {axes}", "it must be an int, or axes of a and axes of b")
        x_axes, y_axes = (as_ints("np.tensordot", "axes", each) for each in axes)
    else:
        n = as_size("np.tensordot", "axes", axes)
        x_axes, y_axes = tuple(range(-n, 0)), tuple(range(n))
    if len(x_axes) != len(y_axes):
        fact = f"axes has {len(x_axes)} axes of a and {len(y_axes)} of b"
        raise ArgumentError("np.tensordot", fact, "it needs as many of each")
    return as_new_array(_summed("np.tensordot", x, y, x_axes, y_axes))


def _summed(call: str, x: Any, y: Any, x_axes: Shape, y_axes: Shape) -> Any:
    """The sum of products over pairs of axes; the axes left are those of `x`, then those of `y`."""
    subscripts = _pairing(call, x.shape, y.shape, x_axes, y_axes)
    if subscripts is None:
        fact = f"shapes {describe(x)} and {describe(y)} do not fit"
        raise ShapeError(call, fact, f"axes {x_axes} of the first must be as long as axes {y_axes} of the second")
    return contract(x, y, subscripts=subscripts)


@functools.lru_cache(maxsize=4096)
def _pairing(call: str, x_shape: Shape, y_shape: Shape, x_axes: Shape, y_axes: Shape) -> str | None:
    x_rank, y_rank = len(x_shape), len(y_shape)
    for a, rank in [*[(a, x_rank) for a in x_axes], *[(a, y_rank) for a in y_axes]]:
        if not -rank <= a < rank:
            fact = f"axis {a} is out of range for an array of {rank} axes"
            raise AxisError(call, fact, f"expected {-rank} <= axis < {rank}")
    x_term, y_term = list(LETTERS[:x_rank]), list(LETTERS[x_rank : x_rank + y_rank])
    for a, b in zip(x_axes, y_axes, strict=True):
        if x_shape[a] != y_shape[b]:
            return None
        y_term[b] = x_term[a]
    if len(set(x_term)) < x_rank or len(set(y_term)) < y_rank:
        raise AxisError(call, f"axes {x_axes} or {y_axes} name an axis twice")
    out = [c for c in x_term if c not in y_term] + [c for c in y_term if c not in x_term]
    return f"{''.join(x_term)},{''.join(y_term)}->{''.join(out)}"


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    """Kronecker product."""
    x, y = operand(a), operand(b)
    rank = max(len(x.shape), len(y.shape))
    x_names, y_names = LETTERS[: len(x.shape)], LETTERS[rank : rank + len(y.shape)]
    pairs = zip(x_names.rjust(rank), y_names.rjust(rank), strict=True)
    out = "".join([u + v for u, v in pairs]).replace(" ", "")
    blocks = contract(x, y, subscripts=f"{x_names},{y_names}->{out}")
    shapes = [(1,) * (rank - len(z.shape)) + z.shape for z in (x, y)]
    return reshape(blocks, shape=tuple([n * m for n, m in zip(*shapes, strict=True)]))


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    """Product of several matrices in the cheapest order; the first and the last may be vectors."""
    values = [operand(x) for x in arrays]
    if len(values) < 2:
        raise ArgumentError("np.linalg.multi_dot", f"got {len(values)} arrays", "it needs two or more")
    ends = (1,) if len(values[0].shape) == 1 else (), (1,) if len(values[-1].shape) == 1 else ()
    shapes = [x.shape for x in values]
    shapes[0], shapes[-1] = ends[0] + shapes[0], shapes[-1] + ends[1]
    if any(len(shape) != 2 for shape in shapes):
        allowed = "all must be matrices, the first and the last matrices or vectors"
        raise ShapeError("np.linalg.multi_dot", f"the arrays are {', '.join(map(describe, values))}", allowed)
    order = _cheapest_order(tuple([shape[0] for shape in shapes]) + shapes[-1][1:])

    def product(i: int, j: int) -> Any:
        return values[i] if i == j else matmul(product(i, order[i, j]), product(order[i, j] + 1, j))

    result = product(0, len(values) - 1)
    return into("np.linalg.multi_dot", out, result)


@functools.lru_cache(maxsize=1024)
def _cheapest_order(lengths: Shape) -> dict[tuple[int, int], int]:
    """Where to split the product of matrices i to j, matrix i being of `lengths[i]` by `lengths[i + 1]`."""
    count = len(lengths) - 1
    cost = {(i, i): 0 for i in range(count)}
    split = {}
    for span in range(1, count):
        for i in range(count - span):
            j = i + span
            costs = [cost[i, s] + cost[s + 1, j] + lengths[i] * lengths[s + 1] * lengths[j + 1] for s in range(i, j)]
            cost[i, j] = min(costs)
            split[i, j] = i + costs.index(min(costs))
    return split


@trailing(work=lambda ins, outs: outs[0].size * (PRODUCT[complexes(ins)] * 2 + parts(ins)))
def cross3(xp: Any, x: Any, y: Any) -> Any:
    """Cross product of the vectors of three components along the last axes."""
    return xp.cross(x, y)


bilinear(
    cross3,
    lambda g, out, x, y: match(cross3(y, g), x),  # g . (x × y) = x . (y × g) = y . (g × x)
    lambda g, out, x, y: match(cross3(g, x), y),
)


@implements(np.cross)
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """Cross product; vectors of two components lie in a plane, and of two such the result is the third component."""
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = _with_last("np.cross", operand(a), axisa), _with_last("np.cross", operand(b), axisb)
    if not {x.shape[-1], y.shape[-1]} <= {2, 3}:
        fact = f"the vectors have {x.shape[-1]} and {y.shape[-1]} components"
        raise ShapeError("np.cross", fact, "they must have 3, or 2")
    if x.shape[-1] == y.shape[-1] == 2:
        return as_new_array(x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0])
    result = cross3(_in_space(x), _in_space(y))
    return moveaxis(result, -1, last_axis(axisc, len(result.shape), "np.cross"))


def _in_space(x: Any) -> Any:
    return x if x.shape[-1] == 3 else np.concatenate([x, np.zeros_like(x[..., :1])], axis=-1)


@implements(np.linalg.cross)
def linalg_cross(x1: Any, x2: Any, axis: int = -1) -> Any:
    """Cross product of vectors of three components along `axis`."""
    x, y = (_with_last("np.linalg.cross", operand(v), axis) for v in (x1, x2))
    if not x.shape[-1] == y.shape[-1] == 3:
        fact = f"the vectors have {x.shape[-1]} and {y.shape[-1]} components"
        raise ShapeError("np.linalg.cross", fact, "they must have 3")
    return cross(x, y, axisc=axis)
