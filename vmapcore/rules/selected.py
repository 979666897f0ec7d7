"""`x[mask]` of a mask whose rows choose different numbers of elements: value and mask, for as long as that will do.

A `Selection` is a tracer around the whole of `x`, one axis of which the mask is for. An operation that takes each
element by itself is applied to the whole; `selected_functions.py` says what else does without the length. Whoever asks
for that, for the shape, or for anything that is not said here, meets the tracer of `x[mask]` itself: a `Selection`
becomes it, where all for whom the function goes on choose as many elements, and is an error otherwise.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core import Memory, Primitive, Trace, surely_equal
from ..errors import MutationError
from ..numbers import number
from ..numpy_protocol import NUMPY, array_function, array_ufunc
from ..refusals import Questioned
from ..tracer import METHODS, Tracer
from ..views import View, view_of
from ._axes import EACH
from .brackets import CALL, basic_pattern
from .chosen import place_chosen, places, repeat_chosen, require, unknown_count
from .gather import gather, scatter_set

LAWS: dict[Any, Callable[..., Any]] = {}
"""NumPy function -> what it is of selections, `law(function, args, options)`; NotImplemented where nobody knows."""


class Selecting(Trace):
    """The trace of selections. It lies within all others, and is over: so all ask for what its tracers stand for."""

    __slots__ = ()

    adopts = False

    def __init__(self) -> None:
        Trace.__init__(self, "x[mask]")
        self.level: Any = math.inf
        self.ended = True

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        by_element = primitive.axes is EACH and primitive.memory is not Memory.VIEW
        whole = together(args) if by_element and primitive.pure else None
        if whole is None:
            return primitive(*map(become, args), **params)
        out = primitive(*whole.args, **params)
        return tuple(map(whole.selection, out)) if primitive.multiple else whole.selection(out)

    def settled(self, x: Any) -> Any:
        return become(x)


SELECTING = Selecting()


class Masked(NamedTuple):
    """What a selection is made of."""

    whole: Any
    """All elements; the axis `axis` is that of the mask."""
    mask: Any
    axis: int
    raw: bool
    """Whether what is not chosen may be anything, and not only what `repeat_chosen` puts there."""
    call: str
    """What the user called."""
    live: bool = False
    """Whether the whole is what this is a view of, so that writes go there."""

    def along(self) -> Any:
        """The mask, as it broadcasts with the whole."""
        return self.mask.reshape(self.mask.shape + (1,) * (-1 - self.axis))

    def filled(self, value: Any) -> Any:
        """The whole with `value` for what is not chosen."""
        return np.where(self.along(), self.whole, self.whole.dtype.type(value))


class Selection(Tracer):
    """`x[mask]`, until somebody asks for its length."""

    __slots__ = ()

    _trace = SELECTING
    _is_scalar = False
    parts = Tracer.beside  # type: ignore[misc]  # that slot, by its name here

    def __init__(
        self, whole: Any, mask: Any, axis: int, raw: bool = False, call: str = CALL, live: bool = False
    ) -> None:
        self.parts = Masked(whole, mask, axis, raw, call, live)
        self.storage = None

    dtype = property(lambda self: self.parts.whole.dtype)
    ndim = property(lambda self: len(self.parts.whole.shape))
    value = property(lambda self: become(self))

    @property
    def size(self) -> Any:
        """Of one axis, a traced number."""
        return self.length if self.ndim == 1 else become(self).size

    @property
    def length(self) -> Any:
        """Of the first axis, a traced number."""
        if self.parts.axis != -self.ndim:
            return self.parts.whole.shape[0]
        return number(int, np.count_nonzero(self.parts.mask), float(self.parts.mask.shape[-1]))

    def padded(self) -> Masked:
        """The parts, not raw: two selections of one mask have in each place what they have where it chooses."""
        if not self.parts.raw:
            return self.parts
        whole = repeat_chosen(self.parts.whole, self.parts.along(), axis=self.parts.axis)
        padded = self.parts._replace(whole=whole, raw=False, live=False)
        if not self.parts.live:
            self.parts = padded
        return padded

    def with_whole(self, whole: Any, axis: int | None = None, raw: bool = False) -> "Selection":
        """Another of the same mask."""
        _, mask, own, _, call, _ = self.parts
        return Selection(whole, mask, own if axis is None else axis, raw, call)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__":
            return apply(ufunc, inputs, kwargs)
        if (ufunc, method) in LAWS:
            return apply((ufunc, method), inputs, kwargs)
        return array_ufunc(ufunc, method, tuple(map(become, inputs)), kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return apply(function, args, kwargs)

    def __matmul__(self, other: Any) -> Any:
        return apply(np.matmul, (self, other), {})

    def __rmatmul__(self, other: Any) -> Any:
        return apply(np.matmul, (other, self), {})

    def astype(
        self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        if np.dtype(dtype) == self.dtype and not copy:
            return self
        return self.with_whole(NUMPY["cast"](self.padded().whole, dtype, casting, True))

    @property
    def T(self) -> Any:
        if self.ndim > 2 or not isinstance(self.parts.whole, Tracer) or (self.parts.live and self.ndim > 1):
            return become(self).T
        return self if self.ndim == 1 else self.with_whole(self.padded().whole.T, -3 - self.parts.axis)

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
        same = self.ndim == 1 and shape in ((-1,), ((-1,),)) and not copy
        return self if same else become(self).reshape(*shape, order=order, copy=copy)

    def copy(self, order: str = "C") -> Any:
        return self.with_whole(np.copy(self.parts.whole), raw=self.parts.raw)

    def snapshot(self) -> Any:
        return self.copy()

    def flatten(self, order: str = "C") -> Any:
        return self.copy() if self.ndim == 1 else become(self).flatten(order)

    # Reads and writes; views of a selection are selections of views.

    def __getitem__(self, index: Any) -> Any:
        if type(index) is int and self.ndim == 1:
            return self._element(index)
        if _chooses(self, index):
            whole = self.parts.whole
            return Selection(np.copy(whole), self.parts.mask & index.padded().whole, self.parts.axis, raw=True)
        found, (whole, mask, _, raw, call, live) = _basic(self, index), self.parts if self.parts.live else self.padded()
        if found is None or not isinstance(whole, Tracer):
            return become(self)[index]
        entries, axis = found
        flipped = entries[len(entries) + axis] != EVERY
        return Selection(
            whole[_as_slices(entries)], mask[::-1] if flipped else mask, _kept_after(entries, axis), raw, call, live
        )

    def _element(self, k: int) -> Any:
        """The `k`-th element that is chosen."""
        mask = self.parts.mask
        enough = np.count_nonzero(mask) > (k if k >= 0 else -1 - k)
        require(enough, IndexError(f"index {k} is out of bounds for axis 0"), "x[i]")
        return gather(self.parts.whole, place_chosen(mask, k=k), paired=0, tail=0, unique=True)

    def __setitem__(self, index: Any, value: Any) -> None:
        if not self._written(index, value):
            become(self)[index] = value

    def _written(self, index: Any, value: Any) -> bool:
        """Whether `value` could be written without the length."""
        if self.parts.live:
            return self._written_through(index, value)
        whole = self.padded().whole
        if not isinstance(whole, Tracer):
            return False
        if _chooses(self, index):
            chosen = Selection(whole, self.parts.mask & index.padded().whole, self.parts.axis, raw=True)
            found = together([chosen, value])
            if found is None:
                return False
            value = NUMPY["cast"](found.args[1], self.dtype)
            new = np.where(index.padded().whole.reshape(index.parts.along().shape), value, whole)
            whole._assign("x[i] = v", repeat_chosen(new, self.parts.along(), axis=self.parts.axis))
            return True
        basic = _basic(self, index)
        if basic is None or basic[0][len(basic[0]) + basic[1]] != EVERY:
            return False
        entries, axis = basic
        target = Selection(whole[_as_slices(entries)], self.parts.mask, _kept_after(entries, axis))
        given = together([target, value])
        if given is None or np.ndim(given.args[1]) > target.ndim:
            return False
        whole[_as_slices(entries)] = given.args[1]
        return True

    def _written_through(self, index: Any, value: Any) -> bool:
        basic, found = _basic(self, index), together([self, value])
        if basic is None or any(e != EVERY for e in basic[0]) or found is None:
            return False
        self._assign_whole("x[i] = v", NUMPY["cast"](found.args[1], self.dtype), self.parts.along())
        return True

    def _assign_whole(self, call: str, value: Any, mask: Any) -> None:
        """Writes to what this is a view of."""
        whole = self.parts.whole
        if not isinstance(whole, Tracer):
            fact = "the array is none of those that are traced"
            raise MutationError(
                call, fact, "a slice of it with traced bounds is read alone", "Write to a .copy() of it"
            )
        whole._assign(call, value, mask)

    def _assign(self, call: str, value: Any, where: Any = True) -> None:
        if self.parts.live and (given := together([self, value, where])) is not None:
            mask = self.parts.along()
            self._assign_whole(call, given.args[1], mask if where is True else np.logical_and(mask, given.args[2]))
            return
        found = together([self, value, where])
        if found is None or self.parts.live or not isinstance(found.args[0], Tracer):
            become(self)._assign(call, value, where)
        else:
            found.args[0]._assign(call, *found.args[1:])


def become(x: Any) -> Any:
    """Returns `x`; a selection as the tracer of `x[mask]`, which it is from now on."""
    if type(x) is not Selection:
        return x
    whole, mask, axis, _, call, live = x.parts
    found = places(mask)
    if found is None:
        raise unknown_count(call, mask)
    params: dict[str, Any] = {"paired": 0, "tail": -1 - axis, "unique": True}
    taken = gather(whole, *found, **params)
    along = x.parts.along()
    x.__class__ = type(taken)
    x._trace = taken._trace
    x.rebind(taken)
    x._trace.note(x)
    if live:
        _link(whole, x, found, params)
    elif getattr(whole, "storage", None) is not None:  # there are views, of which this is to be one

        def written(base: Any, value: Any) -> Any:
            return repeat_chosen(scatter_set(base, value, *found, **params), along, axis=axis)

        view_of(whole, x, View(lambda base: gather(base, *found, **params), written))
    return x


def _link(whole: Any, x: Any, found: Any, params: dict[str, Any]) -> None:
    """Notes that `x`, what was found at some places, is a view of the whole."""
    if not isinstance(whole, Tracer):  # which has no place for what would be written
        view_of(x.snapshot(), x, View(lambda base: base, None))
        return

    def written(base: Any, value: Any) -> Any:
        return scatter_set(base, value, *found, **params)

    inner = whole._trace is not x._trace
    view_of(whole, x, View(lambda base: gather(base, *found, **params), None if inner else written))


def apply(function: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    """What `function` of NumPy is of arguments among which there are selections."""
    law = LAWS.get(function)
    out = NotImplemented if law is None else law(function, args, options)
    if out is not NotImplemented:
        return out
    if isinstance(function, np.ufunc):
        return array_ufunc(function, "__call__", tuple(args), options)
    if isinstance(function, tuple):
        ufunc, method = function
        return array_ufunc(ufunc, method, tuple(map(become, args)), options)
    args = [[become(e) for e in x] if type(x) in (list, tuple) else become(x) for x in args]
    return array_function(function, args, {name: become(x) for name, x in options.items()})


# Selections by one mask.


class Whole(NamedTuple):
    """Arguments of which some are selections by one mask, with the whole of these in their place."""

    first: Selection
    args: list[Any]

    def selection(self, out: Any) -> Selection:
        """What is chosen of a result for each element."""
        return self.first.with_whole(out)


def together(args: Sequence[Any]) -> Whole | None:
    """The wholes of selections that go together element by element, and with what broadcasts to them; else None."""
    first = next(x for x in args if type(x) is Selection)
    axis, found = first.parts.axis, []
    for x in args:
        if type(x) is Selection:
            if x.parts.axis != axis or not surely_equal(x.parts.mask, first.parts.mask):
                return None
            found.append(x.padded().whole)
            continue
        shape = np.shape(x)
        if len(shape) >= -axis and shape[axis] != 1:
            return None
        found.append(x)
    return Whole(first, found)


# Indices that leave the axis of the mask as it is.

EVERY, BACKWARDS = (None, None, None), (None, None, -1)


def _chooses(x: Selection, index: Any) -> bool:
    """Whether `index` is a mask for the chosen elements: a selection itself, by the same mask."""
    if type(index) is not Selection or index.dtype != bool or index.ndim != 1 or x.parts.axis != -x.ndim:
        return False
    return surely_equal(x.parts.mask, index.parts.mask)


def _basic(x: Selection, index: Any) -> tuple[list[Any], int] | None:
    """The entries of an index of ints, slices and None, one for each axis, and which of them is for the mask's axis."""
    pattern = basic_pattern(index)
    if pattern is None or pattern.count(Ellipsis) > 1:
        return None
    given = list(pattern)
    missing = x.ndim - sum(e is not None and e is not Ellipsis for e in given)
    at = given.index(Ellipsis) if Ellipsis in given else len(given)
    if missing < 0:
        return None
    entries = given[:at] + [EVERY] * missing + given[at + 1 :]
    places = [i for i, e in enumerate(entries) if e is not None]
    place = places[x.parts.axis]
    return (entries, place - len(entries)) if entries[place] in (EVERY, BACKWARDS) else None


