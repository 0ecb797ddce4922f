"""Shapes against closed forms; boxes, patches and copies in the mesh."""

import numpy as np
import pytest

from streammtl.data.rooms.assembly import Assembly
from streammtl.data.rooms.packing import pack
from streammtl.data.rooms.piece import Piece, rotation_x, rotation_z
from streammtl.data.rooms.shapes import ball, capsule, cushion, lathe, panel, rod, surface
from streammtl.data.rooms.textures.bank import covering, plain, printed


def area(corners):
    return 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum()


def volume(corners):
    """Signed volume of a closed surface by the divergence theorem."""
    return np.einsum("mk,mk->m", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6


def box_piece(low, high, finish=None, **faces):
    piece = Piece((1.0, 1.0, 1.0), 7)
    piece.box(low, high, finish or plain((0.5, 0.5, 0.5)), **faces)
    return piece


def test_a_box_is_closed_wound_outwards_and_has_the_right_size():
    soup = pack(box_piece((0.2, -0.1, 0.4), (0.7, 0.3, 1.4)))
    assert volume(soup.corners.astype(float)) == pytest.approx(0.5 * 0.4 * 1.0, rel=1e-5)
    assert area(soup.corners.astype(float)) == pytest.approx(2 * (0.5 * 0.4 + 0.4 + 0.5), rel=1e-5)
    faces = np.cross(soup.corners[:, 1] - soup.corners[:, 0], soup.corners[:, 2] - soup.corners[:, 0])
    assert (np.einsum("mk,mck->mc", faces, soup.normals) > 0).all()


def test_textures_repeat_in_metres_and_pictures_fill_a_face_once():
    rng = np.random.default_rng(0)
    wood = covering(rng, "wood", (0.5, 0.4, 0.3))
    picture = printed(rng, "poster")
    soup = pack(box_piece((0, 0, 0), (0.8, 0.1, 0.6), wood, front=picture))
    front = soup.material == [m.texture is picture.material.texture for m in soup.materials].index(True)
    assert sorted({tuple(c) for c in soup.uv[front].reshape(-1, 2).tolist()}) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    back = ~front & (np.abs(soup.normals[:, 0, 1] + 1) < 1e-6)
    assert np.ptp(soup.uv[back].reshape(-1, 2), axis=0) * wood.repeat_m == pytest.approx([0.8, 0.6], abs=1e-5)


def test_a_picture_on_a_front_is_upright_and_not_mirrored():
    soup = pack(box_piece((0, 0, 0), (1, 0.1, 1), front=printed(np.random.default_rng(0), "poster")))
    front = np.abs(soup.normals[:, 0, 1] - 1) < 1e-6
    corners, uv = soup.corners[front].reshape(-1, 3), soup.uv[front].reshape(-1, 2)
    # Someone who looks at the front has x to the left.
    np.testing.assert_allclose(uv[:, 0], 1 - corners[:, 0], atol=1e-6)
    np.testing.assert_allclose(uv[:, 1], corners[:, 2], atol=1e-6)


def test_a_lathe_holds_the_volume_of_its_solid():
    cone = rod(0.3, 1.2, 0.1, sides=200)
    exact = np.pi * 1.2 / 3 * (0.09 + 0.03 + 0.01)
    assert abs(volume(cone.corners)) == pytest.approx(exact, rel=1e-3)
    assert abs(volume(ball(60).corners)) == pytest.approx(4 / 3 * np.pi, rel=1e-2)


def test_smooth_normals_of_a_ball_point_along_its_radius():
    shape = ball(24)
    cosine = np.einsum(
        "mck,mck->mc", shape.normals, shape.corners / np.linalg.norm(shape.corners, axis=2, keepdims=True)
    )
    assert np.abs(cosine).min() > 0.98


def test_a_cushion_lies_between_its_ball_and_its_cube():
    corners = cushion(0.4, 16).corners
    assert np.abs(corners).max() <= 1 + 1e-9
    assert 4 / 3 * np.pi < abs(volume(corners)) < 8


def test_a_capsule_reaches_a_radius_beyond_both_ends():
    corners = capsule(np.array([1.0, 2.0, 0.5]), np.array([1.0, 2.0, 1.5]), 0.2).corners.reshape(-1, 3)
    assert corners[:, 2].min() == pytest.approx(0.3, abs=1e-6) and corners[:, 2].max() == pytest.approx(1.7, abs=1e-6)
    assert np.hypot(corners[:, 0] - 1, corners[:, 1] - 2).max() == pytest.approx(0.2, abs=1e-6)


def test_a_flat_surface_has_one_normal():
    x, y = np.meshgrid(np.linspace(0, 1, 4), np.linspace(0, 2, 5))
    points = np.stack([x, y, 0 * x], axis=-1)
    np.testing.assert_allclose(np.abs(surface(points, points[..., :2]).normals[..., 2]), 1.0)


def test_a_panel_faces_across_times_up():
    shape = panel((0, 0, 0), (2, 0, 0), (0, 0, 3))
    np.testing.assert_allclose(shape.normals.reshape(-1, 3), np.tile([0, -1, 0], (6, 1)), atol=1e-12)
    assert area(shape.corners) == pytest.approx(6)


def test_a_merged_piece_lands_where_a_placed_one_does():
    inner = box_piece((0, 0, 0), (0.2, 0.1, 0.3))
    inner.add(lathe(((0.0, 0.0), (0.1, 0.0), (0.1, 0.2))), plain((1, 0, 0)), at=(0.3, 0, 0), turn=rotation_x(0.4))
    outer = Piece((1, 1, 1), 7)
    outer.merge(inner, (1.0, 2.0, 3.0), 0.7)
    assembly = Assembly()
    placed = assembly.apart(inner, rotation_z(0.7), np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(pack(outer).corners, placed.corners, atol=1e-6)
    np.testing.assert_allclose(pack(outer).normals, placed.normals, atol=1e-5)


def test_copies_share_materials_and_differ_in_instance():
    assembly, piece = Assembly(), box_piece((0, 0, 0), (1, 1, 1))
    for x in (0.0, 2.0, 4.0):
        assembly.put(piece, np.eye(3), np.array([x, 0, 0]))
    mesh = assembly.mesh()
    assert len(assembly.materials) == 1
    assert np.unique(mesh.instance).tolist() == [1, 2, 3]
    assert mesh.corners[..., 0].max() == pytest.approx(5.0)
