"""What cannot be done right says so: the call, the argument with its shape, what is allowed, what to do instead."""

import contextlib
import copy
import inspect
import math
import operator

import numpy as np
import pytest

import vmapcore
from tests.own_names import grad, jacfwd, jacrev, jit, jvp, value_and_grad, vjp, vmap
from vmapcore import errors
from vmapcore.core import PRIMITIVES, primitive
from vmapcore.errors import (
    ArgumentError,
    AxisError,
    ConcretizationError,
    DTypeError,
    LeakedTracerError,
    MissingRuleError,
    MutationError,
    ShapeError,
    StructureError,
    VmapcoreError,
)
from vmapcore.testing import assert_same

A = np.arange(12.0).reshape(3, 4)
V = np.arange(3.0)


def fails(kind, text):
    """Expects an error of `kind` whose message contains `text`."""
    return pytest.raises(kind, match="(?s)" + "".join("\\" + c if c in r".^$*+?{}[]\|()" else c for c in text))


@pytest.fixture
def lonely():
    """A primitive without rules."""

    @primitive
    def lonely(xp, x):
        """The same."""
        return x + 0

    yield lonely
    del PRIMITIVES["lonely"]


def loss(w, x):
    return np.sum(w * x)


# Kinds of errors.


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (ShapeError, ValueError),
        (AxisError, ValueError),
        (AxisError, IndexError),
        (StructureError, ValueError),
        (ArgumentError, TypeError),
        (DTypeError, TypeError),
        (errors.IndexingError, IndexError),
        (ConcretizationError, TypeError),
        (LeakedTracerError, RuntimeError),
        (MutationError, ValueError),
        (MissingRuleError, NotImplementedError),
        (errors.MissingAttributeError, AttributeError),
        (errors.EndlessRuleError, RecursionError),
    ],
)
def test_every_error_is_also_a_builtin_one(kind, builtin):
    assert issubclass(kind, VmapcoreError)
    assert issubclass(kind, builtin)


def test_a_message_is_built_from_its_parts():
    assert str(ShapeError("f", "it is", "it must", "Do so")) == "f: it is; it must. Do so."
    assert str(ShapeError("f", "it is", "", "Do so")) == "f: it is. Do so."
    assert str(ShapeError("f", "it is")) == "f: it is."


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.ones((3, 4), np.float32), "f32[3,4]"),
        (np.zeros((), np.complex128), "c128[]"),
        (np.zeros(2, bool), "bool[2]"),
        (np.zeros(2, np.uint8), "u8[2]"),
        (np.float64(1), "f64[]"),
        (3, "int 3"),
        ("q", "str 'q'"),
        ([1], "list"),
        (None, "NoneType"),
    ],
)
def test_values_are_described(value, text):
    assert errors.describe(value) == text


# The way into vmap.


def test_sizes_differ():
    with fails(
        ShapeError,
        "vmap(loss): mapped axes differ in size: argument 'w' has 3 on axis 0, argument 'x' has 5 on axis 0.",
    ):
        vmap(loss)(A, np.ones((5, 4)))


def test_sizes_differ_by_path_and_axis():
    with fails(
        ShapeError, "argument 'w['a'][0]' has 3 on axis 0, argument 'x['img']' has 4 on axis -1. Give None in in_axes"
    ):
        vmap(lambda w, x: 0, in_axes=(0, -1))({"a": (A, A)}, {"img": A})


def test_axis_size_differs():
    with fails(ShapeError, "vmap(loss): axis_size is 7, but argument 'w' has 3 on axis 0."):
        vmap(loss, axis_size=7)(A, A)


@pytest.mark.parametrize("size", [-1, 2.0, "3", True])
def test_bad_axis_size(size):
    with fails(ArgumentError, f"vmap: axis_size is {size!r}; it must be an int >= 0 or None."):
        vmap(loss, axis_size=size)


@pytest.mark.parametrize(("axis", "low", "high"), [(2, -2, 2), (-3, -2, 2)])
def test_axis_out_of_range(axis, low, high):
    with fails(
        AxisError, f"argument 'x' is f64[3,4], so axis {axis} is out of range; expected {low} <= axis < {high}."
    ):
        vmap(loss, in_axes=(None, axis))(A, A)


