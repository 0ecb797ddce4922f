import numpy as np
import pytest

from streammtl.data.rooms.scene import Light, Material, Mesh, MovingPart, Scene

ROOM_M = np.array([4.6, 3.8, 2.6])
WALL, FLOOR, CABINET, TABLE, CEILING, BOX, PERSON = 1, 2, 3, 7, 22, 29, 31


def quad(corner, across, up):
    """Two triangles [2,3,3] and their uv, one unit a metre."""
    corner, across, up = (np.asarray(v, float) for v in (corner, across, up))
    a, b = np.linalg.norm(across), np.linalg.norm(up)
    p = [corner, corner + across, corner + across + up, corner + up]
    t = np.array([[0, 0], [a, 0], [a, b], [0, b]])
    order = [[0, 1, 2], [0, 2, 3]]
    return np.array(p)[order], t[order]


def box_quads(low, high):
    (x0, y0, z0), (x1, y1, z1) = low, high
    dx, dy, dz = np.diag(np.subtract(high, low))
    return [
        quad((x0, y0, z1), dx, dy),
        quad((x0, y1, z0), dx, -dy),
        quad((x0, y0, z0), dx, dz),
        quad((x1, y1, z0), -dx, dz),
        quad((x0, y1, z0), -dy, dz),
        quad((x1, y0, z0), dy, dz),
    ]


def mesh_of(quads, material, label, instance):
    """quads: a list; the other three: one value per quad or one for all."""
    corners = np.concatenate([q[0] for q in quads])
    uv = np.concatenate([q[1] for q in quads])
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.repeat((cross / np.linalg.norm(cross, axis=1, keepdims=True))[:, None], 3, axis=1)
    many = [np.repeat(np.broadcast_to(v, len(quads)), 2) for v in (material, label, instance)]
    return Mesh(
        corners.astype(np.float32),
        uv.astype(np.float32),
        normals.astype(np.float32),
        many[0].astype(np.int32),
        many[1].astype(np.uint8),
        many[2].astype(np.int32),
    )


def joined(meshes):
    names = ("corners", "uv", "normals", "material", "label", "instance")
    return Mesh(*(np.concatenate([getattr(m, n) for m in meshes]) for n in names))


def blotches(seed, low, high, size=64):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(low, high, (size // 8, size // 8, 3))
    return np.kron(coarse, np.ones((8, 8, 1), int)).astype(np.uint8)


MATERIALS = [
    Material(colour=(0.9, 0.88, 0.84), texture=blotches(1, 150, 220)),
    Material(texture=blotches(2, 60, 150)),
    Material(colour=(0.6, 0.4, 0.3), texture=blotches(3, 120, 255), specular=0.1, gloss=60),
    Material(colour=(0.3, 0.4, 0.8)),
    Material(colour=(1.0, 1.0, 1.0)),
    Material(colour=(1.0, 0.95, 0.9), emission=8.0),
]


def empty_room():
    x, y, z = np.diag(ROOM_M)
    o = np.zeros(3)
    walls = [quad(o, x, z), quad(x, y, z), quad(x + y, -x, z), quad(y, -y, z), quad(o, x, y), quad(y + z, x, -y)]
    return mesh_of(walls, [0, 0, 0, 0, 1, 4], [WALL] * 4 + [FLOOR, CEILING], [1, 2, 3, 4, 5, 6])


def furnished_room():
    table = [*box_quads((1.6, 1.4, 0.7), (3.0, 2.2, 0.75))]
    for x in (1.62, 2.93):
        for y in (1.42, 2.13):
            table += box_quads((x, y, 0), (x + 0.05, y + 0.05, 0.7))
    return joined(
        [
            empty_room(),
            mesh_of(table, 2, TABLE, 7),
            mesh_of(box_quads((0.0, 0.4, 0), (0.5, 1.6, 1.9)), 2, CABINET, 8),
            mesh_of(box_quads((2.2, 1.6, 0.75), (2.5, 1.9, 0.95)), 3, BOX, 9),
            mesh_of([quad((4.59, 1.0, 1.0), (0, 1.2, 0), (0, 0, 1.1))], 5, 9, 10),
        ]
    )


@pytest.fixture(scope="session")
def room():
    return Scene(
        seed=0,
        kind="office",
        mesh=furnished_room(),
        materials=MATERIALS,
        lights=[
            Light(np.float32([2.3, 1.9, 2.5]), np.float32([[0.15, 0, 0], [0, 0.15, 0]]), np.float32([1.6, 1.5, 1.3])),
            Light(
                np.float32([4.5, 1.6, 1.55]),
                np.float32([[0, 0, 0.5], [0, 0.6, 0]]),
                np.float32([2.0, 2.2, 2.6]),
                directed=True,
            ),
        ],
        floor=np.array([[0, 0], [4.6, 0], [4.6, 3.8], [0, 3.8]]),
        height_m=2.6,
        moving=[],
        points_of_interest=np.float32([[2.35, 1.75, 0.85], [0.25, 1.0, 1.5]]),
    )


@pytest.fixture(scope="session")
def room_with_walker(room):
    body = mesh_of(box_quads((3.4, 0.4, 0), (3.8, 0.7, 1.7)), 3, PERSON, 20)
    part = MovingPart(body, np.float32([3.6, 0.55, 0]), np.float32([-0.3, 0.5, 0]), turn=0.4)
    return Scene(**{**room.__dict__, "moving": [part]})
