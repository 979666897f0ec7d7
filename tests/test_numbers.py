"""Python's numbers, traced: what functions do with them is what a loop over the rows does, or an error that says so."""

import cmath
import math
import numbers

import numpy as np
import pytest

from vmapcore import grad, jit, vmap
from vmapcore.errors import ConcretizationError, TooLargeError, VmapcoreError
from vmapcore.testing import check_grads

from .together import together

DATA = {
    "I": np.array([1.0, 2.0, 5.0, -3.0, 7.0]),
    "Z": np.array([1.0, 2.0, 0.0, -3.0, 0.0]),
    "F": np.array([1.5, 2.25, -0.5, 3.0, 0.1]),
    "B": np.array([3.0, 7.0, 40.0, 60.0, 100.0]),
    "N": np.array([1.0, 2.0, np.nan, 3.0, np.inf]),
    "J": np.array([3, 7, 0, -2, 12]),
    "L": np.array([3, 2**31, 2**62, -(2**63), 12]),
    "S": np.array([1.5, 2.25, -0.5, 3.0, 0.1], np.float32),
    "T": np.array([True, False, True, True, False]),
    "C": np.array([1 + 2j, 0.5 - 1j, 3 + 0j, -1j, 2 + 2j]),
    "U": np.array([3, 200, 0, 255, 12], np.uint8),
    "P": np.array([1.0, 2.0, 3.0, 1.0, 2.0]),
}
"""Rows: the first is one for which nothing is raised."""

