"""`streammtl models` lists what there is and counts what it costs."""

import json

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.models_command import available, count, parse_size
from streammtl.errors import ConfigError
from streammtl.tasks.registry import task_names


def counted(name: str, *overrides: str, size: str = "448x576", views: int = 2) -> dict:
    return count(name, size, views, [f"model.{override}" for override in overrides])[0]


def flops_of(data: dict) -> dict[str, int]:
    return {part["name"]: part["flops"] for part in data["parts"]}


def test_everything_that_can_be_chosen_is_listed():
    found, text = available()
    assert {"cvm", "cvm-lite", "planesweep"} <= set(found["models"])
    assert {"tiny", "tf_efficientnet_lite0", "vit_large_patch16_dinov3", "sam2_hiera_tiny"} <= set(found["encoders"])
    assert set(found["tasks"]) == set(task_names())
    assert "cvm-lite" in text


def test_the_cross_view_module_has_the_papers_size():
    """About 5 M parameters and 0.27 TFLOP at 448x576 with two views, every view a reference: Table A15."""
    cross_view = counted("cvm")["cross_view"]
    assert cross_view["parameters"] == pytest.approx(5e6, rel=0.1)
    assert cross_view["flops_every_view"] == pytest.approx(0.27e12, rel=0.1)
    assert cross_view["flops"] < cross_view["flops_every_view"]


def test_parts_add_up_to_the_whole():
    data = counted("cvm-lite")
    assert data["parameters"] == sum(part["parameters"] for part in data["parts"])
    cross = [part for part in data["parts"] if part["name"].startswith("cross_view.")]
    assert sum(part["flops"] for part in cross) == data["cross_view"]["flops"]
    assert data["parameters"] == pytest.approx(5.15e6, rel=0.01)


def test_a_convolution_is_counted_as_by_hand():
    """The stem alone: 7x7x3 weights, 64 channels, at half size; then six residual blocks."""
    stem = 2 * 7 * 7 * 3 * 64 * 224 * 288
    first = 4 * 2 * 9 * 64 * 64 * 224 * 288
    second = 2 * (9 * 64 * 96 + 3 * 9 * 96 * 96 + 64 * 96) * 112 * 144
    third = 2 * (9 * 96 * 128 + 3 * 9 * 128 * 128 + 96 * 128 + 128 * 128) * 56 * 72
    assert flops_of(counted("cvm"))["cross_view.spatial_encoder"] == 2 * (stem + first + second + third)


def test_each_ablation_costs_what_it_takes_away():
    whole = flops_of(counted("cvm", "encoder=vit_small_patch16_dinov3"))
    bare = counted("cvm", "encoder=vit_small_patch16_dinov3", "cost_volume=false", "cross_view_features=false")
    assert "cross_view" not in bare
    assert flops_of(bare)["encoder"] == whole["encoder"]
    fewer = flops_of(counted("cvm", "encoder=vit_small_patch16_dinov3", "num_planes=96"))
    assert fewer["cross_view.upsampling"] < whole["cross_view.upsampling"]
    assert fewer["cross_view.transformer"] == whole["cross_view.transformer"]
    read = flops_of(counted("cvm", "encoder=vit_small_patch16_dinov3", "match_features=encoder"))
    assert read["encoder"] == whole["encoder"]
    assert read["cross_view.spatial_encoder"] > 2 * read["encoder"]


def test_the_command_prints_json():
    result = CliRunner().invoke(app, ["models", "cvm-lite", "--size", "96x128", "--views", "3", "--json"])
    assert result.exit_code == 0, result.output
    data = json.loads(result.output)
    assert (data["height"], data["width"], data["views"]) == (96, 128, 3)


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(ConfigError, match="no network"):
        counted("planesweep")
    with pytest.raises(ConfigError, match="448x576"):
        parse_size("448,576")
    with pytest.raises(ConfigError, match="multiples of 16"):
        counted("cvm-lite", size="100x128")
    with pytest.raises(ConfigError, match="cvm-lite"):
        counted("cvm-litte")
