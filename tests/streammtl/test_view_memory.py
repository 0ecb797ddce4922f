"""Features that a predictor remembers: the same as computed anew, and never more than a few."""

import torch

from streammtl.crossview import view_memory
from streammtl.crossview.view_memory import ViewMemory
from streammtl.models.registry import build_model
from streammtl.models.settings import ModelSettings


def counted(calls):
    def compute(images):
        calls.append(len(images))
        return images.mean((2, 3)), 2 * images

    return compute


def test_each_image_is_computed_once_whatever_it_is_asked_with():
    images, calls, memory = torch.rand(3, 3, 8, 8), [], ViewMemory()
    first = memory(counted(calls), images[:2])
    second = memory(counted(calls), images[[1, 2, 0]].clone())
    assert calls == [1, 1, 1]
    assert torch.equal(second[0][[2, 0]], first[0])
    assert torch.equal(second[1], 2 * images[[1, 2, 0]])


def test_another_content_shape_or_precision_is_another_image():
    image, calls, memory = torch.rand(1, 3, 8, 8), [], ViewMemory()
    memory(counted(calls), image)
    memory(counted(calls), image + 1e-7)
    memory(counted(calls), image.reshape(1, 3, 4, 16))
    with torch.autocast("cpu", torch.bfloat16):
        memory(counted(calls), image)
    assert calls == [1, 1, 1, 1]


def test_what_was_not_asked_for_longest_is_forgotten():
    images, calls, memory = torch.rand(view_memory.VIEWS + 1, 3, 4, 4), [], ViewMemory()
    memory(counted(calls), images[:-1])
    memory(counted(calls), images[:1])  # asked for again: the second is the oldest now
    memory(counted(calls), images[-1:])
    memory(counted(calls), images[:1])
    assert sum(calls) == len(images)
    memory(counted(calls), images[1:2])
    assert sum(calls) == len(images) + 1


def test_a_keyframe_that_returns_as_a_source_changes_no_bit_of_a_prediction(scenes):
    poses = [scenes.pose(), scenes.pose(x=-0.15), scenes.pose(x=0.15)]
    batch, _ = scenes.batch(scenes.scene(), poses)
    turned, _ = scenes.batch(scenes.scene(), [poses[2], poses[0], poses[1]])
    model, fresh = (build_model(ModelSettings(name="cvm-lite")) for _ in range(2))
    model.predict(batch)
    again, anew = model.predict(turned), fresh.predict(turned)
    assert torch.equal(again.confidence, anew.confidence)
    for task, values in anew.values.items():
        assert torch.equal(again.values[task], values)
