"""The scene as one triangle soup with materials, textures and labels, ready for ray casting and light baking."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from polygons import split_long_edges

Array = np.ndarray
Soup = dict[str, Array]


def to_linear(srgb: Array) -> Array:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: Array) -> Array:
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


@dataclass(frozen=True)
class Material:
    """`tint` (linear) multiplies the texture; `gloss` is the mirror reflectance at normal incidence (0 = matt);
    `roughness` is the spread of that reflection (radians); `glow` is emitted radiance per unit of texture."""

    texture: int
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gloss: float = 0.0
    roughness: float = 0.2
    glow: float = 0.0


@dataclass
class Part:
    """One object. `soup`: positions, normals [m,3,3], uvs [m,3,2], material, label [m]; `thin_m` is the grid of its
    baked light."""

    name: str
    soup: Soup
    bake_grid_m: float


@dataclass(frozen=True)
class Atlas:
    """All textures with their mip levels in one buffer: `texels` [n,3] uint8 sRGB; `table` [t,L,3] = offset, h, w."""

    texels: Array
    table: Array


@dataclass
class SceneBuilder:
    """Collects textures, materials and parts."""

    textures: list[Array] = field(default_factory=list)
    materials: list[Material] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    _texture_ids: dict[str, int] = field(default_factory=dict)

    def texture(self, name: str, picture: Array | None = None) -> int:
        """Registers `picture` (sRGB 0..1 or uint8, [h,w,3]) under a name, or finds the one registered before."""
        if name not in self._texture_ids:
            if picture is None:
                raise KeyError(f"texture {name} was asked for before it was made")
            if picture.dtype != np.uint8:
                picture = np.round(np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8)
            self._texture_ids[name] = len(self.textures)
            self.textures.append(np.ascontiguousarray(picture))
        return self._texture_ids[name]

    def has_texture(self, name: str) -> bool:
        return name in self._texture_ids

    def material(self, texture: str, **values: object) -> int:
        self.materials.append(Material(self.texture(texture), **values))  # type: ignore[arg-type]
        return len(self.materials) - 1

    def add(self, name: str, soup: Soup, bake_grid_m: float = 0.04) -> None:
        self.parts.append(Part(name, soup, bake_grid_m))


def painted(shape: Soup, material: int, label: int) -> Soup:
    """A bare shape (positions, normals, uvs) with one material and one NYU-40 label."""
    count = len(shape["positions"])
    return {**shape, "material": np.full(count, material), "label": np.full(count, label)}


def joined(*soups: Soup) -> Soup:
    return {name: np.concatenate([soup[name] for soup in soups]) for name in soups[0]}


def placed(soup: Soup, x: float, y: float, z: float = 0.0, yaw_deg: float = 0.0) -> Soup:
    """Turns a soup about the vertical (counter-clockwise from above) and moves it; world is z up, metres."""
    cos, sin = np.cos(np.deg2rad(yaw_deg)), np.sin(np.deg2rad(yaw_deg))
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    moved = {**soup, "normals": soup["normals"] @ turn.T, "positions": soup["positions"] @ turn.T + (x, y, z)}
    return moved


@dataclass(frozen=True)
class Scene:
    """Everything the renderer reads.

    positions [m,3,3], normals [m,3,3] float32, uvs [m,3,2] float32, material, label [m] int32,
    texel_density [m] (texels per metre), bake_index [m,3] into bake_points / bake_normals [n,3].
    """

    positions: Array
    normals: Array
    uvs: Array
    material: Array
    label: Array
    texel_density: Array
    bake_index: Array
    bake_points: Array
    bake_normals: Array
    materials: list[Material]
    atlas: Atlas


def build_atlas(textures: list[Array]) -> Atlas:
    levels, table, offset = [], np.zeros((len(textures), 13, 3), np.int64), 0
    for i, texture in enumerate(textures):
        linear = to_linear(texture.astype(np.float32) / 255.0).astype(np.float32)
        for level in range(13):
            encoded = np.round(np.clip(to_srgb(linear), 0, 1) * 255.0).astype(np.uint8)
            levels.append(encoded.reshape(-1, 3))
            table[i, level] = offset, linear.shape[0], linear.shape[1]
            offset += linear.shape[0] * linear.shape[1]
            if linear.shape[:2] == (1, 1):
                table[i, level:] = table[i, level]
                break
            size = (max(1, linear.shape[1] // 2), max(1, linear.shape[0] // 2))
            linear = cv2.resize(linear, size, interpolation=cv2.INTER_AREA)
    return Atlas(np.concatenate(levels), table)


def _texel_density(soup: Soup, materials: list[Material], textures: list[Array]) -> Array:
    sizes = np.array([textures[material.texture].shape[1::-1] for material in materials])
    uv = soup["uvs"] * sizes[soup["material"]][:, None, :]
    first, second = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    texels = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
    position = soup["positions"]
    area = np.linalg.norm(np.cross(position[:, 1] - position[:, 0], position[:, 2] - position[:, 0]), axis=1)
    return np.sqrt(texels / np.maximum(area, 1e-14))


# Corners closer than this with like normals share their baked light: dense models need no finer light.
BAKE_CELL_M = 0.007


def _bake_cells(soup: Soup) -> tuple[Array, Array]:
    """Merges the corners of a soup: index of each cell's first corner, and the cell of every corner."""
    position = np.round(soup["positions"].reshape(-1, 3) / BAKE_CELL_M).astype(np.int64)
    normal = np.round(soup["normals"].reshape(-1, 3) * 2.4).astype(np.int64)
    digits = [position[:, k] + 32_768 for k in range(3)] + [normal[:, k] + 4 for k in range(3)]
    key = np.repeat(soup["part"], 3).astype(np.int64)
    for digit in digits[:2]:
        key = key * (1 << 16) + digit
    rest = np.zeros_like(key)
    for digit, size in zip(digits[2:], (1 << 16, 9, 9, 9), strict=True):
        rest = rest * size + digit
    order = np.lexsort((rest, key))
    fresh = np.ones(len(order), bool)
    fresh[1:] = (np.diff(key[order]) != 0) | (np.diff(rest[order]) != 0)
    cell = np.empty(len(order), np.int64)
    cell[order] = np.cumsum(fresh) - 1
    return order[fresh], cell


def finish(builder: SceneBuilder) -> Scene:
    """Splits every part to its light grid and merges close corners into bake points."""
    soups = []
    for number, part in enumerate(builder.parts):
        fine = split_long_edges(part.soup, part.bake_grid_m)
        soups.append({**fine, "part": np.full(len(fine["positions"]), number)})
    soup = joined(*soups)
    corners, normals = soup["positions"].reshape(-1, 3), soup["normals"].reshape(-1, 3)
    first, index = _bake_cells(soup)
    return Scene(
        positions=soup["positions"],
        normals=soup["normals"].astype(np.float32),
        uvs=soup["uvs"].astype(np.float32),
        material=soup["material"].astype(np.int32),
        label=soup["label"].astype(np.int32),
        texel_density=_texel_density(soup, builder.materials, builder.textures).astype(np.float32),
        bake_index=index.reshape(-1, 3).astype(np.int32),
        bake_points=corners[first],
        bake_normals=normals[first],
        materials=builder.materials,
        atlas=build_atlas(builder.textures),
    )
