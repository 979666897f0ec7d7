"""Rows for vmapcore/rules/fft.py."""

import numpy as np

from . import row


def transform(name, shape, kinds="f", **params):
    shown = "".join([f" {k}={v}" for k, v in params.items()])
    return row(f"fft.{name}{shown} of {shape}", getattr(np.fft, name), shape, kinds=kinds, params=params)


ROWS = [
    transform("fft", (4,), kinds="fci"),
    transform("fft", (2, 3), kinds="fc"),
    transform("fft", (5, 2), kinds="fc", axis=0, norm="ortho"),
    transform("fft", (2, 4), kinds="fc", n=3, norm="forward"),
    transform("fft", (3,), kinds="fc", n=5),
    transform("ifft", (4,), kinds="fci"),
    transform("ifft", (3, 2), kinds="fc", n=4, axis=-2, norm="ortho"),
    transform("rfft", (4,), kinds="fi"),
    transform("rfft", (2, 5)),
    transform("rfft", (4, 2), n=3, axis=0, norm="ortho"),
    transform("rfft", (3,), n=6, norm="forward"),
    transform("irfft", (3,), kinds="fci"),
    transform("irfft", (2, 3), kinds="fc", n=5),
    transform("irfft", (4, 2), kinds="fc", axis=0, norm="ortho"),
    transform("irfft", (4,), kinds="fc", n=4, norm="forward"),
    transform("irfft", (3,), kinds="fc", n=8),
    transform("hfft", (3,), kinds="fc"),
    transform("hfft", (2, 3), kinds="fc", n=5, norm="ortho"),
    transform("ihfft", (4,)),
    transform("ihfft", (5, 2), n=3, axis=0, norm="forward"),
    transform("fft2", (2, 3), kinds="fc"),
    transform("fft2", (2, 3, 2), kinds="fc", s=(3, 2), axes=(0, 1)),
    transform("ifft2", (2, 3), kinds="fc", norm="ortho"),
    transform("rfft2", (2, 3)),
    transform("irfft2", (2, 3), kinds="fc"),
    transform("fftn", (2, 3), kinds="fc"),
    transform("fftn", (2, 3, 2), kinds="fc", axes=(0, 2), norm="forward"),
    transform("ifftn", (2, 3), kinds="fc", s=(3, -1), axes=(0, 1)),
    transform("rfftn", (2, 3, 2)),
    transform("rfftn", (4, 2), s=(3, 3), axes=(1, 0)),
    transform("irfftn", (2, 3), kinds="fc"),
    transform("irfftn", (2, 3), kinds="fc", s=(2, 5), axes=(0, 1), norm="ortho"),
    transform("fftshift", (5,), kinds="fci"),
    transform("fftshift", (3, 4), axes=1),
    transform("fftshift", (3, 4), axes=(0,)),
    transform("ifftshift", (5,), kinds="fc"),
    transform("ifftshift", (3, 4)),
    row("fft of a convolution", lambda x, y: np.fft.irfft(np.fft.rfft(x) * np.fft.rfft(y), 5), (5,), (5,)),
]
