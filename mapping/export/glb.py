"""Mesh as binary glTF 2.0, which browsers, Blender and game engines open."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from mapping.export.atomic import replacing
from mapping.surface.mesh import Mesh

# World (x right, y down, z forward) to glTF (y up, right-handed): half a turn about x.
WORLD_TO_GLTF = np.diag([1.0, -1.0, -1.0])
_ARRAY_BUFFER, _ELEMENT_BUFFER = 34962, 34963
_FLOAT, _USHORT, _UINT = 5126, 5123, 5125


def write_glb(path: Path, mesh: Mesh) -> None:
    """Writes one mesh with normals, vertex colours and, as `_LABEL`, label ids.

    Convention: y up, metres. Vertex colours are linear in glTF: sRGB is converted, at 16 bits. The material is unlit,
    since
    recorded colours already hold the light. Source: glTF 2.0 specification, §3.7 and KHR_materials_unlit.
    """
    linear = _linear(mesh.colours)
    colours = np.concatenate([linear, np.full((len(linear), 1), 65535, dtype=np.uint16)], axis=1)
    positions = (mesh.vertices @ WORLD_TO_GLTF.T).astype("<f4")
    views = [
        ("POSITION", positions, "VEC3", _FLOAT, _ARRAY_BUFFER),
        ("NORMAL", (mesh.normals @ WORLD_TO_GLTF.T).astype("<f4"), "VEC3", _FLOAT, _ARRAY_BUFFER),
        ("COLOR_0", colours.astype("<u2"), "VEC4", _USHORT, _ARRAY_BUFFER),
        ("_LABEL", mesh.labels.astype("<f4"), "SCALAR", _FLOAT, _ARRAY_BUFFER),
        ("indices", mesh.faces.astype("<u4").reshape(-1), "SCALAR", _UINT, _ELEMENT_BUFFER),
    ]
    document = (
        _document(views)
        if len(mesh.faces)
        else {"asset": {"version": "2.0", "generator": "streammtl"}, "scenes": [{"nodes": []}]}
    )
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    binary = b"".join(view[1].tobytes() for view in views) if len(mesh.faces) else b""
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
    if binary:
        chunks += struct.pack("<II", len(binary), 0x004E4942) + binary
    with replacing(path) as part:
        part.write_bytes(struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks)


def _document(views: list[tuple[str, np.ndarray, str, int, int]]) -> dict[str, Any]:
    accessors, buffer_views, offset = [], [], 0
    for name, data, kind, component, target in views:
        buffer_views.append({"buffer": 0, "byteOffset": offset, "byteLength": data.nbytes, "target": target})
        accessor = {"bufferView": len(accessors), "componentType": component, "count": len(data), "type": kind}
        if name == "POSITION":
            accessor |= {"min": data.min(axis=0).tolist(), "max": data.max(axis=0).tolist()}
        if name == "COLOR_0":
            accessor["normalized"] = True
        accessors.append(accessor)
        offset += data.nbytes  # all sizes are multiples of four
    attributes = {name: i for i, (name, *_) in enumerate(views) if name != "indices"}
    material = {
        "pbrMetallicRoughness": {"metallicFactor": 0, "roughnessFactor": 1},
        "doubleSided": True,
        "extensions": {"KHR_materials_unlit": {}},
    }
    return {
        "asset": {"version": "2.0", "generator": "streammtl"},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "map"}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": len(views) - 1, "material": 0}]}],
        "materials": [material],
        "accessors": accessors,
        "bufferViews": buffer_views,
        "buffers": [{"byteLength": offset}],
    }


def _linear(colours: np.ndarray) -> np.ndarray:
    """sRGB u8 to linear u16."""
    levels = np.arange(256) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return np.rint(linear * 65535).astype(np.uint16)[colours]
