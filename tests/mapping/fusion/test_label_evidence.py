import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapping.fusion.grid import VoxelGrid
from mapping.fusion.settings import FusionSettings
from tests.mapping.fusion.fusion_scenes import plain_observation, small_camera
from tests.mapping.fusion.reference_fusion import voxels_of

CAMERA = small_camera(8, 6)
DEPTH = np.full((6, 8), 1.0, np.float32)
K = 4
SETTINGS = FusionSettings(
    voxel_size_m=0.05, truncation_m=0.11, labels_per_voxel=K, max_weight=256
)  # a unit of label weight is 0.25
AHEAD = (0, 0, 20)


def evidence_after(arrivals):
    """Counters {label: weight} of the voxel straight ahead, at weight 1, after these labels and probabilities."""
    labels, probabilities = zip(*arrivals, strict=True)
    grid = VoxelGrid(SETTINGS)
    grid.integrate(
        plain_observation(
            DEPTH,
            CAMERA,
            np.eye(4),
            label_ids=np.tile(np.array(labels, np.uint8), (6, 8, 1)),
            label_probabilities=np.tile(np.array(probabilities, np.float32), (6, 8, 1)),
        )
    )
    return voxels_of(grid.blocks())[AHEAD][3]


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 7), st.sampled_from([0.25, 0.5, 0.75, 1.0])), min_size=1, max_size=25))
def test_counters_never_exceed_the_truth_nor_miss_it_by_more_than_the_bound(arrivals):
    counters = evidence_after(arrivals)
    total = sum(p for _, p in arrivals)
    for label in range(1, 8):
        truth = sum(p for other, p in arrivals if other == label)
        assert counters.get(label, 0.0) <= truth + 1e-3
        assert counters.get(label, 0.0) >= truth - total / (K + 1) - 1e-3


@settings(max_examples=50, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(1, K), st.sampled_from([0.25, 0.5, 0.75, 1.0])), min_size=1, max_size=25))
def test_as_many_counters_as_classes_hold_the_whole_distribution(arrivals):
    counters = evidence_after(arrivals)
    for label in range(1, K + 1):
        assert counters.get(label, 0.0) == pytest.approx(sum(p for other, p in arrivals if other == label))


def test_a_late_majority_displaces_early_labels():
    counters = evidence_after([(1, 0.5), (2, 0.5), (3, 0.5), (4, 0.5)] + [(9, 1.0)] * 6)
    assert max(counters, key=counters.get) == 9


def test_few_labels_are_counted_exactly():
    assert evidence_after([(4, 0.5), (5, 0.25), (4, 0.5), (6, 0.75)]) == pytest.approx({4: 1.0, 5: 0.25, 6: 0.75})


def test_label_zero_and_zero_probability_are_no_evidence():
    assert evidence_after([(0, 1.0), (3, 0.0)]) == {}


def test_labels_stay_near_the_surface():
    grid = VoxelGrid(SETTINGS.model_copy(update={"label_band": 0.5}))
    grid.integrate(plain_observation(DEPTH, CAMERA, np.eye(4), label_ids=np.ones((6, 8, 1), np.uint8)))
    voxels = voxels_of(grid.blocks())
    assert {z: bool(voxels[(0, 0, z)][3]) for z in range(18, 23)} == {
        18: False,
        19: True,
        20: True,
        21: True,
        22: False,
    }
