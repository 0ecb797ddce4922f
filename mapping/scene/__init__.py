"""What a map holds, in words and shapes: the floor, objects, places, rooms and the graph between them."""

from mapping.scene.graph import scene_graph
from mapping.scene.objects import MapObject, find_objects, nearest_object
from mapping.scene.scene import Scene, read_scene
from mapping.scene.settings import SceneSettings

__all__ = ["MapObject", "Scene", "SceneSettings", "find_objects", "nearest_object", "read_scene", "scene_graph"]
