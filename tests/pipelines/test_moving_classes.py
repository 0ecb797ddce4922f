"""People and other classes that move by themselves stay out of tracking and out of the map."""

import numpy as np
import pytest
import torch

from mapping.slam.view_selection import View, ViewTuple
from pipelines.moving import MovingClasses, class_ids
from pipelines.observing import observed
from pipelines.settings import load_settings
from pipelines.stages import Inference, Step, Tracking
from streammtl.camera import Camera
from streammtl.errors import ConfigError
from streammtl.models.predictor import Predictor
from streammtl.models.registry import register_model
from streammtl.models.settings import ModelSettings
from streammtl.views import Frame, ScaleStatus, TaskOutputs

CAMERA = Camera.pinhole(96, 64, 80, 80, 47.5, 31.5)
SETTINGS = ModelSettings(name="white-is-a-person", height=32, width=48, device="cpu")
PERSON, CHAIR = 31, 5


@register_model("white-is-a-person")
class WhiteIsAPerson(Predictor):
    """Two metres everywhere; what is white is a person, all else a chair."""

    tasks = ("depth", "semantics")
    depth_scale = ScaleStatus.METRIC
    label_space = "nyu40"

    def _predict(self, batch):
        white = batch.images[:, 0].mean(1) > 0.5
        semantics = torch.zeros(len(white), 40, *white.shape[1:])
        semantics[:, PERSON - 1], semantics[:, CHAIR - 1] = white.float(), (~white).float()
        ones = torch.ones_like(semantics[:, :1])
        return TaskOutputs({"depth": 2 * ones, "semantics": semantics}, ones, self.depth_scale)


def image():
    """A white column of a third of the width."""
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, 32:64] = 255
    return picture


def views(**more):
    return ViewTuple(View(7, 0.0, image(), CAMERA, np.eye(4), **more), [], 0, ScaleStatus.METRIC)


def predicted(views, classes=("person",)):
    return Inference(SETTINGS, False, classes).predict(Step([], views))


@pytest.mark.parametrize("sensor", [True, False])
def test_depth_of_people_is_not_fused(sensor):
    seen = views(depth_m=np.full((64, 96), 3.0, np.float32)) if sensor else views()
    fused = observed(seen.reference, predicted(seen), np.eye(4), "auto")
    column = np.linspace(0, 96, fused.depth_m.shape[1], endpoint=False)
    inside, outside = (column >= 32) & (column < 64), (column < 26) | (column >= 70)
    assert (fused.depth_m[:, inside] == 0).all()
    assert (fused.depth_m[:, outside] == (3.0 if sensor else 2.0)).all()
    everything = observed(seen.reference, predicted(seen, ()), np.eye(4), "auto")
    assert (everything.depth_m > 0).all()


def test_depth_of_what_the_tracker_saw_move_is_not_fused():
    moving = np.zeros((4, 6), bool)
    moving[1, 2] = True
    seen = views(depth_m=np.full((64, 96), 3.0, np.float32), moving=moving)
    fused = observed(seen.reference, None, np.eye(4), "auto").depth_m
    expected = np.full((64, 96), 3.0)
    expected[16:32, 32:48] = 0
    assert np.array_equal(fused, expected)


def test_classes_that_a_label_space_lacks_are_none_of_its_ids():
    assert class_ids("nyu40", ("person", "rider")).tolist() == [PERSON]
    assert class_ids("cityscapes19", ("person", "rider")).size == 2
    assert class_ids(None, ("person",)).size == 0


def test_the_model_sees_people_at_the_size_of_the_frame():
    seen = MovingClasses(SETTINGS, ("person",))(Frame(0, 0.0, image(), CAMERA))
    assert seen.shape == (64, 96)
    assert seen[:, 34:62].all() and not seen[:, :26].any() and not seen[:, 70:].any()
    assert not MovingClasses(SETTINGS, ("chair",))(Frame(0, 0.0, image(), CAMERA))[:, 40:56].any()


def test_masks_for_tracking_need_a_model_that_labels_the_classes():
    with pytest.raises(ConfigError, match="planesweep labels none of person"):
        Tracking(load_settings(None, ["run.mask_tracking=true", "model=planesweep"]), CAMERA, False)
