"""Adaptive median filter against salt-and-pepper noise: restored image, replaced pixels and PSNR."""
import numpy as np


def adaptive_median(img, largest):
    rows, cols = img.shape
    out = img.copy()
    changed = 0
    for r in range(rows):
        for c in range(cols):
            for k in range(1, largest + 1):
                window = img[max(0, r - k):r + k + 1, max(0, c - k):c + k + 1]
                lo, med, hi = window.min(), np.median(window), window.max()
                if lo < med < hi:
                    break
            if not lo < img[r, c] < hi:
                out[r, c] = med
                changed += 1
    return out, changed


def denoise(noisy, gain, clean, largest=2):
    img = np.minimum(noisy * gain, 255.0)
    out, changed = adaptive_median(img, largest)
    mse = np.mean((out - clean) ** 2)
    psnr = 10 * np.log10(255.0**2 / mse) if mse > 0 else np.inf
    return out, changed, psnr


_rng = np.random.default_rng(117)
_y, _x = np.mgrid[0:8, 0:8]
_clean = 100 + 40 * np.sin(_x / 3.0) + 30 * np.cos(_y / 2.0)
_hit = _rng.uniform(size=(12, 8, 8))
_noisy = np.where(_hit < 0.08, 0.0, np.where(_hit > 0.92, 255.0, _clean + _rng.normal(0, 3, (12, 8, 8))))
CASES = {
    "fun": denoise,
    "sweep": (_noisy, _rng.uniform(0.9, 1.1, 12)),
    "fixed": (_clean,),
    "differentiable": False,
    "features": ["image", "nested-loop", "break", "chained-comparison", "write", "median", "loop-variable-after-loop"],
}
