"""Several data sets in one training: shares, partial labels, views side by side with single images."""

from pathlib import Path

import numpy as np
import pytest

import pipelines.data_sets  # noqa: F401  it registers them
from pipelines.evaluate_model import evaluate_model
from pipelines.evaluate_model_data import sequences
from streammtl.augmentation import AugmentationSettings
from streammtl.data.sampler import ClipSampler, SamplingSettings
from streammtl.data.sets.registry import open_source
from streammtl.data.sets.settings import DataSetSettings
from streammtl.errors import ConfigError, DataError
from streammtl.models.settings import ModelSettings
from streammtl.training.config import training_settings
from streammtl.training.trainer import Trainer

TASKS = ("depth", "semantics", "normals", "boundaries")
SHORT = ({"steps": 3, "height": 32, "width": 48, "batch_size": 2},)


def mixed(copies, *shares):
    chosen = [DataSetSettings(name=name, root=copies(name), share=share) for name, share in shares]
    return open_source(tuple(chosen))


def test_sources_are_drawn_by_their_shares(copies):
    source = mixed(copies, ("nyuv2-mtl", 3), ("nyuv2-video", 1))
    assert len(source) == 10
    drawn = [len(source.draw(np.random.default_rng(i)).frames.T_world_cam) == 1 for i in range(400)]
    assert 260 < sum(drawn) < 340


def test_a_batch_holds_labelled_images_beside_views_with_depth_alone(copies):
    source = mixed(copies, ("nyuv2-mtl", 1), ("nyuv2-video", 1))
    sampler = ClipSampler(source, TASKS, SamplingSettings(), 0)
    batches = [sampler.batch(number, 4, (48, 64)) for number in range(6)]
    batch = next(b for b in batches if "semantics" in b.targets and b.view_mask[:, 1:].any() and b.images.shape[1] > 1)
    single = batch.valid["semantics"].any(-1).any(-1).flatten()
    assert single.any() and not single.all()
    assert not batch.view_mask[single, 1:].any() and batch.view_mask[~single, 1:].any()
    assert batch.valid["depth"][:, 0].flatten(1).any(1).all()


def test_images_of_any_size_are_scaled_cropped_and_padded_to_the_size_asked_for(copies):
    settings = SamplingSettings(augmentation=AugmentationSettings(min_scale=0.5, max_scale=0.6))
    sampler = ClipSampler(mixed(copies, ("nyuv2-mtl", 1)), TASKS, settings, 0)
    batch = sampler.batch(0, 3, (80, 112))
    assert batch.images.shape[-2:] == (80, 112)
    for task in TASKS:  # scaled to 58x38 at most: the rest is padding, and not valid
        assert 0 < batch.valid[task][:, 0].float().mean() < 0.26
    again = ClipSampler(mixed(copies, ("nyuv2-mtl", 1)), TASKS, settings, 0).batch(0, 3, (80, 112))
    assert (batch.images == again.images).all()


def test_clips_and_data_sets_mix_and_clips_may_give_some_labels_only(copies, pool):
    clips = DataSetSettings(root=pool, tasks=("normals",))
    source = open_source((clips, DataSetSettings(name="scannet", root=copies("scannet"), tasks=("semantics",))))
    batch = ClipSampler(source, TASKS, SamplingSettings(), 0).batch(1, 8, (48, 64))
    assert set(batch.targets) == {"normals", "semantics"}
    labelled = {task: batch.valid[task].flatten(1).any(1) for task in batch.valid}
    assert (labelled["normals"] ^ labelled["semantics"]).all()


def test_a_training_on_several_data_sets_learns_each_task_from_where_its_labels_are(copies, tiny, tmp_path):
    pool = [
        {"name": "pascal-context", "root": str(copies("pascal-context")), "tasks": ["pascal_semantics"]},
        {"name": "scannet", "root": str(copies("scannet"))},
    ]
    data = {"pool": pool, "validation": pool, "validation_samples": 4, "threads": 0}
    tasks = ["depth", "semantics", "pascal_semantics", "shading"]
    settings = training_settings(tiny | {"tasks": tasks, "data": data, "stages": SHORT})
    trainer = Trainer(settings, tmp_path)
    before = {name: tensor.clone() for name, tensor in trainer.learner.network.named_parameters()}
    outcome = trainer.run()
    assert outcome.finished and {"depth.abs_rel", "semantics.miou", "pascal_semantics.miou"} <= set(outcome.figures)
    for name, tensor in trainer.learner.network.named_parameters():
        if name.startswith("heads."):
            assert (tensor != before[name]).any() == (name.split(".")[1] != "shading"), name


def test_weights_are_chosen_without_depth_too(copies, tiny, tmp_path):
    pool = [{"name": "pascal-context", "root": str(copies("pascal-context"))}]
    tasks = ["depth", "pascal_semantics", "human_parts", "saliency"]
    data = {"pool": pool, "validation": pool, "validation_samples": 2, "threads": 0}
    outcome = Trainer(training_settings(tiny | {"tasks": tasks, "data": data, "stages": SHORT}), tmp_path).run()
    assert "pascal_semantics.miou" in outcome.figures and (tmp_path / "best").is_dir()
    blind = training_settings(tiny | {"tasks": ["depth", "normals"], "data": data, "stages": SHORT})
    blind = blind.model_copy(update={"tasks": ("depth", "shading")})
    with pytest.raises(DataError, match="validation"):
        Trainer(blind, tmp_path / "blind").run()


def test_names_that_do_not_exist_are_told(tmp_path, tiny):
    with pytest.raises(ConfigError, match="did you mean 'scannet'"):
        open_source((DataSetSettings(name="scanet", root=tmp_path),))
    with pytest.raises(ConfigError, match="no data set"):
        open_source(())
    with pytest.raises(ConfigError, match=r"data\.pool"):
        training_settings(tiny | {"data": {"pool": [{"name": "scannet"}]}})


def test_a_model_is_judged_on_a_data_set_by_its_name(copies):
    settings = ModelSettings(name="planesweep", height=64, width=96)
    single = evaluate_model(settings, Path(f"nyuv2-mtl:val:{copies('nyuv2-mtl')}"), (0,))
    assert single["references"] == 5 and "depth" in single["by_sources"]["0"]
    frames = next(sequences(Path(f"scannet:{copies('scannet')}"), None, (32, 48)))
    assert [frame.T_world_cam is not None for frame in frames] == [True] * 4
    assert frames[0].truth["depth"].shape == (1, 32, 48) and frames[0].valid["semantics"].shape == (32, 48)
    assert np.allclose(frames[0].K[0, 0], copies.clip.K[0, 0] / 2)
    with pytest.raises(ConfigError, match="no split"):
        evaluate_model(settings, Path(f"nyuv2-mtl:test:{copies('nyuv2-mtl')}"), (0,))
