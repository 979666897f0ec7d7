"""Models as values: state by name, stacking, layers against their formulas, optimisers against theirs."""

import dataclasses
import re

import numpy as np
import pytest

import vmapcore as vc
import vmapcore.nn.functional as F
from vmapcore import errors, nn
from vmapcore.pytree import flatten, tree_map

pytestmark = pytest.mark.tiny_deep


class Small(nn.Module):
    fc: nn.Linear
    norm: nn.BatchNorm
    rest: tuple
    rate: float = nn.static(default=0.5)

    def __init__(self, rng=None):
        rng = np.random.default_rng(rng)
        self.fc = nn.Linear(3, 4, rng=rng)
        self.norm = nn.BatchNorm(4)
        self.rest = (nn.Linear(4, 2, rng=rng, bias=False), nn.ReLU())

    def __call__(self, x):
        x = self.norm(self.fc(x))
        for layer in self.rest:
            x = layer(x)
        return x * self.rate


NAMES = ["fc.weight", "fc.bias", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var", "rest.0.weight"]


def test_state_by_name():
    net = Small(0)
    assert list(net.state_dict()) == NAMES
    assert list(nn.named_buffers(net)) == NAMES[4:6]
    assert list(nn.named_parameters(net)) == NAMES[:4] + NAMES[6:]
    other = nn.load_state_dict(Small(1), net.state_dict())
    x = np.ones((5, 3), np.float32)
    assert np.array_equal(other(x), net(x))
    assert not np.array_equal(Small(1)(x), net(x))


def test_state_errors():
    net = Small(0)
    state = net.state_dict()
    with pytest.raises(errors.StructureError, match=re.escape("load_state_dict(Small): 'fc.weight' is missing")):
        nn.load_state_dict(net, {k: v for k, v in state.items() if k != "fc.weight"})
    with pytest.raises(errors.StructureError, match=r"'fc\.wait' is not a name of the model"):
        nn.load_state_dict(net, {**state, "fc.wait": 1})
    with pytest.raises(errors.ShapeError, match=re.escape("'fc.bias' is f64[7]; the model has f32[4]")):
        nn.load_state_dict(net, {**state, "fc.bias": np.ones(7)})


def test_models_are_values():
    net = Small(0)
    with pytest.raises(errors.MutationError, match="models are values"):
        net.fc = None
    with pytest.raises(errors.MutationError, match="is not a declared field"):
        net.other = 1
    new = nn.replace(net, {"fc": None})
    assert new.fc is None and net.fc is not None
    leaves = flatten(net)[0]
    assert len(leaves) == 7  # the absent bias is none
    doubled = tree_map(lambda x: 2 * x, net)
    assert np.array_equal(doubled.fc.weight, 2 * net.fc.weight) and doubled.rate == 0.5
    assert "fc=Linear(weight=f32[4,3]" in repr(net)


def test_stack_and_unstack_are_inverse():
    nets = [Small(i) for i in range(3)]
    big = nn.stack(nets)
    assert {x.shape[0] for x in big.state_dict().values()} == {3}
    for net, back in zip(nets, nn.unstack(big), strict=True):
        for a, b in zip(net.state_dict().values(), back.state_dict().values(), strict=True):
            assert np.array_equal(a, b) and not np.shares_memory(a, b)


def test_stack_errors():
    with pytest.raises(errors.StructureError, match=re.escape("stack: got no models")):
        nn.stack([])
    with pytest.raises(errors.StructureError, match="model 1 is a Linear; model 0 is a Small"):
        nn.stack([Small(0), nn.Linear(2, 2)])
    message = "'weight' of model 1 is f32[2,3]; that of model 0 is f32[2,2]"
    with pytest.raises(errors.ShapeError, match=re.escape(message)):
        nn.stack([nn.Linear(2, 2), nn.Linear(3, 2)])
    with pytest.raises(errors.StructureError, match="differs in structure"):
        nn.stack([nn.MaxPool2d(2), nn.MaxPool2d(3)])
    with pytest.raises(errors.ShapeError, match="the model must come from stack"):
        nn.unstack(Small(0))


def test_functional_call_of_a_skeleton():
    net, x = Small(0), np.ones((5, 3), np.float32)
    base = nn.skeleton(net)
    assert all(not hasattr(leaf, "__array__") for leaf in flatten(base)[0])
    state = (nn.named_parameters(net), nn.named_buffers(net))
    assert np.array_equal(nn.functional_call(base, state, (x,)), net(x))
    assert np.array_equal(nn.functional_call(base, net.state_dict(), x), net(x))
    message = "functional_call(Small): 'norm.running_mean' is missing"
    with pytest.raises(errors.StructureError, match=re.escape(message)):
        nn.functional_call(base, nn.named_parameters(net), (x,))
    partly = nn.functional_call(net, {"fc.bias": np.zeros(4, np.float32)}, (x,))
    assert not np.array_equal(partly, net(x))


def test_ensemble_is_its_members():
    ens = nn.Ensemble.init(Small, 3, rng=0)
    x = np.random.default_rng(1).standard_normal((3, 5, 3)).astype(np.float32)
    assert len(ens) == 3
    for i, net in enumerate(ens.members):
        assert np.allclose(ens(x[0])[i], net(x[0]), atol=1e-6)
        assert np.allclose(ens(x, in_axes=0)[i], net(x[i]), atol=1e-6)
    assert np.allclose(ens.mean(x[0]), ens(x[0]).mean(0))
    g = vc.grad(lambda e: np.sum(e(x[0]) ** 2))(ens)
    alone = vc.grad(lambda n: np.sum(n(x[0]) ** 2))(ens[1])
    assert np.allclose(g.stacked.fc.weight[1], alone.fc.weight, rtol=1e-4, atol=1e-5)
    with pytest.raises(errors.ArgumentError, match="count is 0"):
        nn.Ensemble.init(Small, 0)


def test_combine_state_for_ensemble():
    nets = [Small(i) for i in range(4)]
    fmodel, params, buffers = nn.combine_state_for_ensemble(nets)
    x = np.ones((5, 3), np.float32)
    assert [p.shape[0] for p in params] == [4] * 5 and [b.shape[0] for b in buffers] == [4] * 2
    out = vc.vmap(fmodel, in_axes=(0, 0, None))(params, buffers, x)
    assert np.allclose(out, np.stack([net(x) for net in nets]), atol=1e-6)


def test_batch_norm_state_goes_in_and_comes_out():
    x = np.random.default_rng(0).standard_normal((8, 3, 2, 2))
    norm = nn.BatchNorm(3, dtype=np.float64)
    y, new = norm.train_call(x)
    assert np.allclose(y.mean((0, 2, 3)), 0) and np.allclose(y.var((0, 2, 3)), 1, atol=1e-4)
    assert np.allclose(new.running_mean, 0.1 * x.mean((0, 2, 3)))
    assert np.allclose(new.running_var, 0.9 + 0.1 * x.var((0, 2, 3), ddof=1))
    assert np.array_equal(norm.running_mean, np.zeros(3))
    ys, news = vc.vmap(lambda n, x: n.train_call(x), in_axes=(None, 0))(norm, np.stack([x, 2 * x]))
    assert np.allclose(ys[0], y) and np.allclose(news.running_mean[1], 0.2 * x.mean((0, 2, 3)))
    with pytest.raises(errors.ShapeError, match="two values per channel"):
        norm.train_call(np.ones((1, 3)))


def test_layers_compute_their_formulas():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 4))
    assert np.allclose(nn.LayerNorm(4, dtype=np.float64)(x).mean(-1), 0)
    lin = nn.Linear(4, 3, rng=0, dtype=np.float64)
    assert np.allclose(lin(x), x @ lin.weight.T + lin.bias)
    net = nn.Sequential(lin, nn.Tanh(), nn.Softmax())
    assert np.allclose(net(x).sum(-1), 1) and len(net) == 3 and net[0] is lin
    assert np.allclose(nn.LogSoftmax()(x), np.log(nn.Softmax()(x)))
    table = nn.Embedding(5, 2, rng=0)
    assert np.array_equal(table(np.array([3, 0])), table.weight[[3, 0]])
    assert np.array_equal(F.one_hot(np.array([2]), 3), [[0, 0, 1]])
    assert nn.Flatten()(np.ones((2, 3, 4))).shape == (2, 12) and nn.Identity()(x) is x
    assert nn.Conv1d(4, 2, 1, rng=0)(np.ones((1, 4, 6), np.float32)).shape == (1, 2, 6)
    assert np.allclose(nn.AvgPool2d(2)(np.ones((1, 1, 4, 4))), 1)
    with pytest.raises(errors.ShapeError, match="groups=2 does not divide"):
        nn.Conv2d(3, 4, 3, groups=2)
    with pytest.raises(errors.ShapeError, match=re.escape("linear: x is f64[2,4] and weight f64[3,5]")):
        F.linear(x, np.ones((3, 5)))


