"""`scipy.spatial.distance` inside transforms, against SciPy in a loop."""

import numpy as np
import pytest

from vmapcore import grad, vmap
from vmapcore.errors import OptionError, ShapeError

from .scipy_calls import check_call
from .together import together

distance = pytest.importorskip("scipy.spatial.distance")

pytestmark = pytest.mark.numpy_plans

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 4, 3)), RNG.normal(size=(2, 5, 3))
METRICS = ("euclidean", "sqeuclidean", "cityblock", "chebyshev", "cosine", "correlation", "canberra", "braycurtis")

CALLS = {
    **{f"cdist {m}": (lambda a, b, m=m: distance.cdist(a, b, m), A, B) for m in METRICS},
    **{f"pdist {m}": (lambda a, m=m: distance.pdist(a, metric=m), A) for m in METRICS},
    **{f"two {m}": (lambda a, b, m=m: getattr(distance, m)(a[0], b[0]), A, B) for m in METRICS},
    "minkowski": (lambda a, b: distance.cdist(a, b, "minkowski", p=3) + distance.minkowski(a[0], b[0], 3), A, B),
    "squareform": (lambda a: distance.squareform(distance.pdist(a)), A),
    "squareform back": (lambda a: distance.squareform(distance.squareform(distance.pdist(a))), A),
    "kernel": (lambda a, s: np.exp(-distance.cdist(a, a, "sqeuclidean") / s), A, np.array([0.5, 2.0])),
}


@together("name", CALLS, str, lambda name: name.split()[0])
def test_of_traced_values(name):
    check_call(*CALLS[name], tol=10.0)


def test_points_that_are_one():
    for metric in ("euclidean", "sqeuclidean", "cityblock"):
        slope = grad(lambda a, m=metric: np.sum(distance.cdist(a, a, m) ** 2))(A[0])
        assert np.all(np.isfinite(slope)), metric


def test_what_is_refused():
    with pytest.raises(OptionError, match=r"scipy\.spatial\.distance\.cdist: metric is 'jaccard', .* of \['euclidean'"):
        vmap(lambda a: distance.cdist(a, a, "jaccard"))(A)
    with pytest.raises(OptionError, match=r"options are \['w'\] for metric='euclidean'"):
        vmap(lambda a: distance.pdist(a, w=np.ones(3)))(A)
    with pytest.raises(ShapeError, match=r"scipy\.spatial\.distance\.pdist: points are f64\[3\]"):
        vmap(lambda a: distance.pdist(a[0]))(A)
