"""A batch seen smaller, and maps brought back to size."""

import torch

from streammtl.camera import Camera
from streammtl.models.reduced_views import enlarged, reduced, reduced_size


def test_sizes_are_the_nearest_multiples():
    assert reduced_size(240, 320, 0.8, 16) == (192, 256)
    assert reduced_size(256, 320, 0.8, 16) == (208, 256)
    assert reduced_size(16, 16, 0.1, 16) == (16, 16)


def test_cameras_of_a_reduced_batch_are_those_of_the_resized_image(scenes):
    batch, _ = scenes.batch(scenes.scene(), [scenes.pose(), scenes.pose(x=0.1)])
    height, width = batch.images.shape[-2:]
    small = reduced(batch, height // 2, width // 2)
    K = batch.K[0, 0].double()
    camera = Camera("PINHOLE", width, height, (float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2])))
    expected = torch.from_numpy(camera.scaled(width // 2, height // 2).K).float()
    torch.testing.assert_close(small.K, expected.expand_as(small.K))
    torch.testing.assert_close(small.images, torch.nn.functional.avg_pool2d(batch.images[0], 2)[None])
    assert torch.equal(small.T_world_cam, batch.T_world_cam) and small.targets == {}


def test_enlarged_maps_keep_a_slope_probabilities_and_unit_normals():
    slope = torch.linspace(1.0, 2.0, 8).expand(1, 1, 6, 8)
    semantics = torch.softmax(torch.randn(1, 40, 6, 8, generator=torch.Generator().manual_seed(1)), 1)
    normals = torch.nn.functional.normalize(torch.randn(1, 3, 6, 8, generator=torch.Generator().manual_seed(2)), dim=1)
    large = enlarged({"depth": slope, "semantics": semantics, "normals": normals}, 12, 16)
    steps = large["depth"][0, 0, :, 1:-1].diff(dim=1)
    torch.testing.assert_close(steps, torch.full_like(steps, 1 / 14))
    torch.testing.assert_close(large["semantics"].sum(1), torch.ones(1, 12, 16))
    torch.testing.assert_close(large["normals"].norm(dim=1), torch.ones(1, 12, 16))
