"""How good the poses of the offline mode are, how long they take, and pycolmap's own chains on the same images.

python benchmarks/quality.py VIDEO --intrinsics FILE --truth poses_sfm.txt --truth poses.txt
python benchmarks/quality.py PHOTOS --truth-folder FOLDER          # without calibration; poses of a recording folder
python benchmarks/quality.py VIDEO --intrinsics FILE --truth poses.txt --peer 4    # and COLMAP on every 4th frame

Errors are after Sim(3); `of_size` is the error as a fraction of the diagonal of the true path. Times are wall and CPU
seconds of this process with all its threads.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from mapping.evaluation.trajectory import absolute_error
from mapping.slam.colmap_conversions import to_colmap
from mapping.slam.colmap_scene import quiet
from mapping.slam.quality import solve_offline
from mapping.slam.quality_model import QualityModel
from pipelines.calibrate import calibrate
from recordings import Recording, open_recording
from recordings.trajectory_file import nearest, read_tum
from streammtl.camera import Camera
from streammtl.views import Frame

import pycolmap  # isort: skip

TOLERANCE_S = 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--intrinsics")
    parser.add_argument("--truth", action="append", default=[], type=Path)
    parser.add_argument("--truth-folder", type=Path)
    parser.add_argument("--peer", type=int, help="every how many frames COLMAP gets; 0: leave it out", default=0)
    arguments = parser.parse_args()
    with open_recording(arguments.source, camera=arguments.intrinsics) as recording:
        wall, cpu = time.monotonic(), time.process_time()
        camera = recording.camera or calibrate(recording).camera
        calibrated = time.monotonic()
        model = solve_offline(recording.frames, camera, refine=recording.camera is None)
        more = described(model, calibrated - wall)
        report(recording, arguments, "streammtl --quality", model.T_world_cam, wall, cpu, more)
        if arguments.peer:
            for name in ("global_mapping", "incremental_mapping"):
                peer(recording, arguments, name, camera)


def described(model: QualityModel, calibration_s: float) -> dict[str, object]:
    return {
        "method": model.method,
        "keyframes": f"{model.registered}/{model.keyframes}",
        "camera": [model.camera.model, *np.round(model.camera.params, 3).tolist()],
        "calibration_s": round(calibration_s, 1),
    }


def report(
    recording: Recording,
    arguments: argparse.Namespace,
    name: str,
    poses: dict[int, np.ndarray],
    wall: float,
    cpu: float,
    more: dict,
) -> None:
    figures = {
        "what": name,
        "posed": f"{len(poses)}/{recording.frame_count}",
        "wall_s": round(time.monotonic() - wall, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
        **more,
    }
    times = {f.index: f.timestamp_s for f in recording.frames() if isinstance(f, Frame)}
    for label, truth in truths(arguments, times).items():
        common = sorted(set(poses) & set(truth))
        true = np.array([truth[i] for i in common])
        error = absolute_error(np.array([poses[i] for i in common]), true, with_scale=True)
        size = float(np.linalg.norm(np.ptp(np.array(list(truth.values()))[:, :3, 3], axis=0)))
        figures[label] = {
            "ate_m": round(error.position_m.rmse, 4),
            "of_size": round(error.position_m.rmse / size, 5),
            "max_of_size": round(error.position_m.max / size, 5),
            "rotation_deg": round(error.rotation_deg.rmse, 2),
            "poses": f"{len(common)}/{len(truth)}",
        }
    print(json.dumps(figures), flush=True)


def truths(arguments: argparse.Namespace, times: dict[int, float]) -> dict[str, dict[int, np.ndarray]]:
    """True T_world_cam by frame index, for each truth."""
    found = {}
    for path in arguments.truth:
        truth_s, T = read_tum(path)
        rows = nearest(truth_s, np.array(list(times.values())), TOLERANCE_S)
        found[path.name] = {i: T[row] for i, row in zip(times, rows, strict=True) if row >= 0}
    if arguments.truth_folder:
        with open_recording(arguments.truth_folder) as recording:
            frames = [frame for frame in recording.frames() if isinstance(frame, Frame)]
        found["poses"] = {frame.index: frame.T_world_cam for frame in frames if frame.T_world_cam is not None}
    return found


def peer(recording: Recording, arguments: argparse.Namespace, name: str, camera: Camera) -> None:
    """COLMAP's chain as in its documentation: SIFT, sequential matching, mapping; two threads, camera fixed."""
    wall, cpu = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as folder, quiet():
        root = Path(folder)
        (root / "images").mkdir()
        (root / "models").mkdir()
        for frame in recording.frames():
            if isinstance(frame, Frame) and frame.index % arguments.peer == 0:
                cv2.imwrite(str(root / "images" / f"{frame.index:06d}.png"), frame.image[..., ::-1])
        reader = pycolmap.ImageReaderOptions(
            camera_model="PINHOLE", camera_params=",".join(map(str, to_colmap(camera).params))
        )
        extraction = pycolmap.FeatureExtractionOptions(num_threads=2)
        extraction.sift.max_num_features = 1500
        pycolmap.extract_features(
            root / "db", root / "images", camera_mode=pycolmap.CameraMode.SINGLE, reader_options=reader,
            extraction_options=extraction, device=pycolmap.Device.cpu,
        )  # fmt: skip
        pairing = pycolmap.SequentialPairingOptions(overlap=8)
        pycolmap.match_sequential(root / "db", pairing_options=pairing, device=pycolmap.Device.cpu)
        if name == "global_mapping":
            options = pycolmap.GlobalPipelineOptions(num_threads=2)
            options.mapper.bundle_adjustment.refine_focal_length = False
            options.mapper.bundle_adjustment.refine_extra_params = False
        else:
            options = pycolmap.IncrementalPipelineOptions(
                num_threads=2, ba_refine_focal_length=False, ba_refine_extra_params=False
            )
        models = getattr(pycolmap, name)(root / "db", root / "images", root / "models", options)
    best = max(models.values(), key=lambda model: model.num_reg_images())
    poses = {}
    for number in best.reg_image_ids():
        image = best.image(number)
        poses[int(image.name[:6])] = np.linalg.inv(np.vstack([image.cam_from_world().matrix(), [0, 0, 0, 1]]))
    sizes = sorted((model.num_reg_images() for model in models.values()), reverse=True)
    report(recording, arguments, f"pycolmap {name}, every {arguments.peer}th", poses, wall, cpu, {"models": sizes})


if __name__ == "__main__":
    main()
