"""Otsu segmentation of a grey image after a median filter: threshold, object area, centroid, bounding box."""
import numpy as np


def median3(img):
    out = img.copy()
    rows, cols = img.shape
    for i in range(1, rows - 1):
        for j in range(1, cols - 1):
            out[i, j] = np.sort(img[i - 1:i + 2, j - 1:j + 2], axis=None)[4]
    return out


def otsu(values, bins):
    counts, edges = np.histogram(values, bins=bins, range=(0.0, 1.0))
    centres = (edges[:-1] + edges[1:]) / 2
    prob = counts / counts.sum()
    best, threshold = -1.0, 0.0
    for k in range(1, bins):
        w0, w1 = prob[:k].sum(), prob[k:].sum()
        if w0 == 0 or w1 == 0:
            continue
        m0 = (prob[:k] * centres[:k]).sum() / w0
        m1 = (prob[k:] * centres[k:]).sum() / w1
        between = w0 * w1 * (m0 - m1) ** 2
        if between > best:
            best, threshold = between, edges[k]
    return threshold, best


def segment(img, gamma, bins):
    corrected = np.clip(img, 0, 1) ** gamma
    smooth = median3(corrected)
    threshold, score = otsu(smooth.ravel(), bins)
    mask = smooth > threshold
    area = np.count_nonzero(mask)
    ii, jj = np.where(mask)
    weights = smooth[mask]
    centroid = np.array([np.average(ii, weights=weights), np.average(jj, weights=weights)])
    box = np.array([ii.min(), ii.max(), jj.min(), jj.max()])
    return {"threshold": threshold, "score": score, "area": area, "centroid": centroid, "box": box}


_rng = np.random.default_rng(115)
_i, _j = np.mgrid[0:15, 0:15]
_c = _rng.uniform(5, 10, (12, 2, 1, 1))
_imgs = 0.25 + 0.5 * (np.hypot(_i - _c[:, 0], _j - _c[:, 1]) < 4.0) + 0.08 * _rng.standard_normal((12, 15, 15))
CASES = {
    "fun": segment,
    "sweep": (_imgs, _rng.uniform(0.7, 1.5, 12)),
    "fixed": (32,),
    "differentiable": False,
    "features": ["image", "histogram", "mask", "boolean-index", "nonzero", "sort", "continue", "branch", "write",
                 "dict"],
}
