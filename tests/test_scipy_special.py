"""Derivatives of `scipy.special`: every row of the table against SciPy, the loop and finite differences."""

import numpy as np
import pytest

from vmapcore import grad, jit, jvp, trace, vmap
from vmapcore.libraries.slopes import complex_polygamma
from vmapcore.libraries.special import PARTIALS, UNKNOWN
from vmapcore.planning import simplify
from vmapcore.testing import check_composition, check_dtypes, check_grads, check_jit, check_vmap
from vmapcore.testing.special import check_special

from .together import together

sp = pytest.importorskip("scipy.special")

U = (-1.3, 0.4, 2.2)
"""Anything."""
P = (0.3, 1.2, 4.5)
"""Positive."""
Q = (0.15, 0.5, 0.8)
"""Of the unit interval."""
N = np.array([0, 1, 3])
"""Degrees and counts."""

POINTS = {
    "erf": (U,),
    "erfc": (U,),
    "erfcx": (U,),
    "erfi": (U,),
    "erfinv": ((-0.7, 0.0, 0.9),),
    "erfcinv": ((0.2, 1.0, 1.8),),
    "dawsn": (U,),
    "wofz": ((0.3 + 0.5j, -1 + 1j, 2j),),
    "ndtr": (U,),
    "log_ndtr": ((-20.0, 0.0, 3.0),),
    "ndtri": (Q,),
    "ndtri_exp": ((-5.0, -0.7, -0.1),),
    "owens_t": (U, P),
    "voigt_profile": (U, P, (0.5, 1.0, 0.2)),
    "fresnel": (U,),
    "modfresnelp": (Q,),
    "modfresnelm": (Q,),
    "gamma": ((-1.3, 0.4, 3.2),),
    "gammaln": ((-1.3, 0.4, 3.2),),
    "loggamma": (P,),
    "rgamma": ((-1.3, 0.4, 3.2),),
    "gammasgn": ((-1.3, 0.4, 3.2),),
    "psi": ((-1.3, 0.4, 3.2),),
    "poch": (P, (0.2, 1.0, -0.4)),
    "beta": (P, (0.7, 2.0, 1.1)),
    "betaln": (P, (0.7, 2.0, 1.1)),
    "binom": ((2.3, 5.0, 7.1), (0.7, 2.0, 3.3)),
    "gammainc": ((0.7, 1.0, 3.5), P),
    "gammaincc": ((0.7, 1.0, 3.5), P),
    "gammaincinv": ((0.9, 1.0, 3.5), Q),
    "gammainccinv": ((0.9, 1.0, 3.5), Q),
    "betainc": ((0.7, 1.0, 3.5), (1.2, 2.0, 0.8), Q),
    "betaincc": ((0.7, 1.0, 3.5), (1.2, 2.0, 0.8), Q),
    "betaincinv": ((0.9, 1.0, 3.5), (1.2, 2.0, 0.8), Q),
    "betainccinv": ((0.9, 1.0, 3.5), (1.2, 2.0, 0.8), Q),
    "chdtr": ((1.5, 2.0, 5.0), P),
    "chdtrc": ((1.5, 2.0, 5.0), P),
    "chdtri": ((1.8, 2.0, 5.0), Q),
    "chndtr": (P, (1.5, 2.0, 5.0), (0.5, 1.0, 2.0)),
    "gdtr": ((1.5, 2.0, 0.5), (0.7, 1.0, 3.5), P),
    "gdtrc": ((1.5, 2.0, 0.5), (0.7, 1.0, 3.5), P),
    "gdtrix": ((1.5, 2.0, 0.5), (0.9, 1.0, 3.5), Q),
    "gdtria": (Q, (0.9, 1.0, 3.5), P),
    "pdtr": ((0.0, 1.0, 3.0), P),
    "pdtrc": ((0.0, 1.0, 3.0), P),
    "pdtri": (N, Q),
    "bdtr": ((0.0, 1.0, 3.0), N + 4, Q),
    "bdtrc": ((0.0, 1.0, 3.0), N + 4, Q),
    "bdtri": ((0.0, 1.0, 3.0), N + 4, Q),
    "nbdtr": (N, N + 2, Q),
    "nbdtrc": (N, N + 2, Q),
    "nbdtri": (N, N + 2, Q),
    "fdtr": ((3.0, 2.5, 5.0), (4.0, 3.0, 2.0), P),
    "fdtrc": ((3.0, 2.5, 5.0), (4.0, 3.0, 2.0), P),
    "fdtri": ((3.0, 2.5, 5.0), (4.0, 3.0, 6.0), Q),
    "stdtr": ((1.0, 2.5, np.inf), U),
    "stdtrit": ((2.0, 2.5, 30.0), Q),
    "nrdtrimn": ((0.2, 0.6, 0.9), (0.7, 1.0, 2.0), U),
    "nrdtrisd": ((-0.4, 0.5, 1.0), (0.7, 0.8, 0.9), (0.5, 1.5, 3.0)),
    "expit": (U,),
    "logit": (Q,),
    "log_expit": (U,),
    "xlogy": (U, P),
    "xlog1py": (U, P),
    "entr": (P,),
    "rel_entr": (P, (0.7, 2.0, 1.1)),
    "kl_div": (P, (0.7, 2.0, 1.1)),
    "huber": ((1.0, 1.5, 0.7), U),
    "pseudo_huber": ((1.0, 1.5, 0.7), U),
    "boxcox": (P, (-0.7, 0.0, 2.0)),
    "boxcox1p": (P, (-0.7, 0.0, 2.0)),
    "inv_boxcox": (P, (0.7, 0.0, -0.1)),
    "inv_boxcox1p": (P, (0.7, 0.0, -0.1)),
    "exprel": ((-3.0, 0.0, 2.0),),
    "expm1": (U,),
    "log1p": (P,),
    "cosm1": (U,),
    "powm1": (P, U),
    "cbrt": (U,),
    "exp2": (U,),
    "exp10": (Q,),
    "sindg": ((-40.0, 0.0, 130.0),),
    "cosdg": ((-40.0, 0.0, 130.0),),
    "tandg": ((-40.0, 0.0, 60.0),),
    "cotdg": ((-40.0, 20.0, 60.0),),
    "radian": (U, U, U),
    "round": (U,),
    "exp1": (P,),
    "expi": ((-1.3, 0.4, 2.2),),
    "expn": (N, P),
    "sici": (P,),
    "shichi": (P,),
    "spence": ((0.3, 1.0, 4.5),),
    "_zeta": ((2.0, 3.0, 1.5), P),
    "_riemann_zeta": ((2.0, 3.0, 1.5),),
    "_sinpi": (U,),
    "_cospi": (U,),
    "_log1pmx": (P,),
    "_log1mexp": ((-3.0, -0.7, -0.1),),
    "_beta_pdf": (Q, (0.7, 1.0, 3.5), (1.2, 2.0, 0.8)),
    "_beta_ppf": (Q, (0.9, 1.0, 3.5), (1.2, 2.0, 0.8)),
    "_lgam1p": (P,),
    "_binom_pmf": ((0.0, 1.0, 3.0), N + 4, Q),
    "_binom_cdf": ((0.0, 1.0, 3.0), N + 4, Q),
    "_binom_sf": ((0.0, 1.0, 3.0), N + 4, Q),
    "_nbinom_pmf": ((0.0, 1.0, 3.0), P, Q),
    "_nbinom_cdf": ((0.0, 1.0, 3.0), P, Q),
    "_nbinom_sf": ((0.0, 1.0, 3.0), P, Q),
    "_cauchy_ppf": (Q, U, P),
    "_cauchy_isf": (Q, U, P),
    "_skewnorm_ppf": (Q, U, P, U),
    "_skewnorm_isf": (Q, U, P, U),
    "chndtrix": (Q, (1.5, 2.0, 5.0), (0.5, 1.0, 2.0)),
    "kelvin": (P,),
    "zetac": ((2.0, 3.0, 1.5),),
    "_lambertw": ((0.3 + 0.5j, -1 + 1j, 2j), np.array([0, 1, -1]), (1e-12, 1e-12, 1e-12)),
    "wrightomega": (U,),
    "agm": (P, (0.7, 1.2, 1.1)),
    "ellipk": ((-2.0, 0.0, 0.7),),
    "ellipkm1": ((0.2, 0.7, 1.0),),
    "ellipe": ((-2.0, 0.0, 0.7),),
    "ellipkinc": ((-2.5, 0.8, 4.5), (-2.0, 0.4, 0.7)),
    "ellipeinc": ((-2.5, 0.8, 4.5), (-2.0, 0.4, 0.7)),
    "ellipj": ((-1.5, 0.8, 2.5), (0.1, 0.4, 0.7)),
    "elliprc": (P, (0.7, 2.0, 1.1)),
    "elliprd": (P, (0.7, 2.0, 1.1), (0.5, 0.9, 1.3)),
    "elliprf": (P, (0.7, 2.0, 1.1), (0.5, 0.9, 1.3)),
    "airy": (U,),
    "airye": ((0.4, 1.0, 2.2),),
    "itairy": ((-0.5, 0.4, 1.0),),
    "pbdv": ((0.5, 1.0, 2.5), U),
    "pbvv": ((0.5, 1.0, 2.5), U),
    "pbwa": ((0.5, 1.0, 1.5), U),
    "j0": (U,),
    "j1": (U,),
    "y0": (P,),
    "y1": (P,),
    "jv": ((0.0, 1.5, 3.0), P),
    "jve": ((0.0, 1.5, 3.0), P),
    "yn": (N, P),
    "yv": ((0.0, 1.5, 3.0), P),
    "yve": ((0.0, 1.5, 3.0), P),
    "hankel1": ((0.0, 1.5, 3.0), (0.3 + 0.5j, -1 + 1j, 2j)),
    "hankel2": ((0.0, 1.5, 3.0), (0.3 + 0.5j, -1 + 1j, 2j)),
    "hankel1e": ((0.0, 1.5, 3.0), (0.3 + 0.5j, -1 + 1j, 2j)),
    "hankel2e": ((0.0, 1.5, 3.0), (0.3 + 0.5j, -1 + 1j, 2j)),
    "i0": (U,),
    "i0e": (U,),
    "i1": (U,),
    "i1e": (U,),
    "iv": ((0.0, 1.5, 3.0), P),
    "ive": ((0.0, 1.5, 3.0), P),
    "k0": (P,),
    "k0e": (P,),
    "k1": (P,),
    "k1e": (P,),
    "kn": (N, P),
    "kv": ((0.0, 1.5, 3.0), P),
    "kve": ((0.0, 1.5, 3.0), P),
    "ber": (U,),
    "bei": (U,),
    "ker": (P,),
    "kei": (P,),
    "berp": (U,),
    "beip": (U,),
    "kerp": (P,),
    "keip": (P,),
    "_spherical_jn": (N, P),
    "_spherical_yn": (N, P),
    "_spherical_in": (N, U),
    "_spherical_kn": (N, P),
    "_spherical_jn_d": (N, P),
    "_spherical_yn_d": (N, P),
    "_spherical_in_d": (N, U),
    "_spherical_kn_d": (N, P),
    "itj0y0": (P,),
    "iti0k0": (P,),
    "struve": ((0.0, 1.5, 3.0), P),
    "modstruve": ((0.0, 1.5, 3.0), P),
    "itstruve0": (P,),
    "itmodstruve0": (P,),
    "hyp0f1": ((0.7, 1.5, 3.0), U),
    "hyp1f1": ((0.7, 1.5, 3.0), (1.2, 2.0, 0.8), U),
    "hyp2f1": ((0.7, 1.5, 3.0), (1.2, 2.0, 0.8), (0.9, 2.5, 1.4), (-1.3, 0.4, 0.7)),
    "hyperu": ((0.7, 1.5, 3.0), (1.2, 2.0, 0.8), P),
    "wright_bessel": ((0.7, 1.5, 3.0), (1.2, 2.0, 0.8), P),
    "log_wright_bessel": ((0.7, 1.5, 3.0), (1.2, 2.0, 0.8), P),
    "eval_legendre": (N, U),
    "eval_sh_legendre": (N, U),
    "eval_chebyt": (N, U),
    "eval_chebyu": (N, U),
    "eval_chebyc": (N, U),
    "eval_chebys": (N, U),
    "eval_sh_chebyt": (N, U),
    "eval_sh_chebyu": (N, U),
    "eval_gegenbauer": (N, (0.7, 1.5, 3.0), U),
    "eval_hermite": (N, U),
    "eval_hermitenorm": (N, U),
    "eval_laguerre": (N, U),
    "eval_genlaguerre": (N, (0.7, 1.5, 3.0), U),
    "eval_jacobi": (N, (0.7, 1.5, 3.0), (1.2, 2.0, 0.8), U),
}
"""For each function three points, where it is smooth."""

