from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from streammtl.crossview.settings import CrossViewSettings
from streammtl.decoders.frame_motion import FrameMotion
from streammtl.encoders.pyramid import FeaturePyramid
from streammtl.encoders.tiny import TinyEncoder
from streammtl.errors import ShapeError
from streammtl.losses.multi_task import multi_task_loss
from streammtl.models.cross_view_mtl import CrossViewMtl
from streammtl.models.network_settings import NetworkSettings
from streammtl.models.predictor import batch_to, check_batch
from streammtl.tasks.registry import task_names, task_spec
from streammtl.tasks.spec import TaskKind
from streammtl.views import ViewBatch

SIZE = (64, 96)
BUILT_IN = (
    "depth",
    "semantics",
    "normals",
    "boundaries",
    "optical_flow",
    "scene_flow",
    "saliency",
    "human_parts",
    "albedo",
    "shading",
)


def network_of(tasks) -> CrossViewMtl:
    torch.manual_seed(0)
    cross_view = CrossViewSettings(num_planes=16, channels=16, layers=2)
    return CrossViewMtl(TinyEncoder(), tasks, NetworkSettings(cross_view=cross_view, decoder_width=16))


def labelled(scenes, tasks) -> ViewBatch:
    """Two views, the next frame of each, and labels of the reference: noise at 1/16, so that there is much to learn."""
    batch, _ = scenes.batch(scenes.scene(), [scenes.pose(), scenes.pose(x=-0.15)], size=SIZE, focal=80.0)
    generator = torch.Generator().manual_seed(0)
    for task in tasks:
        spec = task_spec(task)
        coarse = torch.rand(1, spec.channels, SIZE[0] // 16, SIZE[1] // 16, generator=generator)
        values = F.interpolate(coarse, SIZE, mode="nearest")
        if spec.kind is TaskKind.CATEGORICAL:
            values = values.argmax(1, keepdim=True)
        elif spec.kind is TaskKind.BINARY:
            values = (values > 0.5).float()
        elif spec.kind is TaskKind.UNIT_VECTOR:
            values = F.normalize(values - 0.5, dim=1)
        elif task == "depth":
            values = 1 + values
        batch.targets[task] = values[:, None]
    batch.next_images = batch.images.roll((1, 2), (-2, -1))
    return batch


@pytest.mark.parametrize("count", [1, 3, 4, 7, 10])
def test_any_number_of_tasks_trains(count, scenes):
    tasks = BUILT_IN[:count]
    assert set(tasks) <= set(task_names())
    network, batch = network_of(tasks), labelled(scenes, tasks)
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        loss = multi_task_loss(network(batch).raw, batch)
        assert set(loss.tasks) == set(tasks)
        optimiser.zero_grad()
        loss.total.backward()
        optimiser.step()
        losses.append({"total": loss.total.item(), **{task: mean.item() for task, mean in loss.tasks.items()}})
    assert losses[-1]["total"] < 0.9 * losses[0]["total"]
    assert sum(losses[-1][task] < losses[0][task] for task in tasks) >= 0.8 * count


def test_motion_is_found_where_features_moved():
    """Unit features of distinct directions, moved by whole cells: softmax of sharp products finds the cells."""
    motion = FrameMotion((32,), (8,))
    with torch.no_grad():
        motion.lateral.weight.copy_(30.0 * torch.eye(64, 32)[..., None, None])
        motion.lateral.bias.zero_()
    now = F.normalize(torch.randn(1, 32, 8, 12, generator=torch.Generator().manual_seed(0)), dim=1)
    following = now.roll((1, 2), (-2, -1))
    found, both = motion(*(FeaturePyramid((maps,), (8,), (64, 96)) for maps in (now, following)))
    inner = found[0, :, :-1, :-2]
    torch.testing.assert_close(inner[0], torch.full_like(inner[0], 16.0), atol=0.5, rtol=0)
    torch.testing.assert_close(inner[1], torch.full_like(inner[1], 8.0), atol=0.5, rtol=0)
    first, fetched = both.chunk(2, 1)
    torch.testing.assert_close(fetched[..., :-1, :-2], first[..., :-1, :-2], atol=0.5, rtol=0)


def test_the_next_frame_changes_motion_and_nothing_else(scenes):
    tasks = ("depth", "normals", "optical_flow", "scene_flow")
    network, batch = network_of(tasks).eval(), labelled(scenes, tasks)
    torch.nn.init.normal_(network.heads["scene_flow"].of_motion.weight)
    with torch.no_grad():
        moved, still = network(batch).raw, network(replace(batch, next_images=None)).raw
        same = network(replace(batch, next_images=batch.images)).raw
    for task in ("depth", "normals"):
        assert torch.equal(moved[task], still[task])
    for task in ("optical_flow", "scene_flow"):
        assert not torch.allclose(moved[task], still[task], atol=1e-3)
        torch.testing.assert_close(same[task], still[task])  # without a next frame the frame is its own


def test_networks_without_motion_have_no_parameters_for_it():
    names = [name for name, _ in network_of(("depth", "semantics")).named_parameters()]
    assert not any("motion" in name for name in names)


def test_next_frames_travel_with_their_batch_and_must_fit(scenes):
    batch = labelled(scenes, ("depth",))
    moved = batch_to(batch, torch.device("cpu"))
    assert torch.equal(moved.next_images, batch.next_images)
    assert batch_to(replace(batch, next_images=None), torch.device("cpu")).next_images is None
    check_batch(batch)
    with pytest.raises(ShapeError, match="next_images"):
        check_batch(replace(batch, next_images=batch.next_images[:, :1]))
