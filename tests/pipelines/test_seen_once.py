"""A keyframe that was looked at alone, for the scale, is not looked at again when its neighbours' turn comes."""

from dataclasses import fields, replace

import numpy as np

from mapping.slam.view_selection import View, ViewTuple
from pipelines.stages import SEEN_ALONE, Inference, Prediction, Step
from streammtl.camera import Camera
from streammtl.models.settings import ModelSettings
from streammtl.views import ScaleStatus

CAMERA = Camera.pinhole(128, 96, 110, 110, 63.5, 47.5)
SETTINGS = ModelSettings(name="m2h-lite", height=96, width=128, device="cpu")


class CountedInference(Inference):
    """Counts how often its network looks at a keyframe."""

    def __post_init__(self):
        super().__post_init__()
        self.looks = 0
        self._model.network.register_forward_hook(self._count)

    def _count(self, *_):
        self.looks += 1


def step_of(index=3):
    """A keyframe and two neighbours before a textured wall 2 m away, which the camera passes sideways."""
    texture = np.random.default_rng(5).integers(0, 255, (96, 200, 3), np.uint8)
    views = []
    for i, column in enumerate((20, 14, 27)):
        T_world_cam = np.eye(4)
        T_world_cam[0, 3] = column * 2 / 110
        views.append(View(index + i, 0.0, texture[:, column : column + 128].copy(), CAMERA, T_world_cam))
    uv = np.stack(np.meshgrid(np.arange(10, 120, 10), np.arange(10, 90, 10)), -1).reshape(-1, 2).astype(np.float32)
    return Step([], ViewTuple(views[0], views[1:], 0, ScaleStatus.METRIC, uv, np.full(len(uv), 2.0)))


def assert_same(one: Prediction, other: Prediction):
    for field in fields(Prediction):
        a, b = getattr(one, field.name), getattr(other, field.name)
        same = a == b if not isinstance(a, np.ndarray) else a.tobytes() == b.tobytes()
        assert same, field.name


def test_the_second_look_costs_no_network_and_says_the_same_to_the_bit():
    step, stage = step_of(), CountedInference(SETTINGS, sensor_only=False)
    alone = stage.predict(replace(step, single_view=True))
    with_neighbours = stage.predict(step)
    assert stage.looks == 1
    assert_same(with_neighbours, Inference(SETTINGS, sensor_only=False).predict(step))
    assert not np.array_equal(alone.depth_m, with_neighbours.depth_m)  # neighbours had something to say


def test_what_was_used_or_lies_too_far_back_is_looked_at_anew():
    step, stage = step_of(), CountedInference(SETTINGS, sensor_only=False)
    first = stage.predict(step)
    assert_same(first, stage.predict(step))
    assert stage.looks == 2
    for index in range(SEEN_ALONE + 1):
        stage.predict(replace(step_of(index), single_view=True))
    stage.looks = 0
    stage.predict(step_of(0))
    stage.predict(step_of(1))
    assert stage.looks == 1


def test_a_network_that_asks_neighbours_looks_at_everything_again():
    step, stage = step_of(), CountedInference(SETTINGS.model_copy(update={"name": "cvm-lite"}), sensor_only=False)
    stage.predict(replace(step, single_view=True))
    assert_same(stage.predict(step), Inference(stage.settings, sensor_only=False).predict(step))
    assert stage.looks == 2
