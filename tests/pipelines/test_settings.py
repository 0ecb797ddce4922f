"""Settings: defaults, files, overrides, and help where they are wrong."""

from pathlib import Path

import pytest

import configs
from pipelines.settings import Settings, describe, load_settings, settings_from
from streammtl.errors import ConfigError


def test_overrides_win_over_the_file_and_the_file_over_the_defaults(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("fusion:\n  voxel_size_m: 0.03\n  truncation_m: 0.12\ntracker: given\n")
    settings = load_settings(file, ["fusion.voxel_size_m=0.04"])
    assert settings.fusion.voxel_size_m == 0.04
    assert settings.fusion.truncation_m == 0.12
    assert settings.tracker.name == "given"
    assert settings.view_selection == Settings().view_selection


def test_a_group_with_a_name_can_be_set_by_its_name():
    assert load_settings(overrides=["model=cvm-lite"]).model.name == "cvm-lite"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("fusion.voxelsize=0.01", "Did you mean fusion.voxel_size_m"),
        ("fuson.voxel_size_m=0.01", "Did you mean fusion.voxel_size_m"),
        ("fusion.voxel_size_m=-0.01", "fusion.voxel_size_m"),
        ("fusion.voxel_size_m=abc", "fusion.voxel_size_m"),
        ("fusion.voxel_size_m", "has no value"),
        ("tracker=orbslam", "tracker.name"),
        ("k=3", "Did you mean view_selection.k"),
        ("fusion=3", "does not exist"),
    ],
)
def test_a_wrong_setting_is_named_with_a_hint(override, words):
    with pytest.raises(ConfigError, match=words):
        load_settings(overrides=[override])


@pytest.mark.parametrize("text", ["fusion: [", "- a\n- b", "fusion: 3"])
def test_a_broken_file_is_a_configuration_error(tmp_path, text):
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError):
        load_settings(file)


@pytest.mark.parametrize("preset", sorted(p.stem for p in Path(configs.__file__).parent.glob("*.yaml")))
def test_a_preset_is_known_by_its_name_and_changes_something(preset):
    assert load_settings(Path(preset)) != Settings()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="nowhere"):
        load_settings(tmp_path / "nowhere.yaml")


def test_settings_survive_the_way_through_a_map():
    settings = load_settings(overrides=["fusion.voxel_size_m=0.03", "run.depth=predicted"])
    assert settings_from(settings.model_dump(mode="json")) == settings


def test_every_setting_has_a_meaning():
    rows = list(describe(Settings()))
    assert len(rows) > 30
    assert [name for name, _, _, meaning in rows if len(meaning) < 10] == []
