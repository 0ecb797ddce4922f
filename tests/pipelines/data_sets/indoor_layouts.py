"""Tiny copies of indoor data sets in their layouts on disk, of a room whose truth is known exactly."""

import csv
import json

import numpy as np
from PIL import Image
from scipy.io import savemat

from streammtl.data.clip import Clip


def write_picture(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"quality": 100, "subsampling": 0} if path.suffix == ".jpg" else {}
    Image.fromarray(values).save(path, **options)


def write_table(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, values)


def write_lines(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def millimetres(depth_m):
    return np.round(depth_m.astype(np.float64) * 1000).astype(np.uint16)


def coded(normals):
    return np.round((np.asarray(normals, np.float64) + 1) * 127.5).astype(np.uint8)


def unit(clip: Clip, frame):
    """Normals f64 [H,W,3] of a clip."""
    return clip.normals[frame] / 127.0


def write_nyuv2_mtl(root, clip: Clip, axes=(-1, -1, -1)):
    """axes: signs that the stored normals differ by from OpenCV's."""
    stems = [f"{i:04}" for i in range(len(clip.images))]
    for frame, stem in enumerate(stems):
        write_picture(root / "images" / f"{stem}.png", clip.images[frame])
        labels = clip.labels[frame].copy()
        labels[:3] = 0
        write_picture(root / "segmentation" / f"{stem}.png", labels)
        write_picture(root / "normals" / f"{stem}.png", coded(unit(clip, frame) * axes))
        write_picture(root / "edge" / f"{stem}.png", clip.boundaries[frame] * np.uint8(255))
        (root / "depth").mkdir(exist_ok=True)
        np.save(root / "depth" / f"{stem}.npy", clip.depth_m[frame].astype(np.float32))
    for split in ("train", "val"):
        write_lines(root / "gt_sets" / f"{split}.txt", stems)


def write_nyuv2_video(root, clip: Clip, unit_m=0.4, scene="kitchen_0001a"):
    """unit_m: metres that COLMAP's unit of length stands for."""
    height, width = clip.depth_m.shape[1:]
    fx, fy, cx, cy = clip.K[0, 0], clip.K[1, 1], clip.K[0, 2], clip.K[1, 2]
    images, points = [], []
    for frame in range(len(clip.images) - 1):  # the last one found no pose
        rows, columns = np.mgrid[4:height:12, 4:width:12].reshape(2, -1)
        z = clip.depth_m[frame, rows, columns].astype(np.float64)
        rays = np.stack(((columns - cx) / fx, (rows - cy) / fy, np.ones(len(z))))
        T = clip.T_world_cam[frame]
        world = (T[:3, :3] @ (rays * z) + T[:3, 3:]).T / unit_m
        first = len(points)
        points += [f"{first + i} {x} {y} {zz} 128 128 128 0.5" for i, (x, y, zz) in enumerate(world)]
        seen = " ".join(f"{u + 0.5} {v + 0.5} {first + i}" for i, (u, v) in enumerate(zip(columns, rows, strict=True)))
        R, t = T[:3, :3].T, -T[:3, :3].T @ T[:3, 3] / unit_m
        w = np.sqrt(max(0.0, 1 + np.trace(R))) / 2
        x, y, q = (R[2, 1] - R[1, 2]) / (4 * w), (R[0, 2] - R[2, 0]) / (4 * w), (R[1, 0] - R[0, 1]) / (4 * w)
        images += [f"{frame + 1} {w} {x} {y} {q} {t[0]} {t[1]} {t[2]} 1 rgb_{frame:05}.jpg", seen]
    for frame in range(len(clip.images)):
        write_picture(root / scene / f"rgb_{frame:05}.jpg", clip.images[frame])
        write_picture(root / scene / f"sync_depth_{frame:05}.png", millimetres(clip.depth_m[frame]))
    model = root / scene / "sparse"
    write_lines(model / "images.txt", images)
    write_lines(model / "points3D.txt", points)
    write_lines(model / "cameras.txt", [f"1 PINHOLE {width} {height} {fx} {fy} {cx + 0.5} {cy + 0.5}"])
    for split in ("train", "val"):
        write_lines(root / f"{split}.txt", [scene])


def write_pascal_context(root, clip: Clip):
    """The first half of the images show a person: a torso above two upper legs; tvmonitor is left, person right."""
    stems = [f"2008_{i:06}" for i in range(len(clip.images))]
    height, width = clip.labels.shape[1:]
    for frame, stem in enumerate(stems):
        write_picture(root / "JPEGImages" / f"{stem}.jpg", clip.images[frame])
        classes = (clip.labels[frame] % 21).astype(np.uint8)
        classes[0] = 255
        palette = Image.fromarray(classes, "P")
        palette.putpalette(list(range(255, -1, -1)) * 3)
        folder = root / "semseg" / ("VOC12" if frame % 2 else "pascal-context")
        folder.mkdir(parents=True, exist_ok=True)
        palette.save(folder / f"{stem}.png")
        salient = np.zeros((height, width), np.uint8)
        salient[: height // 2] = 200
        write_picture(root / "sal_distill" / f"{stem}.png", salient)
        write_picture(root / "normals_distill" / f"{stem}.png", coded(-unit(clip, frame)))
        context = np.full((height, width), 427, np.uint16)
        context[:, width // 2 :] = 284
        (root / "pascal-context" / "trainval").mkdir(parents=True, exist_ok=True)
        savemat(root / "pascal-context" / "trainval" / f"{stem}.mat", {"LabelMap": context})
        (root / "human_parts").mkdir(exist_ok=True)
        savemat(root / "human_parts" / f"{stem}.mat", {"anno": _annotation(height, width, frame < len(stems) / 2)})
    (root / "json").mkdir()
    (root / "json" / "nyu_classes.json").write_text(json.dumps({"wall": 21, "unknown": 20}))
    known = {"wall": 440, "person": 284, "tvmonitor": 427, "unknown": 431}
    (root / "json" / "context_classes.json").write_text(json.dumps(known))
    for split in ("train", "val"):
        write_lines(root / "ImageSets" / "Context" / f"{split}.txt", stems)


def _annotation(height, width, person):
    def mask(rows, columns):
        inside = np.zeros((height, width), np.uint8)
        inside[rows, columns] = 1
        return inside

    parts = np.zeros((1, 3), dtype=[("part_name", object), ("mask", object)])
    halves = slice(height // 2, None)
    for i, (name, where) in enumerate(
        [
            ("torso", (slice(None, height // 2), slice(None))),
            ("luleg", (halves, slice(None, width // 2))),
            ("rfoot", (halves, slice(width // 2, None))),
        ]
    ):
        parts[0, i] = (name, mask(*where))
    objects = np.zeros((1, 2), dtype=[("class", object), ("class_ind", object), ("mask", object), ("parts", object)])
    objects[0, 0] = ("sofa", 18, mask(slice(None), slice(None)), np.zeros((0, 0)))
    objects[0, 1] = ("person" if person else "dog", 15 if person else 12, mask(slice(None), slice(None)), parts)
    annotation = np.zeros((1, 1), dtype=[("imname", object), ("objects", object)])
    annotation[0, 0] = ("2008", objects)
    return annotation


def write_scannet(root, clip: Clip, scene="scene0000_00"):
    """Colour at twice the size of depth, as seen from the same place; the second frame has lost its pose."""
    folder = root / "scans" / scene
    for frame in range(len(clip.images)):
        write_picture(folder / "color" / f"{frame}.jpg", clip.images[frame].repeat(2, 0).repeat(2, 1))
        write_picture(folder / "depth" / f"{frame}.png", millimetres(clip.depth_m[frame]))
        raw = clip.labels[frame].astype(np.uint16) + 1000
        write_picture(folder / "label-filt" / f"{frame}.png", raw.repeat(2, 0).repeat(2, 1))
        T = clip.T_world_cam[frame] if frame != 1 else np.full((4, 4), -np.inf)
        write_table(folder / "pose" / f"{frame}.txt", T)
    K = np.eye(4)
    K[:3, :3] = clip.K
    write_table(folder / "intrinsic" / "intrinsic_depth.txt", K)
    K[:2] *= 2
    K[:2, 2] += 0.5
    write_table(folder / "intrinsic" / "intrinsic_color.txt", K)
    with (root / "scannetv2-labels.combined.tsv").open("w", newline="") as file:
        table = csv.DictWriter(file, ("id", "raw_category", "nyu40id"), delimiter="\t")
        table.writeheader()
        table.writerows({"id": 1000 + i, "raw_category": f"thing {i}", "nyu40id": i} for i in range(41))
    for split in ("train", "val"):
        write_lines(root / f"scannetv2_{split}.txt", [scene])


def write_seven_scenes(root, clip: Clip):
    """Poses and depth as if the depth camera had been where the clip's camera was."""
    folder = root / "chess" / "seq-02"
    for frame in range(len(clip.images)):
        stem = f"frame-{frame:06}"
        write_picture(folder / f"{stem}.color.png", clip.images[frame])
        depth = millimetres(clip.depth_m[frame])
        depth[0] = 65535
        write_picture(folder / f"{stem}.depth.png", depth)
        write_table(folder / f"{stem}.pose.txt", clip.T_world_cam[frame])
    for split in ("Train", "Test"):
        write_lines(root / "chess" / f"{split}Split.txt", ["sequence2"])