COMPLEX = {
    *(
        "erf",
        "erfc",
        "erfcx",
        "erfi",
        "dawsn",
        "wofz",
        "ndtr",
        "log_ndtr",
        "fresnel",
        "gamma",
        "loggamma",
        "rgamma",
        "psi",
        "xlogy",
        "xlog1py",
    ),
    *("expm1", "log1p", "exp1", "expi", "sici", "shichi", "spence", "wrightomega", "_lambertw", "elliprc", "elliprf"),
    *("airy", "jv", "yv", "hankel1", "hankel2", "hankel1e", "hankel2e", "iv", "kv", "kve", "hyp0f1", "hyp1f1"),
    *("_spherical_jn", "_spherical_yn", "_spherical_in", "_spherical_kn"),
    *("eval_legendre", "eval_chebyt", "eval_chebyu", "eval_laguerre", "eval_genlaguerre", "eval_gegenbauer"),
}
"""Functions of complex numbers, with derivatives of every order."""

each_row = together("name", POINTS, str, str)
each_complex_row = together("name", sorted(COMPLEX), str, str)


def args_of(name):
    return [np.array(x) for x in POINTS[name]]


def function_of(name):
    return getattr(sp._ufuncs, name)


def moving(name):
    """The positions of the arguments by which there is a derivative."""
    return [i for i, p in enumerate(PARTIALS[name]) if p is not None and p is not UNKNOWN]


