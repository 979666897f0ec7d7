"""Tracer: the array-like object that a transformed function sees in place of an array.

It forwards operators, methods and NumPy calls to the table in `numpy_protocol`, behaves under in-place writes
as a NumPy array does, and refuses what has no single answer. What it wraps is its trace's business.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .arrays import UNTRACED
from .errors import ArgumentError, MissingAttributeError, MutationError, ShapeError, describe
from .numpy_protocol import NUMPY, answers, array_function, array_ufunc
from .refusals import ABSENT, Questioned
from .views import Storage, mark_contiguous
from .words import OF_ARRAYS


def fixed(name: str, method: str, read: Callable[[Any], Any]) -> Any:
    """An attribute of tracers that NumPy's arrays let be set, and a tracer does not."""

    def refuse_write(self: "Tracer", value: Any) -> None:
        fact = f"the {name} of a {type(self).__name__} does not change"
        raise MissingAttributeError(f"x.{name} = v", fact, "an array of another is another", f"Use x.{method}(v)")

    return property(read, refuse_write)


def reshaping(read: Callable[[Any], Any]) -> Any:
    """The attribute `shape` of tracers, which is set in place where nobody else sees the array."""

    def write(self: "Tracer", value: Any) -> None:
        others = () if self.storage is None else [ref() for ref, _ in self.storage.members.values()]
        if self._is_scalar or any(x is not None and x is not self for x in others):
            what = "what is NumPy's scalar" if self._is_scalar else "an array that has views, or is one,"
            raise MissingAttributeError("x.shape = v", f"{what} keeps its shape", "", "Use x.reshape(v)")
        whole, self.storage = self.storage, None
        new = NUMPY[np.reshape](self, value).snapshot()
        self.rebind(new)
        self.storage = None
        if whole is not None and whole.contiguous:
            mark_contiguous(self)

    return property(read, write)


def part(function: Any) -> Any:
    """An attribute of tracers that is a view, of their real or imaginary parts, and is set by a write to it."""

    def read(self: "Tracer") -> Any:
        return NUMPY[function](self)

    def write(self: "Tracer", value: Any) -> None:
        read(self)[...] = value

    return property(read, write)


