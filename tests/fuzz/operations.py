"""What a line of a program may be. An operation draws variables that fit it and returns an expression, or "!" and a
statement that writes. Whatever the values are, NumPy can run it; what cannot be drawn is an UnfitError."""

import numpy as np

TABLE = []


class UnfitError(Exception):
    """No variable fits."""


def operation(weight=1.0, smooth=True):
    """Puts an operation into the table; `smooth` says whether it has all its derivatives everywhere."""

    def put(fun):
        fun.smooth = smooth
        TABLE.append((fun, weight))
        return fun

    return put


class Draw:
    """Random choices among the variables so far."""

    def __init__(self, rng, values, most):
        self.rng, self.values, self.most, self.read = rng, values, most, set()
        self.fixed = []  # arguments that nothing may write to

    def one(self, *options):
        """One of these."""
        return options[self.rng.integers(len(options))]

    def number(self, low, high):
        """An int from `low` to below `high`."""
        return int(self.rng.integers(low, high))

    def var(self, kinds="fciub", fits=lambda x: True, late=0.5):
        """A variable with a dtype of one of these kinds, one that is late, or that nothing has read, more often."""
        found = [n for n, x in self.values.items() if x.dtype.kind in kinds and fits(x)]
        if not found:
            raise UnfitError
        if self.rng.random() < late:
            found = [n for n in found if n not in self.read] or found[-3:]
        return found[self.rng.integers(len(found))]

    def free(self, x):
        """Whether a line may write to an array."""
        return x.flags.writeable and x.ndim > 0 and not any(np.shares_memory(x, y) for y in self.fixed)

    def ndim(self, name):
        return self.values[name].ndim

    def shape(self, name):
        return self.values[name].shape

    def axis(self, name):
        """An axis of a variable, of either sign."""
        n = self.ndim(name)
        if not n:
            raise UnfitError
        return self.number(-n, n)

    def axes(self, name):
        """None, an axis, or some."""
        n = self.ndim(name)
        kind = self.number(0, 4)
        if kind == 0 or not n:
            return None
        if kind == 1 and n > 1:
            return tuple([int(i) for i in self.rng.permutation(n)[: self.number(1, n + 1)]])
        return self.axis(name)

    def partner(self, name, kinds="fciub"):
        """A variable that broadcasts with this one."""
        shape = self.shape(name)

        def fits(x):
            try:
                return len(np.broadcast_shapes(shape, x.shape)) <= 5
            except ValueError:
                return False

        return self.var(kinds, fits, late=0.3)


def full(x):
    """Whether an array has elements."""
    return x.size > 0


def matrix(x):
    return x.ndim >= 2


def written(texts, name):
    """Several expressions of a variable, by what stands for it."""
    return [text.replace("{}", name) for text in texts.split()]


# Elementwise.

SMOOTH = """np.sin({}) np.cos({}) np.tanh({}) np.exp(-{}*0.5) np.square({}) np.expm1({}*0.25) np.negative({}) ({}*2.0)
(1.5-{}) np.sinh({}*0.3) np.positive({}) ({}/3) ({}**2) ({}**3)"""
OF_REALS = """np.sqrt(np.abs({})+0.5) np.log(np.abs({})+0.5) np.log1p(np.square({})) np.cbrt(np.abs({})+0.3) np.sinc({})
np.arcsin(np.tanh({})*0.9) np.reciprocal(np.square({})+0.5) np.logaddexp({},0.5) np.exp2({}*0.5) np.deg2rad({})
np.arctanh(np.tanh({})*0.7) np.hypot({},1.5) np.arctan2({},1.5) F.softplus({}) F.sigmoid({}) F.silu({}) F.gelu({})
(np.abs({})+0.5)**1.5 np.float_power(np.abs({})+0.5,-0.5) np.arctan({})"""
KINKED = """np.abs({}) np.maximum({},0) np.minimum({},0.5) np.clip({},-0.5,0.75) np.sign({}) np.floor({}) np.rint({})
F.relu({}) F.leaky_relu({}) F.elu({}) np.trunc({}) np.nan_to_num({}) np.fmod({},0.7) np.heaviside({},0.5)
np.copysign({},-1.0) np.round({},1) np.fabs({})"""
TO_BOOL = "({}>0) ({}<=0.25) ({}!=0) np.isfinite({}) np.signbit({}) np.logical_not({}) ({}>=1)"
OF_COMPLEX = "np.real({}) np.imag({}) np.conj({}) np.angle({}) {}.real {}.imag ({}*1j) np.exp({}*0.5j)"
OF_INTS = """({}+1) ({}*2) (-{}) ({}//2) ({}%3) ({}&3) ({}|1) ({}^2) ({}<<1) np.abs({}) np.gcd({},6) ({}/2)
np.square({}) np.bitwise_count({}) np.minimum({},2)"""


