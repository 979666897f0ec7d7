"""Programs with branches and loops: random ones, as text, and one whose rows each take a way of their own."""

import linecache
import random

import numpy as np

from vmapcore import tree_map


def rng(seed=0):
    return np.random.default_rng(seed)


def looped(fun, *args):
    """What a loop over the rows gives, of which each gets its own arrays."""
    found = [fun(*[np.copy(x)[()] for x in row]) for row in zip(*args, strict=True)]
    return tree_map(lambda *xs: np.stack([np.asarray(x) for x in xs]), *found)


def total_of(fun):
    """A number of what a random program returns, to be differentiated."""

    def total(a, b, n, x):
        out = fun(a, b, n, x)
        return np.sum(out[0]) + np.sum(out[2])

    return total


def collatz(n):
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


def checked(x):
    """Not in a test's file, whose asserts are not the ones that are written."""
    if x < -2:
        raise ValueError(f"x is {x}")
    assert x < 9, "too large"
    return x * x


HEAD = """import math
import numpy as np

class Box:
    def __init__(self, w):
        self.w = w
        self.n = 0

    def room(self, u):
        return u - self.w * 0.5

    def fill(self, u):
        self.w = self.w + u
        if self.w > 1:
            over = self.w - 1
            self.w = 1.0
            self.n += 1
            return over
        return u * 0.25

def helper(u, k):
    if u > k:
        return u - k
    for j in range(3):
        if u * j > 1:
            break
        u = u + 0.3
    return u * 0.5

def recurse(u, k):
    if k <= 0 or abs(u) < 0.1:
        return u
    return recurse(u * 0.5, k - 1) - (recurse(u * 0.2, k - 2) if u > 0 else 0.25)

def f(a, b, n, x):
    c, flag, count, total, box = 0.5, False, 0, [], Box(a)
    y = np.zeros(3)
    last = None
    x = x.copy()
    def inner(u, z):
        if u > z[0]:
            return u * z[1]
        if z[1] > 0:
            u = u + 1
        return u
    def bump(k):
        nonlocal count
        if k > 1:
            count += k
"""


CHOICES = """import math
import numpy as np

def helper(u, k):
    if u > k:
        return u - k
    for j in range(3):
        u = u + 0.3 if u * j > 1 else u - 0.1
    return u * 0.5

def f(a, b, n, x):
    c, flag, count = 0.5, False, 0
    y = np.zeros(3)
    x = x.copy()
"""

LAST = "return a + b * c, count + n, x + y"