IDIOMS = [
    ("I", lambda x: 1.0 if isinstance(int(x), int) else 0.0),
    ("F", lambda x: 1.0 if isinstance(float(x), float) else 0.0),
    ("F", lambda x: isinstance(float(x), (int, float))),
    ("F", lambda x: 1.0 if np.isscalar(float(x)) else 2.0),
    ("F", lambda x: 1.0 if np.isscalar(x) else 2.0),
    ("F", lambda x: 3.0 if type(float(x)) is float else 4.0),
    ("F", lambda x: 3.0 if type(int(x)) is int else 4.0),
    ("F", lambda x: type(round(x)) in (int, bool)),
    ("F", lambda x: len(type(float(x)).__name__)),
    ("F", lambda x: isinstance(float(x), numbers.Real)),
    ("F", lambda x: isinstance(int(x), numbers.Integral)),
    ("F", lambda x: isinstance(float(x), np.generic)),
    ("I", lambda x: isinstance(int(x), np.int64)),
    ("F", lambda x: isinstance(float(x), np.floating)),
    ("F", lambda x: isinstance(bool(x), bool)),
    ("F", lambda x: isinstance(float(x) > 1, bool)),
    ("F", lambda x: isinstance(x > 1, np.bool_)),
    ("F", lambda x: isinstance(float(x) > 1, int)),
    ("F", lambda x: isinstance(math.sin(x), float)),
    ("F", lambda x: isinstance(math.floor(x), int)),
    ("Z", lambda x: 1 / int(x)),
    ("Z", lambda x: 1 / float(x)),
    ("Z", lambda x: 1 // int(x)),
    ("Z", lambda x: 5.0 // float(x)),
    ("Z", lambda x: 5 % int(x)),
    ("Z", lambda x: 5.0 % float(x)),
    ("Z", lambda x: divmod(5, int(x))[1]),
    ("Z", lambda x: float(x) ** -1),
    ("Z", lambda x: 0.0 ** float(x)),
    ("Z", lambda x: 1 / x),
    ("I", lambda x: int(x) ** 40),
    ("B", lambda x: 1 << int(x)),
    ("I", lambda x: int(x) << 2),
    ("I", lambda x: 1 << int(x)),
    ("P", lambda x: math.factorial(int(x))),
    ("L", lambda x: int(x) * 4),
    ("L", lambda x: int(x) + int(x)),
    ("L", lambda x: -int(x)),
    ("L", lambda x: abs(int(x))),
    ("L", lambda x: int(x) - 2**62),
    ("B", lambda x: 2 ** int(x)),
    ("B", lambda x: (2 ** int(x)) % 1000),
    ("N", lambda x: int(x)),
    ("B", lambda x: int(x * 1e300)),
    ("N", lambda x: round(x)),
    ("N", lambda x: math.floor(x)),
    ("I", lambda x: len(str(int(x)))),
    ("I", lambda x: len(f"{int(x)}")),
    ("F", lambda x: len(f"{float(x)}")),
    ("F", lambda x: float(f"{float(x):.1f}")),
    ("I", lambda x: len(repr(int(x)))),
    ("I", lambda x: sum(int(c) for c in str(abs(int(x))))),
    ("F", lambda x: float(x).is_integer()),
    ("F", lambda x: float(x).as_integer_ratio()[1]),
    ("I", lambda x: int(x).bit_length()),
    ("F", lambda x: len(float(x).hex())),
    ("F", lambda x: float(x).real + float(x).imag),
    ("F", lambda x: float(x).conjugate()),
    ("I", lambda x: int(x).numerator * 2 + int(x).denominator),
    ("I", lambda x: int(x) // 2),
    ("I", lambda x: int(x) / 2),
    ("I", lambda x: int(x) % 3),
    ("F", lambda x: float(x) % 0.7),
    ("F", lambda x: float(x) // 0.7),
    ("F", lambda x: (float(x) > 0) + (float(x) > 1)),
    ("F", lambda x: bool(x) + bool(x)),
    ("F", lambda x: (float(x) > 0) - (float(x) > 1)),
    ("F", lambda x: -(float(x) > 1)),
    ("F", lambda x: ~int(float(x) > 1)),
    ("F", lambda x: (float(x) > 1) * 3),
    ("F", lambda x: (float(x) > 1) & (float(x) < 3)),
    ("F", lambda x: (x > 0) + (x > 1)),
    ("S", lambda x: float(x) * np.ones(2, np.float32)),
    ("S", lambda x: np.float32(2) * float(x)),
    ("S", lambda x: x * float(x)),
    ("S", lambda x: np.add(np.ones(2, np.float32), float(x))),
    ("S", lambda x: np.maximum(np.ones(2, np.float32), float(x))),
    ("S", lambda x: np.where(np.array([True, False]), np.ones(2, np.float32), float(x))),
    ("S", lambda x: np.clip(np.ones(2, np.float32), float(x), 5.0)),
    ("I", lambda x: np.array([1, 2], np.int8) * int(x)),
    ("B", lambda x: np.array([1, 2], np.int8) + int(x) * 10),
    ("I", lambda x: np.ones(2, np.float32) * int(x)),
    ("I", lambda x: np.ones(2, np.float32) * 3 ** int(abs(x))),
    ("U", lambda x: x + int(x)),
    ("S", lambda x: np.array([0.1, 2.0], np.float32) == float(np.float32(0.1)) * (x > -9)),
    ("S", lambda x: np.array([0.5, 2.0], np.float32) ** float(x)),
    ("I", lambda x: np.array([int(x), 2])),
    ("I", lambda x: np.array([int(x), 2.5])),
    ("I", lambda x: np.array([x > 1, int(x)])),
    ("I", lambda x: np.full(2, int(x))),
    ("F", lambda x: np.full(2, float(x))),
    ("I", lambda x: np.sin(int(x))),
    ("J", lambda x: np.sqrt(abs(int(x)))),
    ("S", lambda x: np.ones(2, np.float32) * np.float64(float(x))),
    ("S", lambda x: math.sqrt(abs(x)) * np.ones(2, np.float32)),
    ("F", lambda x: round(x)),
    ("F", lambda x: round(x, 1)),
    ("F", lambda x: round(float(x) * 0.3, 1)),
    ("F", lambda x: isinstance(round(float(x), 1), float)),
    ("B", lambda x: round(int(x), -1)),
    ("I", lambda x: np.array(divmod(int(x), 3))),
    ("F", lambda x: np.array(divmod(float(x), 0.7))),
    ("P", lambda x: {1: 10.0, 2: 20.0, 3: 30.0}[int(x)]),
    ("P", lambda x: [10.0, 20.0, 30.0, 40.0][int(x)]),
    ("P", lambda x: ord("abcdef"[int(x)])),
    ("I", lambda x: {1: 10.0, 2: 20.0}.get(int(x), -1.0)),
    ("I", lambda x: int(x) in [1, 2, 3]),
    ("I", lambda x: int(x) in {1, 2, 3}),
    ("I", lambda x: hash(int(x)) == hash(float(x))),
    ("I", lambda x: int(x) == None),  # noqa: E711
    ("I", lambda x: int(x) == "1"),
    ("I", lambda x: float(x) != None),  # noqa: E711
    ("I", lambda x: 1.0 if float(x) is None else 2.0),
    ("F", lambda x: sum([float(x), 1, int(x)])),
    ("F", lambda x: sum([float(x)] * 10)),
    ("F", lambda x: math.fsum([1e100, float(x), -1e100])),
    ("F", lambda x: min(float(x), 1.0)),
    ("F", lambda x: max(int(x), 0)),
    ("F", lambda x: max([float(x), 0.5, 2.0])),
    ("Z", lambda x: 1 / max(int(x), 0)),
    ("F", lambda x: isinstance(max(float(x), 0.0), float)),
    ("F", lambda x: any([x > 1, x < 0]) + 1),
    ("F", lambda x: isinstance(sorted([float(x), 1.0])[0], float)),
    ("L", lambda x: int(x) == float(x)),
    ("I", lambda x: int(x) ** -2),
    ("I", lambda x: float(x) ** 0.5),
    ("I", lambda x: float(x) ** int(x)),
    ("B", lambda x: float(x) ** 400),
    ("B", lambda x: math.exp(float(x) * 10)),
    ("I", lambda x: math.sqrt(x)),
    ("Z", lambda x: math.log(abs(x))),
    ("J", lambda x: math.gcd(int(x), 12)),
    ("J", lambda x: math.isqrt(abs(int(x)))),
    ("P", lambda x: math.comb(5, int(x))),
    ("F", lambda x: math.frexp(x)[1] * 2),
    ("F", lambda x: math.modf(x)[0]),
    ("F", lambda x: math.floor(x) // 2),
    ("Z", lambda x: 3 // math.ceil(x)),
    ("F", lambda x: math.trunc(x) * 2),
    ("F", lambda x: math.isclose(x, 1.5) + 1),
    ("P", lambda x: sum([isinstance(i, int) for i in range(int(x))])),
    ("F", lambda x: 1 / len([v for v in (x, 1.0) if v > 0.2])),
    ("I", lambda x: np.count_nonzero(np.arange(4) < x) * 2),
    ("Z", lambda x: 1 / complex(x)),
    ("I", lambda x: complex(x) ** 2),
    ("C", lambda x: float(complex(x))),
    ("C", lambda x: complex(x).real * 2),
    ("C", lambda x: abs(complex(x)) // 1),
    ("C", lambda x: complex(x) < 1),
    ("L", lambda x: float(int(x))),
    ("L", lambda x: int(x) // 3),
    ("L", lambda x: int(x) / 3),
    ("L", lambda x: (int(x) // 2 + 1) / 3),
    ("J", lambda x: (int(x) & 5) | 2 ^ int(x)),
    ("J", lambda x: ~int(x)),
    ("J", lambda x: int(x) >> 1),
    ("B", lambda x: 12345 >> int(x)),
    ("J", lambda x: np.int32(5) * int(x)),
    ("J", lambda x: np.arange(5) % (int(x) + 10)),
    ("Z", lambda x: np.arange(1, 3) / int(x)),
    ("F", lambda x: 1.0 if hasattr(x, "__len__") else 2.0),
    ("F", lambda x: 1.0 if hasattr(float(x), "shape") else 2.0),
    ("P", lambda x: len([0] * int(x))),
    ("P", lambda x: len("ab" * int(x))),
    ("Z", lambda x: not int(x)),
    ("F", lambda x: (not float(x) > 1) + 1),
    ("Z", lambda x: int(x) or 5),
    ("I", lambda x: abs(int(x)) / 2),
    ("Z", lambda x: math.copysign(1.0, -float(x))),
    ("T", lambda x: +bool(x)),
    ("T", lambda x: bool(x) + 0),
    ("T", lambda x: 1 / bool(x)),
    ("I", lambda x: len(",".join([str(int(x)), str(float(x))]))),
    ("F", lambda x: np.dot(np.ones(2, np.float32), float(x))),
    ("F", lambda x: np.linspace(0, float(x), 3)),
    ("P", lambda x: np.arange(3) + int(x)),
    ("F", lambda x: np.interp(float(x), [0.0, 1.0, 2.0], [0.0, 10.0, 20.0])),
    ("F", lambda x: np.polyval([1, 2, int(x)], x)),
    ("P", lambda x: np.roll(np.arange(4), int(x))),
    ("P", lambda x: np.arange(5)[int(x)]),
    ("F", lambda x: float(x) * 2 + round(x)),
    ("S", lambda x: min(float(x), 0.25)),
    ("P", lambda x: np.allclose(x, 1.0) + np.allclose(x, 1.0)),
    ("Z", lambda x: 1 / np.asarray(float(x))),
    ("B", lambda x: np.full(2, int(x), np.int8)),
    ("B", lambda x: np.array(int(x) * 5, np.int8)),
    ("P", lambda x: pow(3, int(x), 5)),
    ("Z", lambda x: cmath.log(complex(x))),
    ("S", lambda x: np.result_type(x, float(x)) == np.float32),
    ("I", lambda x: (-1) ** int(x)),
    ("J", lambda x: math.ldexp(1.0, int(x))),
    ("U", lambda x: int(x) * 300 - 5),
]


def caught(x):
    try:
        return 1 / int(x)
    except ZeroDivisionError:
        return -1.0


def counted(x):
    n = 0
    if x > 0:
        n = n + 1
    return 1 / n


def bisected(x):
    n, low, high = int(abs(x)), 0, 10
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle <= n else (low, middle)
    return isinstance(low, int) + low / 2


def drawn_in(x):
    total = np.zeros(2, np.float32)
    total += float(x)
    total[0] = int(x)
    return total


def small(x):
    a = np.array([100, 27], np.int8)
    a[0] = int(x) * 5
    return a


IDIOMS += [("B", small), ("Z", caught), ("Z", counted), ("P", bisected), ("P", drawn_in)]


def looped(fun, rows):
    """What a loop makes, or the type of what it raises."""
    try:
        with np.errstate(all="ignore"):
            return np.stack([np.asarray(fun(x)) for x in rows])
    except Exception as error:
        return type(error)


def made(call):
    try:
        with np.errstate(all="ignore"):
            return np.asarray(call())
    except VmapcoreError:
        return VmapcoreError
    except Exception as error:
        return type(error)


def check(found, expected):
    if isinstance(expected, type) or isinstance(found, type):
        assert found is expected
        return
    assert found.dtype == expected.dtype
    if found.dtype == object:  # ints of Python's that no array of NumPy's has
        assert found.tolist() == expected.tolist()
        return
    np.testing.assert_allclose(found.tolist(), expected.tolist(), rtol=1e-6 if found.dtype.itemsize < 8 else 1e-14)


@together("place", range(len(IDIOMS)))
def test_rows_are_as_in_a_loop(place):
    data, fun = IDIOMS[place]
    rows = DATA[data]
    expected = looped(fun, rows)
    check(made(lambda: vmap(fun, branches="split")(rows)), expected)
    found = made(lambda: vmap(fun)(rows))
    if found is not VmapcoreError:
        check(found, expected)


@pytest.mark.numpy_plans
@together("place", range(len(IDIOMS)))
def test_later_calls_of_a_plan_are_as_in_a_loop(place):
    """It is recorded with values for which nothing is raised."""
    data, fun = IDIOMS[place]
    rows = DATA[data]
    first = np.resize(rows[:1], rows.shape)
    for of, calls, expected in (
        (vmap(fun), (first, first, rows), looped(fun, rows)),
        (fun, (rows[0], rows[0], rows[2]), made(lambda: fun(rows[2]))),
    ):
        fast = jit(of)
        found = [made(lambda x=x: fast(x)) for x in calls][-1]
        if found is not VmapcoreError:
            check(found, expected)


def test_errors_of_some_rows_are_not_caught_by_all():
    rows = np.array([1.0, 0.0])
    with pytest.raises(ConcretizationError, match="caught"):
        vmap(caught)(rows)
    with pytest.raises(ConcretizationError, match="caught"):
        jit(vmap(caught))(rows)
    with pytest.raises(ZeroDivisionError, match="float division by zero"):
        vmap(lambda x: 1.0 / float(x))(rows)
    assert vmap(caught)(rows[:1]).tolist() == [1.0]


def test_ints_have_64_bits():
    rows = np.array([2.0, 3.0])
    for transform in (lambda f: f, jit):
        with pytest.raises(TooLargeError, match="an int is"):
            transform(vmap(lambda x: int(x) ** 50))(rows)
    assert vmap(lambda x: int(x) ** 50, branches="split")(rows).tolist() == [2**50, 3**50]
    with pytest.raises(OverflowError):
        vmap(lambda x: int(x) << 63)(rows)

    def caught(x):
        try:
            return float(int(x) ** 50)
        except OverflowError:
            return 0.0

    with pytest.raises(ConcretizationError, match="caught"):
        vmap(caught)(rows)
    assert vmap(caught, branches="split")(rows).tolist() == [2.0**50, 3.0**50]


def test_bounds_of_ints_hold_in_other_calls():
    def mixed(x):
        n = int(x)
        for i in range(6):
            n = n * n + i
        return n % 1000 + n // 7

    fast = jit(vmap(mixed, axis_size=2))
    for rows in ([1.0, 1.0], [1.0, 0.0], [0.0, 0.0]):
        assert fast(np.array(rows)).tolist() == [mixed(x) for x in rows]
    for _ in range(2):
        with pytest.raises(TooLargeError):
            fast(np.array([9.0, 1.0]))
    assert fast(np.array([1.0, 1.0])).tolist() == [mixed(1.0)] * 2


def test_a_call_without_the_plan_leaves_arguments_alone():
    def written(x, y):
        x[0] = 1 / float(y)
        return x, {"y": y, "n": 3}

    fast = jit(written, donate_argnums=0)
    x = np.zeros(2)
    for y in (2.0, 2.0, 4.0):
        found, more = fast(x.copy(), np.float64(y))
        assert found.tolist() == [1 / y, 0.0] and more == {"y": y, "n": 3}
    with pytest.raises(ZeroDivisionError):
        fast(x, np.float64(0.0))
    assert x.tolist() == [0.0, 0.0]

    def kept(x, y):
        x += 1
        try:
            return x * (1 / float(y[0])), float(y[0]), "done"
        except ZeroDivisionError:
            return x, 0.0, "done"

    fast = jit(kept)
    for y in (1.0, 1.0, 0.0):
        found, number, word = fast(x, np.array([y]))
        expected = kept(x.copy(), np.array([y]))
        assert found.tolist() == expected[0].tolist() and number == expected[1] and word == "done"
        assert type(number) is np.float64
    assert x.tolist() == [0.0, 0.0]


def test_derivatives_go_through():
    check_grads(lambda x: float(x) ** 3 / math.sqrt(float(x)) + max(float(x), 1) * np.float64(2), 2.5)
    check_grads(lambda x: math.fsum([float(x) ** 2, x, 1.0]), 1.5)
    check_grads(lambda x: np.sum(float(x[0]) * x / float(x[1])), np.array([1.5, 2.5]))
    assert grad(lambda x: 1.0 / float(x))(2.0) == -0.25
    with pytest.raises(ZeroDivisionError):
        grad(lambda x: 1.0 / float(x))(0.0)


def test_numbers_go_into_other_transforms():
    rows = np.array([1.0, 2.0])
    assert vmap(lambda x: grad(lambda y: y * y * float(x))(float(x)))(rows).tolist() == [2.0, 8.0]
    inner = vmap(lambda y, n: y * n / 2, in_axes=(0, None))
    assert vmap(lambda x: inner(np.arange(2, dtype=np.float32), int(x)))(rows).dtype == np.float32
    assert vmap(lambda x: jit(lambda y: y + 1)(int(x)))(rows).tolist() == [2, 3]
    seen = []
    vmap(lambda x: [seen.append(float(x)), x][1])(rows)
    assert "float" in repr(seen[0])


def test_texts_ask_and_print_does_not(capsys):
    rows = np.array([1.0, 2.0])
    with pytest.raises(ConcretizationError, match="format"):
        vmap(lambda x: len(f"{float(x)}"))(rows)
    vmap(lambda x: [print(float(x), "here"), x][1])(rows)
    assert "here" in capsys.readouterr().out


def test_attributes():
    class Account:
        total = 0.0

    def spent(x):
        account = Account()
        if x > 1:
            account.total = account.total + float(x)
        return isinstance(account.total, float) + account.total * np.ones(1, np.float32)

    rows = np.array([0.5, 2.0, 3.0])
    check(vmap(spent, branches="split")(rows), looped(spent, rows))
