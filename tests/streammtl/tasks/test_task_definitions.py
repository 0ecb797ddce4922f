import pkgutil

import pytest
import torch

from streammtl.decoders.heads import DenseHead
from streammtl.errors import ConfigError
from streammtl.losses.registry import task_loss
from streammtl.tasks import definitions
from streammtl.tasks.activations import activate
from streammtl.tasks.registry import register_task, task_names, task_spec
from streammtl.tasks.spec import Activation, FusionRule, TaskKind, TaskSpec

NAMES = [module.name for module in pkgutil.iter_modules(definitions.__path__)]


def test_the_tasks_of_the_three_papers_are_there():
    papers = {"semantics", "depth", "normals", "boundaries", "saliency", "human_parts"}
    papers |= {"optical_flow", "scene_flow", "shading", "albedo"}
    assert papers <= set(task_names())


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_definitions_is_registered_under_its_own_name_and_can_be_trained(name):
    spec = task_spec(name)
    assert spec.name == name
    raw = torch.randn(1, spec.channels, 4, 5, generator=torch.Generator().manual_seed(1)).requires_grad_()
    loss = task_loss(spec.loss)
    prediction = raw if loss.takes_logits else activate(raw, spec.activation)
    target = torch.zeros(1, spec.label_channels, 4, 5)
    target[..., :2] = 1.0
    loss.function(prediction, target, torch.ones(1, 1, 4, 5, dtype=torch.bool)).backward()
    assert raw.grad.abs().sum() > 0 and raw.grad.isfinite().all()


def test_weights_are_those_of_invpt_and_sak():
    expected = {"semantics": 1, "depth": 1, "normals": 10, "boundaries": 50, "human_parts": 2, "saliency": 5}
    assert {name: task_spec(name).weight for name in expected} == expected


def test_a_mirror_negates_the_x_of_normals_and_motion_and_nothing_else():
    signs = {name: task_spec(name).flip_signs for name in NAMES if task_spec(name).flip_signs}
    assert signs == {"normals": (-1, 1, 1), "optical_flow": (-1, 1), "scene_flow": (-1, 1, 1)}


def test_labels_of_classes_hold_one_index():
    assert task_spec("semantics").label_channels == 1
    assert task_spec("normals").label_channels == 3


def test_definitions_that_contradict_themselves_are_refused():
    parts = ("m", TaskKind.CONTINUOUS, Activation.IDENTITY, FusionRule.NONE)
    with pytest.raises(ConfigError, match="flip signs"):
        register_task(TaskSpec("odd-signs", 3, *parts, flip_signs=(-1, 1)))
    with pytest.raises(ConfigError, match="two continuous"):
        register_task(TaskSpec("odd-scale", 3, *parts, scales_with_image=True))


def test_an_untrained_head_takes_surfaces_to_face_the_camera():
    start = task_spec("normals").start
    raw = DenseHead(16, 3, start)(torch.zeros(1, 16, 2, 2))
    facing = activate(raw, Activation.NORMALISE)
    assert torch.equal(facing, torch.tensor([0.0, 0.0, -1.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2))


def test_a_start_must_have_a_value_per_channel():
    spec = TaskSpec("short", 3, "1", TaskKind.UNIT_VECTOR, Activation.NORMALISE, FusionRule.NONE, start=(0.0, -1.0))
    with pytest.raises(ConfigError, match="2 values to start from"):
        register_task(spec)
