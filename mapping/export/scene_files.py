"""Objects and the scene graph as JSON and GraphML."""

from __future__ import annotations

import json
from pathlib import Path

from mapping.export.atomic import replacing
from mapping.export.optional import optional
from mapping.scene.graph import flat_graph, scene_graph
from mapping.scene.scene import Scene


def write_objects(path: Path, scene: Scene) -> None:
    """Writes id, class, confidence, centroid, upright box (centre, extent, rotation with the box's axes as columns) and
    area of every object.

    Convention: points in the map's world, metres where `unit` says so; `up` points up there.
    """
    document = {
        "unit": "metre" if scene.metric else "unknown: up to scale",
        "up": scene.grid.T_world_floor[:3, 2].round(6).tolist(),
        "label_space": None if scene.label_space is None else scene.label_space.name,
        "objects": [thing.as_dict() for thing in scene.objects],
    }
    with replacing(path) as part:
        part.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def write_scene_graph(path: Path, scene: Scene) -> None:
    """Writes the graph as GraphML, or else as networkx's node-link JSON (`networkx.node_link_graph(..., edges="edges")`
    reads it back). Raises: ConfigError without networkx."""
    networkx = optional("networkx", "networkx", f"writing {path.name}")
    graph = scene_graph(scene)
    with replacing(path) as part:
        if path.suffix.lower() == ".graphml":
            networkx.write_graphml(flat_graph(graph), part)
        else:
            document = networkx.node_link_data(graph, edges="edges")
            part.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