def of_moving(name, args):
    """The function of those arguments alone, and the arguments."""
    at, fun = moving(name), function_of(name)

    def part(*xs):
        full = list(args)
        for i, x in zip(at, xs, strict=True):
            full[i] = x
        return fun(*full)

    return part, [args[i] for i in at]


def test_every_row_has_points():
    assert POINTS.keys() == PARTIALS.keys()
    assert len([name for name in PARTIALS if moving(name)]) >= 150
    assert POINTS.keys() >= COMPLEX


@each_row
def test_vmap_is_the_loop(name):
    check_vmap(function_of(name), *args_of(name), in_axes=0)


@each_row
def test_derivatives(name):
    part, args = of_moving(name, args_of(name))
    if args:
        check_grads(part, *args)


SCIPY_IS_WRONG = {"modfresnelp", "modfresnelm", "itstruve0"}
"""Of negative numbers, and of numbers above 50: SciPy's values differ from the integrals that they are said to be."""


@each_row
def test_special_points_around(name):
    """Zeros, other signs, large numbers, wherever differences tell that there is a derivative."""
    part, args = of_moving(name, args_of(name))
    if args and name not in SCIPY_IS_WRONG:
        with np.errstate(all="ignore"):
            check_special(part, args, None, ("fwd", "rev"), 2, 1.0)


