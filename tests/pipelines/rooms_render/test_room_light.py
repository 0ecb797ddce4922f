import numpy as np
import torch

from mapping.surface.room_rays import SceneCaster
from pipelines.rooms.render_settings import LightingSettings, SensorSettings
from pipelines.rooms.sensor import Sensor, SensorDraw, gaussian
from pipelines.rooms.shading_lights import LightSampler
from pipelines.rooms.shading_surfaces import SurfaceTable
from pipelines.rooms.shading_textures import TextureAtlas, linear_of_srgb, srgb_of_linear
from streammtl.data.rooms.scene import Light, Material, Scene


def lit_from_above(scene, at_xy, settings=None):
    """Diffuse light [3,n] on what lies below points [n,2] at 2 m, the mean of the pattern's 4 x 4 samples."""
    settings = settings or LightingSettings(shadow_rays=8, ambient_rays=4)
    caster = SceneCaster(scene).at(0.0)
    tiles = np.repeat(np.asarray(at_xy, float), 4, axis=0)
    rays = np.zeros((4 * len(tiles), 6), np.float32)
    rays[:, :2] = np.tile(tiles, (4, 1))
    rays[:, 2], rays[:, 5] = 2.0, -1.0
    found = SurfaceTable(scene).find(caster.hits(rays), rays, 0.0, 0.01)
    light = LightSampler(scene, settings).light(found, caster, len(tiles), np.full(4, 0.5))
    return light.diffuse.reshape(3, 4, -1, 4).mean((1, 3)).numpy()


def with_lights(room, lights, ambient=(0.0, 0.0, 0.0)):
    return Scene(**{**room.__dict__, "lights": lights, "ambient": ambient})


def lamp(x, y, z, half=0.01, power=2.0, directed=False):
    edges = np.float32([[half, 0, 0], [0, half, 0]])
    return Light(np.float32([x, y, z]), edges, np.full(3, power, np.float32), directed)


def test_light_falls_off_with_distance_and_angle(room):
    scene = with_lights(room, [lamp(3.8, 3.0, 2.5)])
    light = lit_from_above(scene, [[3.8, 3.0], [3.8, 2.4]])[0]
    square = 2.5**2 + 0.6**2
    assert np.allclose(light, [2.0 / 2.5**2, 2.0 / square * 2.5 / np.sqrt(square)], rtol=0.01)


def test_light_of_several_lamps_adds_up(room):
    one, other = lamp(3.8, 3.0, 2.5), lamp(3.0, 3.2, 2.3, power=0.7)
    points = [[3.8, 3.0], [3.4, 2.9]]
    both = lit_from_above(with_lights(room, [one, other]), points)
    apart = lit_from_above(with_lights(room, [one]), points) + lit_from_above(with_lights(room, [other]), points)
    assert np.allclose(both, apart, rtol=0.03)


def test_the_table_throws_a_shadow_with_a_soft_edge(room):
    scene = with_lights(room, [lamp(2.3, 1.8, 2.5, half=0.25)])
    beside, half_lit, out = lit_from_above(scene, [[2.3, 2.23], [2.3, 2.36], [2.3, 2.6]])[0]
    assert out > 0.2
    assert beside < 0.02
    assert 0.15 * out < half_lit < 0.85 * out


def test_a_directed_light_is_dark_behind(room):
    away = lamp(3.8, 3.0, 2.2, directed=True)  # its axis is up
    edges = away.edges[::-1].copy()
    towards = Light(away.centre, edges, away.power, directed=True)
    assert lit_from_above(with_lights(room, [away]), [[3.8, 3.0]]).max() == 0.0
    assert lit_from_above(with_lights(room, [towards]), [[3.8, 3.0]]).min() > 0.2


