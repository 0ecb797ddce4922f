"""Keyframes of a model whose depth is relative reach the map in the unit of their points, or not at all."""

import numpy as np
import pytest
import torch

from mapping.slam.view_selection import View, ViewTuple
from pipelines.stages import Inference, Step
from streammtl.camera import Camera
from streammtl.errors import ScaleError
from streammtl.models.predictor import Predictor
from streammtl.models.registry import register_model
from streammtl.models.settings import ModelSettings
from streammtl.views import ScaleStatus, TaskOutputs

CAMERA = Camera.pinhole(96, 64, 80, 80, 47.5, 31.5)
SETTINGS = ModelSettings(name="brightness-is-depth", height=32, width=48, device="cpu")


@register_model("brightness-is-depth")
class BrightnessIsDepth(Predictor):
    """Relative depth is how bright a pixel is; labels of no label space."""

    tasks = ("depth", "semantics")
    depth_scale = ScaleStatus.UP_TO_SCALE
    relative_depth = True

    def _predict(self, batch):
        relative = batch.images[:, 0].mean(1, keepdim=True)
        values = {"depth": relative, "semantics": relative.expand(-1, 40, -1, -1)}
        return TaskOutputs(values, torch.ones_like(relative), self.depth_scale)


def step_of(points, scale=3.0, shift=1.2):
    """A keyframe whose brightness grows to the right, with points of depth scale * brightness + shift."""
    image = np.repeat(np.linspace(40, 220, 96).round().astype(np.uint8)[None, :, None], 64, 0).repeat(3, 2)
    rng = np.random.default_rng(0)
    column, row = rng.integers(2, 94, points), rng.integers(2, 62, points)
    z = scale * image[row, column, 0] / 255 + shift
    uv = np.stack((column, row), 1).astype(np.float32)
    reference = View(7, 0.0, image, CAMERA, np.eye(4))
    return Step([], ViewTuple(reference, [], 0, ScaleStatus.UP_TO_SCALE, uv, z))


def test_depth_comes_out_in_the_unit_of_the_points_and_without_labels():
    prediction = Inference(SETTINGS, sensor_only=False).predict(step_of(200))
    expected = 3.0 * np.linspace(40, 220, 96).reshape(48, 2).mean(1) / 255 + 1.2
    np.testing.assert_allclose(prediction.depth_m, np.tile(expected, (32, 1)), rtol=0.01)
    assert (prediction.confidence == 1).all() and not prediction.metric
    assert prediction.label_ids is None


def test_keyframes_without_a_fit_are_left_out_and_eight_of_them_at_the_start_refuse_the_run():
    stage = Inference(SETTINGS, sensor_only=False)
    assert all(stage.predict(step_of(10)) is None for _ in range(7))
    with pytest.raises(ScaleError, match="first 8 keyframes"):
        stage.predict(step_of(10))
