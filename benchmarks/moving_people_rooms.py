"""Generated rooms in which people walk about before a hand-held camera: near, large, in patterned clothes."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from mapping.surface.room_rays import InstantCaster, SceneCaster
from pipelines.rooms.camera_path import CameraPath, PathPlanner
from pipelines.rooms.camera_path_settings import DENSE
from pipelines.rooms.render import Renderer
from pipelines.rooms.render_recording import write_frames
from pipelines.rooms.render_settings import RenderSettings
from streammtl.data.rooms.assembly import Assembly
from streammtl.data.rooms.build import build_room
from streammtl.data.rooms.piece import Piece, rotation_z
from streammtl.data.rooms.pieces.person import person
from streammtl.data.rooms.scene import Material, Mesh, MovingPart, Scene
from streammtl.data.rooms.textures.bank import Finish, draw
from streammtl.errors import GeometryError

log = logging.getLogger(__name__)

SIZE = (240, 320)  # height, width
FIRST_SEED = 7_000_000
KNOT_S = 0.25
SPEED_M_S = 0.9
NEAREST_M = 0.8  # of a body's axis to the camera
BODY_M = 0.35  # room that a body needs before a wall
CHEST_M = (0.8, 1.2)  # heights at which walls are looked for
PRINTS = ("photograph", "poster", "cover")  # on their clothes
PHASES_S = (1.0, 2.5)
LOST_RAD = 0.6  # people who leave the view further than this are fetched back


def write_rooms(folder: Path, rooms: int, frames: int, people: int) -> list[Path]:
    """The folders of so many recordings, written where they are missing; a room without a path is passed over."""
    seed, done = FIRST_SEED, []
    while len(done) < rooms:
        target = folder / f"{people}_people_{frames}_frames_{seed}"
        if not (target / "room.json").exists():
            try:
                write_room(target, seed, frames, people)
            except GeometryError as error:
                log.warning("room of seed %d passed over: %s", seed, error)
                seed += 1
                continue
        done.append(target)
        seed += 1
    return done


def write_room(folder: Path, seed: int, frames: int, people: int) -> None:
    """One recording with people in it: rgb/, labels/ (NYU-40: people are 31), poses.txt, intrinsics.json, room.json.

    Raises: GeometryError when no camera path is found.
    """
    rng = np.random.default_rng([seed, 40])
    scene = replace(build_room(seed), moving=[])
    caster = SceneCaster(scene)
    path = PathPlanner(scene, caster, DENSE, rng).path(frames, SIZE, rng)
    scene = with_people(scene, path, caster.at(0.0), people, rng)
    clip = Renderer(scene, RenderSettings()).clip(path, SIZE, rng)
    write_frames(folder, clip)
    share = clip.moving.mean(axis=(1, 2))
    note = {"seed": seed, "kind": scene.kind, "mean_share": float(share.mean()), "most_share": float(share.max())}
    (folder / "room.json").write_text(json.dumps(note) + "\n")
    log.info("%s: people fill %.2f of the view, %.2f at most", folder.name, share.mean(), share.max())


def with_people(scene: Scene, path: CameraPath, walls: InstantCaster, people: int, rng: np.random.Generator) -> Scene:
    """The scene with people who keep to the camera's view."""
    assembly, parts = Assembly(), []
    for number in range(people):
        mesh = assembly.apart(clothed(person(rng), rng), rotation_z(rng.uniform(0, 2 * np.pi)), np.zeros(3))
        mesh = replace(
            mesh,
            material=mesh.material + np.int32(len(scene.materials)),
            instance=mesh.instance + scene.mesh.instance.max(),
        )
        parts.append((mesh, way_before(path, walls, number, people, rng)))
    moving = [MovingPart(at(mesh, way[0, 1:]), way[0, 1:], np.zeros(3), way=relative(way)) for mesh, way in parts]
    return replace(scene, materials=scene.materials + assembly.materials, moving=moving)


def clothed(piece: Piece, rng: np.random.Generator) -> Piece:
    """The person in clothes with a pattern: plain cloth has few corners to follow."""
    above, below = (
        Finish(Material(texture=draw(rng, str(rng.choice(PRINTS))), specular=0.0), rng.uniform(0.12, 0.25))
        for _ in range(2)
    )
    middle = piece.size[2] / 2
    piece.patches = [
        patch
        if patch.finish.repeat_m is None
        else replace(patch, finish=above if patch.shape.corners[..., 2].mean() > middle else below)
        for patch in piece.patches
    ]
    return piece


def at(mesh: Mesh, place: np.ndarray) -> Mesh:
    return replace(mesh, corners=mesh.corners + place.astype(np.float32))


def relative(way: np.ndarray) -> np.ndarray:
    return np.column_stack([way[:, 0], way[:, 1:] - way[0, 1:]])


def way_before(
    path: CameraPath, walls: InstantCaster, number: int, people: int, rng: np.random.Generator
) -> np.ndarray:
    """f64 [n,4] seconds and the place of person `number` on the floor: now along with the camera, now at rest, now
    across the view, never faster than SPEED_M_S."""
    times = np.arange(0.0, path.timestamp_s[-1] + KNOT_S, KNOT_S)
    frames = np.minimum(np.searchsorted(path.timestamp_s, times), len(path.timestamp_s) - 1)
    bearing = (0.0 if people == 1 else (-0.3, 0.3)[number % 2]) + rng.uniform(-0.15, 0.15)
    distance = rng.uniform(0.9, 1.4)
    places, phase, until = [], "along", 0.0
    for time_s, T_world_cam in zip(times, path.T_world_cam[frames], strict=True):
        centre, ahead = T_world_cam[:2, 3], T_world_cam[:2, 2]
        yaw = np.arctan2(ahead[1], ahead[0])
        if time_s >= until:
            phase, until = str(rng.choice(["along", "rest", "across"])), time_s + rng.uniform(*PHASES_S)
            bearing = -bearing if phase == "across" else bearing
        wish = before(walls, T_world_cam[:3, 3], yaw + bearing, distance)
        if not places:
            places.append(wish)
            continue
        here = places[-1]
        away = here - centre
        turned = (np.arctan2(away[1], away[0]) - yaw + np.pi) % (2 * np.pi) - np.pi
        if phase == "rest" and abs(turned) < LOST_RAD and NEAREST_M < np.linalg.norm(away) < 2.5:
            wish = here
        step = wish - here
        step *= min(1.0, SPEED_M_S * KNOT_S / max(np.linalg.norm(step), 1e-9))
        places.append(clear_of(here + step, centre))
    return np.column_stack([times, places, np.zeros(len(times))])


def before(walls: InstantCaster, eye: np.ndarray, yaw: float, distance: float) -> np.ndarray:
    """f64 [2] a place on the floor in a direction from the camera, at a distance or before the wall there."""
    ahead = np.array([np.cos(yaw), np.sin(yaw), 0.0])
    rays = np.array([[*eye[:2], height, *ahead] for height in CHEST_M], np.float32)
    free = float(walls.hits(rays).distance.min()) - BODY_M
    return eye[:2] + max(NEAREST_M, min(distance, free)) * ahead[:2]


def clear_of(place: np.ndarray, centre: np.ndarray) -> np.ndarray:
    away = place - centre
    return centre + away * max(1.0, NEAREST_M / max(np.linalg.norm(away), 1e-9))