@each_row
def test_dtypes(name):
    """A cotangent has the dtype of its argument, a tangent that of its result."""
    part, args = of_moving(name, args_of(name))
    if args and args[0].dtype.kind == "f":
        check_dtypes(part, *args)


@each_row
def test_composition(name):
    """vmap, grad and jvp in either order."""
    part, args = of_moving(name, args_of(name))
    if args:
        check_composition(part, *args)


@each_row
def test_jit_of_derivatives(name):
    """What is recorded gives what was recorded."""
    args = args_of(name)
    for i in moving(name):

        def slope(*xs, i=i):
            return jvp(lambda x: function_of(name)(*xs[:i], x, *xs[i + 1 :]), (xs[i],), (np.ones_like(xs[i]),))

        check_jit(vmap(slope), *args)


@each_complex_row
def test_complex_derivatives(name):
    fun, args = function_of(name), args_of(name)
    i = len(args) - 1 if name != "_lambertw" else 0
    z = np.array([0.3 + 0.5j, -0.6 + 0.4j, 0.2 - 0.7j])
    check_grads(lambda z: fun(*args[:i], z, *args[i + 1 :]), z)


# Zeros, ends of domains, tails, and points where a formula is 0 / 0: the derivative, the second one, and so on.

INF = np.inf
STIRLING = np.exp(-1 / 8400 + 1 / (360 * 700**3)) / np.sqrt(1400 * np.pi)

