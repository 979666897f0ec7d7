"""check_op: everything that is asked of an operation and its rules, in one call."""

import contextlib
import functools
import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..arrays import asarray, is_array, on_host
from ..batching import vmap
from ..core import Primitive
from ..derivatives import vjp
from ..errors import MissingRuleError, PerformanceWarning, VmapcoreError, name_of
from ..forward import jvp
from ..pytree import flatten, tree_map, unflatten
from ..transposing import has_derivative
from .compare import assert_same, copies, real_bytes
from .composition import check_composition
from .derivatives import MODES, check_grads, check_layouts, check_point, direction, is_holomorphic, of_inexact
from .dtypes import WIDE, cast, check_dtypes, to_complex, to_narrow, to_real
from .evaluation import check_evaluation
from .law import check_vmap
from .oracles import Fun
from .reproduction import reproducible
from .special import FAR, INFINITE, NAN, SMOOTH, check_special, special_points
from .variants import Sample, alike, outcome, stacked, takes, variants

TOO_SMALL = 1e-4
"""Results below it are too near to zero for a wrong one to be told from rounding."""


def check_op(op: Callable[..., Any], /, *examples: Any, **params: Any) -> None:
    """Checks an operation and every rule it has, on inputs like the one given.

    Law:  vmap(op)(x)[i] == op(x[i]), in every order of nesting with grad and jvp

    Other inputs are made from the example: of the same shapes, floats of the same signs from near it, integers from
    among those it has. On them it is checked

    - that `op` returns the same for the same values, however they lie in memory, and memory of its own;
    - `vmap` against the loop: every combination of mapped and unmapped leaves (of more than five: all, one, two, all
      but one, all but two), every axis, batches of 0, 1, 3 and as many as an axis is long, two and three levels, one
      example alone at zero, far out, infinite or NaN;
    - `vjp` against `jvp` against finite differences to second order, alone and in every order with `vmap`; at zeros, at
      other signs and far out, where `op` is smooth there;
    - float32 against float64, and complex numbers where `op` takes them and is holomorphic;
    - shapes and dtypes of all this, axes of length 0 and 1, arguments that broadcast, an axis more in all, where
      `op` takes them, and that nothing that was passed, or was returned before, is written to;
    - the same with other values of the static parameters: numbers, bools, and those that are named `axis`.

    Args:
        op: a `custom_op`, a primitive, or any function of arrays.
        *examples: its arguments, one example of each: arrays or pytrees of them, with results and derivatives of order
            one. Pass complex arrays to an operation that is made for them.
        **params: its static parameters.

    Raises:
        AssertionError: a law is broken. What the operation itself raises is passed on. A note has a line of Python that
            raises it again.

    Example:
        >>> from vmapcore import custom_op
        >>> @custom_op
        ... def softplus(xp, x):
        ...     return xp.logaddexp(x, 0)
        >>> _ = softplus.elementwise(lambda out, x: 1 - np.exp(-out))
        >>> check_op(softplus, np.linspace(-2, 2, 5))
    """
    OpCheck()(op, *examples, **params)


@dataclass(frozen=True)
class OpCheck:
    """`check_op` with other settings.

    Law:  OpCheck()(op, *examples, **params) checks what check_op(op, *examples, **params) checks

    Args:
        tol: a factor on all tolerances.
        order: 1 leaves out the derivatives of derivatives.
        argnums: the arguments to differentiate; by default all of floats or complex numbers.
        sample: `sample(rng)` returns the arguments of one more example, for arguments that have a structure of their
            own: a symmetric matrix, sorted points.
        special: whether to check at zeros, other signs, large values, infinities and NaN.
        views: whether results may share memory with arguments.
        broadcasting: whether to check arguments that broadcast, and an axis more in all of them, where the operation
            takes that.
        vary_params: whether to check other values of the static parameters.
        seed: for all that is drawn.

    Example:
        >>> OpCheck(order=1, tol=10)(np.tanh, np.linspace(-2, 2, 5))
    """

    tol: float = 1.0
    order: int = 2
    argnums: Sequence[int] | None = None
    sample: Sample | None = None
    special: bool = True
    views: bool = False
    broadcasting: bool = True
    vary_params: bool = True
    seed: int = 0

    def __call__(self, op: Callable[..., Any], /, *examples: Any, **params: Any) -> None:
        changed = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        with reproducible("OpCheck" if changed else "check_op", op, examples, params, changed), _quiet():
            run = _Run(self, bound(op, params), examples)
            run.check_size(examples)
            run.modes = declared_modes(op) if isinstance(op, Primitive) else run.tried_modes()
            run.check_numbers()
            if self.special:
                run.check_special()
            run.check_lengths()
            if self.broadcasting:
                run.check_broadcasting()
                run.check_rank()
            for changed, is_meant in other_params(op, params) if self.vary_params else ():
                run.check_params(bound(op, changed), is_meant)


