"""Models judged frame by frame: which frames, which truth, which figures."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.evaluate_model import as_text, collect, evaluate_model
from pipelines.evaluate_model_data import clip_frames, nearest
from pipelines.evaluate_model_figures import DepthFigures
from pipelines.evaluate_model_normals import sensor_normals
from pipelines.evaluate_model_settings import chosen_model
from pipelines.evaluate_model_views import Protocol, choose_sources
from streammtl.data.clip_pool import ClipPool
from streammtl.errors import ConfigError, DataError
from streammtl.models.predictor import Predictor
from streammtl.models.registry import register_model
from streammtl.models.settings import ModelSettings
from streammtl.views import ScaleStatus, TaskOutputs


@register_model("constant-depth")
class ConstantDepth(Predictor):
    """Says 2 m everywhere, and is sure of the left."""

    tasks = ("depth", "normals")
    depth_scale = ScaleStatus.METRIC
    views_seen: list = []  # noqa: RUF012

    def _predict(self, batch):
        self.views_seen.append(batch.images.shape[1])
        depth = torch.full_like(batch.images[:, 0, :1], 2.0)
        confidence = torch.linspace(1, 0, depth.shape[-1]).expand(depth.shape)
        normals = torch.zeros_like(batch.images[:, 0])
        normals[:, 2] = -1
        return TaskOutputs({"depth": depth, "normals": normals}, confidence, self.depth_scale)


def walk(step_m: float, frames: int) -> list[np.ndarray]:
    poses = [np.eye(4) for _ in range(frames)]
    for i, T in enumerate(poses):
        T[0, 3] = step_m * i
    return poses


def test_sources_are_earlier_and_nearest_to_15_20_and_10_cm():
    assert choose_sources(walk(0.05, 30), 20, Protocol()) == [17, 16, 18]
    assert choose_sources(walk(0.01, 60), 40, Protocol()) == [25, 20, 30]
    assert choose_sources(walk(0.05, 30), 1, Protocol(causal=False)) == [4, 5, 3]


def test_references_without_three_earlier_frames_in_reach_are_skipped():
    assert choose_sources(walk(0.05, 30), 3, Protocol()) is None  # 5, 10 and 15 cm: one is too near
    assert choose_sources(walk(0.35, 30), 20, Protocol()) is None
    turned = walk(0.05, 30)
    turned[20][:3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
    assert choose_sources(turned, 20, Protocol()) is None
    slow = walk(0.0001, 3000)
    assert choose_sources(slow, 2999, Protocol()) is None  # nothing in reach lies within the window


def test_a_frame_is_not_taken_twice():
    poses = walk(0.149, 3) + walk(0.149, 3)
    chosen = choose_sources([*poses, poses[0]], 6, Protocol(most_m=0.31))
    assert len(set(chosen)) == 3


def test_normals_of_a_plane_are_exact_and_edges_have_none():
    K = np.array([[200.0, 0, 79.5], [0, 210.0, 59.5], [0, 0, 1]])
    v, u = np.mgrid[:120, :160]
    rays = np.stack((u, v, np.ones_like(u)), -1) @ np.linalg.inv(K).T
    normal = np.array([0.3, -0.4, -0.866])
    normal /= np.linalg.norm(normal)
    depth = -2.0 / (rays @ normal)
    normals, valid = sensor_normals(depth.astype(np.float32), K)
    angle = np.degrees(np.arccos(np.clip((normals * normal[:, None, None]).sum(0), -1, 1)))
    assert valid.mean() > 0.8
    assert angle[valid].max() < 0.1
    stepped = np.where(u < 80, depth, depth * 1.3).astype(np.float32)
    _, valid = sensor_normals(stepped, K)
    assert not valid[20:100, 78:82].any() and valid[20:100, 20:70].all()
    stepped[50:70, 30:60] = 0
    assert not sensor_normals(stepped, K)[1][55:65, 40:50].any()


def test_noise_of_a_sensor_moves_normals_a_little():
    K = np.array([[280.0, 0, 159.5], [0, 280.0, 119.5], [0, 0, 1]])
    noisy = 2.0 + np.random.default_rng(0).normal(0, 0.004, (240, 320))
    normals, valid = sensor_normals(noisy.astype(np.float32), K)
    assert valid.mean() > 0.8
    assert np.degrees(np.arccos(np.clip(-normals[2][valid], -1, 1))).mean() < 6


def test_depth_figures_pool_pixels_and_rank_them_by_confidence():
    figures = DepthFigures((0.3, 8.0))
    truth = np.full((10, 10), 2.0)
    predicted, confidence = truth * 1.1, np.full((10, 10), 0.2)
    predicted[:6], confidence[:6] = truth[:6] * 1.01, 0.9
    everywhere = np.ones((10, 10), bool)
    figures.update(predicted, confidence, truth, everywhere)
    figures.update(truth, confidence, np.full((10, 10), 9.0), everywhere)  # beyond what counts
    found = figures.result()
    assert found["pixels"] == 100
    assert found["abs_rel"] == pytest.approx(0.6 * 0.01 + 0.4 * 0.1)
    assert found["abs_rel_confident"]["0.58"] == pytest.approx(0.01, rel=1e-4)
    assert found["abs_rel_by_confidence"][0] < found["abs_rel_by_confidence"][-1]
    assert found["median_scale"] == pytest.approx(1 / 1.01)


def test_a_scaled_copy_of_the_truth_is_right_after_scaling():
    figures = DepthFigures((0.3, 8.0))
    truth = np.random.default_rng(0).uniform(1, 4, (20, 20))
    figures.update(truth * 0.7, np.ones_like(truth), truth, np.ones_like(truth, bool))
    found = figures.result()
    assert found["abs_rel"] == pytest.approx(0.3)
    assert found["median_scaled"]["abs_rel"] == pytest.approx(0, abs=1e-9)


def test_nearest_keeps_values_and_centres():
    values = np.arange(12).reshape(3, 4)
    assert np.array_equal(nearest(values, (3, 4)), values)
    assert np.array_equal(nearest(np.kron(values, np.ones((3, 3), int)), (3, 4)), values)


def test_all_numbers_of_sources_are_judged_on_the_same_references(pool):
    ConstantDepth.views_seen.clear()
    settings = ModelSettings(name="constant-depth", height=96, width=128)
    result = evaluate_model(settings, pool, [0, 2], every=2)
    assert result["references"] + result["skipped"] == 12  # three clips of eight frames
    assert ConstantDepth.views_seen == [1] * result["references"] + [3] * result["references"]
    alone, with_two = result["by_sources"]["0"], result["by_sources"]["2"]
    assert alone["depth"] == with_two["depth"]
    assert {"depth", "normals", "ms_per_frame"} == alone.keys()
    assert "AbsRel" in as_text(result)


def test_figures_of_a_known_prediction_are_those_of_the_truth(pool):
    settings = ModelSettings(name="constant-depth", height=96, width=128)
    found = evaluate_model(settings, pool, [2])["by_sources"]["2"]
    samples, _ = collect(pool, None, (96, 128), 1, None, Protocol(causal=False))
    depth = np.concatenate([frame.truth["depth"][frame.valid["depth"][None]] for frame, _ in samples]).astype(float)
    depth = depth[(depth > 0.3) & (depth < 8)]
    assert found["depth"]["abs_rel"] == pytest.approx(np.mean(np.abs(2 - depth) / depth), rel=1e-6)
    assert found["depth"]["pixels"] == len(depth)


def test_a_clip_at_its_own_size_is_its_own_truth(pool):
    clip = ClipPool(pool).clip(0)
    frame = clip_frames(clip, (96, 128))[3]
    assert np.array_equal(frame.image, clip.images[3])
    assert np.allclose(frame.K, clip.K)
    assert np.array_equal(frame.truth["depth"][0], clip.depth_m[3].astype(np.float32))
    assert np.array_equal(frame.truth["boundaries"][0], clip.boundaries[3])
    assert np.array_equal(frame.truth["semantics"][0] + 1, clip.labels[3])


def test_at_most_so_many_references_evenly_chosen(pool):
    all_of_them, _ = collect(pool, None, (96, 128), 1, None, Protocol())
    some, _ = collect(pool, None, (96, 128), 1, 3, Protocol())
    assert [id(frame.image) != 0 for frame, _ in some] == [True] * 3
    assert np.array_equal(some[0][0].image, all_of_them[0][0].image)
    assert np.array_equal(some[-1][0].image, all_of_them[-1][0].image)


def test_the_command_speaks_json_and_planesweep_finds_depth(pool):
    arguments = ["evaluate-model", "--model", "planesweep", "--data", str(pool), "--views", "2", "--json"]
    sized = [*arguments, "--set", "model.height=96", "--set", "model.width=128"]
    answer = CliRunner().invoke(app, sized)
    assert answer.exit_code == 0, answer.output
    figures = json.loads(answer.stdout)["by_sources"]["2"]["depth"]
    assert figures["abs_rel"] < 0.25
    assert figures["abs_rel_confident"]["0.55"] < figures["abs_rel"]


def test_a_model_comes_from_a_file_a_name_and_settings(tmp_path):
    config = tmp_path / "train.yaml"
    config.write_text("model: {name: cvm-lite, num_planes: 48}\nstages: []\n")
    settings = chosen_model(config, None, tmp_path / "w.safetensors", ["model.threads=1"])
    assert (settings.name, settings.num_planes, settings.threads) == ("cvm-lite", 48, 1)
    assert settings.weights == tmp_path / "w.safetensors"
    with pytest.raises(ConfigError, match="--model"):
        chosen_model(None, None, None, [])
    with pytest.raises(ConfigError, match=r"model\.name"):
        chosen_model(None, "planesweep", None, ["fusion.voxel_size_m=1"])


def test_more_sources_than_the_protocol_has_are_refused(pool):
    with pytest.raises(ConfigError, match="0 to 3"):
        evaluate_model(ModelSettings(name="constant-depth"), pool, [4])


def test_a_folder_without_usable_references_is_refused(pool, tmp_path):
    clip = ClipPool(pool).clip(0)
    still = replace(clip, T_world_cam=np.tile(np.eye(4), (len(clip.images), 1, 1)))
    still.save(tmp_path / "still.npz")
    with pytest.raises(DataError, match="protocol"):
        evaluate_model(ModelSettings(name="constant-depth"), tmp_path, [2])


def test_the_kitchen_gives_the_references_of_the_published_comparison(recordings_data):
    kitchen = recordings_data("kitchen_7scenes_seq01")
    samples, skipped = collect(kitchen, kitchen / "poses_sfm.txt", (48, 64), 2, None, Protocol())
    assert (len(samples), skipped) == (95, 5)
    assert {"depth", "normals"} <= samples[0][0].truth.keys()


def test_labelled_images_without_poses_are_judged_alone(recordings_data):
    samples, _ = collect(recordings_data("nyuv2_40class_mini"), None, (240, 320), 1, None, Protocol())
    assert len(samples) == 5 and all(not sources for _, sources in samples)
    assert samples[0][0].truth["semantics"].shape == (1, 240, 320)


def test_shipped_weights_of_one_view_know_the_depths_of_a_furnished_room(tmp_path):
    """Ten frames of the bundled clip: roughly in metres, and better up to one factor for each."""
    room = Path(__file__).parents[2] / "recordings/samples/room"
    frames = tmp_path / "room"
    (frames / "rgb").mkdir(parents=True)
    shutil.copytree(room / "depth", frames / "depth")
    shutil.copy(room / "intrinsics.json", frames)
    video, numbers = cv2.VideoCapture(str(room / "video.mp4")), {int(path.stem) for path in (room / "depth").iterdir()}
    for number in range(300):
        image = video.read()[1]
        if number in numbers:
            cv2.imwrite(str(frames / "rgb" / f"{number:06d}.png"), image)
    run = CliRunner().invoke(
        app, ["evaluate-model", "--model", "m2h-lite", "--data", str(frames), "--views", "0", "--json"]
    )
    assert run.exit_code == 0, run.output
    figures = json.loads(run.output)["by_sources"]["0"]["depth"]
    assert figures["abs_rel"] < 0.35 and figures["median_scaled"]["abs_rel"] < 0.25
