"""What a custom operation is called with: its array arguments, its static parameters, and rules that take the same."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arrays import is_array
from ..errors import ArgumentError, describe
from ..parameters import POSITIONAL
from ..tracer import Tracer

REQUIRED = inspect.Parameter.empty
STATIC = frozenset({int, float, bool, str, type(None)})


class Signature:
    """The parameters of an operation: arrays are positional, static ones keyword-only."""

    __slots__ = ("any_params", "arrays", "defaults", "inspected", "params", "variadic")

    def __init__(self, parameters: Sequence[inspect.Parameter]) -> None:
        """From the parameters of the function that computes it, `xp` left out."""
        self.inspected = inspect.Signature(list(parameters))
        self.arrays = [p.name for p in parameters if p.kind in POSITIONAL]
        self.defaults = {p.name: p.default for p in parameters if p.kind in POSITIONAL and p.default is not REQUIRED}
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        self.params = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        self.any_params = any(p.kind is p.VAR_KEYWORD for p in parameters)

    def __str__(self) -> str:
        arrays = [*self.arrays, *(["*arrays"] if self.variadic else [])]
        params = [*self.params, *(["**params"] if self.any_params else [])]
        return ", ".join([*arrays, *(["*", *params] if params else [])])

    def name(self, i: int) -> str:
        """The name of argument `i`."""
        return self.arrays[i] if i < len(self.arrays) else f"args[{i}]"

    def bind(self, call: str, args: Sequence[Any], params: dict[str, Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """Returns all arguments and parameters, in their order, with defaults for those not passed; or raises."""
        if len(args) < len(self.arrays):
            args, params = list(args), dict(params)
            for name in self.arrays[len(args) :]:
                if name not in params and name not in self.defaults:
                    raise ArgumentError(call, f"argument '{name}' is missing", f"it is called as {call}({self})")
                args.append(params.pop(name) if name in params else self.defaults[name])
        elif len(args) > len(self.arrays) and not self.variadic:
            fact = f"got {len(args)} positional arguments"
            allowed = f"it is called as {call}({self})"
            raise ArgumentError(call, fact, allowed, "Pass static parameters by name" if self.params else "")
        return args, self._bind_params(call, params) if params or self.params else params

    def _bind_params(self, call: str, params: dict[str, Any]) -> dict[str, Any]:
        unknown = [name for name in params if name not in self.params]
        if unknown and not self.any_params:
            raise ArgumentError(call, f"got the keyword '{unknown[0]}'", f"it is called as {call}({self})")
        full = {**self.params, **params}
        for name, value in full.items():
            if type(value) in STATIC:
                continue
            if value is REQUIRED:
                raise ArgumentError(call, f"parameter '{name}' is missing", f"it is called as {call}({self})")
            if isinstance(value, Tracer) or (is_array(value) and not isinstance(value, np.generic)):
                fact = f"parameter '{name}' is {describe(value)}"
                allowed = "keyword parameters are static"
                raise ArgumentError(call, fact, allowed, "Make it a positional parameter of the function, for an array")
            try:
                hash(value)  # to be compared and remembered
            except TypeError:
                fact = f"parameter '{name}' is a {type(value).__name__}"
                raise ArgumentError(call, fact, "static parameters must be hashable", "Pass a tuple") from None
        return full

    def check_rule(self, call: str, rule: Any, lead: str, what: str = "the rule") -> None:
        """Raises unless `rule` can be called with the arguments named in `lead`, then the operation's own."""
        if not callable(rule):
            raise ArgumentError(call, f"{what} is {describe(rule)}", "it must be a function")
        try:
            found = inspect.signature(rule)
        except (TypeError, ValueError):  # a builtin or a ufunc without a signature
            return
        before = lead.split(", ") if lead else []
        try:
            found.bind(*before, *(self.arrays or ["x"]), **self.params)
        except TypeError as error:
            fact = f"{what} takes {found}: {error}"
            raise ArgumentError(call, fact, f"it is called with ({', '.join([*before, str(self)])})") from None


def signature_of(fun: Callable[..., Any]) -> Signature:
    """The signature of a function of arrays; any arguments where it does not tell."""
    try:
        return Signature(list(inspect.signature(fun).parameters.values()))
    except (TypeError, ValueError):
        return anything()


def anything() -> Signature:
    """The signature that takes any arrays and any parameters."""
    P = inspect.Parameter
    return Signature([P("arrays", P.VAR_POSITIONAL), P("params", P.VAR_KEYWORD)])


def after_xp(call: str, fun: Callable[..., Any]) -> Signature:
    """The signature of `fun(xp, *arrays, **params)` without `xp`."""
    parameters = list(inspect.signature(fun).parameters.values())
    if not parameters or parameters[0].name != "xp":
        raise ArgumentError(
            call,
            f"the function takes {inspect.signature(fun)}, and its first parameter is not xp",
            "it is called as fun(xp, *arrays, **params), with xp the arrays' library, NumPy or CuPy",
            "Add xp as the first parameter, or wrap code for NumPy arrays alone with external",
        )
    return Signature(parameters[1:])