@operation(7)
def smooth(d):
    return d.one(*written(SMOOTH, d.var("fc")))


@operation(5)
def of_reals(d):
    return d.one(*written(OF_REALS, d.var("f")))


@operation(4, smooth=False)
def kinked(d):
    return d.one(*written(KINKED, d.var("f")))


@operation(1, smooth=False)
def to_bool(d):
    return d.one(*written(TO_BOOL, d.var("fi")))


@operation(1.5, smooth=False)
def of_complex(d):
    return d.one(*written(OF_COMPLEX, d.var("c")))


@operation(1.5, smooth=False)
def of_ints(d):
    return d.one(*written(OF_INTS, d.var("iu")))


@operation(0.4, smooth=False)
def of_bools(d):
    x = d.var("b")
    y = d.partner(x, "b")
    return d.one(f"~{x}", f"({x} & {y})", f"({x} | {y})", f"({x} ^ {y})", f"np.logical_xor({x}, {y})", f"({x} == {y})")


@operation(8)
def of_two(d):
    x = d.var("fc")
    y = d.partner(x)
    sign = d.one("+", "-", "*", "*")
    return d.one(f"{x} {sign} {y}", f"{y} {sign} {x}", f"{x} / (np.square({y}) + 1.5)", f"{x} * {x} {sign} {y}")


@operation(3, smooth=False)
def of_two_reals(d):
    x = d.var("f")
    y = d.partner(x, "f")
    return d.one(
        f"np.maximum({x}, {y})",
        f"np.minimum({x}, {y})",
        f"np.arctan2({x}, np.abs({y}) + 0.5)",
        f"np.where({x} > {y}, {x}, {y} * 0.5)",
        f"({x} < {y})",
        f"np.hypot({x}, np.abs({y}) + 0.5)",
        f"np.fmax({x}, {y})",
        f"np.remainder({x}, np.abs({y}) + 0.5)",
        f"np.copysign({x}, {y})",
        f"np.logaddexp({x}, {y})",
        f"np.abs({x} * 0.5 + 0.6) ** np.clip({y}, -1, 1)",
        f"np.floor_divide({x}, np.abs({y}) + 0.5)",
        f"np.isclose({x}, {y})",
    )


@operation(1.5, smooth=False)
def of_two_ints(d):
    x = d.var("iu")
    y = d.partner(x, "iu")
    return d.one(
        f"{x} + {y}",
        f"{x} * {y}",
        f"{x} - {y}",
        f"{x} % ({y} + 7)",
        f"np.maximum({x}, {y})",
        f"({x} == {y})",
        f"{x} & {y}",
        f"{x} / (np.square({y}) + 1)",
        f"np.lcm({x}, {y})",
        f"{x} // (np.square({y}) + 1)",
    )