@pytest.mark.parametrize(
    "name, variance",
    [
        ("he_normal", 2 / 288),
        ("he_uniform", 2 / 288),
        ("xavier_normal", 2 / 864),
        ("xavier_uniform", 2 / 864),
        ("torch_default", 1 / 288 / 3),
        ("normal", 1e-4),
    ],
)
def test_initialisers_have_their_variance(name, variance):
    weight = getattr(nn.init, name)()(np.random.default_rng(0), (64, 32, 3, 3), np.float32)
    assert weight.dtype == np.float32
    assert abs(weight.var() / variance - 1) < 0.05 and abs(weight.mean()) < 0.1 * np.sqrt(variance)


def reference_adam(p, gs, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False, decoupled=False):
    """Adam as its papers write it, one array."""
    m = v = top = np.zeros_like(p)
    for t, g in enumerate(gs, 1):
        if decoupled:
            p = p - lr * weight_decay * p
        else:
            g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        top = np.maximum(top, v)
        mhat, vhat = m / (1 - betas[0] ** t), (top if amsgrad else v) / (1 - betas[1] ** t)
        p = p - lr * mhat / (np.sqrt(vhat) + eps)
    return p


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("decoupled", [False, True])
def test_adam(decoupled, amsgrad):
    rng = np.random.default_rng(0)
    p, gs = rng.standard_normal(5), rng.standard_normal((6, 5))
    opt = (nn.AdamW if decoupled else nn.Adam)(lr=0.1, weight_decay=0.2, amsgrad=amsgrad)
    params, state = {"w": p, "name": "kept"}, opt.init({"w": p, "name": "kept"})
    for g in gs:
        params, state = opt.step(params, {"w": g, "name": "kept"}, state)
    assert np.allclose(params["w"], reference_adam(p, gs, 0.1, weight_decay=0.2, amsgrad=amsgrad, decoupled=decoupled))
    assert params["name"] == "kept" and int(state.count) == 6


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd(nesterov):
    rng = np.random.default_rng(0)
    p, gs = rng.standard_normal(5), rng.standard_normal((4, 5))
    opt = nn.SGD(lr=0.1, momentum=0.9, dampening=0.0 if nesterov else 0.5, weight_decay=0.1, nesterov=nesterov)
    params, state = p, opt.init(p)
    expected, m = p, None
    for g in gs:
        params, state = opt.step(params, g, state)
        g = g + 0.1 * expected
        m = g if m is None else 0.9 * m + (1 if nesterov else 0.5) * g
        expected = expected - 0.1 * (g + 0.9 * m if nesterov else m)
    assert np.allclose(params, expected)
    plain, _ = nn.SGD(lr=0.1).step(p, gs[0], nn.SGD(lr=0.1).init(p))
    assert np.allclose(plain, p - 0.1 * gs[0])


