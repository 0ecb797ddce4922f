"""The 3D scene graph: building, rooms, places and objects as nodes, what holds or touches what as edges."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from mapping.scene.scene import Scene

if TYPE_CHECKING:
    import networkx as nx

NEAR_M = 2.0  # an object belongs to the place nearest to it, if that is no further


def scene_graph(scene: Scene) -> nx.Graph:
    """Nodes "building", "room 0", "place 0", "object 0", ... with `layer` and `position` [x,y,z] in the map's world.

    Edges have a `kind`: "holds" from the building to rooms, from rooms to places and objects; "way" between places that
    free floor connects; "near" between an object and its nearest place. Layers follow Hydra (Hughes et al. 2022): 5
    building, 4 rooms, 3 places, 2 objects.
    """
    import networkx as nx

    rotation = scene.grid.T_world_floor[:3, :3]
    graph = nx.Graph(
        frame="OpenCV axes of the first posed camera unless poses were given",
        unit="metre" if scene.metric else "unknown: up to scale",
        up=rotation[:, 2].round(6).tolist(),
        T_world_floor=scene.grid.T_world_floor.round(6).tolist(),
    )
    middle = (
        np.mean([room.centroid for room in scene.rooms], axis=0) if scene.rooms else scene.grid.T_world_floor[:3, 3]
    )
    graph.add_node("building", layer="building", position=_rounded(middle))
    for room in scene.rooms:
        graph.add_node(
            f"room {room.id}", layer="room", position=_rounded(room.centroid), area_m2=round(room.area_m2, 3)
        )
        graph.add_edge("building", f"room {room.id}", kind="holds")
    _add_places(graph, scene)
    for thing in scene.objects:
        plain = thing.as_dict()
        name = f"object {plain.pop('id')}"
        graph.add_node(name, layer="object", position=plain.pop("centroid"), **plain)
        if (room := scene.room_at(thing.centroid)) is not None:
            graph.add_edge(f"room {room}", name, kind="holds")
        if scene.places:
            nearest = min(scene.places, key=lambda place: thing.distance_m(place.position))
            if (distance := thing.distance_m(nearest.position)) <= NEAR_M:
                graph.add_edge(f"place {nearest.id}", name, kind="near", distance_m=round(distance, 3))
    return graph


def _add_places(graph: nx.Graph, scene: Scene) -> None:
    for place in scene.places:
        name = f"place {place.id}"
        graph.add_node(name, layer="place", position=_rounded(place.position), clearance_m=round(place.clearance_m, 3))
        if (room := scene.room_at(place.position)) is not None:
            graph.add_edge(f"room {room}", name, kind="holds")
    for a, b in scene.ways:
        length = float(np.linalg.norm(scene.places[a].position - scene.places[b].position))
        graph.add_edge(f"place {a}", f"place {b}", kind="way", length_m=round(length, 3))


def _rounded(point: np.ndarray) -> list[float]:
    return np.asarray(point).round(4).tolist()


def flat_graph(graph: nx.Graph) -> nx.Graph:
    """The same graph with numbers and text only, as GraphML wants it: points as x, y, z; other lists as JSON text."""
    import networkx as nx

    def flat(attributes: dict[str, Any]) -> dict[str, Any]:
        position = attributes.get("position")
        axes = {} if position is None else dict(zip("xyz", position, strict=True))
        rest = {k: v for k, v in attributes.items() if k != "position"}
        return axes | {k: json.dumps(v) if isinstance(v, list | dict) else v for k, v in rest.items()}

    plain = nx.Graph(**flat(graph.graph))
    plain.add_nodes_from((node, flat(data)) for node, data in graph.nodes(data=True))
    plain.add_edges_from((a, b, flat(data)) for a, b, data in graph.edges(data=True))
    return plain