@operation(2.5, smooth=False)
def choice(d):
    x = d.var("fcib")
    y, c = d.partner(x), d.partner(x, "b") if d.rng.random() < 0.4 else f"({d.partner(x, 'fi')} > 0.1)"
    return d.one(
        f"np.where({c}, {x}, {y})",
        f"np.where({c}, {x}, 0)",
        f"np.select([{c}], [{x}], 0.5)",
        f"np.where({c}, {x}, -{x})" if d.values[x].dtype.kind in "fc" else f"np.where({c}, {x}, {x})",
    )


@operation(2, smooth=False)
def cast(d):
    x = d.var()
    kind = d.values[x].dtype.kind
    to = d.one(
        *{"c": ["c8", "c16"], "f": ["f4", "f8", "f4", "f8", "c16", "i4", "?"]}.get(kind, ["f8", "f4", "i8", "i4"])
    )
    return d.one(f"{x}.astype({to!r})", f"np.astype({x}, {to!r})", f"{x}.copy()")


# Reductions.


@operation(7)
def reduction(d):
    x = d.var("fciub", late=0.6)
    name = d.one("sum", "sum", "mean", "mean", "prod") if d.values[x].size < 12 else d.one("sum", "mean")
    keep = ", keepdims=True" if d.rng.random() < 0.45 else ""
    axes = d.axes(x)
    return d.one(f"np.{name}({x}, axis={axes}{keep})", f"{x}.{name}({axes}{keep})")


@operation(2.5, smooth=False)
def extremum(d):
    x = d.var("fi", full)
    keep = ", keepdims=True" if d.rng.random() < 0.45 else ""
    name = d.one(
        "max", "min", "max", "ptp", "var", "std", "count_nonzero", "any", "all", "nansum", "nanmax", "argmax", "argmin"
    )
    axes = d.axes(x)
    if name[:3] == "arg" and isinstance(axes, tuple):
        axes = axes[0]
    if name in ("var", "std"):
        x = f"({x} + 0.0)"
    return f"np.{name}({x}, axis={axes}{keep})"


@operation(1)
def softmax(d):
    x = d.var("f", lambda x: x.ndim and full(x))
    name = d.one("softmax", "log_softmax", "logsumexp")
    return f"F.{name}({x}, axis={d.axis(x)})"


@operation(1)
def norm(d):
    x = d.var("f", lambda x: x.ndim and full(x))
    a = d.axis(x)
    return d.one(
        f"np.sqrt(np.sum(np.square({x}), axis={a}, keepdims=True) + 0.1)",
        f"{x} - np.mean({x}, axis={a}, keepdims=True)",
        f"{x} / np.sqrt(np.sum({x} * {x}, axis={a}, keepdims=True) + 0.1)",
        f"np.var({x}, axis={a})",
        f"np.linalg.norm({x} + 3.0, axis={a})",
        f"F.layer_norm({x}, 1)",
    )


@operation(0.8, smooth=False)
def quantile(d):
    x = d.var("f", lambda x: x.ndim and full(x))
    return d.one(
        f"np.median({x}, axis={d.axis(x)})",
        f"np.quantile({x}, 0.3, axis={d.axis(x)})",
        f"np.percentile({x}, [25, 60], axis={d.axis(x)})",
    )


@operation(2.5)
def cumulative(d):
    x = d.var("fci", lambda x: x.ndim)
    name = d.one("cumsum", "cumsum", "cumprod", "diff") if d.values[x].dtype.kind != "i" else d.one("cumsum", "diff")
    if name == "cumprod":
        x = f"np.tanh({x})"
        return f"np.cumprod({x}, axis=-1)"
    return f"np.{name}({x}, axis={d.axis(x)})"


@operation(0.5, smooth=False)
def running_extremum(d):
    x = d.var("f", lambda x: x.ndim and full(x))
    return f"np.{d.one('maximum', 'minimum')}.accumulate({x}, axis={d.axis(x)})"


# Products.


