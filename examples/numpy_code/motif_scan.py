"""Scan of a DNA sequence with a position weight matrix: best site, hits above threshold, strand, information."""
import math

import numpy as np

LETTERS = "ACGT"


def weight_matrix(counts, pseudo):
    total = counts.sum(axis=0) + 4 * pseudo
    freq = (counts + pseudo) / total
    return np.log2(freq / 0.25), freq


def reverse_complement(seq):
    return [3 - s for s in reversed(seq)]


def scan(seq, counts, pseudo, threshold=4.0):
    weights, freq = weight_matrix(counts, pseudo)
    width = weights.shape[1]
    best, where, strand = -math.inf, -1, 0
    hits = 0
    for sign, s in ((1, seq), (-1, reverse_complement(seq))):
        for i in range(len(s) - width + 1):
            score = 0.0
            for j in range(width):
                score += weights[s[i + j], j]
            if score > threshold:
                hits += 1
            if score > best:
                best, where, strand = score, i, sign
    info = np.sum(freq * np.log2(freq / 0.25))
    return best, where, strand, hits, info


_rng = np.random.default_rng(112)
CASES = {
    "fun": scan,
    "sweep": (_rng.integers(0, 4, (12, 30)), _rng.integers(0, 12, (12, 4, 6)).astype(float), _rng.uniform(0.2, 2.0, 12)),
    "fixed": (),
    "differentiable": False,
    "features": ["integer", "index-by-value", "nested-loop", "reversed", "list-comprehension", "branch", "math"],
}
