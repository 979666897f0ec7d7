"""Polynomials by their coefficients."""

import numpy as np

from . import Arg, row

LINE = (5,)
POINTS = np.array([-1.5, -1.0, -0.25, 0.5, 1.25])
WEIGHTS = np.array([1.0, 2.0, 0.5, 1.0, 3.0])


def spread(x):
    """Points that lie apart, whatever `x` is."""
    return 0.2 * x + np.arange(5) - 2.0


ROWS = [
    row("polyval", np.polyval, (3,), (2, 2), kinds="fci"),
    row("polyval plain", lambda x: np.polyval([1, 0, -2], x), LINE),
    row("polyadd", np.polyadd, (4,), (2,), kinds="fci"),
    row("polyadd a list", lambda p: np.polyadd([1.0, 0, 0, 2, 1], p), (2,)),
    row("polyadd a number", lambda p: np.polyadd(p, 2.0), (3,)),
    row("polysub", np.polysub, (1,), (3,), kinds="fci"),
    row("polyder", np.polyder, (4,), kinds="fci"),
    row("polyder m=2", np.polyder, (4,), params={"m": 2}),
    row("polyder m=0", np.polyder, (2,), params={"m": 0}),
    row("polyder of a constant", lambda p: np.polyder(p, 3), (2,)),
    row("polyint", np.polyint, (3,), kinds="fci"),
    row("polyint m=2", np.polyint, (3,), params={"m": 2, "k": 1.5}),
    row("polyint k", lambda p: np.polyint(p, 2, p[1:]), (3,)),
    row("polyfit", lambda x, y: np.polyfit(spread(x), y, 2), LINE, LINE),
    row("polyfit plain points", lambda y: np.polyfit(POINTS, y, 2), LINE, kinds="fi"),
    row("polyfit complex", lambda y: np.polyfit(POINTS, y, 1), LINE, kinds="c"),
    row("polyfit several", lambda y: np.polyfit(POINTS, y, 1), (5, 2)),
    row("polyfit w", lambda x, y, w: np.polyfit(spread(x), y, 1, w=w), LINE, LINE, Arg(LINE, low=0.5)),
    row("polyfit w several", lambda y: np.polyfit(POINTS, y, 1, w=WEIGHTS), (5, 2)),
    row("polyfit deg=0", lambda y: np.polyfit(POINTS, y, 0), LINE),
    row("polyfit full", lambda y: np.polyfit(POINTS, y, 2, full=True)[:2], LINE),
    row("polyfit cov", lambda x, y: np.polyfit(spread(x), y, 1, cov=True), LINE, LINE),
    row("polyfit cov several", lambda y: np.polyfit(POINTS, y, 1, cov=True), (5, 2)),
    row("polyfit cov unscaled", lambda y: np.polyfit(POINTS, y, 1, w=WEIGHTS, cov="unscaled"), LINE),
    row("polymul", np.polymul, Arg((3,), low=0.5), Arg((2,), low=0.5), kinds="fc"),
    row("polymul a number", lambda p: np.polymul(p, 2.0), Arg((3,), low=0.5)),
    row("roots", lambda p: np.sort(np.roots(p)), Arg((4,), low=0.5), kinds="c"),
    row("poly", np.poly, (3,), kinds="fc"),
    row("poly of nothing", lambda x: np.poly(x[:0]) * x, (3,)),
]