@operation(6)
def product(d):
    """Of arrays, also of one with itself."""
    x = d.var("fci", lambda x: x.ndim)
    shape = d.shape(x)
    if d.rng.random() < 0.4 and len(shape) > 1:
        return d.one(f"{x} @ np.swapaxes({x}, -1, -2)", f"np.swapaxes({x}, -1, -2) @ {x}", f"np.inner({x}, {x})")
    y = d.var("fcib", lambda y: y.ndim and y.shape[max(-2, -y.ndim)] == shape[-1], late=0.2)
    return d.one(f"{x} @ {y}", f"np.matmul({x}, {y})", f"np.dot({x}, {y})")


@operation(2.5)
def product_of_one_axis(d):
    x = d.var("fc", lambda x: x.ndim == 1)
    n = d.shape(x)[0]
    y = d.var("fc", lambda y: y.ndim and n in (y.shape[-1], y.shape[max(-2, -y.ndim)]), late=0.3)
    last = d.shape(y)[-1] == n
    texts = [f"{y} @ {x}", f"np.inner({y}, {x})", f"np.outer({x}, {y})", f"np.vecdot({y}, {x})"]
    other = [f"{x} @ {y}", f"np.dot({x}, {y})", f"np.outer({x}, {x})"]
    return d.one(*(texts if last else other))


@operation(4)
def einsum(d):
    """Of one to three terms with letters of lengths that fit."""
    letters, sizes, terms, names = "abcdefgh", {}, [], []
    for _ in range(d.one(1, 2, 2, 2, 3)):
        x = d.var("fc", lambda x: x.ndim <= 3)
        term = ""
        for n in d.shape(x):
            same = [c for c, m in sizes.items() if m == n and (c not in term or d.rng.random() < 0.15)]
            if same and d.rng.random() < 0.75:
                term += d.one(*same)
            else:
                term += letters[len(sizes)]
                sizes[term[-1]] = n
            if len(sizes) == len(letters):
                raise UnfitError
        terms.append(term)
        names.append(x)
    found = sorted(set("".join(terms)))
    out = [c for c in d.rng.permutation(found) if d.rng.random() < 0.55] if found else []
    return f"np.einsum({','.join(terms) + '->' + ''.join(out)!r}, {', '.join(names)})"


@operation(1)
def tensordot(d):
    x = d.var("fc", lambda x: x.ndim)
    a = d.number(0, d.ndim(x))
    n = d.shape(x)[a]
    y = d.var("fc", lambda y: n in y.shape)
    return f"np.tensordot({x}, {y}, axes=([{a}], [{d.shape(y).index(n)}]))"


@operation(1.5)
def pairs(d):
    """All pairs of what lies along an axis."""
    x = d.var("f", lambda x: 1 <= x.ndim <= 3)
    a = d.number(0, d.ndim(x))
    first, second = f"np.expand_dims({x}, {a})", f"np.expand_dims({x}, {a + 1})"
    return d.one(
        f"{first} - {second}", f"np.exp(-({first} - {second}) ** 2)", f"np.sum(np.square({first} - {second}), axis=-1)"
    )


@operation(0.6)
def kron(d):
    x, y = d.var("fc", lambda x: x.size < 40), d.var("fci", lambda x: x.size < 40)
    return f"np.kron({x}, {y})"


# Layout.


@operation(6)
def layout(d):
    x = d.var(fits=lambda x: x.ndim)
    n = d.ndim(x)
    a, b = d.axis(x), d.axis(x)
    return d.one(
        f"{x}.T",
        f"np.transpose({x}, {tuple(int(i) for i in d.rng.permutation(n))})",
        f"np.swapaxes({x}, {a}, {b})",
        f"np.moveaxis({x}, {a}, {b})",
        f"np.expand_dims({x}, {a})",
        f"np.flip({x}, {a})",
        f"np.roll({x}, {d.number(-2, 3)}, axis={a})",
        f"np.reshape({x}, -1)",
        f"{x}.ravel()",
        f"np.reshape({x}, {factors(d, d.values[x].size)})",
        f"np.reshape({x}, {factors(d, d.values[x].size)})",
        f"np.squeeze({x})",
        f"np.atleast_2d({x})",
        f"np.rot90({x}, {d.number(0, 4)}, ({a}, {b}))",
        f"np.tile({x}, {d.number(1, 3)})",
        f"np.repeat({x}, {d.number(1, 3)}, axis={a})",
        f"np.pad({x}, 1)",
        f"np.pad({x}, ((1, 0),) * {n}, mode='edge')",
        f"np.broadcast_to({x}, {(2, *d.shape(x))})",
        f"np.lib.stride_tricks.sliding_window_view({x}, {d.number(1, 3)}, axis={a})",
    )


