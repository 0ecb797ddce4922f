"""Samples out of clips keep their geometry true and depend on seed and number only."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from streammtl.crossview.warp import sweep_geometry
from streammtl.data.clip import load_clip
from streammtl.data.clip_footage import geometry_of
from streammtl.data.clip_pool import ClipPool, open_clip
from streammtl.data.sampler import ClipSampler, SamplingSettings
from streammtl.data.stacking import stack_samples
from streammtl.data.tracking_errors import TrackingErrorSettings, depth_limits, disturb_pose
from streammtl.data.view_choice import ViewChoiceSettings, choose_sources
from streammtl.data.window import draw_window
from streammtl.errors import ConfigError, DataError
from streammtl.geometry import normals_from_depth
from streammtl.tasks.spec import IGNORE

TASKS = ("depth", "semantics", "normals", "boundaries")
ALWAYS_TWO = ViewChoiceSettings(
    source_shares=(0, 0, 1), missing_share=0, repeated_share=0, causal_share=0, candidate_share=(1, 1)
)
TRUE = SamplingSettings(views=ALWAYS_TWO, tracking=TrackingErrorSettings(exact_share=1), appearance=None)


def sampler(pool, settings=TRUE, seed=0):
    return ClipSampler(ClipPool(pool), TASKS, settings, seed)


def test_a_mapped_clip_is_the_clip(pool):
    path = ClipPool(pool).paths[0]
    mapped, read = open_clip(path), load_clip(path)
    for name in ("images", "depth_m", "normals", "labels", "boundaries", "K", "T_world_cam", "timestamp_s"):
        assert isinstance(getattr(mapped, name), np.memmap) and np.array_equal(
            getattr(mapped, name), getattr(read, name)
        )


def test_a_folder_without_clips_and_a_damaged_clip_are_told(tmp_path):
    with pytest.raises(DataError, match="no clips"):
        ClipPool(tmp_path)
    (tmp_path / "a.npz").write_bytes(b"PK not a zip")
    with pytest.raises(DataError, match=r"a\.npz"):
        ClipPool(tmp_path).clip(0)


@pytest.mark.parametrize("size", [(64, 96), (80, 112)])
def test_sources_show_at_the_projected_place_what_the_reference_shows(pool, size):
    """Windows, resizing and mirroring leave images, K, poses and depth consistent: warping by the truth explains the
    sources, and by a depth 15 % off it does not."""
    residuals = {1.0: [], 1.15: []}
    for number in range(6):
        batch = sampler(pool).batch(number, 2, size)
        geometry = sweep_geometry(batch, size)
        for factor, found in residuals.items():
            depth = (batch.targets["depth"][:, 0] * factor).flatten(2)
            for source in range(2):
                u, v, seen = geometry.project(depth, source)
                grid = torch.stack((u / (size[1] - 1) * 2 - 1, v / (size[0] - 1) * 2 - 1), -1)
                warped = F.grid_sample(batch.images[:, source + 1], grid, align_corners=True).flatten(2)
                error = (warped - batch.images[:, 0].flatten(2)).abs().mean(1, keepdim=True)
                keep = seen & batch.view_mask[:, source + 1, None, None] & batch.valid["depth"][:, 0].flatten(2)
                found.append(error[keep])
    true, wrong = (torch.cat(found).median().item() for found in residuals.values())
    assert true < 0.015
    assert wrong > 2 * true


def test_labels_belong_to_the_reference_and_depth_to_every_view(pool):
    batch = sampler(pool).batch(1, 3, (64, 96))
    assert {task: tuple(t.shape) for task, t in batch.targets.items()} == {
        "depth": (3, 3, 1, 64, 96),
        "semantics": (3, 1, 1, 64, 96),
        "normals": (3, 1, 3, 64, 96),
        "boundaries": (3, 1, 1, 64, 96),
    }
    normals = batch.targets["normals"][:, 0]
    assert (normals.norm(dim=1) - 1).abs().max() < 0.02
    for view in range(1, 3):  # a source's own depth, seen from the reference, is the reference's
        geometry = sweep_geometry(batch, (64, 96), torch.full((3, 1), view))
        u, v, seen = geometry.project(batch.targets["depth"][:, 0].flatten(2), 0)
        z = geometry.offset[:, 0, 2, None] + batch.targets["depth"][:, 0].flatten(2)[:, 0] * geometry.direction[:, 0, 2]
        grid = torch.stack((u / 95 * 2 - 1, v / 63 * 2 - 1), -1)
        there = F.grid_sample(batch.targets["depth"][:, view], grid, align_corners=True)[:, 0, 0]
        assert ((there - z).abs() / z)[seen[:, 0] & batch.view_mask[:, view, None]].median() < 0.01
    derived = normals_from_depth(batch.targets["depth"][:, 0], batch.K[:, 0])
    assert (derived * normals).sum(1).median() > 0.99  # same axes after flips


def test_seed_and_number_decide_a_batch_whatever_was_drawn_before(pool):
    settings = SamplingSettings()
    first = sampler(pool, settings)
    first.batch(0, 2, (64, 96))
    a, b = first.batch(5, 2, (64, 96)), sampler(pool, settings).batch(5, 2, (64, 96))
    assert torch.equal(a.images, b.images) and torch.equal(a.T_world_cam, b.T_world_cam)
    assert torch.equal(a.targets["depth"], b.targets["depth"]) and torch.equal(a.near_m, b.near_m)
    other = sampler(pool, settings, seed=1).batch(5, 2, (64, 96))
    assert other.images.shape != a.images.shape or not torch.equal(other.images, a.images)


def test_counts_of_sources_come_as_often_as_asked(pool):
    views = ViewChoiceSettings(source_shares=(0.5, 0, 0.5))
    counts = [views.draw_count(np.random.default_rng(i)) for i in range(400)]
    assert set(counts) == {0, 2} and 150 < counts.count(0) < 250


def test_sources_keep_to_the_limits_and_the_best_baseline_wins(pool):
    frames = geometry_of(ClipPool(pool).clip(0))
    settings = ALWAYS_TWO.model_copy(update={"best_baseline_m": (0.16, 0.1601), "baseline_m": (0.03, 0.3)})
    for reference in range(len(frames.T_world_cam)):
        chosen = choose_sources(frames, reference, 2.0, 2, settings, np.random.default_rng(0))
        baselines = np.linalg.norm(frames.T_world_cam[chosen, :3, 3] - frames.T_world_cam[reference, :3, 3], axis=1)
        assert reference not in chosen and (baselines <= 0.3).all()
        assert baselines[0] == pytest.approx(0.16, abs=5e-3)  # frames are 8 cm apart


def test_earlier_frames_only_when_causal(pool):
    frames = geometry_of(ClipPool(pool).clip(0))
    causal = ALWAYS_TWO.model_copy(update={"causal_share": 1.0})
    assert max(choose_sources(frames, 5, 2.0, 3, causal, np.random.default_rng(0))) < 5
    assert choose_sources(frames, 0, 2.0, 3, causal, np.random.default_rng(0)) == []


def test_disturbed_poses_are_rigid_and_off_by_what_was_asked():
    errors = TrackingErrorSettings(position_m=0.004, angle_deg=0.2, wrong_share=0)
    rng = np.random.default_rng(0)
    moved = np.stack([disturb_pose(np.eye(4), errors, rng) for _ in range(500)])
    R = moved[:, :3, :3]
    assert np.allclose(R @ R.transpose(0, 2, 1), np.eye(3), atol=1e-12)
    assert moved[:, :3, 3].std() == pytest.approx(0.004, rel=0.1)
    angle = np.degrees(np.arccos(np.clip((np.trace(R, axis1=1, axis2=2) - 1) / 2, -1, 1)))
    assert np.sqrt((angle**2).mean()) == pytest.approx(0.2 * np.sqrt(3), rel=0.1)


def test_measured_limits_surround_the_scene_and_guessed_ones_stay_in_their_ranges():
    depth = np.random.default_rng(0).uniform(1.0, 4.0, 2000)
    measured = TrackingErrorSettings(fixed_range_share=0, points=(200, 400))
    near, far = depth_limits(depth, measured, np.random.default_rng(1))
    assert 0.65 < near < 0.95 and 4.5 < far < 5.3
    guessed = TrackingErrorSettings(fixed_range_share=1)
    near, far = depth_limits(depth, guessed, np.random.default_rng(1))
    assert 0.25 <= near <= 0.6 and 7 <= far <= 12


def test_windows_have_the_aspect_asked_for_and_fit():
    rng = np.random.default_rng(0)
    for _ in range(200):
        window = draw_window((240, 320), (192, 256), 0.5, rng)
        assert window.height * 4 == window.width * 3 and window.width >= 158
        assert window.top + window.height <= 240 and window.left + window.width <= 320
    with pytest.raises(ConfigError, match="aspect"):
        draw_window((2, 2), (192, 256), 0.5, rng)


def test_samples_with_other_labels_share_a_batch(pool):
    samples = [sampler(pool)._sample(np.random.default_rng(i), 2, (64, 96)) for i in range(2)]
    del samples[1].targets["semantics"], samples[1].valid["semantics"]
    batch = stack_samples(samples)
    assert batch.valid["semantics"][0].any() and not batch.valid["semantics"][1].any()
    assert batch.valid["depth"].any(-1).any(-1).all()
    assert (batch.targets["semantics"][0][batch.valid["semantics"][0]] != IGNORE).all()


def test_flow_leads_to_where_the_next_frame_shows_the_same(pool):
    flowing = ClipSampler(ClipPool(pool), ("depth", "optical_flow"), TRUE, 0)
    residuals, still = [], []
    for number in range(4):
        batch = flowing.batch(number, 2, (64, 96))
        v, u = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")
        flow = batch.targets["optical_flow"][:, 0]
        there = torch.stack(((u + flow[:, 0]) / 95 * 2 - 1, (v + flow[:, 1]) / 63 * 2 - 1), -1)
        valid = batch.valid["optical_flow"][:, 0, 0] & (there.abs() < 1).all(-1)
        following = F.grid_sample(batch.next_images[:, 0], torch.where(valid[..., None], there, 0), align_corners=True)
        residuals.append((following - batch.images[:, 0]).abs().mean(1)[valid])
        still.append((batch.next_images[:, 0] - batch.images[:, 0]).abs().mean(1)[valid])
    assert torch.cat(residuals).median() < 0.4 * torch.cat(still).median()


def test_frames_that_follow_are_read_only_for_tasks_about_motion(pool):
    assert sampler(pool).batch(0, 2, (64, 96)).next_images is None
    settings = SamplingSettings()
    batch = ClipSampler(ClipPool(pool), ("depth", "optical_flow"), settings, 0).batch(0, 2, (64, 96))
    assert batch.next_images.shape == batch.images.shape
