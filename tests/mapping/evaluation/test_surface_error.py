"""Surface errors on shapes whose distances are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mapping.evaluation.similarity import Similarity
from mapping.evaluation.surface import DistanceTo, Triangles, align_by_icp, sample_surface, surface_error
from streammtl.errors import GeometryError


def plane(width: float = 2.0, z: float = 0.0, cells: int = 4) -> Triangles:
    """A square sheet at height z, in the middle of the world."""
    side = np.linspace(-width / 2, width / 2, cells + 1)
    x, y = np.meshgrid(side, side, indexing="ij")
    vertices = np.stack([x.ravel(), y.ravel(), np.full(x.size, z)], axis=1)
    a = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).ravel()
    faces = np.concatenate([np.stack([a, a + cells + 1, a + 1], 1), np.stack([a + 1, a + cells + 1, a + cells + 2], 1)])
    return Triangles(vertices, faces.astype(np.int32))


def room(size=(4.0, 2.5, 3.0)) -> Triangles:
    """The inside of a box: six walls."""
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]) * size
    quads = [(0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5)]
    faces = [triangle for a, b, c, d in quads for triangle in ((a, b, c), (a, c, d))]
    return Triangles(corners, np.array(faces, dtype=np.int32))


def test_a_surface_against_itself_is_perfect():
    error = surface_error(room(), room(), samples=20_000)
    assert error.accuracy_m < 1e-6 and error.completeness_m < 1e-6
    assert error.f_score(0.02) == error.f_score(0.05) == 1 and error.kept == 1


@pytest.mark.parametrize("shift_m", [0.01, 0.03, 0.07])
def test_a_shifted_plane_is_off_by_its_shift(shift_m):
    error = surface_error(plane(z=shift_m), plane(), samples=5_000)
    assert error.accuracy_m == pytest.approx(shift_m, abs=1e-6) == error.completeness_m
    for threshold, f_score in ((0.02, shift_m < 0.02), (0.05, shift_m < 0.05), (0.10, True)):
        assert error.f_score(threshold) == f_score


def test_half_a_plane_is_precise_and_half_complete():
    half = plane()
    half = Triangles(half.vertices * [0.5, 1, 1] - [0.5, 0, 0], half.faces)  # x from -1 to 0
    error = surface_error(half, plane(), thresholds_m=(0.05,), samples=50_000)
    assert error.precision[0.05] == 1
    assert error.recall[0.05] == pytest.approx((1 + 0.05) / 2, abs=0.01)
    assert error.f_score(0.05) == pytest.approx(2 * 0.525 / 1.525, abs=0.01)
    assert error.completeness_m == pytest.approx(0.25, abs=0.01)  # mean of 0 on one half and x on the other


def test_samples_are_spread_by_area_and_lie_on_the_surface():
    mesh = room()
    points = sample_surface(mesh, 60_000)
    on_floor = np.isclose(points[:, 1], 0)
    assert on_floor.mean() == pytest.approx(12 / (2 * (12 + 10 + 7.5)), abs=0.01)
    assert DistanceTo(mesh).distances(points).max() < 1e-6
    np.testing.assert_array_equal(points, sample_surface(mesh, 60_000))
    floor = points[on_floor][:, [0, 2]] / [4, 3]
    np.testing.assert_allclose(np.histogram2d(*floor.T, bins=3)[0] / on_floor.sum(), 1 / 9, atol=0.01)


def test_distances_are_those_of_a_plain_search_over_triangles():
    rng = np.random.default_rng(0)
    mesh = Triangles(rng.normal(size=(12, 3)), rng.permutation(12).reshape(4, 3).astype(np.int32))
    points = rng.normal(size=(40, 3)) * 2
    expected = [min(distance_to_triangle(p, *mesh.vertices[face]) for face in mesh.faces) for p in points]
    np.testing.assert_allclose(DistanceTo(mesh).distances(points), expected, atol=1e-5)


def distance_to_triangle(p: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    """Straight from the definition: the foot on the plane where it is inside, else the nearest edge."""
    normal = np.cross(b - a, c - a)
    foot = p - normal * ((p - a) @ normal) / (normal @ normal)
    sides = [np.cross(w - v, foot - v) @ normal for v, w in ((a, b), (b, c), (c, a))]
    if min(sides) >= 0:
        return float(np.linalg.norm(p - foot))
    edges = []
    for v, w in ((a, b), (b, c), (c, a)):
        t = np.clip((p - v) @ (w - v) / ((w - v) @ (w - v)), 0, 1)
        edges.append(np.linalg.norm(p - v - t * (w - v)))
    return float(min(edges))


def test_what_lies_outside_the_truth_is_not_judged():
    """A second sheet a metre away, and one beyond the edge: outside the bounds plus 10 cm."""
    outside = [plane(), plane(z=1.0)]
    both = Triangles(
        np.concatenate([part.vertices for part in outside]),
        np.concatenate([outside[0].faces, outside[1].faces + len(outside[0].vertices)]),
    )
    error = surface_error(both, plane(), samples=20_000)
    assert error.precision[0.02] == 1 and error.kept == pytest.approx(0.5, abs=0.01)
    wider = surface_error(plane(width=4.0), plane(), thresholds_m=(0.02, 0.2), samples=50_000)
    assert wider.kept == pytest.approx(2.2**2 / 16, abs=0.01)
    assert wider.precision[0.2] == 1 and wider.precision[0.02] == pytest.approx(2.04**2 / 2.2**2, abs=0.01)


def test_what_no_camera_saw_is_not_judged():
    wrong_half = plane(z=0.08)
    error = surface_error(wrong_half, plane(), seen=lambda points: points[:, 0] > 0.5, samples=20_000)
    assert error.kept == pytest.approx(0.25, abs=0.01)
    assert error.precision[0.05] == 0


def test_a_map_without_surface_scores_nothing_and_a_truth_without_surface_is_refused():
    nothing = Triangles(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int32))
    error = surface_error(nothing, room(), samples=1_000)
    assert (error.accuracy_m, error.completeness_m, error.f_score(0.05)) == (None, None, 0.0)
    with pytest.raises(GeometryError, match="true surface is empty"):
        surface_error(room(), nothing)
    motion, share = align_by_icp(nothing, room())
    assert share == 0
    np.testing.assert_array_equal(motion.points(room().vertices), room().vertices)


def test_icp_undoes_a_small_motion():
    moved = Similarity(Rotation.from_rotvec([0.01, -0.012, 0.008]).as_matrix(), np.array([0.03, -0.02, 0.015]))
    estimate = room().moved(moved)
    before = surface_error(estimate, room(), samples=20_000)
    motion, share = align_by_icp(estimate, room())
    after = surface_error(estimate.moved(motion), room(), samples=20_000)
    assert before.accuracy_m > 0.01 and after.accuracy_m < 1e-4 and share > 0.99
    np.testing.assert_allclose(motion.points(moved.points(room().vertices)), room().vertices, atol=1e-3)


def test_icp_does_not_slide_along_a_lone_plane():
    motion, _ = align_by_icp(plane(z=0.04), plane())
    np.testing.assert_allclose(motion.points(plane(z=0.04).vertices), plane().vertices, atol=1e-4)
