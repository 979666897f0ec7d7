"""Module: a model as a value, a frozen dataclass that is a pytree of its arrays; and its state by name.

Nothing is ever changed in place: a step of training returns a new model.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform

import numpy as np

from ..arrays import is_array
from ..errors import (
    ArgumentError,
    DTypeError,
    MissingAttributeError,
    MutationError,
    ShapeError,
    StructureError,
    describe,
    warn_caller,
)
from ..ops.specs import ArraySpec
from ..pytree import buffers, flatten, names, register_dataclass, tree_map, unflatten
from ..tracer import Tracer
from ..words import METHODS, checks_keywords, meant, unknown_name

M = TypeVar("M", bound="Module")


def static(**options: Any) -> Any:
    """Declares a field that is part of a module's structure, not an array: sizes, strides, functions."""
    return dataclasses.field(metadata={"static": True}, **options)


def buffer(**options: Any) -> Any:
    """Declares a field whose arrays are state without gradient, such as running statistics.

    Derivatives by a model take its buffers, at any depth, for constants, and an optimiser leaves them as they are.
    """
    return dataclasses.field(metadata={"buffer": True}, **options)


@dataclass_transform(field_specifiers=(static, buffer))
class Module:
    """Base of layers and models. A subclass declares its fields; each may be assigned once, in `__init__`.

    A subclass gets an `__init__` with an argument per field unless it, or a class it extends, writes one. An array held
    in two places is two parameters: weights that are tied are held in one, and used from there.

    Example:
        >>> class Scale(Module):
        ...     factor: np.ndarray
        ...     def __call__(self, x): return self.factor * x
        >>> Scale(np.full(3, 2.0))(np.ones(3))
        array([2., 2., 2.])
    """

    _writes_init = False
    _fields: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, init: bool = True, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._writes_init = cls._writes_init or "__init__" in cls.__dict__
        dataclasses.dataclass(init=init and not cls._writes_init, repr=False, eq=False)(cls)
        cls._fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        for name, value in vars(cls).items():
            if isinstance(value, Module) and name not in cls._fields:
                fact = "is a module, but no field"
                raise MutationError(f"{cls.__name__}.{name}", fact, "", f"Declare it: {name}: <type>")
        for f in cls._fields.values():
            if isinstance(f.default, FunctionType):  # else a method, where `__init__` leaves the field out
                setattr(cls, f.name, staticmethod(f.default))
        if "__init__" in cls.__dict__:
            cls.__init__ = checks_keywords(cls.__init__)  # type: ignore[method-assign]
        register_dataclass(cls)

    def __setattr__(self, name: str, value: Any) -> None:
        kind = type(self).__name__
        if name not in self._fields:
            fact = "is not a declared field"
            raise MutationError(f"{kind}.{name}", fact, "", f"Declare it in the class: {name}: <type>")
        if name in self.__dict__:
            remedy = "Make a new one with nn.replace(net, {name: value})"
            raise MutationError(f"{kind}.{name}", "is assigned twice", "models are values", remedy)
        if self._fields[name].metadata.get("static") and any(map(_is_leaf, flatten(value)[0])):
            fact = f"is a static field, and {_short(value)} holds arrays"
            allowed = "what is static is neither trained nor stacked"
            raise ArgumentError(f"{kind}.{name}", fact, allowed, "Declare it without static")
        object.__setattr__(self, name, value)

    if not TYPE_CHECKING:  # which knows the fields

        def __getattr__(self, name: str) -> Any:
            fact = (
                "is a field that __init__ has not assigned" if name in self._fields else "is neither field nor method"
            )
            raise MissingAttributeError(f"{type(self).__name__}.{name}", fact, "", METHODS.get(name, ""))

    def __repr__(self) -> str:
        parts = [f"{name}={_short(getattr(self, name))}" for name in self._fields]
        return f"{type(self).__name__}({', '.join(parts)})"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        elsewhere = next((name for name in ("forward", "construct") if hasattr(self, name)), None)
        remedy = f"Call it __call__, not {elsewhere}" if elsewhere else ""
        raise ArgumentError(type(self).__name__, "it has no __call__", "a module says there what it computes", remedy)

    def state_dict(self) -> dict[str, Any]:
        """Returns every array by its name, parameters and buffers, such as "conv1.weight"; not copies."""
        return {name: x for name, (x, _) in _arrays(self).items()}


