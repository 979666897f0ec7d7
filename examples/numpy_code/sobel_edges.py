"""Sobel edge detection of a grey image with hysteresis thresholding: edge map, edge fraction, mean direction."""
import numpy as np

SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=float)


def filter3(img, kernel):
    h, w = img.shape
    padded = np.pad(img, 1, mode="edge")
    out = np.zeros((h, w))
    for i in range(3):
        for j in range(3):
            out += kernel[i, j] * padded[i:i + h, j:j + w]
    return out


def edges(img, low, high):
    gx = filter3(img, SOBEL)
    gy = filter3(img, SOBEL.T)
    mag = np.hypot(gx, gy)
    if mag.max() > 0:
        mag /= mag.max()
    strong = mag >= high
    weak = (mag >= low) & ~strong
    stack = list(zip(*np.nonzero(strong)))
    keep = strong.copy()
    while stack:
        i, j = stack.pop()
        for di in (-1, 0, 1):
            for dj in (-1, 0, 1):
                a, b = i + di, j + dj
                if 0 <= a < img.shape[0] and 0 <= b < img.shape[1]:
                    if weak[a, b] and not keep[a, b]:
                        keep[a, b] = True
                        stack.append((a, b))
    angle = 0.0
    if keep.any():
        angle = np.arctan2(gy[keep], gx[keep]).mean()
    return keep, keep.mean(), angle


_rng = np.random.default_rng(15)
_y, _x = np.mgrid[0:16, 0:16]
_r = _rng.uniform(3, 6, 12)[:, None, None]
_imgs = 1.0 * ((_x - 7.5) ** 2 + (_y - 7.0) ** 2 < _r**2) + 0.15 * _rng.random((12, 16, 16))
CASES = {
    "fun": edges,
    "sweep": (_imgs, _rng.uniform(0.1, 0.3, 12)),
    "fixed": (0.6,),
    "differentiable": False,
    "features": ["image", "mask", "boolean-index", "while", "list", "branch", "write", "nonzero"],
}
