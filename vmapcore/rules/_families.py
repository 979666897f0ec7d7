"""Constructors of primitives whose rules follow from their kind, and the shape arithmetic that rules share.

Static axes of a primitive are negative, counted from the end, so a batch axis put in front never moves them:
a rule that is free over leading axes batches by applying itself. No operation is defined here.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..arrays import UNTRACED
from ..core import Primitive, Rule, primitive
from ..core import multiple as several
from ..errors import ShapeError
from ..evals.large import by_coordinate, heavy
from ..evals.large import elementwise as in_tiles
from ..numpy_protocol import assign, implements
from ..thresholds import HEAVY, LARGE
from ..tracer import Tracer
from ..views import View, mark_contiguous, view_of
from ._axes import EACH, REDUCED
from ._work import Count, each, per_input


class Over(NamedTuple):
    """The partial derivative `1 / of(out, *args)`, for a cotangent that is divided in one pass."""

    of: Callable[..., Any]


Partial = Callable[..., Any] | Over | int | None


# Operands and shapes.


def operand(x: Any) -> Any:
    """Returns `x` if it is an array or tracer, else NumPy's array of it, as functions do to each array argument."""
    if not hasattr(x, "shape"):
        return np.asarray(x)
    return x if getattr(x, "kind", None) is None else x.value


def link(base: Any, view: Any, *how: Any, **options: Any) -> Any:
    """Returns `view` after noting, if both are tracers, that NumPy would make it share memory with `base`.

    `how` is as a `View` has it: `read(base)` makes the view, `write(base, view)` the base that results from a write
    to it (`None`: NumPy's view is read-only); both apply primitives. `certain=False` where the memory layout decides
    whether NumPy copies. `overwrite` is like `write`, but may use the memory of `base`.
    """
    if isinstance(base, Tracer) and isinstance(view, Tracer) and view._trace is base._trace and view is not base:
        return view_of(base, view, View(*how, **options))
    return view


def as_scalar(x: Any) -> Any:
    """Returns `x`, without axes as what NumPy has as a scalar, which is nobody's view and never written to."""
    return x.snapshot() if isinstance(x, Tracer) and x.storage is not None and x.shape == () else x


def as_new_array(x: Any) -> Any:
    """Returns `x`, without axes as one of the arrays that some of NumPy's functions make where others give a scalar."""
    scalar = isinstance(x, Tracer) and x.storage is None and x.shape == ()
    return mark_contiguous(x.snapshot()) if scalar else x


def loop_dtype(x: Any, dtype: Any, out: Any) -> Any:
    """The dtype that sums and products of `x` are computed in: that of `out`, as in NumPy, where none is asked for."""
    return out.dtype if dtype is None and out is not None and np.can_cast(x.dtype, out.dtype, "same_kind") else dtype


def into(call: str, out: Any, value: Any) -> Any:
    """Returns `value`, by way of `out` where the caller passed one."""
    if out is None:
        return as_scalar(value)
    if isinstance(out, Tracer) or isinstance(value, Tracer):
        return assign(call, out, value)
    np.copyto(out, value, casting="same_kind")
    return out