RATES = np.array([0.1, 0.2, 0.3])


@pytest.mark.parametrize("opt", [nn.Adam(RATES), nn.SGD(RATES, momentum=0.9)])
def test_hyper_parameters_per_member(opt):
    """On stacked parameters directly, under vmap, and one by one: the same."""
    rng = np.random.default_rng(0)
    p, g = rng.standard_normal((3, 4)).astype(np.float32), rng.standard_normal((3, 4)).astype(np.float32)
    stacked, _ = opt.step(*opt.step(p, g, opt.init(p))[:1], g, opt.step(p, g, opt.init(p))[1])

    def two_steps(opt, p, g):
        p, state = opt.step(p, g, opt.init(p))
        return opt.step(p, g, state)[0]

    mapped = vc.vmap(two_steps, in_axes=(nn.axes_of(opt), 0, 0))(opt, p, g)
    alone = [two_steps(nn.replace(opt, {"lr": float(lr)}), p[i], g[i]) for i, lr in enumerate(opt.lr)]
    assert stacked.dtype == mapped.dtype == np.float32
    assert np.allclose(stacked, alone, atol=1e-6) and np.allclose(mapped, alone, atol=1e-6)


def test_optimiser_errors():
    opt = nn.SGD()
    with pytest.raises(errors.ArgumentError, match=r"SGD\.step: grads have structure"):
        opt.step({"a": 1.0}, {"b": 1.0}, opt.init({"a": 1.0}))