class _Run:
    """One check: the function, the example with floats in 64 bits if the function takes those, three other inputs, and
    the modes in which there are derivatives."""

    def __init__(self, settings: OpCheck, fun: Fun, examples: Sequence[Any]) -> None:
        self.settings = settings
        self.fun = fun
        self.tol = settings.tol
        self.modes: Sequence[str] = ()
        self.example = _arrays(list(examples))
        if not flatten(self.example)[0]:
            raise AssertionError(f"check_op({name_of(fun)}): pass an example of each argument")
        wide = cast(self.example, WIDE)
        if takes(fun, [wide]):
            self.example = wide
        rng = np.random.default_rng(settings.seed)
        self.points = (
            variants(fun, self.example, 3, rng)
            if settings.sample is None
            else [_arrays(list(settings.sample(rng))) for _ in range(3)]
        )

    @property
    def of_grads(self) -> dict[str, Any]:
        """Options for the checks of derivatives."""
        return {"argnums": self.settings.argnums, "modes": self.modes, "tol": self.tol}

    def tried_modes(self) -> Sequence[str]:
        """The modes in which a function that does not tell has derivatives."""
        f, primals = of_inexact(self.fun, self.points[0], self.settings.argnums)
        tangents = [direction(x, np.random.default_rng(0)) for x in primals]
        found = []
        for mode, run in (("fwd", lambda: jvp(f, tuple(primals), tuple(tangents))), ("rev", lambda: vjp(f, *primals))):
            with contextlib.suppress(MissingRuleError):
                if primals:
                    run()
                    found.append(mode)
        return found

    def check_size(self, examples: Sequence[Any]) -> None:
        """The function takes the example, and its results are large enough for mistakes to show."""
        results = [on_host(y) for y in flatten(self.fun(*copies(list(examples))))[0] if has_derivative(y)]
        size = max([float(np.max(np.abs(y), initial=0.0)) for y in results], default=1.0)
        if 0 < size < TOO_SMALL:
            raise AssertionError(
                f"check_op({name_of(self.fun)}): the results are at most {size:.1g}, where a wrong one passes for "
                "rounding; scale the example"
            )

    def check_numbers(self) -> None:
        """The kind of numbers of the example, then others that the operation takes."""
        self._check_values(self.points)
        self._check_scalars(self.points)
        if self.modes:
            batch = stacked(self.points)
            check_grads(self.fun, *self.points[0], order=self.settings.order, **self.of_grads)
            for point in self.points[1:]:  # shown again by all of it: a rule may have kept what it got at the first
                check_point(self.fun, point, order=1, **self.of_grads)
            check_layouts(self.fun, self.points[0], **self.of_grads)
            check_composition(self.fun, *batch, order=self.settings.order, deep=True, **self.of_grads)
            check_dtypes(self.fun, *self.points[0], **self.of_grads)
        for kind in (to_narrow, to_real, to_complex):
            points = [kind(p) for p in self.points]
            if not takes(self.fun, points):
                continue
            self._check_values(points)
            if kind is to_narrow:
                self._check_scalars(points)
            if not self.modes or (
                kind is to_complex and not is_holomorphic(self.fun, points[0], self.settings.argnums)
            ):
                continue
            if kind is not to_narrow:
                check_grads(self.fun, *points[0], order=1, **self.of_grads)
            check_composition(self.fun, *stacked(points), order=1, **self.of_grads)

    def _check_values(self, points: list[Any]) -> None:
        check_evaluation(self.fun, points[0], points[1], self.settings.views, self.tol)
        check_vmap(self.fun, *stacked(points), tol=self.tol)

    def _check_scalars(self, points: list[Any]) -> None:
        """Numbers in place of arrays without axes, one at a time and not mapped, keep the dtypes they have alone."""
        batch, tree = flatten(stacked(points))
        for i, x in enumerate(batch):
            if x.ndim == 1 and len(batch) > 1:
                values = [x[0].item() if j == i else y for j, y in enumerate(batch)]
                in_axes = tuple(unflatten(tree, [None if j == i else 0 for j in range(len(batch))]))
                one = unflatten(tree, [y if j == i else y[0, ...] for j, y in enumerate(values)])
                if takes(self.fun, [one]):
                    self._check_first(self.fun, unflatten(tree, values), one, in_axes)

    def check_special(self) -> None:
        """One example of a batch is unlike the others; derivatives at such a point and at the example itself."""
        with _silent():
            for kinds, tol in ((SMOOTH | NAN, self.tol), (FAR, 1e6 * self.tol)):
                check_vmap(self.fun, *stacked([*self.points, *self._special(kinds)]), in_axes=0, tol=tol)
            self._check_infinite()
            if self.modes and all(real_bytes(x) == 8 for x in flatten(self.points[0])[0] if has_derivative(x)):
                for point in (self.points[0], self.example):
                    check_special(self.fun, point, self.settings.argnums, self.modes, self.settings.order, self.tol)

    def _special(self, kinds: Any) -> list[Any]:
        """The special points that the function takes, with results of the usual shapes and dtypes."""
        usual = outcome(self.fun, self.points[0])
        found = [point for _, point in special_points(self.points[0], kinds)]
        return [point for point in found if alike(outcome(self.fun, point), usual)]

    def _check_infinite(self) -> None:
        """Infinities in one example leave the others alone; in what order they meet in sums is left to that one."""
        expected = self.fun(*copies(self.points[0]))
        for point in self._special(INFINITE):
            results = vmap(self.fun)(*stacked([self.points[0], point]))
            what = f"vmap({name_of(self.fun)}) beside an example with infinities"
            assert_same(tree_map(lambda y: y[0, ...], results), _arrays(expected), what, self.tol)

    def check_lengths(self) -> None:
        """Other shapes, if the function takes them: every axis of one length becomes empty, or of length 1."""
        for n in sorted({n for x in flatten(self.points[0])[0] for n in x.shape} - {0, 1}):
            for length in (0, 1):
                points = [tree_map(functools.partial(_cut, n, length), p) for p in self.points]
                with _silent():
                    if takes(self.fun, points):
                        self._check_shapes(points)

    def check_rank(self) -> None:
        """An axis more in front of every argument, if the function takes that and no rule refuses it."""
        more = [tree_map(lambda x: np.stack([x, 1.5 * x]).astype(x.dtype), p) for p in self.points]
        if takes(self.fun, more):
            with _unless_refused():
                self._check_shapes(more)

    def check_broadcasting(self) -> None:
        """An argument with an axis less, or one of length 1, if the function broadcasts it and no rule refuses it."""
        leaves, tree = flatten(self.points[0])
        usual = outcome(self.fun, self.points[0])
        for i, x in enumerate(leaves) if len(leaves) > 1 else ():
            for index in [(0, ...), *[(slice(None),) * k + (slice(1),) for k in range(x.ndim)]] if x.ndim else ():
                points = [
                    unflatten(tree, [y[index] if j == i else y for j, y in enumerate(flatten(p)[0])])
                    for p in self.points
                ]
                if takes(self.fun, points) and alike(outcome(self.fun, points[0]), usual):
                    with contextlib.suppress(VmapcoreError):
                        self._check_shapes(points)

    def _check_shapes(self, points: list[Any]) -> None:
        self._check_first(self.fun, stacked(points), points[0], 0)

    def _check_first(self, fun: Fun, batch: list[Any], point: list[Any], in_axes: Any = None) -> None:
        """The law of vmap, and derivatives of first order."""
        check_vmap(fun, *batch, in_axes=in_axes, tol=self.tol)
        if self.modes:
            check_grads(fun, *point, order=1, **self.of_grads)

    def check_params(self, fun: Fun, is_meant: bool) -> None:
        """The function with other static parameters, if it takes them; a rule may refuse those that are not meant."""
        if takes(fun, self.points):
            with contextlib.nullcontext() if is_meant else _unless_refused():
                self._check_first(fun, stacked(self.points), self.points[0])


