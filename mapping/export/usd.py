"""Mesh as Universal Scene Description, which Omniverse, Blender, Houdini and macOS open."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mapping.export.atomic import replacing
from mapping.export.glb import WORLD_TO_GLTF
from mapping.export.optional import optional
from mapping.surface.mesh import Mesh


def write_usd(path: Path, mesh: Mesh) -> None:
    """Writes /map as a UsdGeom.Mesh with normals, display colours and the primvar `label`; .usda is text, the others
    binary.

    Convention: y up, metres (`metersPerUnit` 1), right-handed faces. Display colours are linear in USD: sRGB is
    converted. Raises: ConfigError without usd-core.
    """
    optional("pxr", "usd-core", f"writing {path.name}")
    from pxr import Sdf, Usd, UsdGeom, Vt

    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    shape = UsdGeom.Mesh.Define(stage, "/map")
    stage.SetDefaultPrim(shape.GetPrim())
    positions = np.ascontiguousarray(mesh.vertices @ WORLD_TO_GLTF.T, np.float32)
    shape.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(positions))
    shape.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(mesh.faces), 3, np.int32)))
    shape.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(np.ascontiguousarray(mesh.faces.reshape(-1), np.int32)))
    shape.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(mesh.normals @ WORLD_TO_GLTF.T, np.float32)))
    shape.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    shape.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    shape.CreateDoubleSidedAttr(True)
    if len(mesh.vertices):
        shape.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(np.stack([positions.min(0), positions.max(0)])))
    level = mesh.colours / 255
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4).astype(np.float32)
    colour = shape.CreateDisplayColorPrimvar(UsdGeom.Tokens.vertex)
    colour.Set(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(linear)))
    label = UsdGeom.PrimvarsAPI(shape).CreatePrimvar("label", Sdf.ValueTypeNames.IntArray, UsdGeom.Tokens.vertex)
    label.Set(Vt.IntArray.FromNumpy(mesh.labels.astype(np.int32)))
    with replacing(path) as part:
        # the writer goes by the name's ending
        named = part.with_name(part.name + path.suffix.lower())
        try:
            stage.GetRootLayer().Export(str(named))
            named.replace(part)
        finally:
            named.unlink(missing_ok=True)