def common_shape(call: str, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape that `shapes` broadcast to."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(call, f"shapes {', '.join(map(str, shapes))} do not broadcast together") from None


def check_examples(made: Primitive, mapped: Sequence[bool], args: Sequence[Any]) -> None:
    """Raises if the arguments of an example do not broadcast together, which an error is to say of its shapes."""
    common_shape(made.name, [np.shape(x)[m:] for x, m in zip(args, mapped, strict=True)])


def align(mapped: Sequence[bool], args: Sequence[Any], ranks: Sequence[int] | None = None) -> Sequence[Any]:
    """Gives mapped arguments axes of size 1 after the batch, so that all broadcast with the batch in front.

    `ranks` has for each how many of the axes of an example broadcast, the first ones; all by default.
    """
    if ranks is None:
        ranks = [getattr(x, "ndim", 0) - m for x, m in zip(args, mapped, strict=True)]
    rank = max(ranks)
    return [
        x.reshape(x.shape[:1] + (1,) * (rank - r) + x.shape[1:]) if m and r < rank else x
        for x, m, r in zip(args, mapped, ranks, strict=True)
    ]


def of_rank(x: Any, ndim: int) -> Any:
    """Gives `x` axes of length 1 in front, so that it has `ndim` axes or more."""
    return x if len(x.shape) >= ndim else x.reshape((1,) * (ndim - len(x.shape)) + x.shape)


def of_one_rank(*arrays: Any) -> list[Any]:
    """Gives all `arrays` as many axes as the one that has the most."""
    ndim = max([len(x.shape) for x in arrays])
    return [of_rank(x, ndim) for x in arrays]


def spread(size: int, is_mapped: bool, x: Any) -> Any:
    """Gives `x` the batch on axis 0, as a zero-stride view if it has none."""
    if is_mapped:
        return x
    x = operand(x)
    return np.broadcast_to(x, (size, *x.shape))


def match(g: Any, x: Any) -> Any:
    """Returns the cotangent `g`, summed to the shape of `x` where `x` was broadcast, in the dtype of `x`."""
    shape = x.shape
    if g.shape != shape:
        lead = len(g.shape) - len(shape)
        axes = (*range(lead), *[i + lead for i, n in enumerate(shape) if n == 1 and g.shape[i + lead] != 1])
        if axes:
            g = g.sum(axes)
        if g.shape != shape:
            g = g.reshape(shape)
    if g.dtype != x.dtype:
        g = cast_like(g, x)
    return g


def cast_like(g: Any, x: Any) -> Any:
    """Returns `g` in the dtype of `x`; of a complex `g` for a real `x`, the real part."""
    if g.dtype.kind == "c" and x.dtype.kind != "c":
        g = g.real
    return g if g.dtype == x.dtype else g.astype(x.dtype)


def fit(tangent: Any, out: Any) -> Any:
    """Returns the tangent broadcast to the shape of `out`, in its dtype."""
    if tangent.dtype != out.dtype:
        tangent = cast_like(tangent, out)
    if tangent.shape != out.shape:
        tangent = np.broadcast_to(tangent, out.shape)
    return tangent


def add_tangents(terms: Sequence[Any]) -> Any:
    """Returns the sum of the tangents that are not None; None if all are."""
    total = None
    for t in terms:
        if t is not None:
            total = t if total is None else total + t
    return total


# Families.

HEAVY_ONES = {
    *(np.sin, np.cos, np.arcsin, np.arccos, np.hypot, np.arctan2, np.fmod, np.remainder, np.floor_divide),
    *(np.logaddexp, np.logaddexp2),
}
"""What NumPy computes element by element, several nanoseconds each."""


def elementwise(
    ufunc: Any, *partials: Partial, listed: bool = True, on_numpy: Any = None, work: Count = each
) -> Primitive:
    """A primitive that applies `ufunc`, NumPy's or one spelled alike in CuPy, element by element.

    `partials` are those of `pointwise`. If `listed`, NumPy's `ufunc` on tracers is this primitive. `on_numpy` computes
    the same of NumPy arrays, faster. `work` counts its operations.
    """
    call = on_numpy or ufunc
    is_heavy = ufunc in HEAVY_ONES

    def evaluate(xp: Any, *args: Any) -> Any:
        if xp is not np:
            return getattr(xp, ufunc.__name__)(*args)
        if is_heavy:
            return heavy(call, *args)
        for a in args:
            if type(a) is np.ndarray and a.size >= LARGE and ufunc.nout == 1:
                return in_tiles(call, *args)
        return call(*args)

    evaluate.__doc__ = f"`np.{ufunc.__name__}`, element by element."
    made = pointwise(Primitive(evaluate, name=ufunc.__name__, multiple=ufunc.nout > 1), *partials)
    made.def_facts(axes=EACH, work=work, formula=ufunc.nout == 1)
    made.ufunc = call
    made.vmap = _reissue(call, made, ufunc.nin, HEAVY if is_heavy else LARGE)
    if listed:
        implements(ufunc)(made)
    return made


def _reissue(call: Callable[..., Any], made: Primitive, nin: int, large: int) -> Callable[..., Any]:
    """The batching rule of an elementwise operation: itself on aligned arguments, and NumPy at once on plain ones, of
    less than `large` elements."""

    is_ufunc = isinstance(call, np.ufunc) and call.nout == 1

    def unary_vmap(size: int, mapped: Sequence[bool], x: Any) -> Any:
        return call(x) if type(x) is np.ndarray and x.size < large else made(x)

    def binary_vmap(size: int, mapped: Sequence[bool], x: Any, y: Any) -> Any:
        a, b = x, y
        try:
            if mapped[0] and mapped[1]:
                if type(a) is type(b) is np.ndarray and a.ndim == b.ndim and a.size < large:
                    if a.ndim > 3 and a.shape != b.shape and is_ufunc:
                        return by_coordinate(call, a, b)
                    return call(a, b)  # the common case, at once
                if a.ndim != b.ndim:
                    a, b = align(mapped, (a, b))
            else:
                rank_a = getattr(a, "ndim", 0) - mapped[0]
                rank_b = getattr(b, "ndim", 0) - mapped[1]
                if rank_a != rank_b and (mapped[0] if rank_a < rank_b else mapped[1]):
                    a, b = align(mapped, (a, b))
            if type(a) in UNTRACED and type(b) in UNTRACED and (a if mapped[0] else b).size < large:
                return call(a, b)
            return made(a, b)
        except ValueError:
            check_examples(made, mapped, (x, y))
            raise

    return unary_vmap if nin == 1 else binary_vmap


def pointwise(made: Primitive, *partials: Partial) -> Primitive:
    """Declares the derivative of `made`, which works element by element, by its partial derivatives.

    There is one per argument: `partial(out, *args, **params)`, `Over` such a function, or 1 or -1 where it is constant;
    `None` says that the argument has no gradient. With no partials at all the derivative is zero.
    """
    products = [None if p is None else _times(p) for p in partials]
    if all(times is None for times in products):
        made.def_zero_derivative()
        return made

    def pointwise_jvp(tangents: Sequence[Any], out: Any, /, *args: Any, **params: Any) -> Any:
        total = None
        for t, times in zip(tangents, products, strict=True):
            if t is not None and times is not None:
                term = times(t, out, *args, **params)
                total = term if total is None else total + term
        return None if total is None else fit(total, out)

    made.def_vjp(*[_pointwise_vjp(i, p) for i, p in enumerate(partials)])
    made.def_jvp(pointwise_jvp)
    return made


def _times(partial: Any) -> Callable[..., Any]:
    """The product of a tangent or cotangent and the partial derivative."""
    if isinstance(partial, Over):
        return lambda g, out, /, *args, **params: g / partial.of(out, *args, **params)
    if partial == 1:
        return lambda g, out, /, *args, **params: g
    if partial == -1:
        return lambda g, out, /, *args, **params: -g
    return lambda g, out, /, *args, **params: g * partial(out, *args, **params)


def _pointwise_vjp(i: int, partial: Partial) -> Callable[..., Any] | None:
    """The vjp by argument `i`; a closure per form of the partial, for the sake of one call less."""
    if partial is None:
        return None
    if isinstance(partial, Over):
        return lambda g, out, /, *args, **params: match(g / partial.of(out, *args, **params), args[i])
    if partial == 1:
        return lambda g, out, /, *args, **params: match(g, args[i])
    if partial == -1:
        return lambda g, out, /, *args, **params: match(-g, args[i])
    assert callable(partial)
    return lambda g, out, /, *args, **params: match(g * partial(out, *args, **params), args[i])


def trailing(*, multiple: bool = False, zero_derivative: bool = False, **facts: Any) -> Callable[[Rule], Primitive]:
    """Makes a primitive that works on trailing axes and broadcasts over leading ones, so that it batches as itself.

    `facts` are those of `def_facts`. `multiple` says that `eval` returns a tuple.
    """

    def declare(evaluate: Rule) -> Primitive:
        made = several(evaluate) if multiple else primitive(evaluate)
        made.def_facts(**facts)
        if zero_derivative:
            made.def_zero_derivative()

        def trailing_vmap(size: int, mapped: Sequence[bool], /, *args: Any, **params: Any) -> Any:
            if len(args) == 1:
                x = args[0]
                return made.eval(np, x, **params) if type(x) is np.ndarray else made(x, **params)
            try:
                return made(*align(mapped, args), **params)
            except ValueError:
                if made.axes is EACH:
                    check_examples(made, mapped, args)
                raise

        made.vmap = trailing_vmap
        return made

    return declare


by_element = trailing(axes=EACH, work=each, formula=True)
"""Makes a primitive that works element by element and broadcasts; what it computes is its formula."""

reduction = trailing(axes=REDUCED, work=per_input(1), formula=True)
"""Makes a primitive that combines what lies along `axis`; what it computes is its formula."""


def linear(made: Primitive) -> Callable[[Rule], Rule]:
    """Declares that `made` is linear in its one differentiable argument, the first.

    It is called with `transpose(g, out, *args, **params)`, the cotangent; the tangent is `made` of the tangent.
    """

    @made.def_jvp
    def linear_jvp(tangents: Sequence[Any], out: Any, /, *args: Any, **params: Any) -> Any:
        return made(tangents[0], *args[1:], **params)

    return made.def_vjp


def bilinear(made: Primitive, left: Rule, right: Rule) -> None:
    """Declares that `made` is linear in each of its two arguments; `left` and `right` are their vjps."""
    made.def_vjp(left, right)

    @made.def_jvp
    def bilinear_jvp(tangents: Sequence[Any], out: Any, x: Any, y: Any, /, **params: Any) -> Any:
        dx, dy = tangents
        total = add_tangents(
            [None if dx is None else made(dx, y, **params), None if dy is None else made(x, dy, **params)]
        )
        return None if total is None else fit(total, out)
