"""`streammtl train`: YAML in, a run that goes on, an error in one paragraph."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.training_config import read_values
from streammtl.errors import ConfigError
from streammtl.training.config import training_settings

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "train"


@pytest.fixture
def config(tiny, tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(tiny))
    return path


def test_a_run_stops_in_time_and_goes_on(config, tmp_path):
    run = ["train", str(config), "--out", str(tmp_path / "run"), "--json"]
    first = CliRunner().invoke(app, [*run, "--minutes", "0"])
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout)["step"] == 1
    rest = CliRunner().invoke(app, [*run, "--resume", "--set", "keep_checkpoints=1"])
    assert json.loads(rest.stdout)["finished"] is True


def test_settings_that_do_not_exist_are_named(tiny):
    with pytest.raises(ConfigError, match=r"optimiser\.learning_rat"):
        training_settings(tiny, ["optimiser.learning_rat=1"])
    with pytest.raises(ConfigError, match=r"stages\.0\.height"):
        training_settings(tiny, ["stages.0.height=100"])
    with pytest.raises(ConfigError, match="no value"):
        training_settings(tiny, ["optimiser.learning_rate"])
    with pytest.raises(ConfigError, match="names no setting"):
        training_settings(tiny, ["stages.7.height=96"])


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_configuration_is_valid(path):
    assert training_settings(read_values(path)).total_steps > 0


def test_training_alone_needs_neither_ray_nor_yaml(tiny, tmp_path):
    config = tmp_path / "train.json"
    config.write_text(json.dumps(tiny))
    script = (
        "import sys\n"
        "for name in ('ray', 'yaml', 'zarr', 'pycolmap', 'cv2', 'open3d', 'scipy', 'numba', 'av', 'PIL', 'typer'):\n"
        "    sys.modules[name] = None\n"  # importing it fails
        "from streammtl.training.__main__ import main\n"
        f"sys.exit(main([{str(config)!r}, '--out', {str(tmp_path / 'run')!r}, '--minutes', '0']))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 3, done.stderr  # the time was up
    assert "wrote" in done.stderr
