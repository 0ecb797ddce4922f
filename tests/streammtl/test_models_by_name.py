import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from streammtl.errors import CheckpointError, ConfigError
from streammtl.models.predictor import Predictor
from streammtl.models.registry import build_model, model_names, register_model
from streammtl.models.settings import ModelSettings
from streammtl.models.weights import load_weights
from streammtl.tasks.activations import activate
from streammtl.tasks.registry import register_task, task_names, task_spec
from streammtl.tasks.spec import Activation, FusionRule, TaskKind, TaskSpec

REPOSITORY = Path(__file__).resolve().parents[2]


def test_unknown_models_are_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match="did you mean 'planesweep'"):
        build_model(ModelSettings(name="planesweeep"))
    with pytest.raises(ConfigError, match="cvm-lite, m2h, m2h-cvm, m2h-lite, m2h-small, planesweep"):
        build_model(ModelSettings(name="x"))


def test_a_registered_model_is_built_by_name():
    @register_model("test-only")
    class Own(Predictor):
        tasks = ("depth",)

        def _predict(self, batch):
            raise NotImplementedError

    assert "test-only" in model_names()
    assert isinstance(build_model(ModelSettings(name="test-only")), Own)
    with pytest.raises(ConfigError, match="taken"):
        register_model("test-only")(type("Another", (Own,), {}))


def test_unknown_devices_are_refused():
    with pytest.raises(ConfigError, match="device"):
        build_model(ModelSettings(device="abacus"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_is_refused_where_there_is_none():
    with pytest.raises(ConfigError, match="CUDA"):
        build_model(ModelSettings(device="cuda"))


@pytest.mark.parametrize(
    "wrong", [{"near_m": 0.05}, {"near_m": 5, "far_m": 4}, {"height": 250}, {"num_planes": 1}, {"nmae": "planesweep"}]
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        ModelSettings(**wrong)


def test_every_setting_says_what_it_is():
    assert all(field.description for field in ModelSettings.model_fields.values())


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("streammtl.views", "torch"),
        ("streammtl.models.settings", "torch"),
        ("streammtl.labels", "torch"),
        ("streammtl.models.planesweep", "timm"),
        ("streammtl.models.cvm_lite", "timm"),
    ],
)
def test_light_modules_do_not_load_heavy_ones(module, unwanted):
    code = f"import sys, {module}; sys.exit({unwanted!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


def test_weights_are_read_and_their_checksum_is_checked(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.arange(4.0)}, path)
    assert torch.equal(load_weights(path)["a"], torch.arange(4.0))
    with pytest.raises(CheckpointError, match="sha256"):
        load_weights(path, "0" * 64)


def test_missing_truncated_and_pickled_weights_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_weights(tmp_path / "absent.safetensors")
    save_file({"a": torch.arange(400.0)}, tmp_path / "w.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "w.safetensors").read_bytes()[:-100])
    torch.save({"a": torch.arange(4.0)}, tmp_path / "pickle.pt")
    for name in ("cut.safetensors", "pickle.pt"):
        with pytest.raises(CheckpointError, match="not a whole safetensors"):
            load_weights(tmp_path / name)


def test_tasks_are_found_by_name():
    assert task_names()[:4] == ("depth", "semantics", "normals", "boundaries")
    assert task_spec("semantics").label_space == "nyu40"
    with pytest.raises(ConfigError, match="depth"):
        task_spec("smell")
    with pytest.raises(ConfigError, match="another meaning"):
        register_task(TaskSpec("depth", 2, "m", TaskKind.CONTINUOUS, Activation.EXP, FusionRule.NONE))


def test_activations_give_values_of_their_kind():
    raw = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(activate(raw, Activation.EXP).log(), raw)
    torch.testing.assert_close(activate(raw, Activation.NORMALISE).norm(dim=1), torch.ones(2, 4, 5))
    torch.testing.assert_close(activate(raw, Activation.SOFTMAX).sum(1), torch.ones(2, 4, 5))
    torch.testing.assert_close(activate(raw, Activation.SIGMOID).logit(), raw, atol=1e-4, rtol=1e-4)