class Tracer(Questioned):
    """A value inside a running transform, and what its trace knows of it beside: a subclass says by a name what."""

    __slots__ = ("__weakref__", "_trace", "beside", "storage", "value")

    _trace: Any
    value: Any
    beside: Any
    storage: Storage | None
    kind: Any = None
    """Python's type, of what stands for a number of it."""

    __array_priority__ = 1000.0

    def __init__(self, trace: Any, value: Any, beside: Any = None) -> None:
        self._trace = trace
        self.value = value
        self.storage = None
        self.beside = beside

    # What it is, seen by the function being transformed.

    shape = reshaping(lambda self: self.value.shape)
    dtype = fixed("dtype", "astype", lambda self: self.value.dtype)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        size = 1
        for n in self.shape:
            size *= n
        return size

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    @property
    def T(self) -> Any:
        return NUMPY[np.transpose](self)

    @property
    def mT(self) -> Any:
        return NUMPY[np.swapaxes](self, -1, -2)

    real, imag = part(np.real), part(np.imag)

    @property
    def device(self) -> Any:
        return getattr(self.value, "device", "cpu")

    @property
    def flat(self) -> Any:
        return NUMPY["flat"](self)

    @flat.setter
    def flat(self, value: Any) -> None:
        self.flat[:] = value

    def view(self, *args: Any, **kwargs: Any) -> Any:
        return NUMPY["view"](self, *args, **kwargs)

    def __len__(self) -> int:
        if not self.shape:
            raise ArgumentError("len", f"the array is {describe(self)}", "only arrays of one axis or more have one")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise ArgumentError("iter", f"the array is {describe(self)}", "a 0-d array cannot be iterated over")
        return (self[i] for i in range(self.shape[0]))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({describe(self)} in {self._trace.call}, value={self.value!r})"

    # NumPy's protocols.

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return array_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return array_function(function, args, kwargs)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return NUMPY["namespace"]()

    def __round__(self, ndigits: int | None = None) -> Any:
        if self.shape:
            raise ArgumentError("round", f"the array is {describe(self)}", "only a 0-d array has it", "Use np.round")
        if ndigits is not None:
            return NUMPY[np.round](self, ndigits)
        value = self._concrete("round", "one int")
        return round(value if isinstance(value, Tracer) else value.item())

    # In-place writes: the tracer is a box, and a write puts a new value into it.

    @property
    def _is_scalar(self) -> bool:
        """Whether it is what NumPy has as a scalar, which is not written to."""
        return not self.shape and self.storage is None

    def rebind(self, other: "Tracer") -> None:
        """Takes over the state of `other`, a tracer of the same trace."""
        self.value = other.value
        self.beside = other.beside

    def snapshot(self) -> "Tracer":
        """A new box with this one's state."""
        return self._trace.lift(self)

    def _assign(self, call: str, value: Any, where: Any = True) -> None:
        """Writes `value`, cast to this array's dtype and broadcast to its shape, where `where` is true."""
        value = NUMPY["cast"](value, self.dtype, "same_kind", not isinstance(value, Tracer))
        if where is not True:
            value = NUMPY[np.where](where, value, self)
        shape = np.shape(value)
        if shape != self.shape:
            if len(shape) > self.ndim or np.broadcast_shapes(shape, self.shape) != self.shape:
                raise ShapeError(call, f"the result has shape {shape}", f"the array written to is {describe(self)}")
            value = NUMPY[np.broadcast_to](value, self.shape)
        self._put(call, value)

    def _put(self, call: str, value: Any) -> None:
        """Puts `value`, of this array's shape and dtype, into this box and into what shares memory with it."""
        if isinstance(value, Tracer) and value._trace.level > self._trace.level:
            raise MutationError(
                call,
                f"writes a value of {value._trace.call} into an array of the outer {self._trace.call}",
                "it would outlive its transform",
                "Make the array inside the inner function, say with vmapcore.numpy.zeros_like, or return the value",
            )
        if not isinstance(value, Tracer) or value._trace is not self._trace:
            value = self._trace.lift(value)
        if self.storage is None:
            self.rebind(value)
        else:
            self.storage.write(call, self, value)

    def __getitem__(self, index: Any) -> Any:
        return NUMPY["getitem"](self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._put("x[i] = v", NUMPY["setitem"](self, index, value, overwrite=True))

    def fill(self, value: Any) -> None:
        if not self._is_scalar:  # to which NumPy does nothing
            self[...] = value

    def put(self, indices: Any, values: Any, /, mode: str = "raise") -> None:
        NUMPY[np.put](self, indices, values, mode)

    def compress(self, condition: Any, axis: Any = None, out: Any = None) -> Any:
        return NUMPY[np.compress](condition, self, axis, out)

    def sort(self, axis: int = -1, kind: Any = None, order: Any = None, *, stable: bool | None = None) -> None:
        self._assign("sort", NUMPY[np.sort](self, axis, kind, order, stable=stable))

    def partition(self, kth: Any, /, axis: int = -1, kind: str = "introselect", order: Any = None) -> None:
        self._assign("partition", NUMPY[np.partition](self, kth, axis, kind, order))

    # Methods that NumPy has no function for.

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        return NUMPY[np.astype](self, self.dtype, copy=False, device=device)

    def astype(
        self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        return NUMPY["cast"](self, dtype, casting, copy)

    def copy(self, order: str = "C") -> Any:
        made = NUMPY[np.copy](self, order)
        return made.snapshot() if self._is_scalar else made

    def flatten(self, order: str = "C") -> Any:
        return NUMPY[np.copy](NUMPY[np.ravel](self, order=order))

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
        return NUMPY[np.reshape](self, shape[0] if len(shape) == 1 else shape, order=order, copy=copy)

    def transpose(self, *axes: Any) -> Any:
        if len(axes) == 1 and not isinstance(axes[0], int):
            return NUMPY[np.transpose](self, axes[0])
        return NUMPY[np.transpose](self, axes or None)

    def conj(self) -> Any:
        return NUMPY[np.conjugate](self) if self.dtype.kind == "c" else self

    conjugate = conj

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self._trace.ended:
            raise self._trace.leaked()
        raise ArgumentError(
            "pickle",
            f"a {type(self).__name__} {describe(self)} belongs to {self._trace.call}, and a pickled copy would not",
            "",
            "Return the array from the function to save it; x.copy() is a copy in the transform",
        )


def is_traced(x: Any) -> bool:
    """Whether a value is a tracer, or a list or tuple that holds one."""
    return isinstance(x, Tracer) or (isinstance(x, (list, tuple)) and any(map(is_traced, x)))


def innermost(x: Any) -> Any:
    """The array inside of a tracer, of all transforms; what is none, as it is."""
    while isinstance(x, Tracer):
        x = x.value
    return x


def _absent(name: str, remedy: str, fact: str, allowed: str = "") -> property:
    """An attribute that raises; `__getattr__`, which would serve for all, makes every other attribute slower."""

    def absent(self: Tracer) -> Any:
        raise MissingAttributeError(f"x.{name}", fact.format(type(self).__name__), allowed, remedy)

    return property(absent)


NO_BYTES = "a {} has no bytes in memory of its own", "it has the attributes of np.ndarray that say nothing of memory"
for _name, _remedy in ABSENT.items():
    setattr(Tracer, _name, _absent(_name, _remedy, *NO_BYTES))
for _name, _remedy in OF_ARRAYS.items():
    setattr(Tracer, _name, _absent(_name, _remedy, "NumPy's arrays have no such attribute"))


def _method(function: Any) -> Callable[..., Any]:
    def method(self: Tracer, *args: Any, **kwargs: Any) -> Any:
        return NUMPY[function](self, *args, **kwargs)

    method.__name__ = function.__name__
    return method


METHODS = [
    *("all", "any", "argmax", "argmin", "argpartition", "argsort", "choose", "clip", "cumprod", "cumsum", "diagonal"),
    *("dot", "max", "mean", "min", "nonzero", "prod", "ptp", "ravel", "repeat", "round", "searchsorted", "squeeze"),
    *("std", "sum", "swapaxes", "take", "trace", "var"),
]
for _name in METHODS:
    setattr(Tracer, _name, _method(getattr(np, _name)))


def _operators(name: str, ufunc: Any) -> None:
    """Installs `__name__`, `__rname__` and `__iname__`."""

    def forward(self: Tracer, other: Any) -> Any:
        if type(other) not in UNTRACED and answers(other):
            return NotImplemented
        return NUMPY[ufunc](self, NUMPY["as_array"](other) if type(other) is list else other)

    def reflected(self: Tracer, other: Any) -> Any:
        return NUMPY[ufunc](NUMPY["as_array"](other) if type(other) is list else other, self)

    def in_place(self: Tracer, other: Any) -> Any:
        if type(other) is list:
            other = NUMPY["as_array"](other)
        if self._is_scalar:
            return NUMPY[ufunc](self, other)
        self._assign(f"x {symbol} v", NUMPY[ufunc](self, other))
        return self

    symbol = {"add": "+=", "sub": "-=", "mul": "*=", "truediv": "/="}.get(name, f"{name}=")
    setattr(Tracer, f"__{name}__", forward)
    setattr(Tracer, f"__r{name}__", reflected)
    setattr(Tracer, f"__i{name}__", in_place)


for _name, _ufunc in {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.divide,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "divmod": np.divmod,
    "pow": np.power,
    "matmul": np.matmul,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "lshift": np.left_shift,
    "rshift": np.right_shift,
}.items():
    _operators(_name, _ufunc)
del Tracer.__idivmod__  # type: ignore[attr-defined]

for _name, _ufunc in {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "neg": np.negative,
    "pos": np.positive,
    "invert": np.invert,
}.items():
    setattr(Tracer, f"__{_name}__", _method(_ufunc))
Tracer.__abs__ = _method(np.absolute)  # type: ignore[attr-defined]