class Writer:
    """Writes one program."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.lines = HEAD.splitlines()
        self.loops = 0
        self.returns = False

    def real(self, depth=2):
        r, d = self.r, depth - 1
        array = r.choice(["x", "y"])
        simple = [
            r.choice(["a", "b", "c", "box.w"]),
            repr(round(r.uniform(-2, 2), 2)),
            f"{array}[{r.choice(['0', '1', '-1', 'n % 3'])}]",
        ]
        if not depth or r.random() < 0.3:
            return r.choice(simple)
        return r.choice(
            [
                lambda: f"({self.real(d)} {r.choice('+-*')} {self.real(d)})",
                lambda: f"math.sin({self.real(d)})",
                lambda: f"max({self.real(d)}, {self.real(d)})",
                lambda: f"({self.real(d)} if {self.test(d)} else {self.real(d)})",
                lambda: f"helper({self.real(d)}, {self.whole(d)})",
                lambda: f"np.tanh({array}.sum() - {self.real(d)})",
                lambda: f"box.room({self.real(d)})",
                lambda: f"{array}[:{r.choice(['2', 'n % 4'])}].sum()",
            ]
        )()

    def whole(self, depth=2):
        r, d = self.r, depth - 1
        if not depth or r.random() < 0.3:
            return r.choice(["n", "count", "box.n", str(r.randrange(-2, 5))])
        return r.choice(
            [
                lambda: f"({self.whole(d)} {r.choice('+-*')} {self.whole(d)}) % 7",
                lambda: f"int({self.real(d)})",
                lambda: f"({self.whole(d)} if {self.test(d)} else {self.whole(d)})",
                lambda: f"({self.whole(d)} // {r.choice(['2', '3', 'n'])}) % 5",
            ]
        )()

    def test(self, depth=2):
        r, d = self.r, depth - 1
        if not depth or r.random() < 0.4:
            return r.choice(
                [
                    f"{self.real(0)} > {self.real(0)}",
                    f"{self.whole(0)} {r.choice(['<', '==', '>='])} {self.whole(0)}",
                    "flag",
                ]
            )
        return r.choice(
            [
                lambda: f"({self.test(d)} {r.choice(['and', 'or'])} {self.test(d)})",
                lambda: f"not {self.test(d)}",
                lambda: f"{self.real(0)} < {r.choice('abc')} < {self.real(0)}",
            ]
        )()

    def write(self, indent, line):
        self.lines.append("    " * indent + line)

    def block(self, depth, indent, loop):
        for _ in range(self.r.randrange(1, 4)):
            self.statement(depth - 1, indent + 1, loop)

    def statement(self, depth, indent, loop):
        r = self.r
        if not depth or r.random() < 0.45:
            self.write(indent, self.simple(indent, loop))
            return
        kind = r.choice(["if", "if", "while", "for", "try", "call"])
        if kind == "if":
            self.write(indent, f"if {self.test()}:")
            self.block(depth, indent, loop)
            if r.random() < 0.6:
                self.write(indent, "else:")
                self.block(depth, indent, loop)
        elif kind in ("while", "for"):
            self.loops += 1
            i = f"i{self.loops}"
            if kind == "while":
                self.write(indent, f"{i} = 0")
                self.write(indent, f"while {i} < {r.choice(['3', '4', 'n % 5'])} and {self.test(1)}:")
                self.write(indent + 1, f"{i} += 1")
            else:
                self.write(indent, f"for {i} in range({r.choice(['2', '3', 'n % 4'])}):")
                self.write(indent + 1, f"a = a * 0.9 + {i}")
            self.block(depth, indent, True)
            if r.random() < 0.2:
                self.write(indent, "else:")
                self.block(depth, indent, loop)
        elif kind == "try":
            self.write(indent, "try:")
            self.write(indent + 1, f"assert {self.test()}")
            self.block(depth, indent, loop)
            self.write(indent, "except AssertionError:")
            self.block(depth, indent, loop)
        else:
            self.write(indent, r.choice([f"c = inner({self.real(1)}, x)", f"a = recurse({self.real(1)}, 3)"]))

    def simple(self, indent, loop):
        r = self.r
        if indent > 2 and loop and r.random() < 0.15:
            return r.choice(["break", "continue"])
        if indent > 2 and r.random() < 0.06:
            self.returns = True
            return "return (a, n, x)"
        return r.choice(
            [
                lambda: f"{r.choice('abc')} = {self.real()}",
                lambda: f"n = {self.whole()}",
                lambda: f"flag = {self.test()}",
                lambda: f"{r.choice('ab')} {r.choice(['+=', '-=', '*='])} {self.real()}",
                lambda: f"x[{r.choice(['0', '1', 'n % 3'])}] {r.choice(['=', '+='])} {self.real()}",
                lambda: r.choice([f"x = x * {self.real(1)}", "x = x + y", "y = x.copy()", "x, y = y, x", "y = x"]),
                lambda: r.choice([f"x[1:] += {self.real(1)}", "y *= 0.5", "v = x[:2]; v[0] = 1.5", "x[:2] = y[1:]"]),
                lambda: r.choice(["n += 1", "count += 1", "box.n += 1", f"bump({self.whole(0)})", "total.append(a)"]),
                lambda: f"box.w = {self.real(1)}",
                lambda: f"{r.choice('abc')} = box.fill({self.real(1)})",
                lambda: r.choice([f"last = {self.real(1)}", "last = None", "a = 0.5 if last is None else last"]),
                lambda: f"b = sum(u * {self.real(0)} for u in {r.choice('xy')})",
                lambda: f"a, b = {self.real(1)}, {self.real(1)}",
            ]
        )()


class ChoiceWriter(Writer):
    """Writes one program that does nothing but compute: no loops without an end, and nothing done to others."""

    OTHERS = ("bump", "append", "last", "= sum", "box", "v =", "return", "recurse", "inner")

    def __init__(self, seed):
        Writer.__init__(self, seed)
        self.lines = CHOICES.splitlines()

    def real(self, depth=2):
        text = Writer.real(self, depth).replace("box.w", "a")
        return f"{text} / (0.1 + abs(a))" if self.r.random() < 0.15 else text

    def whole(self, depth=2):
        return Writer.whole(self, depth).replace("box.n", "n")

    def statement(self, depth, indent, loop):
        r = self.r
        if not depth or r.random() < 0.45:
            self.write(indent, self.simple(indent, loop))
        elif r.random() < 0.7:
            self.write(indent, f"if {self.test()}:")
            self.block(depth, indent, loop)
            if r.random() < 0.6:
                self.write(indent, "else:")
                self.block(depth, indent, loop)
        else:
            self.loops += 1
            self.write(indent, f"for i{self.loops} in range({r.choice('23')}):")
            self.write(indent + 1, f"a = a * 0.9 + i{self.loops}")
            self.block(depth, indent, True)

    def simple(self, indent, loop):
        r = self.r
        if indent > 1 and loop and r.random() < 0.1:
            return r.choice(["continue", "break"])
        if indent > 1 and r.random() < 0.1:
            return LAST
        while True:
            text = Writer.simple(self, indent, False)
            if not any(word in text for word in self.OTHERS):
                return text


def choices(seed):
    """The function of a random program that does nothing but compute."""
    writer = ChoiceWriter(seed)
    for _ in range(writer.r.randrange(2, 6)):
        writer.statement(3, 1, False)
    writer.write(1, LAST)
    return _function(writer.lines, f"<choices {seed}>")


def doubling(count):
    """A function of that many branches in a row, each of which may return, or go on after either arm."""
    lines = ["def f(x):"]
    for i in range(count):
        lines += [f"    if x > {i}:", f"        if x < {i}.5:", f"            return x * {i}", "        x = x + 1"]
        lines += ["    else:", "        x = x - 0.5"]
    return _function([*lines, "    return x"], f"<doubling {count}>")


def program(seed):
    """The function of a random program, which `inspect` and tracebacks find the source of."""
    writer = Writer(seed)
    for _ in range(writer.r.randrange(2, 6)):
        writer.statement(3, 1, False)
    writer.write(1, "return (a, n, x)" if writer.returns else "return a + b * c, count + n, x + y, box.w, len(total)")
    return _function(writer.lines, f"<program {seed}>")


def _function(lines, name):
    source = "\n".join(lines) + "\n"
    linecache.cache[name] = len(source), None, source.splitlines(True), name
    names = {"__name__": "branching_program"}
    exec(compile(source, name, "exec"), names)
    return names["f"]
