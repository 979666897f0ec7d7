"""Interpolants of SciPy's inside transforms, made there or outside, against SciPy in a loop and differences."""

import numpy as np
import pytest

from vmapcore import grad, jacfwd, vmap
from vmapcore.errors import OptionError, ShapeError

from .scipy_calls import check_call
from .together import together

interpolate = pytest.importorskip("scipy.interpolate")
ndimage = pytest.importorskip("scipy.ndimage")

KNOTS = np.array([0.0, 0.4, 1.0, 1.7, 2.5, 3.0])
Y = np.random.default_rng(0).normal(size=(2, 6))
WIDE = np.random.default_rng(1).normal(size=(2, 6, 2))
AT = np.array([[0.1, 1.2, 2.6], [0.5, 1.1, 2.9]])
MOVED = KNOTS + np.array([[0.0], [0.05]]) * np.arange(6)
GRID = (np.linspace(0, 1, 4), np.array([0.0, 0.5, 2.0]))
VALUES = np.random.default_rng(2).normal(size=(2, 4, 3))
POINTS = np.array([[[0.1, 0.2], [0.9, 1.7]], [[0.4, 0.3], [0.6, 1.1]]])

OUTSIDE = interpolate.CubicSpline(KNOTS, Y[0])
SMOOTH = interpolate.make_interp_spline(KNOTS, Y[0])
FITTED = interpolate.UnivariateSpline(KNOTS, Y[0], s=0)
LINEAR = interpolate.interp1d(KNOTS, Y[0], fill_value="extrapolate")
TABLE = interpolate.RegularGridInterpolator(GRID, VALUES[0])

CALLS = {
    "CubicSpline": (lambda y, x: interpolate.CubicSpline(KNOTS, y)(x), Y, AT),
    "CubicSpline natural": (lambda y, x: interpolate.CubicSpline(KNOTS, y, bc_type="natural")(x, 1), Y, AT),
    "CubicSpline clamped": (
        lambda y, x: interpolate.CubicSpline(KNOTS, y, bc_type=((1, y[0]), (2, 0.5)), extrapolate=False)(x, 2),
        Y,
        AT,
    ),
    "CubicSpline periodic": (
        lambda y, x: interpolate.CubicSpline(KNOTS, np.append(y[:5], y[0]), bc_type="periodic")(x + 4),
        Y,
        AT,
    ),
    "CubicSpline of columns": (lambda y, x: interpolate.CubicSpline(KNOTS, y.T, axis=1)(x), WIDE, AT),
    "CubicSpline at knots": (lambda k, y, x: interpolate.CubicSpline(k, y)(x), MOVED, Y, AT),
    "CubicSpline natural at knots": (
        lambda k, y, x: interpolate.CubicSpline(k, y, bc_type=("natural", (1, 2.0)))(x),
        MOVED,
        Y,
        AT,
    ),
    "CubicSpline integrated": (lambda y, x: interpolate.CubicSpline(KNOTS, y).integrate(x[0], x[1]), Y, AT),
    "CubicSpline derived": (lambda y, x: interpolate.CubicSpline(KNOTS, y).derivative()(x), Y, AT),
    "CubicSpline antiderived": (lambda y, x: interpolate.CubicSpline(KNOTS, y).antiderivative(2)(x), Y, AT),
    "of plain values": (lambda x: interpolate.CubicSpline(KNOTS, Y[0])(x), AT),
    "made outside": (lambda x: OUTSIDE(x) + OUTSIDE(x[0], 1) + OUTSIDE.derivative()(x) + OUTSIDE.c[0, 0], AT),
    "PchipInterpolator": (lambda y, x: interpolate.PchipInterpolator(KNOTS, y)(x), Y, AT),
    "PchipInterpolator of 2": (lambda y, x: interpolate.PchipInterpolator(KNOTS[:2], y[:2])(x), Y, AT),
    "Akima1DInterpolator": (lambda y, x: interpolate.Akima1DInterpolator(KNOTS, y)(x), Y, AT),
    "Akima1DInterpolator beyond": (
        lambda y, x: interpolate.Akima1DInterpolator(KNOTS, y, extrapolate=True)(x * 2),
        Y,
        AT,
    ),
    "CubicHermiteSpline": (lambda y, x: interpolate.CubicHermiteSpline(KNOTS, y, y**2)(x), Y, AT),
    "knots made inside": (
        lambda y, x: (
            interpolate.make_interp_spline(np.arange(6) / 2, y)(x)
            + interpolate.CubicSpline(np.linspace(0, 3, 3), y[:3])(x)
            + interpolate.interp1d(np.linspace(0, 3, 6), np.arange(6.0), kind="cubic")(x)
        ),
        Y,
        AT,
    ),
    "PPoly": (lambda y, x: interpolate.PPoly(y.reshape(2, 3), KNOTS[:4])(x), Y, AT),
    "BSpline outside": (lambda x: SMOOTH(x) + SMOOTH(x, 1), AT),
    "UnivariateSpline outside": (lambda x: FITTED(x), AT),
    "make_interp_spline": (lambda y, x: interpolate.make_interp_spline(KNOTS, y, k=3)(x), Y, AT),
    "interp1d": (lambda y, x: interpolate.interp1d(KNOTS, y)(x), Y, AT),
    "interp1d unsorted": (lambda y, x: interpolate.interp1d(KNOTS[::-1], y, axis=0)(x[0]), WIDE, AT),
    "interp1d beyond": (lambda y, x: interpolate.interp1d(KNOTS, y, fill_value="extrapolate")(x * 2), Y, AT),
    "interp1d filled": (
        lambda y, x: interpolate.interp1d(KNOTS, y, bounds_error=False, fill_value=(y[0], y[-1]))(2 * x - 1),
        Y,
        AT,
    ),
    "interp1d cubic": (lambda y, x: interpolate.interp1d(KNOTS, y, kind="cubic")(x), Y, AT),
    "interp1d quadratic": (lambda y, x: interpolate.interp1d(KNOTS, y, kind=2, axis=0)(x), WIDE, AT),
    "interp1d outside": (lambda x: LINEAR(x), AT),
    "RegularGridInterpolator": (lambda v, x: interpolate.RegularGridInterpolator(GRID, v)(x), VALUES, POINTS),
    "RegularGridInterpolator filled": (
        lambda v, x: interpolate.RegularGridInterpolator(GRID, v, bounds_error=False, fill_value=None)(2 * x[0]),
        VALUES,
        POINTS,
    ),
    "RegularGridInterpolator down": (
        lambda v, x: interpolate.RegularGridInterpolator((GRID[0][::-1], GRID[1]), v)((x[:, 0], x[:, 1])),
        VALUES,
        POINTS,
    ),
    "RegularGridInterpolator outside": (lambda x: TABLE(x), POINTS),
    "interpn": (lambda v, x: interpolate.interpn(GRID, v, x, bounds_error=False, fill_value=0.0), VALUES, POINTS),
    "map_coordinates": (lambda v, x: ndimage.map_coordinates(v, 2 * x - 0.3, order=1), VALUES, POINTS),
    "map_coordinates nearest": (
        lambda v, x: ndimage.map_coordinates(v, 3 * x - 1, order=1, mode="nearest"),
        VALUES,
        POINTS,
    ),
}

