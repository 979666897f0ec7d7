"""Checks of a program: two functions, one by transforms and one by definition, as source, and how they are compared."""

import functools
import warnings
from dataclasses import dataclass

import numpy as np

from vmapcore import grad, jit, jvp, vmap
from vmapcore.errors import MutationError, ZeroGradientWarning
from vmapcore.testing import vmap_loop
from vmapcore.testing.compare import aliases, assert_close, assert_like

from . import reference
from .noise import SAMPLES, bound, coarsest, in_other_precision, noisy, strict

CALLS = 10

REFUSALS = ("into a plain array", "To index a plain array")


@dataclass(frozen=True)
class Check:
    """`actual` must equal `expected`, in the axes of `depth` vmaps; both are source in terms of `f`."""

    actual: str
    expected: str
    depth: int = 0
    derivative: bool = False
    smooth: bool = False

    @property
    def replays(self):
        """Whether it is called often, with other data and layouts."""
        return self.actual.startswith("jit(")


GRAD, FORWARD = "grad(scalar(f), argnums)", "along(f, argnums)"
CURVED = "grad(slope(f, argnums), argnums)"
AXES, INNER = "in_axes, out_axes", "inner_axes, inner_out_axes"
LOOP = f"vmap_loop(f, {AXES})"
NESTED = f"vmap(vmap(f, {INNER}), {AXES})"
LOOPS = f"vmap_loop(vmap_loop(f, {INNER}), {AXES})"
CHECKS = (
    Check("jit(f)", "f"),
    Check(f"vmap(f, {AXES})", LOOP, 1),
    Check(f"jit(vmap(f, {AXES}))", LOOP, 1),
    Check(NESTED, LOOPS, 2),
    Check(f"jit({NESTED})", LOOPS, 2),
    Check("product(f, argnums)", "transposed(f, argnums)", 0, True),
    Check(FORWARD, "differences(f, argnums)", 0, True, True),
    Check(f"vmap({GRAD}, in_axes)", f"vmap_loop({GRAD}, in_axes)", 1, True),
    Check("gradient_of_batch(f, in_axes, argnums)", "sum_of_gradients(f, in_axes, argnums)", 1, True),
    Check(f"vmap({FORWARD}, in_axes)", f"vmap_loop({FORWARD}, in_axes)", 1, True),
    Check(f"jit({GRAD})", GRAD, 0, True),
    Check(f"jit(vmap({GRAD}, in_axes))", f"vmap_loop({GRAD}, in_axes)", 1, True),
    Check(f"jit({FORWARD})", FORWARD, 0, True),
    Check("jit(gradient_of_batch(f, in_axes, argnums))", "sum_of_gradients(f, in_axes, argnums)", 1, True),
    Check(f"along({GRAD}, argnums)", CURVED, 0, True),
    Check(f"along({GRAD}, argnums)", f"differences({GRAD}, argnums)", 0, True, True),
    Check(f"vmap({CURVED}, in_axes)", f"vmap_loop({CURVED}, in_axes)", 1, True),
    Check(f"jit({CURVED})", CURVED, 0, True),
)


class WrongError(AssertionError):
    """Two functions differ."""


class SkippedError(Exception):
    """Nothing can be said, for the reason given."""


def scope(program, fun):
    """What the source of a check can name."""
    names = {name: getattr(reference, name) for name in dir(reference) if name[0] != "_"}
    names |= {"jit": jit, "vmap": vmap, "grad": grad, "jvp": jvp, "vmap_loop": vmap_loop, "f": fun}
    return names | axes(program)


def axes(program):
    """The axes of the vmaps, and which arguments are differentiated by."""
    return {
        "in_axes": tuple([x.axis for x in program.inputs]),
        "out_axes": tuple([r.axis for r in program.results]),
        "inner_axes": tuple([x.inner for x in program.inputs]),
        "inner_out_axes": tuple([r.inner for r in program.results]),
        "argnums": program.moving(),
    }


def applies(check, program):
    """Whether the program is one for the check."""
    if check.derivative and not program.moving():
        return False
    if not check.smooth:
        return True
    return program.smooth and all(x.dtype not in ("f4", "c8") for x in program.inputs) and "f4" not in program.source


