"""The table of what a cross-view module is worth: fair variants, runs that go on, means and spreads."""

import argparse
import json

import pytest
import torch

from benchmarks.learning import (
    BETTER,
    base_values,
    comparisons,
    evaluation_batches,
    main,
    markdown,
    settings_of,
    summary,
    variant_of,
)
from streammtl.errors import ConfigError
from streammtl.training.config import training_settings

QUICK = ("--encoder", "tiny", "--size", "48x64", "--steps", "2", "--workers", "1", "--json")
LEAN = ("data.validation_samples=4", "stages.0.batch_size=2", "model.cross_view_channels=16", "model.num_planes=16")


@pytest.fixture
def pools(pool, tmp_path):
    """A folder with train/ and validation/."""
    for name in ("train", "validation"):
        (tmp_path / name).symlink_to(pool)
    return tmp_path


def settings(name, pools, seed=0):
    options = argparse.Namespace(size=(48, 64), encoder="tiny", steps=2)
    return settings_of(variant_of(name), seed, base_values(options, pools), LEAN)


def table(pools, *more):
    overrides = [word for setting in LEAN for word in ("--set", setting)]
    return main([*QUICK, *overrides, "--pool", str(pools), "--out", str(pools / "out"), *more])


def run(variant, seed, abs_rel, ods_f):
    figures = dict.fromkeys(BETTER, 1.0) | {"depth.abs_rel": abs_rel, "boundaries.ods_f": ods_f}
    return {"variant": variant, "seed": seed, "figures": figures, "parameters": 2_000_000, "training_cpu_s": 10.0}


RUNS = [run("k=2", 0, 0.1, 70.0), run("k=2", 1, 0.3, 72.0), run("none", 0, 0.4, 71.0), run("none", 1, 0.5, 71.0)]


def test_every_variant_is_judged_on_the_same_images(pools):
    shown = {
        name: list(evaluation_batches(settings(name, pools), pools / "validation"))
        for name in ("k=1", "k=2", "literal", "duplicated", "none")
    }
    assert {name: batches[0].images.shape[1] for name, batches in shown.items()} == {
        "k=1": 2,
        "k=2": 3,
        "literal": 3,
        "duplicated": 1,
        "none": 1,
    }
    for batches in shown.values():
        for batch, other in zip(batches, shown["k=2"], strict=True):
            assert torch.equal(batch.images[:, 0], other.images[:, 0])
            assert torch.equal(batch.targets["boundaries"], other.targets["boundaries"])
            assert torch.equal(batch.far_m, other.far_m)


def test_variants_differ_in_what_they_are_about_and_nothing_else(pools):
    def flat(values, prefix=""):
        for key, value in values.items():
            yield from flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, str(value))]

    def differing(name):
        return {key for key, _ in set(flat(settings(name, pools).model_dump())) ^ base}

    base = set(flat(settings("k=2", pools).model_dump()))
    sources = "data.sampling.views.source_shares"
    neighbours = "model.num_neighbours"
    assert differing("literal") == {"model.plane_spacing"}
    assert differing("k=3") == {sources, neighbours}
    assert differing("duplicated") == {sources, neighbours, "model.single_view"}
    assert differing("none") == {sources, neighbours, "model.cost_volume", "model.cross_view_features"}


def test_images_that_would_be_cropped_are_refused(pools):
    square = settings("k=2", pools).model_dump(mode="json")
    square["stages"][0] |= {"height": 64, "width": 64}
    with pytest.raises(ConfigError, match="aspect"):
        next(evaluation_batches(training_settings(square), pools / "validation"))


def test_an_unknown_variant_says_which_there_are():
    for name in ("k=0", "k=", "both"):
        with pytest.raises(ConfigError, match="duplicated"):
            variant_of(name)


def test_a_run_that_is_done_is_not_done_again_and_other_settings_are_refused(pools, capsys):
    assert table(pools, "--variants", "literal", "none", "--seeds", "1") == 0
    first = json.loads(capsys.readouterr().out)
    assert [row["variant"] for row in first["rows"]] == ["literal", "none"]
    assert set(first["rows"][0]["figures"]) == set(BETTER)
    assert not (pools / "out" / "none-0" / "checkpoints").exists()

    assert table(pools, "--variants", "none", "literal", "--seeds", "2") == 0
    second = json.loads(capsys.readouterr().out)
    assert [row["seeds"] for row in second["rows"]] == [2, 2]
    assert [r for r in second["runs"] if r["seed"] == 0] == first["runs"][::-1]  # the time it took, too

    assert table(pools, "--variants", "none", "--seeds", "1", "--set", "objective.matching=0.5") == 1
    assert "other settings" in capsys.readouterr().err


def test_means_and_spreads_are_over_seeds():
    rows = summary(RUNS)
    assert [row["variant"] for row in rows] == ["k=2", "none"]
    assert rows[0]["figures"]["depth.abs_rel"] == pytest.approx((0.2, 0.1 * 2**0.5))
    assert rows[0]["figures"]["boundaries.ods_f"] == pytest.approx((71.0, 2**0.5))
    assert summary(RUNS[:1])[0]["figures"]["depth.abs_rel"] == (0.1, None)


def test_comparisons_pair_seeds_and_gains_are_positive_where_the_first_is_better():
    (row,) = comparisons(RUNS)
    assert (row["better"], row["worse"], row["seeds"]) == ("k=2", "none", 2)
    assert row["gain"]["depth.abs_rel"] == pytest.approx((0.25, 0.05 * 2**0.5))
    assert row["gain"]["boundaries.ods_f"] == pytest.approx((0.0, 2**0.5))
    assert row["wins"]["depth.abs_rel"] == 2 and row["wins"]["boundaries.ods_f"] == 1


def test_the_table_shows_means_spreads_and_wins():
    text = markdown(summary(RUNS), comparisons(RUNS))
    assert "| k=2 | 2 | 0.200 ± 0.141 |" in text
    assert "| k=2 than none | +0.250 ± 0.071 (2 of 2) |" in text
