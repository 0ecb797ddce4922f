import math

import numpy as np
import pytest
import torch

from streammtl.errors import DataError, ShapeError
from streammtl.metrics.flicker import Flicker, SeenFrame, seen_again

SIZE = (48, 64)
K = torch.tensor([[[60.0, 0, 31.5], [0, 60.0, 23.5], [0, 0, 1]]])


@pytest.fixture
def pair(scenes):
    """Two frames of a tilted plane with what is true of it: (depth, normals in camera axes, T_world_cam) of each."""
    (scene,) = (scenes.scene(),)
    normal = np.array([0.35, -0.2, 1.0])
    frames = []
    for T in (scenes.pose(), scenes.pose(x=0.1, z=0.05, yaw=0.06)):
        _, depth = scene.render(K[0].double().numpy(), T, SIZE)
        facing = torch.from_numpy(-T[:3, :3].T @ normal / np.linalg.norm(normal)).float()
        frames.append((torch.from_numpy(depth)[None, None], facing.view(1, 3, 1, 1).expand(1, 3, *SIZE), T))
    return frames


def frame(seen, **values):
    depth, _, T = seen
    return SeenFrame(values, depth, K, torch.from_numpy(T)[None])


def flicker(first, second):
    metric = Flicker()
    metric.update(first, second)
    return metric.result()


def test_the_truth_does_not_flicker(pair):
    first, second = (frame(s, depth=s[0], normals=s[1]) for s in pair)
    kept, _ = seen_again(first, second)
    assert 0.5 < kept.float().mean() < 1  # some pixels leave the image
    assert flicker(first, second) == pytest.approx({"depth": 0, "normals": 0}, abs=0.03)


def test_an_error_that_stays_is_no_flicker_and_one_that_goes_is(pair):
    (a, b) = pair
    assert flicker(frame(a, depth=1.2 * a[0]), frame(b, depth=1.2 * b[0]))["depth"] == pytest.approx(0, abs=1e-3)
    assert flicker(frame(a, depth=1.2 * a[0]), frame(b, depth=b[0]))["depth"] == pytest.approx(20, rel=1e-4)
    assert flicker(frame(a, depth=a[0]), frame(b, depth=1.2 * b[0]))["depth"] == pytest.approx(20, rel=1e-4)


def test_normals_are_compared_in_common_axes(pair):
    (a, b) = pair
    still = flicker(frame(a, normals=a[1]), frame(b, normals=a[1]))["normals"]  # did not turn with the camera
    axis_share = np.linalg.norm(np.cross(a[1][0, :, 0, 0], [0, 1, 0]))
    assert still == pytest.approx(math.degrees(2 * math.asin(math.sin(0.03) * axis_share)), rel=1e-3)


def test_classes_and_probabilities_that_change_are_counted_where_both_frames_see_them(pair):
    first_classes = torch.zeros(1, 40, *SIZE)
    first_classes[:, 3] = 1
    second_classes = first_classes.roll(2, 1)
    low, high = torch.full((1, 1, *SIZE), 0.2), torch.full((1, 1, *SIZE), 0.5)
    (a, b) = pair
    changed = flicker(
        frame(a, semantics=first_classes, boundaries=low), frame(b, semantics=second_classes, boundaries=high)
    )
    assert changed == pytest.approx({"semantics": 100, "boundaries": 0.3})
    assert flicker(frame(a, semantics=first_classes), frame(b, semantics=first_classes)) == {"semantics": 0}


def test_what_is_hidden_or_unknown_does_not_count(pair):
    (a, b) = pair
    nearer = (b[0] - 0.5, *b[1:])  # something stands before the plane
    first, second = frame(a, depth=a[0]), frame(nearer, depth=nearer[0])
    assert not seen_again(first, second)[0].any()
    unknown = frame((torch.zeros_like(a[0]), *a[1:]), depth=a[0])
    for one, two in ((first, second), (unknown, frame(b, depth=b[0]))):
        with pytest.raises(DataError):
            flicker(one, two)


def test_frames_of_different_tasks_are_refused(pair):
    (a, b) = pair
    with pytest.raises(ShapeError, match="the same"):
        flicker(frame(a, depth=a[0]), frame(b, normals=b[1]))