def test_axis_of_a_scalar():
    with fails(AxisError, "argument 'x' is f64[], which has no axis to map. Give it None in in_axes."):
        vmap(loss)(A, np.float64(2))


@pytest.mark.parametrize("value", [2.0, 3, "text", len])
def test_axis_of_what_is_no_array(value):
    with fails(ArgumentError, "vmap(loss): argument 'x' is") as caught:
        vmap(loss)(A, value)
    assert "Give it None in in_axes" in str(caught.value)
    assert errors.describe(value) in str(caught.value)


def test_list_where_an_array_is_meant():
    """A list is a container of arguments; its numbers cannot be mapped."""
    with fails(ArgumentError, "argument 'x[0]' is float 1.0, which has no axis 0 to map"):
        vmap(lambda x: np.sin(x))([1.0, 2.0])


@pytest.mark.parametrize("in_axes", [(0,), (0, 0, 0), [0], ()])
def test_in_axes_length(in_axes):
    with fails(StructureError, f"in_axes has {len(in_axes)} entries for 2 positional arguments"):
        vmap(loss, in_axes)(A, A)


@pytest.mark.parametrize(
    ("in_axes", "argument"),
    [
        (({"a": 0}, 0), {"b": A}),
        (({"a": 0}, 0), A),
        (((0, 0), 0), (A, A, A)),
        (((0, 0), 0), [A, A]),
        (({"a": 0, "b": 0}, 0), {"a": A}),
    ],
)
def test_in_axes_is_no_prefix(in_axes, argument):
    with fails(StructureError, "is not a prefix of argument 'w'"):
        vmap(loss, in_axes)(argument, A)


@pytest.mark.parametrize("entry", ["q", 0.0, True, "sum", np.float64(0)])
def test_in_axes_entry(entry):
    with fails(ArgumentError, f"vmap(loss): in_axes has the entry {entry!r}; each entry must be an int or None"):
        vmap(loss, (0, entry))


@pytest.mark.parametrize("in_axes", [None, ...])
def test_in_axes_type(in_axes):
    with pytest.raises(ArgumentError, match="in_axes"):
        vmap(loss, in_axes)


def test_in_axes_none_says_how():
    with fails(ArgumentError, "Write in_axes=(None,) for one unmapped argument"):
        vmap(loss, None)


def test_nothing_is_mapped():
    with fails(ShapeError, "no argument is mapped, so the batch has no size. Map an argument, or pass axis_size."):
        vmap(loss, in_axes=(None, None))(A, A)


def test_no_arguments():
    with fails(ShapeError, "no argument is mapped, so the batch has no size"):
        vmap(lambda: 1.0)()


def test_keywords_with_a_tuple():
    with fails(StructureError, "keyword argument 'x' has no entry in in_axes, which is a tuple") as caught:
        vmap(loss, in_axes=(0,))(A, x=A)
    assert "Name the arguments: in_axes={'w': 0, 'x': 0}" in str(caught.value)


def test_names_missing_and_unknown():
    with fails(
        StructureError,
        "argument 'x' has no entry in in_axes; a dict needs one for every argument passed. Add 'x': None",
    ):
        vmap(loss, in_axes={"w": 0})(A, A)
    with fails(StructureError, "in_axes names 'y'; the arguments are w, x"):
        vmap(loss, in_axes={"w": 0, "x": 0, "y": 0})(A, A)


@pytest.mark.parametrize("transform", [vmap, grad, value_and_grad, jacrev, jacfwd])
def test_not_callable(transform):
    with fails(ArgumentError, f"{transform.__name__}: argument 'fun' is int 3; it must be callable."):
        transform(3)


@pytest.mark.parametrize("run", [lambda: vjp(3, A), lambda: jvp(3, (A,), (A,))])
def test_not_callable_at_once(run):
    with fails(ArgumentError, "argument 'fun' is int 3; it must be callable."):
        run()


def test_wrong_number_of_arguments_is_pythons_error():
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        vmap(loss)(A)