AT_POINTS = [
    ("erfinv", (1.0,), 0, [INF]),
    ("erf", (INF,), 0, [0.0]),
    ("erfcx", (1e6,), 0, [-1e-12 / np.sqrt(np.pi), 2e-18 / np.sqrt(np.pi)]),
    ("dawsn", (-1e6,), 0, [-0.5e-12, -1e-18]),
    ("log_ndtr", (-100.0,), 0, [100.00999800099926, -0.99990005995]),
    ("log_ndtr", (45.0,), 0, [0.0, 0.0, 0.0]),
    ("gammainc", (0.5, 0.0), 1, [INF]),
    ("gammainc", (1.0, 0.0), 1, [1.0, -1.0]),
    ("gammainc", (2.0, 0.0), 1, [0.0, 1.0, -2.0]),
    ("gammainc", (3.0, 0.0), 1, [0.0, 0.0, 1.0]),
    ("gammaincc", (700.0, 700.0), 1, [-STIRLING, STIRLING / 700]),
    ("betainc", (1.0, 1.0, 0.0), 2, [1.0, 0.0]),
    ("betainc", (2.0, 1.0, 1.0), 2, [2.0, 2.0]),
    ("betainc", (1.0, 3.0, 0.0), 2, [3.0, -6.0]),
    ("bdtr", (0.0, 3, 0.0), 2, [-3.0, 6.0]),
    ("rgamma", (0.0,), 0, [1.0, 2 * np.euler_gamma]),
    ("rgamma", (-2.0,), 0, [2.0]),
    ("binom", (2.0, 5.0), 0, [1 / 30, 0.0]),
    ("binom", (2.0, 3.0), 1, [-1 / 3, 2 / 3 * (11 / 6)]),
    ("binom", (2.0, -1.0), 1, [1 / 3]),
    ("binom", (2.0, 900.0), 1, [2 / (900.0 * 899 * 898)]),
    ("beta", (-0.5, -0.5), 0, [-4 * np.pi]),
    ("struve", (0.0, 0.0), 1, [2 / np.pi, 0.0, -4 / (3 * np.pi)]),
    ("modstruve", (0.0, 0.0), 1, [2 / np.pi, 0.0, 4 / (3 * np.pi)]),
    ("voigt_profile", (0.5, 0.0, 1.0), 0, [-1.0 / np.pi / 1.25**2]),
    ("voigt_profile", (0.5, 0.0, 1.0), 1, [0.0, (6 * 0.25 - 2) / np.pi / 1.25**3]),
    ("elliprc", (1.0, -1.0), 0, [-(np.arctanh(np.sqrt(0.5)) / np.sqrt(2) - 1) / 4]),
    ("poch", (0.0, 3.0), 0, [2.0, 6.0]),
    ("poch", (-3.0, 1.0), 0, [1.0]),
    ("xlogy", (0.0, 2.0), 0, [np.log(2.0), 0.0]),
    ("xlogy", (0.0, 0.0), 1, [0.0]),
    ("rel_entr", (0.0, 2.0), 1, [0.0, 0.0]),
    ("kl_div", (0.0, 0.0), 1, [1.0]),
    ("xlogy", (0.0, 3.0), 1, [0.0, 0.0]),
    ("huber", (1.0, 1.0), 1, [1.0]),
    ("huber", (1.0, 0.0), 1, [0.0, 1.0]),
    ("pseudo_huber", (1.0, 0.0), 1, [0.0, 1.0]),
    ("pseudo_huber", (1.0, 0.0), 0, [0.0]),
    ("expit", (800.0,), 0, [0.0, 0.0]),
    ("log_expit", (-800.0,), 0, [1.0, 0.0]),
    ("exprel", (0.0,), 0, [1 / 2, 1 / 3, 1 / 4, 1 / 5]),
    ("boxcox", (0.0, 0.5), 1, [4.0, -16.0]),
    ("boxcox", (2.0, 0.0), 1, [np.log(2) ** 2 / 2, np.log(2) ** 3 / 3]),
    ("inv_boxcox", (1.0, 0.0), 1, [-np.e / 2]),
    ("spence", (1.0,), 0, [-1.0, 1 / 2]),
    ("j1", (0.0,), 0, [0.5, 0.0]),
    ("jv", (0.0, 0.0), 1, [0.0, -0.5]),
    ("i1", (0.0,), 0, [0.5, 0.0]),
    ("i0e", (0.0,), 0, [0.0]),
    ("bei", (0.0,), 0, [0.0, 0.5, 0.0, 0.0, 0.0, -15 / 48]),
    ("ber", (0.0,), 0, [0.0, 0.0, 0.0, -3 / 8]),
    ("_spherical_jn", (1, 0.0), 1, [1 / 3, 0.0]),
    ("_spherical_in", (0, 0.0), 1, [0.0, 1 / 3]),
    ("expn", (2, 0.0), 1, [-INF]),
    ("expn", (4, 0.0), 1, [-1 / 2, 1.0]),
    ("expn", (0, 1.0), 1, [-2 / np.e, 5 / np.e]),
    ("agm", (1.0, 1.0), 0, [0.5, -0.125]),
    ("ellipk", (0.0,), 0, [np.pi / 8, 9 * np.pi / 64]),
    ("ellipkm1", (1e-20,), 0, [-5e19]),
    ("ellipkinc", (0.0, 0.3), 0, [1.0, 0.0]),
    ("ellipkinc", (np.pi / 2, 0.0), 1, [np.pi / 8, 9 * np.pi / 64]),
    ("ellipeinc", (np.pi / 2, 0.0), 1, [-np.pi / 8, -3 * np.pi / 64]),
    ("ellipkinc", (2 * np.pi, 0.0), 1, [np.pi / 2]),
    ("stdtr", (INF, 0.0), 1, [1 / np.sqrt(2 * np.pi), 0.0]),
    ("eval_hermite", (1, 3.0), 1, [2.0, 0.0, 0.0]),
    ("eval_legendre", (2, 1.0), 1, [3.0, 3.0, 0.0]),
    ("_lambertw", (0.0, 0, 1e-12), 0, [1.0, -2.0, 9.0]),
]


