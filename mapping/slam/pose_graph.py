"""Poses that agree best with what was measured between them, by gtsam."""

from __future__ import annotations

from dataclasses import dataclass

import gtsam
import numpy as np

from mapping.slam.rigid import scale_of, similarity

_TURN_RAD = 0.005  # what a measured relative pose may be off: turn,
_SHIFT = 0.01  # shift as a fraction of its length, or of the unit where it is shorter,
_LOG_SCALE = 0.003  # and scale
_METRIC_LOG_SCALE = 1e-6  # where lengths are metres, scale is none of the unknowns
_MIN_LENGTH = 0.1


@dataclass(frozen=True)
class Relation:
    """One similarity S_a_b f64 [4,4] measured between nodes a and b."""

    a: int
    b: int
    S_a_b: np.ndarray


def relax(poses: np.ndarray, relations: list[Relation], fixed: list[int], metric: bool) -> np.ndarray:
    """Similarities f64 [N,4,4], world from node, that fit the relations best, from rigid poses f64 [N,4,4] as a start.

    Nodes in `fixed` stay; with `metric`, scales stay 1. Every node must hang on a fixed one by relations.
    Source: Strasdat et al., Scale Drift-Aware Large Scale Monocular SLAM, RSS 2010.
    """
    graph, start = gtsam.NonlinearFactorGraph(), gtsam.Values()
    log_scale = _METRIC_LOG_SCALE if metric else _LOG_SCALE
    for node, T in enumerate(poses):
        start.insert(node, _to_gtsam(T))
    for node in fixed:
        still = gtsam.noiseModel.Isotropic.Sigma(7, 1e-6)
        graph.add(gtsam.PriorFactorSimilarity3(node, _to_gtsam(poses[node]), still))
    for relation in relations:
        shift = _SHIFT * max(float(np.linalg.norm(relation.S_a_b[:3, 3])), _MIN_LENGTH)
        noise = gtsam.noiseModel.Diagonal.Sigmas(np.array([_TURN_RAD] * 3 + [shift] * 3 + [log_scale]))
        graph.add(gtsam.BetweenFactorSimilarity3(relation.a, relation.b, _to_gtsam(relation.S_a_b), noise))
    settings = gtsam.LevenbergMarquardtParams()
    settings.setMaxIterations(50)
    found = gtsam.LevenbergMarquardtOptimizer(graph, start, settings).optimize()
    relaxed = np.array([_from_gtsam(found.atSimilarity3(node)) for node in range(len(poses))])
    if metric:
        relaxed[:, :3, :3] /= scale_of(relaxed)[:, None, None]
    return relaxed


def _to_gtsam(S: np.ndarray) -> gtsam.Similarity3:
    """gtsam's similarity is x -> s (R x + t)."""
    scale = float(scale_of(S))
    return gtsam.Similarity3(gtsam.Rot3(S[:3, :3] / scale), S[:3, 3] / scale, scale)


def _from_gtsam(S: gtsam.Similarity3) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3] = S.rotation().matrix()
    T[:3, 3] = S.scale() * np.asarray(S.translation())
    return similarity(T, S.scale())