def test_names_of_variable_arguments():
    def f(x, *rest, scale, **more):
        return x

    with fails(ShapeError, "argument 'x' has 3 on axis 0, argument 'args[1]' has 4 on axis 0"):
        vmap(f)(A, A.T, scale=A)
    with fails(ShapeError, "argument 'x' has 3 on axis 0, argument 'more' has 4 on axis 0"):
        vmap(f)(A, A, scale=A, more=A.T)


# The way out of vmap.


def test_mapped_result_with_none():
    with fails(
        ShapeError, "vmap(<lambda>): result['p'] is f64[4] for each of 3 examples, but its out_axes is None"
    ) as caught:
        vmap(lambda x: {"p": x, "q": 1.0}, out_axes=None)(A)
    assert "Give an axis, 'sum' or 'mean'" in str(caught.value)


@pytest.mark.parametrize("out_axes", [(0, 0, 0), {"a": 0}, (0, (0, 0))])
def test_out_axes_is_no_prefix(out_axes):
    with fails(StructureError, "is not a prefix of the result"):
        vmap(lambda x: (x, x), out_axes=out_axes)(A)


@pytest.mark.parametrize("axis", [2, -3, 5])
@pytest.mark.parametrize("result", [lambda x: x, lambda x: np.ones(4)])
def test_out_axis_out_of_range(axis, result):
    with fails(AxisError, f"has 2 axes with the batch, so out_axes {axis} is out of range; expected -2 <= axis < 2."):
        vmap(result, out_axes=axis)(A)


@pytest.mark.parametrize("entry", ["q", 1.5, False])
def test_out_axes_entry(entry):
    with fails(
        ArgumentError, f"out_axes has the entry {entry!r}; each entry must be an int or None or 'sum' or 'mean'"
    ):
        vmap(loss, out_axes=entry)


@pytest.mark.parametrize("value", ["hi", len, object])
def test_result_that_is_no_array(value):
    with fails(ArgumentError, "which has no batch axis; results must be arrays or numbers. Give it None in out_axes."):
        vmap(lambda x: (x, value))(A)


# One Python value of many.


def test_a_traced_index_into_a_plain_array():
    with fails(ConcretizationError, "a BatchedTensor i64[] of vmap(<lambda>) is not an ordinary array") as caught:
        vmap(lambda i: V[i])(np.arange(3))
    assert "vmapcore.numpy.take(x, i, axis)" in str(caught.value)


@pytest.mark.parametrize(
    "use",
    [
        bool,
        lambda x: 1 if x > 0 else 2,
        lambda x: x > 0 and x,
        lambda x: not x,
        lambda x: 0 < x < 1,
        lambda x: max(x, 0.0),
        lambda x: sorted([x, x + 1]),
        lambda x: x in [1.0, 2.0],
        lambda x: any([x > 1]),
    ],
)
def test_branches_on_batched_values(use):
    with fails(ConcretizationError, "of vmap(") as caught:
        vmap(lambda x: use(x))(V)
    assert "it has 3 of them" in str(caught.value)
    assert "np.where(" in str(caught.value)


@pytest.mark.parametrize(
    "use",
    [
        int,
        float,
        complex,
        math.sin,
        round,
        "{:.2f}".format,
        operator.methodcaller("item"),
        operator.methodcaller("tolist"),
    ],
)
def test_numbers_of_batched_values(use):
    with fails(ConcretizationError, "a BatchedTensor f64[] of vmap(<lambda>) is not") as caught:
        vmap(lambda x: use(x))(V)
    assert "it has 3 of them, at test_errors.py:" in str(caught.value)
    assert "np.where" not in str(caught.value)


@pytest.mark.parametrize("use", [range, lambda i: [10, 20, 30][i], operator.index, lambda i: "abc"[i:]])
def test_indices_of_batched_values(use):
    with fails(ConcretizationError, "index: a BatchedTensor i64[] of vmap(<lambda>) is not one int"):
        vmap(lambda i: use(i))(np.arange(3))


