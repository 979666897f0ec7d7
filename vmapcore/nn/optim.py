"""Optimisers as pure functions: `state = opt.init(params)`, then `params, state = opt.step(params, grads, state)`.

Parameters are the arrays of floats that are no buffers; all else a step leaves as it is, whatever its gradient. Decay
and momentum move a parameter without a gradient too: to freeze a part of a model, train the other part alone.
An optimiser is a pytree of its hyper-parameters. Where one is an array of a value per member, and the parameters are
stacked, each member gets its own.
"""

from typing import Any, NamedTuple

import numpy as np

from ..arrays import is_array
from ..errors import ArgumentError, DTypeError, ShapeError, describe
from ..pytree import buffers, flatten, names, tree_map, unflatten
from ..tracer import Tracer, innermost
from .module import Module, static


def axes_of(tree: Any) -> Any:
    """Returns the `in_axes` that map the arrays of one axis or more in `tree` over axis 0, and nothing else.

    Example:
        >>> axes_of({"lr": np.ones(4), "eps": 1e-8})
        {'lr': 0, 'eps': None}
    """
    return tree_map(lambda x: 0 if getattr(x, "ndim", 0) else None, tree)


class _Optimiser(Module):
    """What optimisers share: which leaves they train, and what they ask of arguments and hyper-parameters."""

    def _zeros(self, params: Any) -> list[Any]:
        """Zeros like each parameter, None for what is none."""
        leaves, tree = flatten(params)
        trained = _trained(leaves, tree)
        seen: dict[int, str] = {}
        for x, name, is_trained in zip(leaves, names(tree), trained, strict=True):
            first = seen.setdefault(id(innermost(x)), name)
            if is_trained and first != name:
                fact = f"'{first}' and '{name}' are one array"
                remedy = "Hold it in one place and use it from there, or copy it"
                raise ArgumentError(f"{type(self).__name__}.init", fact, "a step would make them two", remedy)
        return [np.zeros_like(p) if is_trained else None for p, is_trained in zip(leaves, trained, strict=True)]

    def _taken_apart(self, params: Any, grads: Any, state: Any, kind: type) -> tuple[list[Any], list[Any], Any]:
        """The leaves of `params`, the gradient of each that is trained and None of others, and the tree."""
        call = f"{type(self).__name__}.step"
        leaves, tree = flatten(params)
        gradients, grad_tree = flatten(grads)
        if tree != grad_tree:
            raise ArgumentError(call, f"grads have structure {grad_tree}", f"params have {tree}")
        if not isinstance(state, kind) or len(state[1]) != len(leaves):  # type: ignore[index]
            given = f"{describe(state)} of other params" if isinstance(state, kind) else describe(state)
            allowed = f"it must be the {kind.__name__} of these params"
            raise ArgumentError(call, f"state is {given}", allowed, "Call init")
        for i, (p, g, is_trained) in enumerate(zip(leaves, gradients, _trained(leaves, tree), strict=True)):
            if not is_trained:
                gradients[i] = None
                continue
            g = g if hasattr(g, "dtype") else np.asarray(g)
            fits = g.shape == p.shape
            if not fits or not np.can_cast(g.dtype, p.dtype, "same_kind"):
                what = f"the gradient of '{names(tree)[i]}' is {describe(g)}"
                raise (DTypeError if fits else ShapeError)(call, what, f"the parameter is {describe(p)}")
            gradients[i] = g if g.dtype == p.dtype else g.astype(p.dtype)
        return leaves, gradients, tree

    def _of(self, name: str, like: Any, value: Any = None) -> Any:
        """A hyper-parameter as what `like` can be multiplied by: in its dtype, along its leading axis if per member."""
        value = getattr(self, name) if value is None else value
        if isinstance(value, (int, float)) and not isinstance(value, np.generic):
            return value
        call = f"{type(self).__name__}.step"
        if not (is_array(value) or isinstance(value, Tracer)):
            fact = f"{name} is {describe(value)}"
            raise ArgumentError(call, fact, "it must be a number, or an array of one for each member")
        if value.shape != like.shape[: value.ndim]:
            fact = f"{name} is {describe(value)}"
            raise ShapeError(call, fact, f"a parameter is {describe(like)}, without an axis of such members")
        value = value.astype(like.dtype)
        return value.reshape(value.shape + (1,) * (like.ndim - value.ndim)) if value.ndim else value


def _trained(leaves: list[Any], tree: Any) -> list[bool]:
    """Whether each leaf is a parameter: an array of floats or complex numbers, and no buffer."""
    return [
        not is_buffer and (is_array(x) or isinstance(x, Tracer)) and x.dtype.kind in "fc"
        for x, is_buffer in zip(leaves, buffers(tree), strict=True)
    ]


class SGDState(NamedTuple):
    """`count`: steps done; `momentum`: one array per parameter, None where there is none."""

    count: Any
    momentum: Any


