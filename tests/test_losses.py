"""The losses against PyTorch's, where it is installed, and what they refuse."""

import numpy as np
import pytest

from vmapcore import grad, vmap
from vmapcore.errors import ArgumentError, DTypeError, IndexingError, ShapeError
from vmapcore.rules import activations as A
from vmapcore.rules import losses as L

RNG = np.random.default_rng(0)
X = RNG.standard_normal((5, 7)) * 3
T = np.array([0, 3, -100, 6, 3])
P = RNG.dirichlet(np.ones(7), 5)
W = RNG.uniform(0.5, 2, 7)
PIXELS, LABELS = RNG.standard_normal((2, 7, 3, 4)), RNG.integers(0, 7, (2, 3, 4))

CASES = [
    *[(name, (X,), {}) for name in ("relu", "leaky_relu", "elu", "sigmoid", "silu", "gelu", "logsigmoid")],
    ("gelu", (X,), {"approximate": "tanh"}),
    ("softplus", (X,), {"beta": 0.5}),
    ("softmax", (X,), {"dim": 1}),
    ("log_softmax", (X,), {"dim": 0}),
    *[
        (name, (X, P), {"reduction": reduction})
        for name in ("mse_loss", "l1_loss", "huber_loss", "binary_cross_entropy_with_logits")
        for reduction in ("mean", "sum", "none")
    ],
    ("huber_loss", (X, P), {"delta": 0.3}),
    ("binary_cross_entropy_with_logits", (X, P), {"weight": W, "pos_weight": 2 * W}),
    *[
        (name, (X, T), {"weight": weight, "reduction": reduction})
        for name in ("nll_loss", "cross_entropy")
        for weight in (None, W)
        for reduction in ("mean", "sum", "none")
    ],
    ("nll_loss", (X, T), {"ignore_index": 3}),
    *[("cross_entropy", (X, target), {"weight": W, "label_smoothing": 0.1}) for target in (T, P)],
    *[("cross_entropy", (X, P), {"reduction": reduction}) for reduction in ("mean", "sum", "none")],
    ("cross_entropy", (PIXELS, LABELS), {"weight": W}),
    ("cross_entropy", (X[0], P[0]), {}),
    ("cross_entropy", (X[0], T[1]), {}),
]


@pytest.mark.parametrize(("name", "args", "options"), CASES)
def test_torch_agrees(name, args, options):
    torch = pytest.importorskip("torch")
    ours = getattr(A, name, None) or getattr(L, name)
    theirs = getattr(torch.nn.functional, name)
    if name == "nll_loss" and options.get("ignore_index", -100) != -100:
        args = (args[0], np.where(args[1] < 0, 3, args[1]))
    x = torch.tensor(args[0], requires_grad=True)
    rest = [torch.tensor(a) for a in args[1:]]
    expected = theirs(x, *rest, **{k: torch.tensor(v) if hasattr(v, "shape") else v for k, v in options.items()})
    factors = RNG.standard_normal(expected.shape)
    (expected * torch.tensor(factors)).sum().backward()
    np.testing.assert_allclose(ours(*args, **options), expected.detach().numpy(), rtol=1e-12, atol=1e-14)
    gradient = grad(lambda v: np.sum(factors * ours(v, *args[1:], **options)))(args[0])
    np.testing.assert_allclose(gradient, x.grad.numpy(), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("wrong", [7, -1, -99])
def test_a_target_that_is_no_class_is_refused(wrong):
    targets = np.array([0, 1, wrong])
    for loss in (L.nll_loss, L.cross_entropy):
        with pytest.raises(IndexingError, match=rf"a target is {wrong}; there are 7 classes"):
            loss(X[:3], targets)
        with pytest.raises(IndexingError, match=rf"a target is {wrong}"):
            vmap(grad(loss))(X[:3], targets)


def test_what_losses_refuse():
    with pytest.raises(
        ShapeError, match=r"mse_loss: input is f64\[5,1\] and target f64\[5\]; they must have one shape"
    ):
        L.mse_loss(X[:, :1], X[:, 0])
    with pytest.raises(ShapeError, match=r"the target must have shape \(5,\)"):
        L.cross_entropy(X, T[:3])
    with pytest.raises(DTypeError, match="must hold integers"):
        L.nll_loss(X, T.astype(float))
    with pytest.raises(ShapeError, match="are probabilities, one for each score"):
        L.cross_entropy(X, T.astype(float))
    with pytest.raises(ShapeError, match="it needs an axis of classes"):
        L.nll_loss(1.0, 0)
    with pytest.raises(ArgumentError, match="reduction is 'avg'; it must be 'mean', 'sum' or 'none'"):
        L.mse_loss(X, X, reduction="avg")
    with pytest.raises(ArgumentError, match="label_smoothing is 2"):
        L.cross_entropy(X, T, label_smoothing=2)
    with pytest.raises(ArgumentError, match="approximate is 'fast'"):
        A.gelu(X, "fast")