def bound(op: Callable[..., Any], params: dict[str, Any]) -> Fun:
    """`op` with static parameters filled in, under its name."""
    if not params:
        return op
    fun = functools.partial(op, **params)
    fun.__name__ = name_of(op)  # type: ignore[attr-defined]  # a partial has no name, but takes one
    return fun


def declared_modes(op: Primitive) -> Sequence[str]:
    """The modes in which an operation has rules."""
    if op.vjps is None:
        return MODES
    return [*(["fwd"] if op.jvp is not None else []), *(["rev"] if op.forward is not None or op.vjps != () else [])]


def other_params(op: Any, params: dict[str, Any]) -> Iterator[tuple[dict[str, Any], bool]]:
    """The static parameters with one of them changed: of those passed, and of an operation's own defaults.

    With each whether that is surely a value of this parameter: an axis is also made none, one or a tuple of them.
    """
    declared: list[inspect.Parameter] = []
    if isinstance(op, Primitive):
        signature = inspect.signature(op if hasattr(op, "__signature__") else op.eval)
        declared = [p for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY and p.default is not p.empty]
    defaults = {p.name: p.default for p in declared}
    for name, value in {**defaults, **params}.items():
        for other in _others(value):
            yield {**params, name: other}, True
        for other in AXES if name == "axis" else ():
            if other != value:
                yield {**params, name: other}, False


def _cut(n: int, length: int, x: Any) -> Any:
    """`x` with its axes of length `n` cut to another."""
    return x[tuple([slice(length if m == n else m) for m in x.shape])]


AXES = (None, 0, -1, (0,), (-1, 0))
"""What a parameter `axis` may be."""


def _others(value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    return [1.5 * value] if isinstance(value, float) else []


def _arrays(tree: Any) -> Any:
    """`tree` with arrays in place of numbers, of the library of the arrays in it."""
    like = next((x for x in flatten(tree)[0] if is_array(x)), None)
    return tree_map(lambda x: asarray(x, like) if isinstance(x, (bool, int, float, complex)) else x, tree)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Loops are no matter here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PerformanceWarning)
        yield


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Neither are numbers that are none."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _unless_refused() -> Iterator[None]:
    """What was not asked for may fail, but not give another result."""
    try:
        yield
    except AssertionError:
        raise
    except Exception:
        return
