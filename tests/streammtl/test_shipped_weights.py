"""Weights that come with the package."""

import hashlib
import json

import pytest
import torch

from streammtl.errors import CheckpointError
from streammtl.models import shipped
from streammtl.models.registry import build_model, model_class
from streammtl.models.settings import ModelSettings
from streammtl.models.shipped import shipped_weights

SHIPPED = pytest.mark.parametrize("name", ["cvm-lite", "m2h-lite", "m2h-cvm"])


@SHIPPED
def test_weights_have_the_checksum_that_is_written_beside_them(name):
    found = shipped_weights(name)
    assert hashlib.sha256(found.path.read_bytes()).hexdigest() == found.sha256
    assert found.path.stat().st_size < 25e6


@pytest.mark.parametrize("name", ["cvm-lite", "m2h-cvm"])
def test_with_neighbours_they_find_the_depth_of_a_textured_wall(scenes, name):
    model = build_model(ModelSettings(name=name, precision="fp32"))
    batch, truth = scenes.batch(scenes.scene(), [scenes.pose(), scenes.pose(x=-0.12), scenes.pose(x=0.1)], (192, 256))
    outputs = model.predict(batch)
    depth = outputs.values["depth"][0, 0]
    known = truth > 0
    error = (depth - truth).abs()[known] / truth[known]
    assert error.median() < 0.15
    assert torch.isfinite(outputs.confidence).all()


@SHIPPED
def test_how_far_they_are_off_in_a_room_is_known_and_other_weights_are_not_believed_more(name, tmp_path):
    model = model_class(name)
    known = model.scale_error(ModelSettings(name=name))
    assert 0.02 < known < shipped.UNKNOWN_SCALE_ERROR
    assert model.scale_error(ModelSettings(name=name, weights=tmp_path / "w")) == shipped.UNKNOWN_SCALE_ERROR
    assert model.scale_error(ModelSettings(name=name, num_planes=32)) == shipped.UNKNOWN_SCALE_ERROR
    assert model_class("planesweep").scale_error(ModelSettings()) == 0.0


def test_another_network_does_not_take_them():
    with pytest.raises(CheckpointError, match="for these settings"):
        build_model(ModelSettings(name="cvm-lite", num_planes=32, pretrained_encoder=False))
    with pytest.raises(CheckpointError, match="has no trained weights:"):
        build_model(ModelSettings(name="cvm", pretrained_encoder=False))


def test_a_changed_file_is_refused(tmp_path, monkeypatch):
    there = shipped_weights("cvm-lite").path
    content = bytearray(there.read_bytes())
    content[-1] ^= 1
    (tmp_path / there.name).write_bytes(content)
    (tmp_path / "cvm_lite.json").write_text(there.with_suffix(".json").read_text())
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    with pytest.raises(CheckpointError, match="sha256"):
        build_model(ModelSettings(name="cvm-lite"))
    (tmp_path / "cvm_lite.json").write_text(json.dumps([]))
    with pytest.raises(CheckpointError, match="install the package again"):
        build_model(ModelSettings(name="cvm-lite"))
