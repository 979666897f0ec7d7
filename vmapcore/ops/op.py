"""CustomOp: an operation of a user's own, a primitive that is called with pytrees and told its rules one by one."""

import functools
from collections.abc import Sequence
from typing import Any

from ..arrays import UNTRACED, is_array, namespace
from ..core import OBSERVER, OBSERVERS, Rule, Vjps
from ..errors import MissingRuleError
from ..pytree import flatten, unflatten
from ..tracer import Tracer
from .declarations import Declarations
from .forms import LEAF, Form, check_batch, check_cotangent, check_leaves
from .guards import locked, unguarded
from .levels import batched
from .signature import REQUIRED, Signature

MOST_FORMS = 1024
"""How many combinations of structures and static parameters an operation remembers."""


class CustomOp(Declarations):
    """An operation of a user's own: a function of arrays, and the rules by which transforms meet it.

    Law:  vmap(op)(x)[i] == op(x[i])

    Call it with arrays, or pytrees of them, by position and static parameters by name. Rules get the arguments
    structured as the caller passed them, and every parameter; NumPy's arrays are read-only. Each method declares a
    rule, and may be called once. Made by `custom_op` and `external`.
    """

    def __init__(self, evaluate: Rule, signature: Signature, name: str, doc: str | None = None) -> None:
        self._forms: dict[Any, Form] = {}
        self._direct: set[Any] = set()  # numbers of arrays, and parameters, for which a call returned one array
        self._arity = -1  # such a number, of calls without parameters
        self._defaults = {name: value for name, value in signature.params.items() if value is not REQUIRED}
        self.__signature__ = signature.inspected
        Declarations.__init__(self, evaluate, signature, name, doc)

    def __repr__(self) -> str:
        return f"<custom_op {self.name}({self.signature})>"

    # Calls.

    def __call__(self, *args: Any, **params: Any) -> Any:
        """Applies the operation to arrays, tracers or pytrees of both."""
        level = -1
        trace = None
        for a in args:
            if type(a) not in UNTRACED:
                if isinstance(a, Tracer):
                    if a._trace.level > level:
                        trace = a._trace
                        level = trace.level
                elif not is_array(a):
                    return self._apply(args, params, False)
        if params or len(args) != self._arity:
            try:
                known = (len(args), *params.items()) in self._direct
            except TypeError:  # a parameter that cannot be hashed, for bind to name
                known = False
            if not known:
                return self._apply(args, params, True)
            if self._defaults:
                params = {**self._defaults, **params}
        if OBSERVERS and (observer := OBSERVER.get()) is not None:
            return observer.apply(self, trace, args, params)
        if trace is None:
            return self.eval(namespace(args), *args, **params)
        return trace.process(self, args, params)

    def _apply(self, args: Sequence[Any], params: dict[str, Any], plain: bool) -> Any:
        """A call with parameters or pytrees, or the first one: by the form for these."""
        given, passed = len(args), params
        args, params = self.signature.bind(self.name, args, params)
        plain = plain and (
            len(args) == given or all(type(a) in UNTRACED or isinstance(a, Tracer) or is_array(a) for a in args[given:])
        )
        key: Any = len(args)
        leaves: Sequence[Any] = args
        if not plain:
            leaves, key = flatten(tuple(args))
            check_leaves(self, args, leaves)
        form = self._form(key, params)
        outs = form(*leaves, **params)
        if form.direct and given == len(args):
            self._direct.update([(given, *passed.items()), (given, *params.items())])
            if not params:
                self._arity = given
        return unflatten(form.out_tree, outs)

    def _form(self, key: Any, params: dict[str, Any]) -> Form:
        """The form for a number of arrays, or a treedef of arguments, and these parameters."""
        full = (key, *params.items()) if params else key
        form = self._forms.get(full)
        if form is None:
            plain = isinstance(key, int)
            tree = flatten((0,) * key)[1] if plain else key
            if len(self._forms) >= MOST_FORMS:
                self._forms.clear()
                self._direct.clear()
            form = self._forms[full] = Form(self, tree, plain)
        return form

    # What traces and forms ask for.

    def prepared(self, leaves: Sequence[Any]) -> Sequence[Any]:
        """The arrays and numbers that loops take examples from."""
        return [locked(x) for x in leaves]

    def swift(self, xp: Any) -> Rule:
        """What computes an example of prepared arrays."""
        return functools.partial(unguarded(self.evaluate), xp)

    def tidy(self, xp: Any, found: Any) -> Any:
        """What the operation returns, of what `swift` gave."""
        return found

    def vjp_rule(self, i: int) -> Rule | None:
        """The author's vjp rule for argument `i`, made to take what the operation takes."""
        try:
            rule = self.vjp_rules[i]
        except IndexError:
            fact = f"has no vjp rule for argument '{self.signature.name(i)}': def_vjp got {len(self.vjp_rules)} rules"
            raise MissingRuleError(self.name, fact) from None
        return None if rule is None else self.rules_kind.vjp(i, rule)

    def checked_vjp(self, i: int) -> Rule | None:
        """That rule for calls with arrays, its results checked."""
        rule = self.vjp_rule(i)
        if rule is None:
            return None

        def vjp(g: Any, out: Any, /, *args: Any, **params: Any) -> Any:
            ct = rule(g, out, *args, **params)
            check_cotangent(self, i, ct, args[i])
            return ct

        return vjp

    def remedy(self, kind: str) -> str:
        name = self.name
        if kind == "vmap":
            return f"Declare one with {name}.def_vmap or a kind such as gufunc, or the loop with {name}.vmap_by_loop()"
        return f"Declare its derivative with {name}.def_vjp or def_jvp, or by a kind such as {name}.elementwise(...)"

    def _reset(self) -> None:
        """Makes the rules that traces read, for calls with arrays and one array as result, of what is declared."""
        self._forms = {}
        self._direct = set()
        self._arity = -1
        self.eval = self.evaluate
        self.spelled = None if self.vmap_kind is None or self.result is not None else self.evaluate
        self.vmap = self._vmap if self.vmap_kind is None else self.vmap_kind.direct(self)
        self.vjps = () if self.vjp_rules == () else None if self.vjp_rules is None else Vjps(self.checked_vjp)
        self.forward = self.jvp = None
        if self._swift is not None:
            self.vjps, self.jvp = self._swift.vjps, self._swift.jvp
            return
        if self.forward_rule is not None or (self.vjp_rules == () and self.jvp_rule is not None):
            self.forward = self._forward
        if self.jvp_rule is not None or self.forward is not None or self.vjps:
            self.jvp = self._jvp

    def _vmap(self, size: int, mapped: Sequence[bool], *args: Any, **params: Any) -> Any:
        rule = self.own_vmap
        if rule is None or any(isinstance(x, Tracer) for x in args):
            return batched(self._single(len(args), params), ((size, tuple(mapped)),), args, params)[0]
        return self.with_batch(size, rule(size, mapped, *args, **params))

    def with_batch(self, size: int, out: Any) -> Any:
        """Returns `out`, computed by the vmap rule, if it has a batch of `size` on axis 0, or raises."""
        check_batch(self.name, size, out, self.kind)
        return out

    def _single(self, count: int, params: dict[str, Any]) -> Form:
        """The form for this many arrays and one array as result, where traces have called the operation itself."""
        form = self._form(count, params)
        form.out_tree = LEAF
        return form

    def _jvp(self, tangents: Sequence[Any], out: Any, *args: Any, **params: Any) -> Any:
        rule = self._single(len(args), params).jvp
        assert rule is not None
        return rule(tangents, (out,), *args, **params)[0]

    def _forward(self, wanted: Sequence[bool], *args: Any, **params: Any) -> Any:
        rule = self._single(len(args), params).forward
        assert rule is not None
        outs, pullback = rule(wanted, *args, **params)
        return outs[0], lambda g: pullback([g])