def _short(x: Any) -> str:
    return describe(x) if hasattr(x, "dtype") else repr(x)


def _arrays(net: Any) -> dict[str, tuple[Any, bool]]:
    """Every array of a model by its name, and whether it is a buffer."""
    leaves, tree = flatten(net)
    entries = zip(names(tree), leaves, buffers(tree), strict=True)
    found: dict[str, tuple[Any, bool]] = {}
    for name, x, is_buffer in entries:
        if name in found:
            raise StructureError(type(net).__name__, f"two of its arrays have the name '{name}'", "names must differ")
        if _is_leaf(x):
            found[name] = x, is_buffer
    return found


def _is_leaf(x: Any) -> bool:
    return is_array(x) or isinstance(x, (Tracer, Spec))


def named_parameters(net: Module) -> dict[str, Any]:
    """Returns the arrays that training changes, by name.

    Example:
        >>> class Line(Module):
        ...     slope: np.ndarray
        >>> named_parameters(Line(np.ones(2)))
        {'slope': array([1., 1.])}
    """
    return {name: x for name, (x, is_buffer) in _arrays(net).items() if not is_buffer}


def named_buffers(net: Module) -> dict[str, Any]:
    """Returns the arrays that are state without gradient, by name."""
    return {name: x for name, (x, is_buffer) in _arrays(net).items() if is_buffer}


def load_state_dict(net: M, state: Mapping[str, Any], strict: bool = True) -> M:
    """Returns `net` with its arrays taken from `state` by name, as copies, each in the dtype it has in the model.

    Args:
        net: the model; it stays as it is.
        state: arrays by name, as `net.state_dict()` or PyTorch's model gives them; a count `num_batches_tracked` beside
            running statistics is passed over.
        strict: whether every name must be there, and no other. If not, a warning says what was left.

    Raises:
        StructureError: names are missing or unknown.
        ShapeError: an array has another shape than the one it replaces.
        DTypeError: it is of ints where the model has floats, of complex numbers where it has real ones, or the like.
        ArgumentError: it is no array.

    Example:
        >>> class Line(Module):
        ...     slope: np.ndarray
        >>> load_state_dict(Line(np.ones(2)), {"slope": np.zeros(2)}).slope
        array([0., 0.])
    """
    call = f"load_state_dict({type(net).__name__})"
    if not isinstance(state, Mapping):
        raise ArgumentError(call, f"state is {describe(state)}", "it must be a dict of arrays by name")
    own = {name: x for name, (x, _) in _arrays(net).items()}
    given = {name: x for name, x in state.items() if name in own or not _is_count(name, own)}
    if strict:
        _check_names(call, own, given, own, "Pass strict=False to take what fits")
    else:
        _warn_of_names(call, own, given)
    return _with_arrays(net, {name: _taken(call, name, given[name], x) for name, x in own.items() if name in given})


def _is_count(name: str, own: Collection[str]) -> bool:
    """Whether PyTorch's batch norm has this name for what ours does without: how many batches it has seen."""
    return name.endswith("num_batches_tracked") and name.removesuffix("num_batches_tracked") + "running_mean" in own


def _check_names(call: str, needed: Iterable[str], given: Collection[str], own: Collection[str], remedy: str) -> None:
    missing = [f"'{n}' is missing" for n in needed if n not in given]
    unknown = [n for n in given if n not in own]
    if missing or unknown:
        facts = missing[:1] + [f"'{n}' is not a name of the model" for n in unknown[:1]]
        close = meant(unknown[0], own) if unknown else ""
        raise StructureError(call, " and ".join(facts), f"the model has {', '.join(own)}", close or remedy)


def _warn_of_names(call: str, own: Collection[str], given: Collection[str]) -> None:
    kept = [f"'{n}'" for n in own if n not in given]
    left = [f"'{n}'" for n in given if n not in own]
    facts = [f"the model keeps its own {', '.join(kept)}"] * bool(kept) + [f"it has no {', '.join(left)}"] * bool(left)
    if facts:
        warn_caller(call, "; ".join(facts), kind=UserWarning)