def test_weights_of_torch_load_by_name():
    torch = pytest.importorskip("torch")

    class Theirs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = torch.nn.Conv2d(1, 32, 3, 1)
            self.conv2 = torch.nn.Conv2d(32, 64, 3, 1)
            self.fc1 = torch.nn.Linear(9216, 128)
            self.fc2 = torch.nn.Linear(128, 10)

        def forward(self, x):
            x = torch.relu(self.conv2(torch.relu(self.conv1(x))))
            x = torch.flatten(torch.max_pool2d(x, 2), 1)
            return torch.log_softmax(self.fc2(torch.relu(self.fc1(x))), 1)

    theirs = Theirs()
    ours = nn.load_state_dict(nn.SimpleCNN(), theirs.state_dict())
    x = np.random.default_rng(0).standard_normal((2, 1, 28, 28)).astype(np.float32)
    with torch.no_grad():
        assert np.allclose(ours(x), theirs(torch.from_numpy(x)).numpy(), atol=1e-4)


def test_a_sequential_of_torch_loads_and_trains_alike():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 3)
    ).double()
    ours = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    ours = nn.load_state_dict(tree_map(lambda x: x.astype(np.float64), ours), theirs.state_dict())
    x, y = np.random.default_rng(0).standard_normal((6, 1, 8, 8)), np.arange(6) % 3
    opt, their_opt = nn.AdamW(0.01, weight_decay=0.3), torch.optim.AdamW(theirs.parameters(), 0.01, weight_decay=0.3)

    def loss(net):
        out, net = net.train_call(x)
        return F.cross_entropy(out, y), net

    state = opt.init(ours)
    for _ in range(3):
        g, moved = vc.grad(loss, has_aux=True)(ours)
        ours, state = opt.step(moved, g, state)
        their_opt.zero_grad()
        torch.nn.functional.cross_entropy(theirs(torch.from_numpy(x)), torch.from_numpy(y)).backward()
        their_opt.step()
    for name, value in ours.state_dict().items():
        assert np.allclose(value, theirs.state_dict()[name].numpy(), rtol=1e-7, atol=1e-8), name
    with pytest.raises(errors.ArgumentError, match=r"'0\.weight' is Parameter; Can't call numpy"):
        nn.load_state_dict(ours, {**theirs.state_dict(), **dict(theirs.named_parameters())})


@pytest.mark.parametrize("net", [Small(0), nn.Adam(), nn.Sequential(nn.ReLU()), nn.ReLU(), nn.Ensemble([Small(0)])])
def test_replace_knows_the_fields(net):
    """Of any module; a name that is none is an error, and nothing is made."""
    fields = {f.name: getattr(net, f.name) for f in dataclasses.fields(net)}
    assert vars(nn.replace(net, fields)) == fields
    for name in ("learning_rate", "stride", "", 3, *[f + "s" for f in fields]):
        with pytest.raises(errors.ArgumentError, match=f"replace.{type(net).__name__}.: there is no field {name!r}"):
            nn.replace(net, {**fields, name: 1.0})


def test_replace_says_what_is_meant():
    with pytest.raises(errors.ArgumentError, match=r"it has lr, betas, eps, weight_decay, amsgrad\. Write lr\."):
        nn.replace(nn.Adam(), {"learning_rate": 1.0})
    with pytest.raises(errors.ArgumentError, match=r"Write weight_decay\."):
        nn.replace(nn.Adam(), {"weight_deacy": 1.0})
    for given in ((Small(0), [1]), ({"fc": 1}, {"fc": 2})):
        with pytest.raises(errors.ArgumentError, match="it takes a module and a dict by field"):
            nn.replace(*given)