def run(check, program, later=()):
    """Raises WrongError if the two differ, SkippedError where nothing can be said.

    `later` are layouts of the arguments of later calls.
    """
    known = scope(program, program.fun)
    actual = eval(check.actual, known)
    answers = {}
    earlier = []
    for call in range(CALLS if check.replays else 1):
        data = (0, 1, 1, 2, 1, 0, 0, 2, 1, 2)[call]
        layouts = later if later and call in (3, 4, 8) else None
        if (data, layouts) not in answers:
            answers[data, layouts] = Answer(check, program, data, layouts)
        args = program.arguments(data, check.depth, layouts)
        before = [x.tobytes() for x in args]
        try:
            results = quietly(actual, args)
        except Exception as error:
            if refused(error):
                raise SkippedError("refused in words") from error
            raise WrongError(f"call {call + 1} raises {type(error).__name__}: {error}") from error
        found = reference.leaves(results)
        answers[data, layouts].compare(found, f"call {call + 1}: result")
        if [x.tobytes() for x in args] != before:
            raise WrongError(f"call {call + 1} wrote to an argument")
        if check.replays:
            apart([*args, *earlier], found, call)
            earlier = [*earlier, *found][-12:]
    if any(answer.chaotic for answer in answers.values()):
        raise SkippedError("chaotic")


def refused(error):
    """Whether it is what no transform can do: a write into memory that may be shared or not, or into a plain array, or
    to index one, of which nothing is told."""
    return isinstance(error, MutationError) or any(words in str(error) for words in REFUSALS)


def apart(others, found, call):
    """Results of jit share no memory, and can be written to: which is done, for later calls to notice."""
    shared = aliases(others, found)
    if shared:
        raise WrongError(f"call {call + 1}: {min(shared)}")
    for y in found:
        if isinstance(y, np.ndarray):
            if not y.flags.writeable:
                raise WrongError(f"call {call + 1}: a result cannot be written to")
            y[...] = 3


class Answer:
    """The right results of a check for one set of arguments. How far off others may be is found where some are."""

    def __init__(self, check, program, data, layouts):
        self.check, self.program = check, program
        self.place = data, check.depth, layouts
        self.chaotic = False
        self.expected = self._run(check.expected, program.fun)

    def _run(self, source, fun, program=None):
        program = program or self.program
        try:
            return reference.leaves(quietly(eval(source, scope(program, fun)), program.arguments(*self.place)))
        except Exception as error:
            if refused(error):
                raise SkippedError("refused in words") from error
            numbers = isinstance(error, np.linalg.LinAlgError)  # of a matrix that other data made singular
            if self.check.derivative and not self.check.smooth and not numbers:
                raise WrongError(f"{self.check.expected} raises {type(error).__name__}: {error}") from error
            raise SkippedError(f"NumPy raises {type(error).__name__}") from error

    def compare(self, found, what):
        """Raises WrongError if results differ by more than roundings on the way explain."""
        try:
            compare(found, self.expected, [strict(e) for e in self.expected], what)
        except WrongError:
            bounds = self.bounds
            self.chaotic |= any(map(np.isnan, bounds))
            compare(found, self.expected, bounds, what)

    @functools.cached_property
    def bounds(self):
        """For each result how far another may be away, NaN where nothing can be said."""
        if self.check.smooth:
            half = self.check.expected[: self.check.expected.rindex(")")] + f", {reference.STEP / 2})"
            return [rough(e, x) for e, x in zip(self.expected, self._run(half, self.program.fun), strict=True)]
        samples = [self._run(self.check.expected, noisy(self.program, seed)) for seed in range(SAMPLES)]
        least = coarsest(self.program) if self.check.derivative else 0.0
        other, ratio = in_other_precision(self.program)
        others = self._run(self.check.expected, other.fun, other)
        apart = [distance(e, o) / ratio for e, o in zip(self.expected, others, strict=True)]
        return [bound(e, [s[i] for s in samples], least, apart[i]) for i, e in enumerate(self.expected)]


def distance(x, y):
    """The largest difference of two arrays of numbers."""
    with np.errstate(all="ignore"):
        return float(np.max(np.abs(np.subtract(x, y, dtype=np.result_type(x, y, "f4"))), initial=0))


def rough(e, other):
    """How far a derivative may be from differences with two steps."""
    largest = max(np.max(np.abs(e), initial=0), 1.0)
    found = 20 * np.max(np.abs(e - other), initial=0) + 1e-7 * largest
    return found if found < 1e-2 * largest else np.nan


def quietly(fun, args):
    """A call without NumPy's warnings; any other warning is an error."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        warnings.simplefilter("ignore", ZeroGradientWarning)
        return fun(*[x.copy() if fun is None else x for x in args])


def compare(found, expected, bounds, what):
    """Raises if results differ in number, shape, dtype or value."""
    if len(found) != len(expected):
        raise WrongError(f"{what}s are {len(found)}, not {len(expected)}")
    for i, (a, e, b) in enumerate(zip(found, expected, bounds, strict=True)):
        try:
            a, e = native(a), native(e)
            assert_like(a, e, f"{what} {i}")
            if not np.isnan(b):
                assert_close(a, e, f"{what} {i}", b)
        except AssertionError as error:
            raise WrongError(str(error)) from None


def native(x):
    """An array in this machine's order of bytes."""
    x = np.asarray(x)
    return x.astype(x.dtype.newbyteorder("="), copy=False)
