import pytest
import torch

from streammtl.errors import ConfigError
from streammtl.metrics.multi_task import MultiTaskMetrics, delta_of_tasks, headlines
from streammtl.tasks.registry import register_task
from streammtl.tasks.spec import Activation, FusionRule, TaskKind, TaskSpec
from streammtl.views import ViewBatch

B, V, H, W = 2, 2, 6, 8


@pytest.fixture
def batch():
    depth = torch.full((B, V, 1, H, W), 2.0)
    depth[:, 1] = 50.0  # of the neighbour, which nobody predicts
    return ViewBatch(
        images=torch.zeros(B, V, 3, H, W),
        K=torch.eye(3).expand(B, V, 3, 3),
        T_world_cam=torch.eye(4, dtype=torch.float64).expand(B, V, 4, 4),
        view_mask=torch.ones(B, V, dtype=torch.bool),
        near_m=torch.ones(B),
        far_m=torch.ones(B),
        targets={"depth": depth, "semantics": torch.zeros(B, V, 1, H, W, dtype=torch.int64)},
        valid={"semantics": torch.zeros(B, V, 1, H, W, dtype=torch.bool)},
    )


def test_tasks_are_judged_where_they_have_labels_and_only_there(batch):
    metrics = MultiTaskMetrics(("depth", "semantics", "normals"))
    values = {
        "depth": torch.full((B, 1, H, W), 2.5),
        "semantics": torch.rand(B, 40, H, W),
        "normals": torch.rand(B, 3, H, W),
    }
    metrics.update(values, batch)
    result = metrics.result()
    assert set(result) == {"depth"}
    assert headlines(result) == {"depth": pytest.approx(0.5)}


def test_gains_know_which_way_is_better():
    baseline = {"semantics": 54.19, "depth": 0.5560, "normals": 19.22}
    better = {"semantics": 65.27, "depth": 0.3836, "normals": 15.35}
    assert delta_of_tasks(better, baseline) > 0 > delta_of_tasks(baseline, better)
    assert delta_of_tasks({"depth": 0.5}, {"depth": 1.0}) == pytest.approx(50)


def test_a_task_without_metric_is_refused():
    register_task(TaskSpec("unjudged", 1, "1", TaskKind.CONTINUOUS, Activation.IDENTITY, FusionRule.NONE))
    with pytest.raises(ConfigError, match="unjudged"):
        MultiTaskMetrics(("unjudged",))
