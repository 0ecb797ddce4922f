"""What a generated room is made of: textured triangles, lights, moving things, and the floor one may walk on.

World frame: metres, right-handed, z up, floor at z = 0. Colours of materials and lights are linear; textures are sRGB.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Material:
    """How a surface looks. Surfaces are lit from both sides."""

    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)  # linear albedo; multiplies the texture
    texture: np.ndarray | None = None  # u8 [h,w,3] sRGB, repeated; v = 0 is the bottom row
    specular: float = 0.04  # share of light reflected as a highlight, 0..1
    gloss: float = 20.0  # Blinn-Phong exponent
    emission: float = 0.0  # radiance added, times the albedo; 1 is white at the reference exposure


@dataclass(frozen=True)
class Mesh:
    """A triangle soup with its own attributes per triangle or corner."""

    corners: np.ndarray  # f32 [M,3,3] metres
    uv: np.ndarray  # f32 [M,3,2]
    normals: np.ndarray  # f32 [M,3,3] unit shading normals; may point either way
    material: np.ndarray  # i32 [M] index into Scene.materials
    label: np.ndarray  # u8 [M] NYU-40 id, 1..40
    instance: np.ndarray  # i32 [M] one id per object; structure (wall, floor, ceiling) has ids of its own


@dataclass(frozen=True)
class Light:
    """A lamp or a window, sampled as a disc or a rectangle for soft shadows."""

    centre: np.ndarray  # f32 [3]
    edges: np.ndarray  # f32 [2,3] half edge vectors of the emitting rectangle
    power: np.ndarray  # f32 [3] linear; irradiance at 1 m facing the light
    directed: bool = False  # True: emits along cross(edges[0], edges[1]) only, as a window does


@dataclass(frozen=True)
class MovingPart:
    """A rigid thing that moves while the camera does. Its mesh is given at time 0 in the world frame."""

    mesh: Mesh
    pivot: np.ndarray  # f32 [3] point that turning goes around
    velocity: np.ndarray  # f32 [3] m/s
    turn: float = 0.0  # rad/s about the vertical through the pivot
    way: np.ndarray | None = None  # f64 [n,4] seconds, and how far it has moved (m) then, in place of the velocity


@dataclass(frozen=True)
class Scene:
    """One room, everything in it, and where a person may stand."""

    seed: int
    kind: str  # kitchen, office, ...
    mesh: Mesh
    materials: list[Material]
    lights: list[Light]
    floor: np.ndarray  # f64 [P,2] outline of the room's floor, counter-clockwise
    height_m: float
    ambient: tuple[float, float, float] = (0.2, 0.2, 0.2)  # linear light from everywhere, before occlusion
    moving: list[MovingPart] = field(default_factory=list)
    points_of_interest: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.float32))  # things people film