def factors(d, size):
    """A shape of this size, of two or three axes."""
    shape, rest = [], size
    for _ in range(d.number(1, 3)):
        n = d.one(*[k for k in range(1, min(rest, 64) + 1) if rest % k == 0]) if rest else d.number(0, 3)
        shape.append(n)
        rest = rest // n if n else 0
    return (*shape, rest if np.prod(shape) else 3)


@operation(1)
def triangle(d):
    x = d.var(fits=matrix)
    k = d.number(-1, 2)
    return d.one(
        f"np.tril({x}, {k})",
        f"np.triu({x}, {k})",
        f"np.trace({x})",
        f"np.diagonal({x}, {k}, -2, -1)",
        f"np.swapaxes({x}, -1, -2) + {x}",
        f"np.diagonal({x}, axis1=0, axis2=1)",
    )


@operation(3)
def join(d):
    x = d.var(fits=lambda x: x.ndim)
    y = d.var(fits=lambda y: y.shape == d.shape(x), late=0.2)
    a = d.axis(x)
    return d.one(
        f"np.concatenate([{x}, {y}], axis={a})",
        f"np.concatenate([{x}, {y}, {x}], axis={a})",
        f"np.stack([{x}, {y}], axis={a})",
        f"np.hstack([{x}, {y}])",
        f"np.append({x}, {y}, axis={a})",
        f"np.split(np.concatenate([{x}, {y}], axis={a}), 2, axis={a})[1]",
        f"np.block([{x}, {y}])",
    )


# Indices.


@operation(6)
def basic(d):
    x = d.var(fits=lambda x: x.ndim)
    return f"{x}[{place(d, x)}]"


def place(d, x):
    """A basic index."""
    parts, shape = [], d.shape(x)
    for n in shape[: d.number(1, len(shape) + 1)]:
        parts.append(
            d.one(":", ":", "::-1", "1:", ":-1", "::2", f"{d.number(-n, n)}" if n else ":", "1::2", "-2:", ":1")
        )
    if d.rng.random() < 0.15:
        parts.insert(d.number(0, len(parts) + 1), "None")
    if d.rng.random() < 0.15 and len(parts) < len(shape):
        parts.insert(0, "...")
    return ", ".join(parts)


@operation(3)
def fancy(d):
    """By lists, masks that are constants, and integers that are variables."""
    x = d.var(fits=lambda x: x.ndim and full(x))
    n = d.shape(x)[0]
    some = [d.number(-n, n) for _ in range(d.number(1, 4))]
    mask = [bool(b) for b in d.rng.integers(0, 2, n)]
    a = d.axis(x)
    texts = [
        f"{x}[{some}]",
        f"np.take({x}, {some}, axis=0)",
        f"{x}[np.array({mask})]",
        f"{x}[..., [0, -1]]",
        f"np.take({x}, [[0, 0]], axis={a})",
        f"np.compress({mask}, {x}, axis=0)",
        f"np.delete({x}, 0, axis={a})",
        f"np.insert({x}, 0, 1, axis={a})",
    ]
    if d.ndim(x) > 1:
        texts += [f"{x}[[0, -1], [-1, 0]]", f"{x}[:, [0, 0]]", f"{x}[[[0], [-1]], [0, -1]]"]
    return d.one(*texts)