@pytest.mark.parametrize(
    "use",
    [
        np.asarray,
        np.array,
        lambda x: np.array([x, x]),
        lambda x: np.asarray([x, 1.0]),
        lambda x: np.ones(3) @ np.asarray(x),
    ],
)
@pytest.mark.parametrize("transform", [vmap, grad, lambda f: lambda x: jvp(f, (x,), (x,))])
def test_plain_arrays_of_tracers(use, transform):
    with fails(ConcretizationError, "np.asarray, np.array or the like: a ") as caught:
        transform(lambda x: use(x))(V)
    assert "np.stack(list) for a list of traced values" in str(caught.value)


@pytest.mark.parametrize("use", [float, math.exp, operator.methodcaller("item"), operator.methodcaller("tolist")])
@pytest.mark.parametrize("transform", [grad, lambda f: lambda x: jvp(f, (x,), (x,))])
def test_numbers_of_differentiated_values(use, transform):
    """They would silently lose the derivative."""
    with fails(ConcretizationError, "stop_gradient") as caught:
        transform(lambda x: x * use(x))(np.float64(2))
    assert "without losing its derivative" in str(caught.value)


def test_text_of_tracers():
    """Without a format it says what it is; with one it needs one number, whose derivative no text can lose."""
    assert vmap(lambda x: f"{x}" and x)(V) is not None
    with fails(
        ConcretizationError, "format: a BatchedTensor f64[] of vmap(<lambda>) is not one text: it has 3 of them"
    ):
        vmap(lambda x: f"{x:.3f}")(V)
    texts = []
    grad(lambda x: texts.append(f"{x:.2f}") or x)(2.0)
    jvp(lambda x: texts.append(f"{x:.2f}") or x, (2.0,), (1.0,))
    assert texts == ["2.00", "2.00"]


# What arrays of memory have.


def test_attributes_of_memory():
    seen = []

    def f(x):
        for name in set(dir(np.ndarray)) - {"mT", "to_device"}:  # no matrix, and no device
            if not name.startswith("__") and not hasattr(x, name):
                with fails(
                    errors.MissingAttributeError, f"x.{name}: a BatchedTensor has no bytes in memory of its own"
                ):
                    getattr(x, name)
                seen.append(name)
        with pytest.raises(AttributeError, match="'BatchedTensor' object has no attribute 'nope'"):
            x.nope  # noqa: B018
        return x

    vmap(f)(A)
    assert {"strides", "tobytes", "resize"} <= set(seen)


# Shapes that depend on values.


@pytest.mark.parametrize(
    ("use", "kind", "text"),
    [
        (lambda x: x[x > 0], errors.IndexingError, "the mask bool[4] differs between the examples"),
        (lambda x: x[: x[0].astype(int)], errors.IndexingError, "its length might differ too"),
        (np.nonzero, ConcretizationError, "np.nonzero: the length of its result differs between the examples"),
        (np.unique, ConcretizationError, "np.unique: the length of its result differs between the examples"),
        (lambda x: np.repeat(x, x.astype(int)), ArgumentError, "it must be known, for the shape of the result"),
        (lambda x: np.zeros(int(x[0])), ConcretizationError, "is not one int"),
        (lambda x: x.reshape(x[0].astype(int), -1), ConcretizationError, "is not one int"),
    ],
)
def test_shapes_that_depend_on_values(use, kind, text):
    with fails(kind, text):
        vmap(use)(A)


# Writes.


