"""Words of other libraries and typos: every door says what it has and what is meant, and runs nothing."""

import copy
import inspect
import pickle
import re
from typing import Any

import numpy as np
import pytest

import vmapcore as vc
from vmapcore import errors, nn, words
from vmapcore.pytree import flatten

TRANSFORMS = [vc.vmap, vc.grad, vc.value_and_grad, vc.vjp, vc.jvp, vc.jacrev, vc.jacfwd, vc.hessian, vc.jit, vc.trace]
MODULES = [k for k in vars(nn).values() if isinstance(k, type) and issubclass(k, nn.Module) and k is not nn.Module]
DOORS = [*TRANSFORMS, *MODULES]
each_door = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)


def fails(message, error=errors.ArgumentError):
    return pytest.raises(error, match=re.escape(message))


def keywords(door):
    known = [p for p in inspect.signature(door).parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return [p.name for p in known]


@each_door
def test_a_keyword_that_is_not_known(door):
    names = keywords(door)
    there = f"it has {', '.join(names)}." if names else "it has none."
    with fails(f"{door.__name__}: there is no parameter 'zzz'; {there}"):
        door(zzz=1)


@each_door
def test_a_keyword_that_is_misspelt(door):
    for name in keywords(door):
        if len(name) > 3:
            with fails(f"Write {name}."):
                door(**{name[:-2] + name[-1] + name[-2]: 1} if name[-1] != name[-2] else {name + "_": 1})


@each_door
def test_a_word_of_another_library(door):
    names = keywords(door)
    for theirs, ours in words.OURS.items():
        if ours in names and theirs not in names:
            with fails(f"there is no parameter '{theirs}'; it has {', '.join(names)}. Write {ours}."):
                door(**{theirs: 1})
    for theirs, remedy in words.INSTEAD.items():
        if theirs in names:  # of another door
            continue
        with fails(f"{remedy}."):
            door(**{theirs: 1})


def test_our_words_are_somewhere():
    known = {name for door in DOORS for name in keywords(door)}
    assert set(words.OURS.values()) <= known
    assert not known & {*words.INSTEAD, *words.OURS} - {"axis", "chunk_size", "holomorphic"}


def test_what_a_module_of_a_users_own_takes():
    class Block(nn.Module):
        width: Any
        depth: Any = 2

    class Deep(Block):
        def __init__(self, depth, **options):
            super().__init__(depth=depth, **options)

    with fails("Block: there is no parameter 'widht'; it has width, depth. Write width."):
        Block(widht=3)
    with fails("Deep: there is no parameter 'widht'; it has width, depth. Write width."):
        Deep(2, widht=3)
    assert Deep(2, width=3).depth == 2
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'width'"):
        Block()


def test_a_list_of_models_is_no_function():
    nets = [nn.Linear(3, 2, rng=i) for i in range(4)]
    for door in (vc.vmap, vc.grad, vc.jit):
        for models in (nets, tuple(nets)):
            with fails(
                f"{door.__name__}: argument 'fun' is {type(models).__name__}; it must be callable. Stack the mod"
            ):
                door(models)
    with fails("vmap: argument 'fun' is list; it must be callable."):
        vc.vmap([1])


@pytest.mark.parametrize("elsewhere", ["forward", "construct"])
def test_a_module_with_forward(elsewhere):
    net = type("Net", (nn.Module,), {elsewhere: lambda self, x: x})()
    with fails(f"Net: it has no __call__; a module says there what it computes. Call it __call__, not {elsewhere}."):
        net(1)


# vmap of an Ensemble could mean member i on xs[i], or every member on each x: so it is asked.


@pytest.mark.parametrize("count", [1, 4, 7])
def test_vmap_of_an_ensemble(count):
    ensemble = nn.Ensemble([nn.Linear(3, 2, rng=i) for i in range(4)])
    xs = np.random.default_rng(0).standard_normal((count, 3)).astype(np.float32)
    for axes in (0, (0,), (None,)):
        with fails("vmap: argument 'fun' is Ensemble, whose own call is a vmap. Call it: ensemble(xs, in_axes=0) runs"):
            vc.vmap(ensemble, in_axes=axes)(xs)
    pairs = vc.vmap(lambda x: ensemble(x))(xs)
    assert pairs.shape == (count, 4, 2)
    for i, x in enumerate(xs):
        for j, net in enumerate(ensemble.members):
            np.testing.assert_allclose(pairs[i, j], net(x), rtol=1e-5)
    np.testing.assert_allclose(np.moveaxis(ensemble(xs), 0, 1), pairs, rtol=1e-5)


def test_an_ensemble_inside_other_transforms():
    ensemble = nn.Ensemble([nn.Linear(3, 2, rng=i) for i in range(4)])
    xs = np.ones((4, 3), np.float32)
    np.testing.assert_allclose(vc.jit(ensemble)(xs), ensemble(xs), rtol=1e-5)
    g = vc.vmap(lambda e, x: vc.grad(lambda e: np.sum(e(x)))(e), in_axes=(None, 0))(ensemble, xs)
    assert [x.shape for x in flatten(g)[0]] == [(4, 4, 2, 3), (4, 4, 2)]


def test_methods_of_other_libraries():
    net = nn.Linear(2, 2, rng=0)
    for name, remedy in words.METHODS.items():
        with fails(f"Linear.{name}: is neither field nor method. {remedy}.", errors.MissingAttributeError):
            getattr(net, name)
        assert not hasattr(nn.Adam(), name)
    with fails("Linear.wieght: is neither field nor method.", AttributeError):
        _ = net.wieght


def test_a_field_that_was_not_assigned():
    class Net(nn.Module):
        one: Any
        two: Any

        def __init__(self):
            self.one = np.ones(2)

    for use in (flatten, repr, nn.named_parameters, vc.grad(lambda net: np.sum(net.one))):
        with fails("Net.two: is a field that __init__ has not assigned.", AttributeError):
            use(Net())


def test_modules_are_copied_and_pickled():
    net = nn.Sequential(nn.Linear(2, 2, rng=0), nn.BatchNorm(2))
    for other in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert all(np.array_equal(a, b) for a, b in zip(flatten(net)[0], flatten(other)[0], strict=True))


def test_parameters_of_a_function_that_are_misspelt():
    def f(left, right):
        return left * right

    with fails("static_argnames has 'rihgt', but the function has no such parameter. Write right."):
        vc.jit(f, static_argnames="rihgt")
    with fails("in_axes names 'lfet'; the arguments are left, right. Write left.", errors.StructureError):
        vc.vmap(f, in_axes={"left": 0, "right": 0, "lfet": 0})(np.ones(2), np.ones(2))


def test_attributes_that_arrays_have_elsewhere():
    for name, remedy in words.OF_ARRAYS.items():
        assert not hasattr(np.ndarray, name)
        for transform in (vc.vmap, vc.grad, vc.jit):
            seen = []
            transform(lambda x, name=name, seen=seen: seen.append(hasattr(x, name)) or x.sum())(np.ones(2))
            assert seen == [False]
            with fails(f"x.{name}: NumPy's arrays have no such attribute. {remedy}.", errors.MissingAttributeError):
                transform(lambda x, name=name: getattr(x, name)())(np.ones(2))


@pytest.mark.parametrize("module", [vc, nn])
def test_names_that_are_elsewhere_in_other_libraries(module):
    for name, remedy in {**words.NAMES[module.__name__], "vampire": ""}.items():
        said = f"{module.__name__}.{name}: there is no such name." + (f" {remedy}." if remedy else "")
        assert not hasattr(module, name)
        with fails(said, AttributeError):
            getattr(module, name)
        with fails(said, ImportError):
            exec(f"from {module.__name__} import {name}")
    with fails("there is no such name. Write", ImportError):
        exec(f"from {module.__name__} import {module.__all__[-1]}s")


def test_what_a_remedy_names_is_there():
    for remedy in {*words.METHODS.values(), *words.INSTEAD.values(), *words.OF_ARRAYS.values()}.union(
        *[names.values() for names in words.NAMES.values()]
    ):
        for path in re.findall(r"\b(?:np|nn|vmapcore)(?:\.\w+)+", remedy):
            found = {"np": np, "nn": nn, "vmapcore": vc}[path.partition(".")[0]]
            for name in path.split(".")[1:]:
                found = getattr(found, name)


def test_arguments_are_for_what_a_transform_returns():
    with fails(
        "vmap(sum): in_axes has the entry array([1., 1.]); each entry must be an int or None. Arguments are for"
    ):
        vc.vmap(np.sum, np.ones(2))


def test_a_keyword_of_a_method_that_is_not_known():
    with pytest.raises(TypeError, match=r"np.sum\(\) got an unexpected keyword argument 'dim'"):
        vc.vmap(lambda x: x.sum(dim=0))(np.ones((2, 2)))