def _as_slices(entries: Sequence[Any]) -> tuple[Any, ...]:
    return tuple([slice(*e) if type(e) is tuple else e for e in entries])


def _kept_after(entries: Sequence[Any], axis: int) -> int:
    """The axis of the result that entry `axis`, counted from the end, is for."""
    return -1 - sum(type(e) is not int for e in entries[len(entries) + axis + 1 :])


# What else a tracer can do needs to know what it is.


def _after_becoming(name: str) -> Any:
    attribute = getattr(Tracer, name)
    if not callable(attribute):
        return property(lambda self: getattr(become(self), name), lambda self, v: setattr(become(self), name, v))

    def method(self: Any, *args: Any, **options: Any) -> Any:
        return getattr(become(self), name)(*args, **options)

    return method


def _of_law(function: Any) -> Any:
    def method(self: Any, *args: Any, **options: Any) -> Any:
        return apply(function, (self, *args), options)

    return method


BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow", "and", "or", "xor", "lshift", "rshift")
KEPT = {
    *[f"__{of}{name}__" for name in BINARY for of in ("", "r", "i")],
    *("__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__", "__neg__", "__pos__", "__invert__", "__abs__"),
    *("__init__", "__copy__", "__deepcopy__", "__array_namespace__"),
    *("__module__", "__annotations__", "__doc__", "__slots__", "__weakref__", "__array_priority__"),
    *("_known", "conj", "conjugate", "fill", "itemsize", "storage"),
}
"""What goes by primitives and by what is said above, as it does of other tracers."""

for _name in {*vars(Tracer), *vars(Questioned)} - {*vars(Selection)} - KEPT:
    _function = getattr(np, _name) if _name in METHODS else None
    setattr(Selection, _name, _after_becoming(_name) if _function is None else _of_law(_function))