@together("case", AT_POINTS)
def test_special_points(case):
    name, args, i, expected = case

    def fun(x):
        return function_of(name)(*args[:i], x, *args[i + 1 :])

    forward = fun
    for order, value in enumerate(expected, 1):
        fun = grad(real_part(fun))
        forward = tangent_of(real_part(forward))
        with np.errstate(divide="ignore"):  # of those that are infinite
            found = [fun(args[i]), forward(args[i]), jit(fun)(args[i])]
        np.testing.assert_allclose(found, value, rtol=1e-8, atol=1e-14, err_msg=f"order {order}")


def tangent_of(fun):
    return lambda x: jvp(fun, (x,), (1.0,))[1]


def real_part(fun):
    return lambda x: fun(x).real


def test_equal_steps_are_one():
    def f(x):
        return sp.gammaln(x) * sp.gammaln(x) + sp.psi(x)

    x = np.array(P)
    both = jit(vmap(lambda x: (f(x), grad(f)(x))))
    for _ in range(3):
        value, slope = both(x)
    np.testing.assert_allclose(value, sp.gammaln(x) ** 2 + sp.psi(x))
    np.testing.assert_allclose(slope, 2 * sp.gammaln(x) * sp.psi(x) + sp.polygamma(1, x))
    names = [step.primitive.name for step in simplify(trace(f)(x)).steps]
    assert names.count("scipy.special.gammaln") == 1


def test_results_that_are_not_used_take_no_part():
    """The cosine integral has a pole where the sine integral has none."""
    with np.errstate(divide="ignore"):
        for transform in (lambda f: f, jit):
            slope = transform(vmap(grad(lambda x: sp.sici(x)[0])))
            for _ in range(3):
                assert slope(np.zeros(2)).tolist() == [1.0, 1.0]
        assert vmap(grad(grad(lambda x: sp.shichi(x)[0])))(np.zeros(2)).tolist() == [0.0, 0.0]


def test_complex_polygamma():
    """On the real line that of real numbers; elsewhere by the recurrence, near and far."""
    x = np.array([-3.3, 0.2, 4.0, 80.0, 3e4])
    for order in range(1, 6):
        np.testing.assert_allclose(complex_polygamma(x + 0j, order=order), sp.polygamma(order, x) + 0j, rtol=1e-12)
    z = np.array([-8 + 0.1j, -3 - 30j, 2 + 1j, 1e3j])
    step = complex_polygamma(z + 1, order=2) - complex_polygamma(z, order=2)
    np.testing.assert_allclose(step, 2 / z**3, rtol=1e-9)
    with np.errstate(invalid="ignore"):
        beyond = complex_polygamma(np.array([np.nan + 0j, 1 + 1j, -1e6 + 1j]), order=1)
    assert np.isnan(beyond).tolist() == [True, False, True]
    assert complex_polygamma(np.zeros(0, complex), order=1).shape == (0,)