@operation(2)
def by_variable(d):
    i = d.var("iu", lambda i: i.ndim <= 2)
    x = d.var(fits=lambda x: x.ndim and full(x))
    n = d.shape(x)[0]
    texts = [f"{x}[{i} % {n}]", f"np.take({x}, {i} % {n}, axis=0)", f"{x}[..., {i} % {d.shape(x)[-1]}]"]
    if d.ndim(i) == 1 and d.ndim(x) == 1:
        texts.append(f"np.take_along_axis({x}, {i} % {n}, axis=0)")
    return d.one(*texts)


@operation(1.5, smooth=False)
def sort(d):
    x = d.var("fi", lambda x: x.ndim and full(x))
    a = d.axis(x)
    return d.one(
        f"np.sort({x}, axis={a})",
        f"np.sort({x}, axis={a})",
        f"np.argsort({x}, axis={a}, kind='stable')",
        f"np.take_along_axis({x}, np.argsort({x}, axis={a}), axis={a})",
        f"np.partition({x}, 0, axis={a})",
        f"np.searchsorted(np.sort({x}.ravel()), {x})",
        f"np.sort({x}, axis={a})[::-1]",
        f"np.flip(np.sort({x}, axis={a}), {a})",
    )


# Writes. They begin with "!".


@operation(7)
def write(d):
    """Into a variable or a view of it."""
    x = d.var("fc", d.free)
    v = d.partner(x, "fi") if d.rng.random() < 0.6 else d.one("0.5", "-1", "2.0")
    i = place(d, x)
    return "!" + d.one(
        f"{x}[{i}] = {v}",
        f"{x}[{i}] = 0.25",
        f"{x}[{i}] += {v}",
        f"{x}[{i}] *= 0.5",
        f"{x}[{i}] -= {x}[{i}] * 0.5",
        f"{x} += {v}",
        f"{x} *= 0.5",
        f"{x}[...] = {v}",
        f"{x}[::-1] = {x}",
        f"{x}[{i}] = {x}[{i}][::-1]",
        f"np.copyto({x}, {v})",
        f"np.add({x}, {v}, out={x})",
        f"np.multiply({x}, 0.5, out={x})",
        f"np.subtract(0.5, {x}, out={x})",  # np.negative itself goes astray between gaps
        f"{x}.T[0] = 1.5",
        f"{x}.fill(0.75)",
    )


@operation(2, smooth=False)
def write_chosen(d):
    """By a mask or by integers."""
    x = d.var("f", lambda x: full(x) and d.free(x))
    n = d.shape(x)[0]
    y = d.var(fits=lambda y: y.shape == d.shape(x) and y.dtype.kind != "c", late=0.2)
    return "!" + d.one(
        f"{x}[{x} > 0.5] = 0.25",
        f"{x}[{y} > 0] = -1.0",
        f"{x}[[0, {n - 1}]] = 0.5",
        f"{x}[[0, 0]] += 1.0",
        f"{x}[..., [0]] *= 2",
        f"np.putmask({x}, {y} > 0, 0.5)",
        f"np.add.at({x}, [0, 0], 0.5)",
        f"np.maximum({x}, 0, out={x})",
        f"np.copyto({x}, {y}, where={x} < 0)",
        f"np.fill_diagonal({x}, 1.0)" if d.ndim(x) > 1 else f"{x}.sort()",
        f"{x}.sort(axis=0)",
    )


# Linear algebra, transforms, images.


