"""What hypothesis draws for one's own tests: arrays, pytrees of them, in_axes for those, inputs of operations.

Needs the extra `vmapcore[testing]`; nothing else of `vmapcore.testing` does.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from hypothesis.strategies import DrawFn, SearchStrategy

from ..pytree import broadcast_prefix, flatten, flatten_axes, unflatten
from .layouts import LAYOUTS, laid_out
from .oracles import Fun
from .variants import variants

DTYPES = ("float64", "float32", "complex128", "complex64", "int64", "int32", "uint8", "bool")
SEEDS = st.integers(0, 2**32 - 1)


def shapes(min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 3) -> SearchStrategy[Any]:
    """Shapes: tuples of ints, with () and axes of length 0 among them.

    Law:  every shape drawn has min_dims <= len(shape) <= max_dims, and min_side <= n <= max_side for n in it

    Example:
        >>> from hypothesis import given, settings
        >>> @settings(max_examples=5, deadline=None)
        ... @given(shapes(max_dims=2))
        ... def test(shape):
        ...     assert np.zeros(shape).ndim <= 2
        >>> test()
    """
    return st.lists(st.integers(min_side, max_side), min_size=min_dims, max_size=max_dims).map(tuple)


def elements(dtype: Any, special: bool = False) -> SearchStrategy[Any]:
    """Numbers of a dtype, small ones: floats and the parts of complex numbers are finite and between -2 and 2.

    Law:  every number drawn is one of the dtype, exactly

    Args:
        dtype: a dtype of bools, integers, floats or complex numbers.
        special: whether floats may also be NaN, infinite, -0.0, or near to the largest and smallest there are.

    Example:
        >>> from hypothesis import given, settings
        >>> @settings(max_examples=5, deadline=None)
        ... @given(elements("float32"))
        ... def test(x):
        ...     assert -2 <= np.float32(x) <= 2
        >>> test()
    """
    kind, bits = np.dtype(dtype).kind, 8 * np.dtype(dtype).itemsize
    if kind in "fc":
        width: Any = bits if kind == "f" else bits // 2
        floats = st.floats(-2.0, 2.0, width=width, allow_subnormal=False)
        if special:
            info = np.finfo(f"f{width // 8}")
            extreme = [float(info.max), float(info.min), float(info.tiny)]
            floats = st.one_of(floats, st.sampled_from([np.nan, np.inf, -np.inf, -0.0, *extreme]))
        return floats if kind == "f" else st.builds(complex, floats, floats)
    return st.booleans() if kind == "b" else st.integers(0 if kind == "u" else -3, 3)


def arrays(
    dtype: Any = DTYPES,
    shape: Any = None,
    elements: Callable[..., SearchStrategy[Any]] = elements,
    layouts: Sequence[str] = ("contiguous", *LAYOUTS),
    special: bool = False,
) -> SearchStrategy[Any]:
    """Arrays of several dtypes and shapes, contiguous in memory or not, writable or not.

    Law:  every array drawn has one of these dtypes, shapes, elements and layouts

    Args:
        dtype: a dtype, or a sequence of some.
        shape: a shape, or a strategy of shapes; by default `shapes()`.
        elements: a function from a dtype to a strategy of numbers.
        layouts: how they may lie in memory: "contiguous", "strided", "reversed", "Fortran-ordered", "read-only".
        special: whether `elements` are asked for special floats, NaN and infinities among them.

    Example:
        >>> from hypothesis import given, settings
        >>> @settings(max_examples=5, deadline=None)
        ... @given(arrays(["float32", "float64"], (2, 3)))
        ... def test(x):
        ...     assert np.sum(x).dtype == x.dtype
        >>> test()
    """
    of = functools.partial(elements, special=True) if special else elements
    kinds = [np.dtype(d) for d in ([dtype] if isinstance(dtype, (str, type, np.dtype)) else dtype)]
    plain = st.sampled_from(kinds).flatmap(
        lambda kind: npst.arrays(kind, shapes() if shape is None else shape, elements=of(kind))
    )
    return st.builds(laid_out, plain, st.sampled_from(list(layouts)))


def pytrees(leaves: SearchStrategy[Any] | None = None, max_leaves: int = 5) -> SearchStrategy[Any]:
    """Pytrees: leaves, by default `arrays()`, in lists, tuples and dicts within one another, None among them.

    Law:  every tree drawn has at most max_leaves leaves, each drawn from `leaves`

    Example:
        >>> from hypothesis import given, settings
        >>> from vmapcore import tree_map
        >>> @settings(max_examples=5, deadline=None)
        ... @given(pytrees(arrays("float64")))
        ... def test(tree):
        ...     assert flatten(tree_map(np.sin, tree))[1] == flatten(tree)[1]
        >>> test()
    """
    return st.recursive(
        st.one_of(arrays() if leaves is None else leaves, st.none()),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.lists(inner, max_size=3).map(tuple),
            st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        ),
        max_leaves=max_leaves,
    )


@st.composite
def in_axes(draw: DrawFn, args: Sequence[Any]) -> Any:
    """`in_axes` for the arguments of which `args` holds one example: an int, or a tuple or list of pytree prefixes.

    Law:  every one drawn fits batches of args, and maps a leaf if args has one that is an array

    Args:
        args: the arguments, pytrees of arrays; what is no array is not mapped.

    Example:
        >>> from hypothesis import given, settings
        >>> @settings(max_examples=5, deadline=None)
        ... @given(in_axes((np.ones(3), {"a": np.ones(2)})))
        ... def test(axes):
        ...     assert isinstance(axes, (int, tuple, list))
        >>> test()
    """
    leaves, tree = flatten(list(args))
    found = _prefix(draw, list(args))
    if all(axis is None for axis in flatten_axes(found)):
        found = unflatten(tree, [0 if hasattr(x, "shape") else None for x in leaves])
    return found if isinstance(found, int) else draw(st.sampled_from([tuple, list]))(found)


def _prefix(draw: DrawFn, tree: Any) -> Any:
    """An axis, or None, for the whole of `tree` or for each of its parts."""
    leaves, treedef = flatten(tree)
    ranks = [len(x.shape) for x in leaves if hasattr(x, "shape")]
    if len(ranks) == len(leaves) > 0 and draw(st.booleans()):
        return draw(_axes(min(ranks)))
    if type(tree) is dict:
        return {key: _prefix(draw, value) for key, value in tree.items()}
    if type(tree) in (tuple, list):
        return type(tree)([_prefix(draw, value) for value in tree])
    return unflatten(treedef, [draw(_axes(len(x.shape))) if hasattr(x, "shape") else None for x in leaves])


def _axes(rank: int) -> SearchStrategy[int | None]:
    """Where a batch can be put into an array of this many axes; None for nowhere."""
    return st.one_of(st.integers(0, rank), st.integers(-rank - 1, -1), st.none())


@st.composite
def op_inputs(draw: DrawFn, *examples: Any, fun: Fun | None = None) -> tuple[Any, ...]:
    """Arguments like `examples`: of the same shapes and dtypes, numbers near theirs.

    Law:  fun(*args) has the structure, shapes and dtypes of fun(*examples), for all args drawn

    Floats keep their sign; integers and bools are some of those of their array, in order if those are.

    Args:
        *examples: the arguments of one call, pytrees of arrays and numbers.
        fun: what must take them; by default all are thought to be taken.

    Example:
        >>> from hypothesis import given, settings
        >>> @settings(max_examples=5, deadline=None)
        ... @given(op_inputs(np.ones(3), np.array([2, 0]), fun=np.take))
        ... def test(args):
        ...     assert np.take(*args).shape == (2,)
        >>> test()
    """
    return tuple(_variants(draw(SEEDS), examples, 1, fun)[0])


@st.composite
def vmap_inputs(
    draw: DrawFn, *examples: Any, fun: Fun | None = None, min_size: int = 0, max_size: int = 4
) -> tuple[tuple[Any, ...], Any]:
    """Batches of arguments like `examples`, and `in_axes` that say where in them the batch is.

    Law:  vmap(fun, in_axes)(*args)[i] == fun(*the arguments of example i), for all (args, in_axes) drawn

    Args:
        *examples: the arguments of one call, pytrees of arrays; what is no array is passed on, unmapped.
        fun: what must take every example; by default all are thought to be taken.
        min_size: the smallest batch.
        max_size: the largest batch.

    Example:
        >>> from hypothesis import given, settings
        >>> from vmapcore.testing import check_vmap
        >>> @settings(max_examples=5, deadline=None)
        ... @given(vmap_inputs(np.ones((2, 3)), np.ones(3), min_size=2))
        ... def test(drawn):
        ...     args, axes = drawn
        ...     check_vmap(np.dot, *args, in_axes=axes)
        >>> test()
    """
    axes = draw(in_axes(examples))
    size = draw(st.integers(min_size, max_size))
    columns = [flatten(args)[0] for args in _variants(draw(SEEDS), examples, max(size, 1), fun)]
    args: list[Any] = []
    placed = broadcast_prefix(tuple(axes) if isinstance(axes, list) else axes, tuple(examples))
    for column, axis in zip(zip(*columns, strict=True), placed, strict=True):
        batch = column[0] if axis is None else np.stack(column[: size or 1])[:size]
        args.append(batch if axis is None else np.moveaxis(batch, 0, axis))
    return unflatten(flatten(tuple(examples))[1], args), axes


def _variants(seed: int, examples: Sequence[Any], count: int, fun: Fun | None) -> list[list[Any]]:
    """With the seed 0, to which a failure shrinks, the first of them is `examples` itself."""
    found = variants(fun or (lambda *args: ()), examples, count, np.random.default_rng(seed))
    return found if seed else [list(examples), *found[1:]]