TRANSFORMS = {
    "vmap": (vmap, "vmap(fill) into a plain array, at test_errors.py", "the values of all examples"),
    "grad": (lambda f: lambda x: grad(f)(x[0]), "grad(fill) into", "a derivative"),
    "jvp": (lambda f: lambda x: jvp(f, (x[0],), (x[0],)), "jvp(fill) into", "a derivative"),
    "jit": (lambda f: lambda x: jit(f)(x[0]), "jit(fill) into", "the values of other calls"),
    "jit of vmap": (lambda f: jit(vmap(f)), "vmap(fill) into", "the values of all examples"),
    "jit of grad": (lambda f: lambda x: jit(grad(f))(x[0]), "grad(fill) into", "a derivative"),
    "vmap of grad": (lambda f: vmap(grad(f)), "grad(fill) into", "a derivative"),
}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("dtype", [float, np.float32, complex])
def test_write_of_a_tracer_into_a_plain_array(name, dtype):
    """NumPy asks it for a number, and puts its own error in the place of ours."""
    transform, what, place = TRANSFORMS[name]

    def fill(x):
        z = np.zeros(3, dtype)
        z[0] = x
        return z

    with fails(ConcretizationError, f"x[i] = v: writes a traced f64[] of {what}") as caught:
        transform(fill)(V)
    line = inspect.getsourcelines(fill)[1] + 2
    assert f"test_errors.py:{line} in fill; a plain array has no place for {place}. Make the" in str(caught.value)
    for remedy in ("vmapcore.numpy.zeros", "np.stack", "vmapcore.at(x)[i].set(v)"):
        assert remedy in str(caught.value)
    assert (line, "fill") in [(entry.lineno + 1, entry.name) for entry in caught.traceback]


@pytest.mark.parametrize("transform", [vmap, lambda f: lambda x: jit(f)(x[0])])
def test_writes_of_traced_ints_and_bools_into_plain_arrays(transform):
    def write(x, value, index=0):
        z = np.zeros(3, np.asarray(V).dtype if index is x else value.dtype)
        z[index] = value
        return z

    with fails(ConcretizationError, "x[i] = v: writes a traced i64[] of"):
        transform(lambda x: write(x, x))(np.arange(3))
    with fails(ConcretizationError, "x[i] = v: writes a traced bool[] of"):
        transform(lambda x: write(x, x > 1))(V)
    with fails(ConcretizationError, "x[i] = v: has a traced i64[] of"):
        transform(lambda x: write(x, 1.0, x))(np.arange(3))


def test_what_to_write_instead():
    for fill in (
        lambda x: vmapcore.at(np.zeros(3))[1].set(x),
        lambda x: np.stack([0.0, x, 0.0]),
        lambda x: operator.setitem(z := vmapcore.numpy.zeros(3), 1, x) or z,
    ):
        assert_same(vmap(fill)(V), np.diag(V) @ np.ones((3, 1)) * [0.0, 1.0, 0.0])
        assert_same(jit(fill)(V[1]), np.array([0.0, 1.0, 0.0]))


def test_write_of_traced_rows_into_a_plain_array():
    def fill(x):
        z = np.zeros((2, 4))
        z[0] = x
        return z

    for transform in (vmap, lambda f: lambda x: grad(f)(x[0]), lambda f: lambda x: jit(f)(x[0])):
        with fails(ConcretizationError, "x[i] = v: writes a traced f64[4] of "):
            transform(fill)(A)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_in_place_operation_on_a_plain_array(name):
    transform, what, place = TRANSFORMS[name]

    def fill(x):
        z = np.zeros(3)
        z += x
        return z

    with fails(MutationError, f"np.add: writes a traced f64[3] of {what}") as caught:
        transform(fill)(V)
    line = inspect.getsourcelines(fill)[1] + 2
    assert f"test_errors.py:{line} in fill; a plain array has no place for {place}." in str(caught.value)
    assert "vmapcore.numpy.zeros" in str(caught.value)
    assert "np.zeros_like" in str(caught.value)


def test_out_that_is_a_plain_array():
    with fails(MutationError, "np.add: writes a traced f64[4] of vmap("):
        vmap(lambda x: np.add(x, 1.0, out=np.zeros(4)))(A)


def test_out_of_what_has_no_derivative_may_be_a_plain_array():
    def positive(x):
        mask = np.zeros(3, bool)
        np.greater(x, 0, out=mask)
        return np.sum(x * mask)

    assert_same(grad(positive)(V), np.array([0.0, 1.0, 1.0]))


# What C code hides.


