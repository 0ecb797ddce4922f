"""The table of what a task mixer is worth: variants that differ in it alone."""

import argparse

import pytest

from benchmarks.learning import base_values, comparisons, settings_of, summary
from benchmarks.mixers import TABLE, TASKS, VARIANTS, costs, variant_of
from streammtl.errors import ConfigError


def settings(name, tmp_path):
    options = argparse.Namespace(size=(48, 64), encoder="tiny", steps=2)
    values = base_values(options, tmp_path) | {"tasks": list(TASKS[:4]), "model": {"name": "m2h-small"}}
    return settings_of(variant_of(name), 1, values, ())


def test_variants_differ_in_the_mixer_or_in_the_term_between_tasks_alone(tmp_path):
    plain = settings("wmca+ggfm", tmp_path)
    for name in VARIANTS:
        other = settings(name, tmp_path)
        mixer, _, form = name.partition(":")
        assert other.model.mixer == mixer
        assert other.objective.depth_normals == (1.0 if form else 0.0)
        assert other.objective.consistency == ("paper_literal" if form == "literal" else "corrected")
        same = {"depth_normals": 0.0, "consistency": "corrected"}
        model = other.model.model_copy(update={"mixer": plain.model.mixer})
        assert other.model_copy(update={"model": model, "objective": other.objective.model_copy(update=same)}) == plain
    for wrong in ("wmca:both", "wmcx"):
        with pytest.raises(ConfigError, match="unknown"):
            variant_of(wrong)


def test_rows_and_comparisons_are_of_the_figures_of_the_table():
    runs = [
        {
            "variant": name,
            "seed": 0,
            "figures": dict.fromkeys(TABLE.better, value),
            "parameters": 1,
            "training_cpu_s": 1,
        }
        for name, value in (("none", 1.0), ("wmca", 2.0))
    ]
    (row,) = comparisons(runs, TABLE)
    assert (row["better"], row["worse"]) == ("wmca", "none")
    assert row["gain"]["semantics.miou"][0] == 1 and row["gain"]["depth.rmse"][0] == -1
    assert [set(row["figures"]) for row in summary(runs, TABLE)] == [set(TABLE.better)] * 2


def test_every_mixer_has_a_cost_for_every_number_of_tasks():
    found = costs(argparse.Namespace(size=(64, 64), tasks=[1, 3], threads=1, repeats=1))
    assert {(cost["mixer"], cost["tasks"]) for cost in found} >= {(m, t) for m in ("wmca", "ggfm") for t in (1, 3)}
    assert all(row["ms"] > 0 for cost in found for row in cost["rows"])