def test_corners_get_less_of_the_light_from_everywhere(room):
    scene = with_lights(room, [], ambient=(0.5, 0.5, 0.5))
    settings = LightingSettings(ambient_rays=16)
    open_, corner = lit_from_above(scene, [[3.6, 2.9], [4.55, 3.75]], settings)[0]
    assert 0.4 < open_ <= 0.5
    assert corner < 0.75 * open_


def test_a_texture_far_away_shows_its_mean():
    checks = np.kron(np.indices((32, 32)).sum(0)[..., None] % 2, np.ones((2, 2, 3))).astype(np.uint8) * 200
    atlas, which = TextureAtlas.of([Material(texture=checks)])
    u, v = torch.rand(500), torch.rand(500)
    far = atlas.look_up(torch.zeros(500, dtype=torch.int64), u, v, torch.full((500,), 64.0))
    near = atlas.look_up(torch.zeros(500, dtype=torch.int64), u, v, torch.full((500,), 0.1))
    assert which.tolist() == [0]
    assert torch.allclose(far, torch.tensor(100 / 255), atol=0.01)
    assert near.std() > 0.2


def test_textures_repeat_and_start_at_the_bottom():
    rows = np.zeros((4, 4, 3), np.uint8)
    rows[3] = 255  # the bottom row
    atlas, _ = TextureAtlas.of([Material(texture=rows)])
    v = torch.tensor([0.125, 0.875, 1.125, -0.125])
    found = atlas.look_up(torch.zeros(4, dtype=torch.int64), torch.full((4,), 3.3), v, torch.ones(4))
    assert torch.allclose(found[0], torch.tensor([1.0, 0.0, 1.0, 0.0]), atol=1e-3)


def test_srgb_there_and_back():
    x = torch.linspace(0, 1, 256)
    assert (srgb_of_linear(linear_of_srgb(x)) - x).abs().max() < 0.02


def test_a_blur_keeps_the_mean_and_softens():
    image = torch.rand(3, 40, 50)
    blurred = gaussian(image, 1.2)
    assert torch.allclose(blurred.mean(), image.mean(), atol=0.01)
    assert blurred.std() < 0.5 * image.std()
    assert torch.allclose(gaussian(torch.full((1, 9, 9), 0.3), 1.5), torch.tensor(0.3))


def picture_of(linear, motion=0.0, **changes):
    draw = SensorDraw.of(SensorSettings(), np.random.default_rng(0))
    plain = {"read_noise": 1e-4, "shot_noise": 1e-6, "jpeg_quality": None, "sharpening": 0.0, "contrast": 1.0}
    draw = SensorDraw(**{**draw.__dict__, **plain, **changes})
    moved = torch.zeros(2, *linear.shape[1:])
    moved[0] = motion
    return Sensor(draw, linear.shape[1:], np.random.default_rng(1)).picture(linear, moved)


def test_exposure_makes_dark_and_bright_rooms_look_alike():
    scene = torch.rand(3, 48, 64) * 0.8 + 0.1
    dark, bright = picture_of(scene * 0.05), picture_of(scene * 2.0)
    assert abs(dark.mean() - bright.mean()) < 12
    assert 60 < bright.mean() < 200


def test_motion_blurs_along_the_motion_only():
    stripes = torch.zeros(3, 48, 64)
    stripes[:, :, ::8] = 1.0
    lying = stripes.transpose(1, 2).contiguous()
    across = picture_of(stripes, motion=300.0, shutter_s=0.02, softness_px=0.2)
    along = picture_of(lying, motion=300.0, shutter_s=0.02, softness_px=0.2)
    assert across.std() < 0.6 * along.std()


def test_noise_is_stronger_in_bright_light_and_seeded():
    flat = torch.full((3, 64, 64), 0.3)
    a = picture_of(flat, shot_noise=1e-3, vignetting=0.0, noise_grain=0.0)
    b = picture_of(flat, shot_noise=1e-3, vignetting=0.0, noise_grain=0.0)
    quiet = picture_of(flat, vignetting=0.0)
    assert (a == b).all()
    assert a.std() > 2 * quiet.std()