@operation(2.5)
def linalg(d):
    """Of matrices whose diagonals are large."""
    x = d.var("fc", lambda x: x.ndim >= 2 and 1 <= x.shape[-1] == x.shape[-2] <= 8)
    n = d.shape(x)[-1]
    far = (
        f"(np.tanh({x}) + {n + 2} * np.diag(np.arange(1.0, {n + 1})))"
        if d.values[x].dtype.kind == "f"
        else (f"({x} * 0.1 + {n + 2} * np.eye({n}))")
    )
    symmetric = f"({far} + np.swapaxes({far}, -1, -2).conj())"
    b = d.var("fc", lambda y: y.ndim >= 2 and y.shape[-2:] == d.shape(x)[-2:])
    return d.one(
        f"np.linalg.inv({far})",
        f"np.linalg.solve({far}, {b})",
        f"np.linalg.det({far} / {n + 2})",
        f"np.linalg.slogdet({far})[1]",
        f"np.linalg.cholesky({symmetric})",
        f"np.linalg.eigvalsh({symmetric})",
        f"np.linalg.eigh({symmetric})[0]",
        f"np.linalg.svd({far}, compute_uv=False)",
        f"np.linalg.qr({far})[1]",
        f"np.linalg.matrix_power({x}, 2)",
        f"np.linalg.pinv({far})",
    )


@operation(1.5)
def fft(d):
    x = d.var("fc", lambda x: x.ndim and full(x))
    a = d.axis(x)
    texts = [f"np.fft.fft({x}, axis={a})", f"np.fft.ifft({x}, axis={a})", f"np.fft.fftshift({x}, axes={a})"]
    if d.values[x].dtype.kind == "f":
        texts += [f"np.fft.rfft({x}, axis={a})", f"np.abs(np.fft.rfft({x}, axis={a}) + 5)"]
    else:
        texts += [f"np.fft.irfft({x}, n={2 * d.shape(x)[a]}, axis={a})", f"np.fft.fft2({x})"]
    if d.ndim(x) > 1:
        texts += [f"np.fft.fftn({x}, axes=(-2, -1))"]
    return d.one(*texts)


@operation(2.5)
def images(d):
    """A convolution of some variable, by weights that are one too or a constant, with what may follow."""
    x = d.var("f", full)
    n = d.values[x].size
    w = d.var("f", full)
    if n > 4000 or d.values[w].size > 300:
        raise UnfitError
    size = d.one(3, 4, 5, 6)
    channels, out, k = d.one(1, 2, 3), d.one(1, 2, 4), d.one(1, 2, 3)
    batch = d.one(1, 2, 5)
    image = f"np.resize({x}, {(batch, channels, size, size)})"
    weights = f"np.resize({w}, {(out, channels, k, k)})"
    options = d.one("", ", padding=1", ", stride=2", ", padding=1, stride=2")
    conv = f"F.conv2d({image}, {weights}{options})"
    return d.one(
        conv,
        conv,
        f"F.relu({conv} * 0.5)",
        f"F.avg_pool2d({image}, 2)",
        f"F.conv1d(np.resize({x}, {(batch, channels, size)}), np.resize({w}, {(out, channels, k)}){options})",
    )


@operation(1.2, smooth=False)
def pool(d):
    x = d.var("f", lambda x: full(x) and x.size < 4000)
    size = d.one(4, 5, 6)
    image = d.values[x].ndim == 4 and min(d.shape(x)[2:]) >= 2
    text = x if image else f"np.resize({x}, {(d.one(1, 3), 2, size, size)})"
    return d.one(
        f"F.max_pool2d({text}, 2)",
        f"F.max_pool2d(F.relu({text}), 2)",
        f"F.avg_pool2d({text}, 2)",
        f"F.max_pool2d({text}, 2, stride=1)",
    )


@operation(1)
def loss(d):
    x = d.var("f", lambda x: x.ndim == 2 and full(x))
    y = d.var("f", lambda y: y.shape == d.shape(x))
    n, c = d.shape(x)
    target = [d.number(0, c) for _ in range(n)] if n < 20 else None
    return d.one(
        f"F.mse_loss({x}, {y})",
        f"F.cross_entropy({x}, np.array({target}))" if target else f"F.mse_loss({y}, {x})",
        f"F.linear({x}, {y})",
    )