STEPS = {
    **{
        kind: (lambda y, x, kind=kind: interpolate.interp1d(KNOTS, y, kind=kind)(x), Y, AT)
        for kind in ("nearest", "nearest-up", "previous", "next", "zero")
    },
    "on a grid": (lambda v, x: interpolate.RegularGridInterpolator(GRID, v, "nearest")(x), VALUES, POINTS),
    "of an image": (lambda v, x: ndimage.map_coordinates(v, 2 * x, order=0), VALUES, POINTS),
}


@together("name", CALLS, str, str)
def test_interpolants(name):
    check_call(*CALLS[name], tol=10.0)


@together("name", STEPS, str, str)
def test_interpolants_of_steps(name):
    check_call(*STEPS[name], grads=False)


def test_points_outside_are_not_a_number():
    found = vmap(lambda x: interpolate.interp1d(KNOTS, Y[0])(x))(np.array([-1.0, 1.0, 5.0]))
    assert np.array_equal(np.isnan(found), [True, False, True])
    found = vmap(lambda x: interpolate.RegularGridInterpolator(GRID, VALUES[0])(x))(np.array([[0.5, 0.1], [3.0, 0.1]]))
    assert np.array_equal(np.isnan(found), [[False], [True]])


def test_what_is_seen_of_objects():
    def fun(x):
        assert isinstance(OUTSIDE, interpolate.CubicSpline)
        assert np.array_equal(OUTSIDE.x, KNOTS)
        assert len(OUTSIDE.roots()) >= 0
        inside = interpolate.CubicSpline(KNOTS, x * Y[0])
        with pytest.raises(AttributeError, match="roots"):
            inside.roots()
        return inside(1.0)

    assert np.allclose(vmap(fun)(np.ones(2)), OUTSIDE(1.0))
    assert type(OUTSIDE) is interpolate.CubicSpline


def test_what_is_refused():
    with pytest.raises(OptionError, match="kind is 5"):
        vmap(lambda y: interpolate.interp1d(KNOTS, y, kind=5)(1.0))(Y)
    with pytest.raises(OptionError, match="method is 'cubic'"):
        vmap(lambda v: interpolate.RegularGridInterpolator(GRID, v, method="cubic")([0.5, 0.5]))(VALUES)
    with pytest.raises(OptionError, match="order is 3"):
        vmap(lambda v: ndimage.map_coordinates(v, np.zeros((2, 1))))(VALUES)
    with pytest.raises(ShapeError, match="there are 6 values along the axis"):
        vmap(lambda y: interpolate.CubicSpline(KNOTS[:4], y)(1.0))(Y)
    with pytest.raises(ValueError, match="strictly increasing"):
        vmap(lambda y: interpolate.CubicSpline(KNOTS[::-1], y)(1.0))(Y)


def test_in_the_right_side_of_an_equation():
    integrate = pytest.importorskip("scipy.integrate")

    def fun(y):
        force = interpolate.CubicSpline(KNOTS, y)
        return integrate.solve_ivp(lambda t, v: force(t) - OUTSIDE(t) * v, (0, 2), [1.0], rtol=1e-8).y[0, -1]

    assert np.allclose(vmap(fun)(Y), [fun(y) for y in Y], rtol=1e-9)
    assert np.allclose(vmap(grad(fun))(Y), vmap(jacfwd(fun))(Y), rtol=1e-8)
