"""What holds of every data set: samples in the one form, clear words where something is missing."""

import re
import shutil
import sys

import pytest
import torch

import pipelines.data_sets  # noqa: F401  it registers them
from streammtl.crossview.warp import sweep_geometry
from streammtl.data.footage import Window
from streammtl.data.sampler import ClipSampler, SamplingSettings
from streammtl.data.sets.registry import data_set_names, open_source
from streammtl.data.sets.settings import DataSetSettings
from streammtl.data.tracking_errors import TrackingErrorSettings
from streammtl.data.view_choice import ViewChoiceSettings
from streammtl.errors import ConfigError, DataError
from streammtl.tasks.registry import task_spec

NAMES = [name for name in data_set_names() if name != "clips"]
POSED = ["nyuv2-video", "scannet", "7-scenes", "hypersim", "virtual-kitti-2"]
TWO_SOURCES = ViewChoiceSettings(
    source_shares=(0, 0, 1), missing_share=0, repeated_share=0, causal_share=0, candidate_share=(1, 1)
)
EXACT = SamplingSettings(views=TWO_SOURCES, tracking=TrackingErrorSettings(exact_share=1), appearance=None)


def opened(name, root, **chosen):
    return open_source((DataSetSettings(name=name, root=root, **chosen),))


def sampler(name, root, **chosen):
    source = opened(name, root, **chosen)
    return ClipSampler(source, source.tasks, EXACT, 0)


@pytest.mark.parametrize("name", NAMES)
def test_samples_have_the_one_form_and_depend_on_seed_and_number_only(name, copies):
    made = sampler(name, copies(name))
    batch, again = made.batch(3, 2, (32, 48)), sampler(name, copies(name)).batch(3, 2, (32, 48))
    assert batch.images.shape == (2, 3, 3, 32, 48) and 0.1 < batch.images.mean() < 0.9
    assert torch.equal(batch.images, again.images)
    assert set(batch.targets) == set(made.tasks)
    for task, target in batch.targets.items():
        assert target.shape[2:] == (task_spec(task).label_channels, 32, 48), task
        assert batch.valid[task].shape[2:] == (1, 32, 48) and batch.valid[task].dtype == torch.bool, task
        assert torch.equal(target, again.targets[task]) and target.isfinite().all(), task
    assert any(batch.valid[task].any() for task in batch.valid)
    assert (batch.next_images is None) == all(task_spec(task).frames == 1 for task in made.tasks)


@pytest.mark.parametrize("name", POSED)
def test_depth_of_the_reference_is_met_again_in_the_sources(name, copies):
    """Poses, intrinsics and depth belong together: a point of the reference has in a source the depth stored there."""
    made, errors = sampler(name, copies(name)), []
    for number in range(6):
        batch = made.batch(number, 2, (64, 96))
        geometry, depth = sweep_geometry(batch, (64, 96)), batch.targets["depth"]
        flat = depth[:, 0].flatten(2)
        for source in range(2):
            u, v, seen = geometry.project(flat, source)
            z = geometry.offset[:, source, 2, None] + flat[:, 0] * geometry.direction[:, source, 2]
            column, row = u[:, 0].round().long().clamp(0, 95), v[:, 0].round().long().clamp(0, 63)
            there = depth[:, source + 1, 0].flatten(1).gather(1, row * 96 + column)
            stored = batch.valid["depth"][:, source + 1, 0].flatten(1).gather(1, row * 96 + column)
            keep = seen[:, 0] & stored & batch.valid["depth"][:, 0, 0].flatten(1)
            errors.append(((there - z).abs() / z)[keep & batch.view_mask[:, source + 1, None]])
    errors = torch.cat(errors)
    assert len(errors) > 5000 and errors.median() < 0.01


@pytest.mark.parametrize("name", NAMES)
def test_a_data_set_that_is_not_there_says_where_to_get_it_and_how_to_lay_it_out(name, tmp_path):
    with pytest.raises(DataError, match=r"(?s)missing.*(Get|Extract|Ask).*give the folder"):
        opened(name, tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"(?s)(missing|holds nothing).*give the folder"):
        opened(name, tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_any_file_that_is_missing_or_damaged_is_named(name, copies, tmp_path):
    """Whatever kind of file it is: reading everything of the training part ends in a DataError with its path."""
    kinds = {}
    for path in sorted(p for p in copies(name).rglob("*") if p.is_file()):
        relative = str(path.relative_to(copies(name)))
        kinds.setdefault(re.sub(r"\d+|val|test|train|indoors|outdoor", "", relative, flags=re.IGNORECASE), []).append(
            relative
        )
    for number, files in enumerate(kinds.values()):
        for damage in ("missing", "damaged"):
            root = tmp_path / f"{number}{damage}"
            shutil.copytree(copies(name), root)
            for relative in files:
                (root / relative).unlink() if damage == "missing" else (root / relative).write_bytes(b"\x00no file\xff")
            with pytest.raises(DataError, match=str(root)):
                _read_all(opened(name, root))


def _read_all(data_set):
    for take in range(len(data_set.takes)):
        footage = data_set.footage(take)
        whole = Window(0, 0, *footage.frames.size)
        for frame in footage.references:
            footage.image(frame, whole)
            for task in data_set.tasks:
                footage.label(task, frame, whole)


@pytest.mark.parametrize("name", NAMES)
def test_labels_of_some_tasks_may_be_taken_alone(name, copies):
    task = opened(name, copies(name)).tasks[-1]
    assert opened(name, copies(name), tasks=(task,)).tasks == (task,)
    batch = sampler(name, copies(name), tasks=(task,)).batch(0, 1, (32, 48))
    assert set(batch.targets) == {task}


def test_names_in_lists_do_not_lead_out_of_the_data_set(copies, tmp_path):
    root = copies.write("nyuv2-mtl", tmp_path / "nyu")
    for name in ("../../etc/passwd", "/etc/passwd"):
        (root / "gt_sets" / "train.txt").write_text(name)
        with pytest.raises(DataError, match="not inside"):
            opened("nyuv2-mtl", root).footage(0)


@pytest.mark.parametrize(("name", "library"), [("hypersim", "h5py"), ("mid-intrinsics", "OpenEXR")])
def test_a_decoder_that_is_not_installed_is_named_with_what_to_do(name, library, copies, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)  # importing it fails
    with pytest.raises(ConfigError, match=r"pip install 'streammtl\[data\]'"):
        opened(name, copies(name)).footage(0)