class SGD(_Optimiser):
    """Stochastic gradient descent, with momentum, weight decay and Nesterov's step as PyTorch defines them.

    Args:
        lr: the learning rate; a number, or an array of one per member.
        momentum, dampening, weight_decay: likewise.
        nesterov: whether to step along the gradient plus momentum (Sutskever et al., 2013).

    Example:
        >>> opt = SGD(lr=0.1)
        >>> params, state = opt.step({"w": np.ones(2)}, {"w": np.ones(2)}, opt.init({"w": np.ones(2)}))
        >>> params
        {'w': array([0.9, 0.9])}
    """

    lr: Any = 1e-3
    momentum: Any = 0.0
    dampening: Any = 0.0
    weight_decay: Any = 0.0
    nesterov: bool = static(default=False)
    steps_with_momentum: bool = static(default=False)

    def __init__(
        self, lr: Any = 1e-3, momentum: Any = 0.0, dampening: Any = 0.0, weight_decay: Any = 0.0, nesterov: bool = False
    ) -> None:
        self.lr, self.momentum, self.dampening, self.weight_decay = lr, momentum, dampening, weight_decay
        self.nesterov = nesterov
        self.steps_with_momentum = not _is_zero(momentum)

    def init(self, params: Any) -> SGDState:
        """Returns the state before the first step."""
        zeros = self._zeros(params)
        return SGDState(np.zeros((), np.int64), zeros if self.steps_with_momentum else [None] * len(zeros))

    def step(self, params: Any, grads: Any, state: SGDState) -> tuple[Any, SGDState]:
        """Returns the parameters and the state after one step."""
        leaves, gradients, tree = self._taken_apart(params, grads, state, SGDState)
        updated, momentum = [], []
        for p, g, m in zip(leaves, gradients, state.momentum, strict=True):
            if g is not None:
                g = g if _is_zero(self.weight_decay) else g + self._of("weight_decay", p) * p
                if self.steps_with_momentum:
                    g, m = self._accelerate(p, g, m, state.count)
                p = p - self._of("lr", p) * g
            updated.append(p)
            momentum.append(m)
        return unflatten(tree, updated), SGDState(state.count + 1, momentum)

    def _accelerate(self, p: Any, g: Any, m: Any, count: Any) -> tuple[Any, Any]:
        mu = self._of("momentum", p)
        new = mu * m + (1 - self._of("dampening", p)) * g
        if not _is_zero(self.dampening):
            new = np.where(count == 0, g, new)  # the first momentum is the gradient itself
        return (g + mu * new if self.nesterov else new), new


def _is_zero(x: Any) -> bool:
    return isinstance(x, (int, float)) and x == 0


class AdamState(NamedTuple):
    """`count`: steps done; `mean`, `square`, `largest`: one array per parameter (`largest` for AMSGrad alone)."""

    count: Any
    mean: Any
    square: Any
    largest: Any


class Adam(_Optimiser):
    """Adam (Kingma and Ba, 2015), with AMSGrad (Reddi et al., 2018) on request; as PyTorch defines it.

    Args:
        lr: the learning rate; a number, or an array of one per member.
        betas: decay of the running mean and of the running mean square.
        eps: added to the root of the mean square.
        weight_decay: times the parameter, added to the gradient.
        amsgrad: whether to divide by the largest mean square so far.

    Example:
        >>> opt = Adam(lr=0.1)
        >>> params, state = opt.step({"w": np.ones(2)}, {"w": np.ones(2)}, opt.init({"w": np.ones(2)}))
        >>> params["w"].round(6), int(state.count)
        (array([0.9, 0.9]), 1)
    """

    lr: Any = 1e-3
    betas: Any = (0.9, 0.999)
    eps: Any = 1e-8
    weight_decay: Any = 0.0
    amsgrad: bool = static(default=False)

    def init(self, params: Any) -> AdamState:
        """Returns the state before the first step."""
        zeros = self._zeros(params)
        return AdamState(np.zeros((), np.int64), zeros, list(zeros), list(zeros) if self.amsgrad else None)

    def step(self, params: Any, grads: Any, state: AdamState) -> tuple[Any, AdamState]:
        """Returns the parameters and the state after one step."""
        leaves, gradients, tree = self._taken_apart(params, grads, state, AdamState)
        count = state.count + 1
        tops = state.largest if self.amsgrad else [None] * len(leaves)
        results = [
            (p, None, None, None) if g is None else self._update(p, g, m, v, top, count)
            for p, g, m, v, top in zip(leaves, gradients, state.mean, state.square, tops, strict=True)
        ]
        updated, means, squares, largest = ([parts[i] for parts in results] for i in range(4))
        return unflatten(tree, updated), AdamState(count, means, squares, largest if self.amsgrad else None)

    def _update(self, p: Any, g: Any, m: Any, v: Any, top: Any, count: Any) -> tuple[Any, Any, Any, Any]:
        b1, b2 = self._of("betas[0]", p, self.betas[0]), self._of("betas[1]", p, self.betas[1])
        lr = self._of("lr", p)
        p, g = self._decay(p, g, lr)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * (g * np.conjugate(g))
        top = v if top is None else np.maximum(top, v)
        first = 1 - np.power(self.betas[0], count)
        second = np.sqrt(1 - np.power(self.betas[1], count))
        denominator = np.sqrt(top) / self._of("count", p, second) + self._of("eps", p)
        return p - lr / self._of("count", p, first) * (m / denominator), m, v, top

    def _decay(self, p: Any, g: Any, lr: Any) -> tuple[Any, Any]:
        return p, g if _is_zero(self.weight_decay) else g + self._of("weight_decay", p) * p


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019): the parameter shrinks by `lr * weight_decay`.

    Example:
        >>> opt = AdamW(lr=0.1, weight_decay=0.5)
        >>> params, _ = opt.step({"w": np.ones(2)}, {"w": np.zeros(2)}, opt.init({"w": np.ones(2)}))
        >>> params
        {'w': array([0.95, 0.95])}
    """

    weight_decay: Any = 0.01

    def _decay(self, p: Any, g: Any, lr: Any) -> tuple[Any, Any]:
        return p * (1 - lr * self._of("weight_decay", p)), g
