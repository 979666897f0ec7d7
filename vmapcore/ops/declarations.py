"""What the author of an operation declares: how it evaluates, batches and differentiates, each by one method."""

from collections.abc import Sequence
from typing import Any, Self

from ..arrays import LIBRARIES
from ..core import Primitive, Rule
from ..errors import ArgumentError
from ..rules._families import pointwise
from ..rules._work import each
from .guards import guarded
from .kinds import (
    PLAIN,
    Elementwise,
    Gufunc,
    Kind,
    Reduction,
    bilinear_rules,
    elementwise_rules,
    linear_rules,
    reduction_rules,
)
from .signature import Signature
from .specs import as_arrays


class Declarations(Primitive):
    """The rules of a custom operation as their author wrote them, and the methods that declare them."""

    probed = True
    """Whether the function may be run on made-up numbers, to see what its result is like."""

    def __init__(self, evaluate: Rule, signature: Signature, name: str, doc: str | None = None) -> None:
        Primitive.__init__(self, evaluate, name=name, listed=False)
        self.def_facts(work=each, pure=False)
        self.evaluate = guarded(self, evaluate)
        self.signature = signature
        self.__doc__ = doc
        self.own_vmap: Rule | None = None
        self.vmap_kind: Kind | None = None
        self.method: str | None = None  # how an external function takes a batch; None for one by one
        self.declared_loop = False
        self.result: Rule | None = None
        self.vjp_rules: Any = ()
        self.forward_rule: Rule | None = None
        self.jvp_rule: Rule | None = None
        self._by: dict[str, str] = {}  # rule -> what declared it
        self._swift: Primitive | None = None  # the derivative rules of built-in primitives of this kind
        self._reset()

    def _reset(self) -> None:
        """Makes the rules that traces read of what is declared."""

    @property
    def kind(self) -> str | None:
        """How it batches: the name of its kind, "own" for a rule, a `vmap_method`, or None for nothing declared."""
        if self.vmap_kind is not None:
            return self.vmap_kind.name
        if self.own_vmap is not None:
            return "own"
        return self.method or ("loop" if self.declared_loop else None)

    @property
    def by_partials(self) -> bool:
        """Whether its derivative rules are made of the partial derivatives of every result."""
        return self._swift is not None

    @property
    def rules_kind(self) -> Kind:
        """What derivative rules are told about leading axes."""
        return self.vmap_kind or PLAIN

    def _declare(self, by: str, *rules: str, **state: Any) -> Self:
        """Sets the attributes `state`, by which `by` declares these rules; raises if one is declared already."""
        for rule in rules:
            if rule in self._by:
                fact = f"the {rule} rule is already declared, by {self._by[rule]}"
                raise ArgumentError(f"{self.name}.{by}", fact, "", "Keep one")
        self._by.update(dict.fromkeys(rules, by))
        for name, value in state.items():
            setattr(self, name, value)
        self._reset()
        return self

    def def_eval(self, **libraries: Rule) -> Self:
        """Declares what computes the operation on the arrays of a library, in place of its function.

        Law:  op(x) == f(x), for x of the library that f is declared for

        Args:
            **libraries: `numpy=f` or `cupy=f`, with `f(*arrays, **params)`; a compiled function or a raw kernel, say.
                It may return numbers for arrays without axes.

        Returns:
            The operation.

        Example:
            >>> import numpy as np
            >>> from vmapcore import custom_op
            >>> @custom_op
            ... def double(xp, x):
            ...     return x + x
            >>> double.def_eval(numpy=lambda x: np.multiply(x, 2))(np.ones(2))
            array([2., 2.])
        """
        for library, rule in libraries.items():
            call = f"{self.name}.def_eval"
            if library not in LIBRARIES:
                raise ArgumentError(call, f"got {library}=", f"the libraries are {' and '.join(LIBRARIES)}")
            self.signature.check_rule(call, rule, "", f"{library}=")
            self._declare("def_eval", f"{library} eval")
        fun = self.evaluate

        def evaluate(xp: Any, *args: Any, **params: Any) -> Any:
            own = libraries.get(xp.__name__)
            return fun(xp, *args, **params) if own is None else as_arrays(xp, own(*args, **params))

        return self._declare("def_eval", evaluate=guarded(self, evaluate))

    def def_vmap(self, rule: Rule) -> Rule:
        """Declares the batching rule.

        Law:  rule(n, mapped, x)[i] == op(x[i])

        Args:
            rule: `rule(axis_size, mapped, *args, **params)`; `mapped` has for each argument whether it carries the
                batch, on axis 0, a pytree of bools for a pytree. Every result must carry the batch on axis 0.

        Returns:
            The rule, so that this can be used as a decorator.

        Example:
            >>> import numpy as np
            >>> from vmapcore import custom_op, vmap
            >>> @custom_op
            ... def total(xp, x):
            ...     return xp.sum(x)
            >>> @total.def_vmap
            ... def total_vmap(axis_size, mapped, x):
            ...     return np.sum(x.reshape(axis_size, -1), axis=1)
            >>> vmap(total)(np.ones((2, 3)))
            array([3., 3.])
        """
        self.signature.check_rule(f"{self.name}.def_vmap", rule, "axis_size, mapped")
        self._declare("def_vmap", "vmap", own_vmap=guarded(self, rule, "vmap rule"))
        return rule

    def vmap_by_loop(self) -> Self:
        """Declares that a batch runs one by one: no warning, and `strict` allows it.

        Law:  vmap(op)(x) == np.stack([op(row) for row in x])

        Example:
            >>> import numpy as np
            >>> from vmapcore import custom_op, vmap
            >>> @custom_op
            ... def rank(xp, x):
            ...     return xp.asarray(xp.linalg.matrix_rank(x))
            >>> vmap(rank.vmap_by_loop())(np.ones((2, 3, 3)))
            array([1, 1])
        """
        return self._declare("vmap_by_loop", "vmap", declared_loop=True)

    def def_vjp(self, *rules: Rule | None) -> None:
        """Declares the reverse-mode derivative, for one example; under vmap it is vmapped itself.

        Law:  rule(g, out, x) == vjp(op, x)[1](g)[0], with out = op(x)

        Args:
            *rules: for each argument `rule(g, out, *args, **params)`, which returns the cotangent of the argument, of
                its structure, shapes and dtypes; `None` for an argument without gradient.

        Example:
            >>> import numpy as np
            >>> from vmapcore import custom_op, grad
            >>> @custom_op
            ... def softplus(xp, x):
            ...     return xp.logaddexp(x, 0)
            >>> softplus.def_vjp(lambda g, out, x: g * (1 - np.exp(-out)))
            >>> grad(softplus)(0.0)
            np.float64(0.5)
        """
        call = f"{self.name}.def_vjp"
        names = self.signature.arrays
        if not self.signature.variadic and len(rules) != len(names):
            fact = f"the number of rules is {len(rules)}"
            raise ArgumentError(call, fact, f"it needs one for each of {', '.join(names)}", "None is no gradient")
        for i, rule in enumerate(rules):
            if rule is not None:
                self.signature.check_rule(call, rule, "g, out", f"the rule for '{self.signature.name(i)}'")
        self._declare("def_vjp", "vjp", vjp_rules=_or_none([self._guarded(rule, "vjp rule") for rule in rules]))

    def def_vjp_all(self, rule: Rule) -> Rule:
        """Declares `rule(i, g, out, *args, **params)`, the cotangent of argument `i`, for any number of arguments.

        Law:  rule(i, g, out, *args) == vjp(op, *args)[1](g)[i], with out = op(*args)
        """
        self.signature.check_rule(f"{self.name}.def_vjp_all", rule, "i, g, out")
        self._declare("def_vjp_all", "vjp")
        Primitive.def_vjp_all(self, guarded(self, rule, "vjp rule"))
        self.vjp_rules = self.vjps
        self._reset()
        return rule

    def def_jvp(self, rule: Rule) -> Rule:
        """Declares the forward-mode derivative, for one example; under vmap it is vmapped itself.

        Law:  rule((t,), out, x) == jvp(op, (x,), (t,))[1], with out = op(x)

        Args:
            rule: `rule(tangents, out, *args, **params)`, linear in the tangents: one per argument, of its structure,
                `None` where it is zero. It returns the tangent of the result, structured like it; `None` is zero.
        """
        self.signature.check_rule(f"{self.name}.def_jvp", rule, "tangents, out")
        self._declare("def_jvp", "jvp", jvp_rule=guarded(self, rule, "jvp rule"))
        return rule

    def def_forward(self, rule: Rule) -> Rule:
        """Declares the reverse-mode derivative by a run that keeps what its pullback needs.

        Law:  rule(x)[0] == op(x), and rule(x)[1](g) == vjp(op, x)[1](g)

        Args:
            rule: `rule(*args, **params) -> (out, pullback)`, of NumPy functions; `pullback(g)` returns a tuple with a
                cotangent, or None, per argument.
        """
        self.signature.check_rule(f"{self.name}.def_forward", rule, "")
        self._declare("def_forward", "vjp", forward_rule=guarded(self, rule, "forward rule"))
        return rule

    def def_zero_derivative(self) -> None:
        """Declares that the derivative is zero wherever it exists.

        Law:  grad(lambda x: np.sum(op(x)))(x) == 0
        """
        self._declare("def_zero_derivative", "vjp", "jvp", vjp_rules=None)

    def def_result(self, rule: Rule) -> Rule:
        """Declares the shapes and dtypes of the results, checked ever after and used where a batch is empty.

        Law:  rule(ArraySpec(x.shape, x.dtype)) == ArraySpec(out.shape, out.dtype), with out = op(x)

        Args:
            rule: `rule(*args, **params)`, which gets an `ArraySpec` for every array and returns one for every result.
        """
        self.signature.check_rule(f"{self.name}.def_result", rule, "")
        self._declare("def_result", "result", result=rule)
        return rule

    # Kinds.

    def elementwise(self, *partials: Any) -> Self:
        """Declares that the operation works element by element, and by its partial derivatives all derivatives.

        Law:  grad(lambda x: np.sum(op(x)))(x) == partial(op(x), x)

        Args:
            *partials: one per argument: `partial(out, *args, **params)`, of NumPy functions, or a constant; None for
                no gradient. With several results it returns one for each. With no partials at all, only vmap works.

        Returns:
            The operation.

        Example:
            >>> import numpy as np
            >>> from vmapcore import custom_op, grad
            >>> @custom_op
            ... def softplus(xp, x):
            ...     return xp.logaddexp(x, 0)
            >>> grad(softplus.elementwise(lambda out, x: 1 - np.exp(-out)))(0.0)
            np.float64(0.5)
        """
        partials = self._checked_partials("elementwise", partials)
        if not partials:
            return self._declare("elementwise", "vmap", vmap_kind=Elementwise())
        terms = [p if callable(p) or p in (None, 1, -1) else _constant(p) for p in partials]
        swift = pointwise(Primitive(self.evaluate, name=self.name, listed=False), *terms)
        state = _derivatives(*elementwise_rules(self.name, partials))
        return self._declare("elementwise", "vmap", "vjp", "jvp", vmap_kind=Elementwise(), _swift=swift, **state)

    def reduction(self, *partials: Any, axis: str = "axis") -> Self:
        """Declares that the operation takes axes away, those that the static parameter `axis` says.

        Law:  grad(lambda x: op(x, axis=0))(x) == partial(op(x, axis=0), x, axis=0)

        Args:
            *partials: one per argument: `partial(out, *args, **params)`, the derivative of a result by the elements it
                comes from, with `out` given axes of length 1 where `op` took them away; a constant; or None for no
                gradient. With no partials at all, only vmap works.
            axis: the name of the parameter, which holds an int, a tuple of ints, or None for all axes. If there is a
                parameter `keepdims` as well, it means what it does in NumPy.

        Returns:
            The operation.

        Example:
            >>> import numpy as np
            >>> from vmapcore import custom_op, grad, vmap
            >>> @custom_op
            ... def norm(xp, x, *, axis):
            ...     return xp.sqrt(xp.sum(x * x, axis=axis))
            >>> _ = norm.reduction(lambda out, x, *, axis: x / out)
            >>> vmap(lambda x: norm(x, axis=0))(np.array([[3.0, 4.0]])), grad(norm)(np.array([3.0, 4.0]), axis=0)
            (array([5.]), array([0.6, 0.8]))
        """
        if axis not in self.signature.params:
            fact = f"it has no static parameter '{axis}'"
            raise ArgumentError(f"{self.name}.reduction", fact, f"it is called with ({self.signature})")
        partials = self._checked_partials("reduction", partials)
        if not partials:
            return self._declare("reduction", "vmap", vmap_kind=Reduction(axis))
        state = _derivatives(*reduction_rules(partials, axis))
        return self._declare("reduction", "vmap", "vjp", "jvp", vmap_kind=Reduction(axis), **state)

    def gufunc(self, signature: str) -> Self:
        """Declares that the operation broadcasts over leading axes, given the core axes of arguments and results.

        Law:  op(x)[i] == op(x[i]), for an x with an axis more than its core ones

        Derivative rules are then written for core axes alone.

        Args:
            signature: NumPy's for generalised ufuncs, such as `"(m,n),(n)->(m)"`.

        Returns:
            The operation.

        Example:
            >>> import numpy as np
            >>> from vmapcore import custom_op, vmap
            >>> @custom_op
            ... def apply(xp, a, x):
            ...     return xp.matmul(a, x[..., None])[..., 0]
            >>> vmap(apply.gufunc("(m,n),(n)->(m)"), in_axes=(None, 0))(np.eye(2), np.ones((4, 2))).shape
            (4, 2)
        """
        kind = Gufunc(self.name, signature)
        if not self.signature.variadic and len(kind.core) != len(self.signature.arrays):
            fact = f"the signature {signature!r} has {len(kind.core)} arguments"
            allowed = f"the operation has {len(self.signature.arrays)}: {', '.join(self.signature.arrays)}"
            raise ArgumentError(f"{self.name}.gufunc", fact, allowed)
        return self._declare("gufunc", "vmap", vmap_kind=kind)

    def linear(self, transpose: Rule) -> Self:
        """Declares that the operation is linear in its first argument, and so its derivatives.

        Law:  <g, op(x)> == <transpose(g, op(x), x), x>, with <a, b> = Re(sum(a * b))

        Args:
            transpose: `transpose(g, out, *args, **params)`, the cotangent of the first argument; those of others
                are not covered.

        Returns:
            The operation.

        Example:
            >>> import numpy as np
            >>> from vmapcore import custom_op, jvp
            >>> @custom_op
            ... def steps(xp, x):
            ...     return xp.diff(x)
            >>> _ = steps.linear(lambda g, out, x: -np.diff(g, prepend=0, append=0))
            >>> jvp(steps, (np.zeros(3),), (np.array([1.0, 2.0, 4.0]),))[1]
            array([1., 2.])
        """
        self.signature.check_rule(f"{self.name}.linear", transpose, "g, out", "the transpose")
        self._check_array_count("linear", 1)
        state = _derivatives(*linear_rules(self, guarded(self, transpose, "transpose")))
        return self._declare("linear", "vjp", "jvp", **state)

    def bilinear(self, left: Rule, right: Rule) -> Self:
        """Declares that the operation is linear in each of its two arguments, and so its derivatives.

        Law:  <g, op(x, y)> == <left(g, op(x, y), x, y), x> == <right(g, op(x, y), x, y), y>

        Args:
            left: `left(g, out, x, y, **params)`, the cotangent of `x`.
            right: the same of `y`.

        Returns:
            The operation.

        Example:
            >>> import numpy as np
            >>> from vmapcore import custom_op, grad
            >>> @custom_op
            ... def dot(xp, x, y):
            ...     return xp.vdot(x, y)
            >>> _ = dot.bilinear(lambda g, out, x, y: g * y, lambda g, out, x, y: g * x)
            >>> grad(dot)(np.ones(2), np.array([3.0, 4.0]))
            array([3., 4.])
        """
        for side, rule in (("left", left), ("right", right)):
            self.signature.check_rule(f"{self.name}.bilinear", rule, "g, out", side)
        self._check_array_count("bilinear", 2)
        state = _derivatives(*bilinear_rules(self, *[guarded(self, side, "transpose") for side in (left, right)]))
        return self._declare("bilinear", "vjp", "jvp", **state)

    def _check_array_count(self, kind: str, count: int) -> None:
        found = len(self.signature.arrays)
        if self.signature.variadic or found < count or (count == 2 and found > 2):
            fact = f"the operation is called with ({self.signature})"
            allowed = "it needs two array arguments" if count == 2 else "it needs a first array argument"
            raise ArgumentError(f"{self.name}.{kind}", fact, allowed, "Declare rules with def_vjp and def_jvp")

    def _checked_partials(self, kind: str, partials: Sequence[Any]) -> tuple[Any, ...]:
        """The partial derivatives, guarded, if there are none or one for each argument."""
        names = self.signature.arrays
        if partials and (self.signature.variadic or len(partials) != len(names)):
            raise ArgumentError(
                f"{self.name}.{kind}",
                f"the number of partial derivatives is {len(partials)}",
                f"it needs one for each of {', '.join(names)}" if names else "the number of arguments is not known",
                "None is no gradient",
            )
        for i, partial in enumerate(partials):
            if not (partial is None or isinstance(partial, (int, float, complex))):
                self.signature.check_rule(f"{self.name}.{kind}", partial, "out", f"the partial by '{names[i]}'")
        return tuple([self._guarded(p, "partial derivative") for p in partials])

    def _guarded(self, rule: Any, what: str) -> Any:
        """A rule, guarded; a constant, and None, as it is."""
        return guarded(self, rule, what) if callable(rule) else rule


def _or_none(rules: Sequence[Rule | None]) -> tuple[Rule | None, ...] | None:
    """The vjp rules; None if none of the arguments has a gradient."""
    return None if all(rule is None for rule in rules) else tuple(rules)


def _derivatives(vjp_rules: Sequence[Rule | None], jvp_rule: Rule) -> dict[str, Any]:
    return {"vjp_rules": _or_none(vjp_rules), "jvp_rule": jvp_rule}


def _constant(value: Any) -> Rule:
    return lambda out, /, *args, **params: value
