"""Which images of a recording are worth matching with each other: neighbours in time, and places seen again."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

ALL_BELOW = 60  # images, of which every pair is matched
OVERLAP = 8  # neighbours on each side
FARTHEST = 256  # frames apart by a power of two
LOOPS = 4  # most similar images beyond the neighbours
WORDS = 64
SAMPLED = 200  # descriptors of an image that words are learnt from


def image_pairs(count: int, descriptors: Callable[[int], np.ndarray]) -> list[tuple[int, int]] | None:
    """Pairs (a < b) of `count` images in order of time, None for all; `descriptors` gives SIFT [n,128] of an image."""
    if count <= ALL_BELOW:
        return None
    steps = set(range(1, OVERLAP + 1)) | {2**k for k in range(4, 16) if 2**k <= FARTHEST}
    pairs = {(a, a + step) for step in steps for a in range(count - step)}
    return sorted(pairs | loop_pairs(similarities(count, descriptors)))


def loop_pairs(similarity: np.ndarray) -> set[tuple[int, int]]:
    """For each image the most similar ones that are no neighbours in time, from similarities f64 [N,N]."""
    count = len(similarity)
    apart = np.abs(np.arange(count)[:, None] - np.arange(count)) > OVERLAP
    ranked = np.argsort(np.where(apart, -similarity, np.inf), axis=1, kind="stable")[:, :LOOPS]
    return {(min(a, b), max(a, b)) for a in range(count) for b in ranked[a].tolist() if apart[a, b]}


def similarities(count: int, descriptors: Callable[[int], np.ndarray]) -> np.ndarray:
    """Cosine of VLAD vectors f64 [N,N].

    Source: Jegou et al., Aggregating local descriptors into a compact image representation, CVPR 2010, with the power
    normalisation of its successor.
    """
    roots = [np.sqrt(descriptors(i)[:SAMPLED].astype(np.float32)) for i in range(count)]
    sample = np.concatenate(roots)
    cv2.setRNGSeed(0)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 12, 1e-3)
    step = max(1, len(sample) // (200 * WORDS))
    words = cv2.kmeans(sample[::step], min(WORDS, len(sample[::step])), None, stop, 1, cv2.KMEANS_PP_CENTERS)[2]
    vectors = np.stack([_vlad(root, words) for root in roots])
    return vectors @ vectors.T


def _vlad(descriptors: np.ndarray, words: np.ndarray) -> np.ndarray:
    vector = np.zeros(words.shape, np.float64)
    if len(descriptors):
        nearest = (words @ descriptors.T - 0.5 * (words**2).sum(axis=1)[:, None]).argmax(axis=0)
        np.add.at(vector, nearest, descriptors - words[nearest])
    vector = np.sign(vector) * np.sqrt(np.abs(vector))
    return vector.ravel() / max(float(np.linalg.norm(vector)), 1e-12)
