"""`scipy.fft` inside transforms, against SciPy in a loop."""

import numpy as np
import pytest

from vmapcore import vmap
from vmapcore.errors import ArgumentError, ShapeError

from .scipy_calls import check_call, with_names
from .together import together

fft = pytest.importorskip("scipy.fft")

X = np.random.default_rng(0).normal(size=(2, 5))
C = X + 1j * X[::-1]
A = np.random.default_rng(1).normal(size=(2, 3, 4))

CALLS = {
    "fft": (lambda x: fft.fft(x), C),
    "fft of real, cut": (lambda x: fft.fft(x, 3, norm="ortho"), X),
    "ifft, longer": (lambda x: fft.ifft(x, n=7), C),
    "rfft": (lambda x: fft.rfft(x, norm="forward"), X),
    "irfft": (lambda x: fft.irfft(x, 6), X),
    "hfft": (lambda x: fft.hfft(x), X),
    "ihfft": (lambda x: fft.ihfft(x), X),
    "fft2": (lambda x: fft.fft2(x), A),
    "ifft2": (lambda x: fft.ifft2(x, s=(2, 5)), A),
    "rfft2": (lambda x: fft.rfft2(x), A),
    "irfft2": (lambda x: fft.irfft2(x), A),
    "fftn": (lambda x: fft.fftn(x, s=3), A),
    "ifftn": (lambda x: fft.ifftn(x, axes=0), A),
    "rfftn": (lambda x: fft.rfftn(x), A),
    "irfftn": (lambda x: fft.irfftn(x, s=(3, 4)), A),
    "fftshift": (lambda x: fft.fftshift(x, 1), A),
    "ifftshift": (lambda x: fft.ifftshift(x), A),
    "dct complex": (lambda x: fft.dct(x), C),
    "dct of a length": (lambda x: fft.dct(x, n=7, axis=0) + fft.dct(x, n=7, type=3, axis=0)[:1], A),
    "dct, cut": (lambda x: fft.dst(x, 3, 3) + fft.dct(x, 3, 3), X),
    "orthogonalize": (lambda x: fft.dct(x, 1, orthogonalize=True) + fft.idst(x, 2, orthogonalize=True), X),
    "not": (lambda x: fft.dct(x, norm="ortho", orthogonalize=False), X),
    "dctn": (lambda x: fft.dctn(x), A),
    "idctn": (lambda x: fft.idctn(x, 2, (2, 6), norm="ortho"), A),
    "dstn": (lambda x: fft.dstn(x, axes=[0]), A),
    "idstn": (lambda x: fft.idstn(x, s=[3]), A),
    "integers": (lambda x: fft.fft(x.astype(int)) + fft.dct(x.astype(int)), X * 9),
    **{
        f"{name} {norm} {kind}": (lambda x, name=name, kind=kind, norm=norm: getattr(fft, name)(x, kind, norm=norm), X)
        for name in ("dct", "idct", "dst", "idst")
        for norm in ("backward", "ortho", "forward")
        for kind in (1, 2, 3, 4)
    },
}


@together("name", CALLS, str, lambda name: name.split()[0])
def test_of_traced_values(name):
    check_call(*CALLS[name], deep=name.split()[0] in ("dctn", "orthogonalize"))


@together("name", ["fft", "rfft", "irfft", "dct", "dst", "idctn", "dstn"])
def test_of_single_precision(name):
    fun = getattr(fft, name)
    ours = vmap(with_names(lambda x: fun(x)))(X.astype(np.float32))
    wanted = np.stack([fun(x) for x in X.astype(np.float32)])
    assert ours.dtype == wanted.dtype and np.allclose(ours, wanted, rtol=1e-4, atol=1e-5)


def test_of_one_number():
    for name, kind in [(n, k) for n in ("dct", "idct", "dst", "idst") for k in (1, 2, 3, 4) if (n[-3], k) != ("d", 1)]:
        fun = getattr(fft, name)
        ours = vmap(with_names(lambda x, fun=fun, kind=kind: fun(x, kind)))(X[:, :1])
        assert np.allclose(ours, fun(X[:, :1], kind)), (name, kind)


def test_of_cupys_arrays(xp):
    for fun in (fft.dct, fft.dst, fft.fft):
        ours = vmap(with_names(lambda x, fun=fun: fun(x)))(xp.asarray(X))
        assert xp.allclose(ours, xp.asarray(fun(X)))


def test_what_is_refused():
    with pytest.raises(ArgumentError, match=r"scipy\.fft\.dct: type is 5"):
        vmap(lambda x: fft.dct(x, 5))(X)
    with pytest.raises(ShapeError, match=r"scipy\.fft\.dct: 1 numbers are transformed"):
        vmap(lambda x: fft.dct(x, 1))(X[:, :1])
    with pytest.raises(ShapeError, match=r"scipy\.fft\.dctn: s is \(2,\) and axes \(-2, -1\)"):
        vmap(lambda x: fft.dctn(x, s=(2,), axes=(0, 1)))(A)