def _taken(call: str, name: str, x: Any, own: Any) -> Any:
    """A copy of what a state has under a name, in the dtype of the model's own array."""
    if not (is_array(x) or isinstance(x, Tracer)):
        if not hasattr(x, "__array__"):
            raise ArgumentError(call, f"'{name}' is {describe(x)}", "a state is of arrays", "Pass np.asarray of it")
        try:
            x = np.asarray(x)
        except (TypeError, RuntimeError) as error:  # such as PyTorch's, of a tensor that is on a device
            raise ArgumentError(call, f"'{name}' is {describe(x)}", str(error).rstrip(".")) from error
    if tuple(x.shape) != tuple(own.shape):
        raise ShapeError(call, f"'{name}' is {describe(x)}", f"the model has {describe(own)}")
    if not np.can_cast(x.dtype, own.dtype, "same_kind" if x.dtype.kind in "fc" else "safe") or (
        x.dtype.kind in "biu" and own.dtype.kind in "fc"
    ):
        raise DTypeError(call, f"'{name}' is {describe(x)}", f"the model has {describe(own)}", "Convert it with astype")
    return x.astype(own.dtype)


def _with_arrays(net: M, by_name: Mapping[str, Any]) -> M:
    """Returns `net` with each array replaced by the one of its name, where there is one."""
    leaves, tree = flatten(net)
    named = zip(names(tree), leaves, strict=True)
    return unflatten(tree, [by_name.get(name, x) if _is_leaf(x) else x for name, x in named])


def replace(net: M, values: Mapping[str, Any]) -> M:
    """Returns a module like `net` with the fields in `values` replaced, without running its `__init__`.

    Raises:
        ArgumentError: there is no such field.

    Example:
        >>> class Line(Module):
        ...     slope: np.ndarray
        >>> replace(Line(np.ones(2)), {"slope": np.zeros(2)}).slope
        array([0., 0.])
    """
    call = f"replace({type(net).__name__})"
    if not isinstance(net, Module) or not isinstance(values, Mapping):
        fact = f"got {describe(net)} and {describe(values)}"
        raise ArgumentError(call, fact, "it takes a module and a dict by field")
    for name in values:
        if name not in net._fields:
            raise unknown_name(call, "field", name, net._fields)
    new = object.__new__(type(net))
    new.__dict__.update({name: value for name, value in net.__dict__.items() if name not in values})
    for name, value in values.items():
        setattr(new, name, value)
    return new


def functional_call(net: Module, state: Any, args: Any, kwargs: Mapping[str, Any] | None = None) -> Any:
    """Calls `net` with other arrays in place of its own.

    Law:  functional_call(net, net.state_dict(), args) == net(*args)

    Args:
        net: the model; its own arrays are not looked at, so a `skeleton` will do.
        state: a dict by name, or a tuple of dicts (parameters, buffers).
        args: the positional arguments; a tuple, or one argument alone.
        kwargs: the keyword arguments.

    Raises:
        StructureError: a name is not one of the model's, or one is missing from a skeleton.

    Example:
        >>> class Line(Module):
        ...     slope: np.ndarray
        ...     def __call__(self, x): return self.slope * x
        >>> functional_call(Line(np.ones(2)), {"slope": np.zeros(2)}, (np.ones(2),))
        array([0., 0.])
    """
    parts = state if isinstance(state, (tuple, list)) else (state,)
    call = f"functional_call({type(net).__name__})"
    if not all(isinstance(part, Mapping) for part in parts):
        raise ArgumentError(call, f"state is {describe(state)}", "it must be a dict by name, or a tuple of dicts")
    by_name = {name: x for part in parts for name, x in part.items()}
    own = _arrays(net)
    _check_names(call, [name for name, (x, _) in own.items() if isinstance(x, Spec)], by_name, own, "")
    return _with_arrays(net, by_name)(*(args if isinstance(args, tuple) else (args,)), **(kwargs or {}))


class Spec(ArraySpec):
    """What stands in a skeleton for an array: its shape and dtype."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Spec({describe(self)})"


def skeleton(net: M) -> M:
    """Returns `net` without its arrays: a structure for `functional_call` that holds no storage.

    Example:
        >>> class Line(Module):
        ...     slope: np.ndarray
        >>> skeleton(Line(np.ones(2))).slope
        Spec(f64[2])
    """
    return tree_map(lambda x: Spec(x.shape, x.dtype) if _is_leaf(x) else x, net)