def test_errors_of_others_stay_what_they_are():
    """Also after the transform has refused something, and where the user handles that."""

    def f(x):
        with contextlib.suppress(TypeError):
            np.zeros(x)
        return np.zeros("three")

    for transform in (vmap, lambda f: lambda x: jit(f)(x[0])):
        with pytest.raises(TypeError) as caught:
            transform(f)(np.arange(3))
        assert not isinstance(caught.value, VmapcoreError)
    with pytest.raises(ZeroDivisionError):
        vmap(lambda x: 1 // 0)(V)
    with pytest.raises(ValueError, match="setting an array element with a sequence"):
        vmap(lambda x: operator.setitem(np.zeros(3), 0, [1.0, 2.0]))(V)


def test_asked_inside_functions_of_numpy():
    """The line is the user's own."""
    with fails(ConcretizationError, "index: a BatchedTensor i64[] of vmap(<lambda>) is not one int") as caught:
        vmap(lambda n: np.full(n, 1.0))(np.arange(3))
    assert "3 of them, at test_errors.py:" in str(caught.value)
    assert "must be the same for all examples" in str(caught.value)


@pytest.mark.parametrize("inner", [vmap, grad, lambda f: lambda x: jvp(f, (x,), (x,))[1]])
@pytest.mark.parametrize("use", [float, np.asarray, np.unique, lambda x: range(x.astype(int))])
def test_inner_transforms_of_a_recording_name_the_line(inner, use):
    x = V if inner is vmap else V[0]
    with fails(ConcretizationError, " at test_errors.py:"):
        jit(inner(lambda x: use(x) and x))(x)


@pytest.mark.parametrize("use", [bool, int, float, np.asarray])
def test_leaked_tracers_have_no_value(use):
    for transform, x in ((vmap, V), (jit, V)):
        kept = []
        transform(lambda x: kept.append(x[..., None]) or x)(x)
        with fails(LeakedTracerError, "was used after it returned"):
            use(kept[0])


# Numbers rounded.


def test_round_is_that_of_numpys_scalars():
    x = np.array([2.567, -1.25, 0.5])
    assert_same(vmap(lambda x: round(x, 1))(x), np.round(x, 1))
    assert_same(jit(lambda x: round(x, 1))(x[0]), round(x[0], 1))
    assert_same(grad(lambda x: round(x, 1) + x)(2.0), np.float64(1.0))
    assert_same(vmap(lambda n: round(n, -1))(np.array([14, 25])), np.array([10, 20]))
    assert jit(lambda x: x * round(vmapcore.numpy.full((), 2.5)))(3.0) == 6.0
    for transform in (vmap, lambda f: lambda x: jit(f)(x[0])):
        with fails(ConcretizationError, "Use round(x, 0) or np.rint(x)"):
            transform(lambda x: round(x))(x)
    with fails(ArgumentError, "round: the array is f64[4]; only a 0-d array has it. Use np.round."):
        vmap(lambda x: round(x, 1))(A)


def test_write_into_the_array_of_an_outer_transform():
    def outer(x):
        def inner(y):
            x[0] = y
            return y

        return vmap(inner)(V)

    with fails(MutationError, "writes a value of vmap(inner) into an array of the outer vmap(outer)"):
        vmap(outer)(A)


# Leaks.


def test_leaked_tracers():
    for transform, point in ((vmap, V), (grad, 1.0), (lambda f: lambda x: jvp(f, (x,), (x,)), 1.0)):
        kept = []

        def keep(x):
            kept.append(x * 2)
            return x

        transform(keep)(point)
        for use in (lambda x: x + 1, np.sin, np.sum, lambda x: np.stack([x]), lambda x: x[...], copy.copy):
            with fails(LeakedTracerError, "(keep): a value traced by it was used after it returned. Return the value"):
                use(kept[0])


def test_leaked_results():
    kept = []
    vmap(lambda x: kept.append(x) or x)(V)
    rows = []
    vmap(lambda x: rows.append(x) or x)(A)
    with fails(LeakedTracerError, "was used after it returned"):
        vmap(lambda x: kept[0])(V)
    with fails(LeakedTracerError, "was used after it returned"):
        grad(lambda x: kept[0])(1.0)
    with fails(LeakedTracerError, "was used after it returned"):
        jvp(lambda x: kept[0], (1.0,), (1.0,))
    with fails(LeakedTracerError, "was used after it returned"):
        vmap(np.sin)(rows[0])


def test_leaked_closures_and_generators():
    closure = []
    vmap(lambda x: closure.append(lambda: x + 1) or x)(V)
    with fails(LeakedTracerError, "was used after it returned"):
        closure[0]()

    def lazy(x):
        return (x + i for i in range(3))

    with pytest.raises(VmapcoreError):
        list(vmap(lazy, out_axes=None)(V))
    generators = []
    vmap(lambda x: generators.append(x + i for i in range(3)) or x)(V)
    with fails(LeakedTracerError, "was used after it returned"):
        next(generators[0])


def test_a_leaked_tracer_has_a_repr():
    kept = []
    vmap(lambda x: kept.append(x) or x)(V)
    assert "BatchedTensor(f64[]" in repr(kept[0])


# Derivatives.


def test_gradient_of_what_is_no_scalar():
    with fails(
        ShapeError,
        "grad(sin): the function returned f64[3]; a gradient needs a scalar. Use vjp or jacrev, or sum the result.",
    ):
        grad(np.sin)(V)


@pytest.mark.parametrize("result", [lambda x: np.argmax(x), lambda x: np.sum(x) > 0, lambda x: np.sum(x * 1j)])
def test_gradient_of_what_is_no_float(result):
    with fails(DTypeError, "a gradient needs a real float"):
        grad(result)(V)


@pytest.mark.parametrize("result", [lambda x: "text", lambda x: None, lambda x: (np.sum(x), x), lambda x: [np.sum(x)]])
def test_gradient_of_what_is_no_array(result):
    with fails(
        ArgumentError, "it must return one real number. Return (value, aux) and pass has_aux=True for further results."
    ):
        grad(result)(V)


@pytest.mark.parametrize("transform", [grad, value_and_grad, jacrev, jacfwd])
def test_derivative_by_an_integer(transform):
    with fails(
        DTypeError,
        "argument 'w' is i64[3]; only floats and complex numbers can be differentiated. Convert it with astype(float)",
    ):
        transform(loss)(np.arange(3), V)
    with fails(ArgumentError, "argument 'w['k']' is str 'text'; only arrays of floats"):
        transform(lambda w: w)({"k": "text"})
    with fails(ArgumentError, "argument 'w' is int 2; only arrays of floats"):
        transform(loss)(2, V)


def test_argnums():
    with fails(
        ArgumentError,
        "grad(loss): argnums has 2, but 2 positional arguments were passed. Pass what is differentiated by position.",
    ):
        grad(loss, 2)(V, V)
    with fails(ArgumentError, "argnums (0, -2) names an argument twice"):
        grad(loss, (0, -2))(V, V)
    with fails(ArgumentError, "argnums is '0'; it must be an int or a tuple of ints"):
        grad(loss, "0")(V, V)
    with fails(ArgumentError, "argnums has 0, but 0 positional arguments were passed"):
        grad(loss)(w=V, x=V)


def test_has_aux():
    with fails(StructureError, "has_aux=True, but the function returned f64[]; it must return a pair (out, aux)."):
        grad(np.sum, has_aux=True)(V)


def test_cotangents():
    _, pullback = vjp(lambda x: (x, np.sum(x)), V)
    with fails(ShapeError, "pullback of vjp(<lambda>): a cotangent is f64[2]; its result is f64[3]."):
        pullback((np.ones(2), np.ones(())))
    with fails(StructureError, "the cotangent has structure"):
        pullback(np.ones(3))


def test_tangents():
    with fails(StructureError, "jvp(sin): tangents have structure"):
        jvp(np.sin, (V,), (V, V))
    with fails(ShapeError, "a tangent is f64[2]; its primal is f64[3]"):
        jvp(np.sin, (V,), (np.ones(2),))
    with fails(DTypeError, "is i64[3]; only floats"):
        jvp(np.sin, (np.arange(3),), (V,))
    with fails(DTypeError, "a tangent is c128[3]; its primal is f64[3]"):
        jvp(np.sin, (V,), (V * 1j,))


def test_complex_jacobians():
    with fails(DTypeError, "holomorphic=True"):
        jacrev(np.sin)(V * 1j)
    with fails(DTypeError, "holomorphic=True"):
        jacfwd(np.sin)(V * 1j)


@pytest.mark.parametrize("size", [0, -1, 1.5])
def test_chunk_size(size):
    with fails(ArgumentError, f"jacrev: chunk_size is {size}; it must be an int >= 1 or None"):
        jacrev(np.sin, chunk_size=size)


# Rules.


def test_functions_without_a_rule():
    for function in (np.unwrap, np.i0):
        if function.__name__ in {name.split(".")[-1] for name in vmapcore.supported()}:
            continue
        with fails(MissingRuleError, f"np.{function.__name__}: has no vmapcore rule") as caught:
            vmap(function)(A)
        assert f"@vmapcore.implements(np.{function.__name__})" in str(caught.value)


def test_methods_of_ufuncs_without_a_rule():
    with fails(MissingRuleError, "np.arctan2.reduceat: has no derivative"):
        jvp(lambda x: np.arctan2.reduceat(x, [0, 2]), (A,), (A,))


def test_options_of_ufuncs():
    with fails(
        ArgumentError, "np.add: got where= without out= on a tracer; what lies outside the mask would be undefined."
    ):
        vmap(lambda x: np.add(x, x, where=x > 0))(A)


def test_primitives_without_a_rule(lonely):
    with fails(
        MissingRuleError, "vmap(lonely): primitive 'lonely' has no vmap rule. Declare one with lonely.def_vmap."
    ):
        vmap(lonely)(A)
    with fails(MissingRuleError, "primitive 'lonely' has no vjp rule. Declare one with lonely.def_vjp."):
        grad(lambda x: np.sum(lonely(x)))(V)
    lonely.def_vjp(lambda g, out, x: g)
    with fails(MissingRuleError, "primitive 'lonely' has no jvp rule. Declare one with lonely.def_jvp."):
        jvp(lonely, (V,), (V,))


def test_primitive_without_xp():
    with fails(ArgumentError, "primitive(f): its first parameter is not xp"):

        @primitive
        def f(x):
            return x


def test_implements_twice():
    with fails(ArgumentError, "np.sum is already implemented"):
        vmapcore.implements(np.sum)(lambda x: x)


# As in NumPy, for one example.


@pytest.mark.parametrize(
    ("wrong", "builtin"),
    [
        (lambda x: x + np.ones(5), ValueError),
        (lambda x: x @ np.ones(5), ValueError),
        (lambda x: np.sum(x, axis=1), np.exceptions.AxisError),
        (lambda x: x.reshape(5), ValueError),
        (lambda x: np.concatenate([x, np.ones((2, 2))]), ValueError),
        (lambda x: x[7], IndexError),
        (lambda x: x[0, 0], IndexError),
        (lambda x: np.transpose(x, (0, 1)), ValueError),
        (lambda x: np.expand_dims(x, 5), np.exceptions.AxisError),
        (lambda x: len(x[0]), TypeError),
        (lambda x: list(x[0]), TypeError),
        (lambda x: x.nope, AttributeError),
        (lambda x: x << 1.5, TypeError),
    ],
)
def test_what_numpy_refuses(wrong, builtin):
    """With an error of the same built-in kind, though the batch would have made room for some of it."""
    with pytest.raises(builtin):
        wrong(A[0])
    kinds = tuple(k for k in (ValueError, IndexError, TypeError, AttributeError) if issubclass(builtin, k))
    for transform in (vmap, lambda f: lambda x: vmap(vmap(f))(x[None]), lambda f: lambda x: jvp(f, (x[0],), (x[0],))):
        with pytest.raises(kinds):
            transform(wrong)(A)


def test_the_line_is_the_users_and_not_scipys():
    linalg = pytest.importorskip("scipy.linalg")
    for transform in (vmap, lambda f: grad(lambda x: np.sum(f(x)))):
        with pytest.raises(ConcretizationError, match=r"at test_errors\.py:\d+ in <lambda>"):
            transform(lambda x: linalg.schur(x)[0])(np.ones((2, 3, 3)))
