import numpy as np
import pytest

from mapping.slam.local_map import Keyframes, LocalMap


@pytest.fixture
def local_map():
    grey = np.random.default_rng(0).integers(0, 255, (120, 160)).astype(np.uint8)
    uv = np.random.default_rng(1).uniform(20, 100, (12, 2))
    made = LocalMap()
    for index in (3, 8, 9):
        made.keyframes.append(index=np.array([index]), T_world_cam=np.eye(4))
        made.add_tracks(grey, uv, uv, uv[:, [0, 1, 1]], index)
        made.sightings.append(keyframe=index, track=made.tracks.id[-12:], uv=uv, depth_m=0.0)
    return made


def test_a_matrix_fills_one_row():
    keyframes = Keyframes()
    keyframes.append(index=np.array([5]), T_world_cam=2 * np.eye(4))
    assert len(keyframes) == 1 and np.array_equal(keyframes.T_world_cam[0], 2 * np.eye(4))


def test_dropped_tracks_take_their_sightings_along(local_map):
    gone = np.zeros(36, bool)
    gone[[0, 5, 20]] = True
    dropped = local_map.tracks.id[gone]
    local_map.drop_tracks(gone)
    assert len(local_map.tracks) == len(local_map.sightings) == 33
    assert not np.isin(local_map.sightings.track, dropped).any()
    assert local_map.rows_of(np.array([0, 1, 35, 99])).tolist() == [-1, 0, 32, -1]


def test_the_oldest_keyframes_are_forgotten_first(local_map):
    local_map.forget(max_keyframes=2, max_landmarks=1000)
    assert local_map.keyframes.index.tolist() == [8, 9]
    assert local_map.tracks.patch_keyframe.min() == 8 and local_map.sightings.keyframe.min() == 8


def test_landmarks_unseen_longest_are_forgotten_but_not_those_in_sight(local_map):
    local_map.tracks.followed[12:] = False
    local_map.forget(max_keyframes=10, max_landmarks=20)
    assert local_map.tracks.followed.sum() == 12  # as old as any, yet in sight
    local_map.tracks.followed[:] = False
    local_map.forget(max_keyframes=10, max_landmarks=20)
    assert len(local_map.tracks) == 20


def test_a_map_survives_as_plain_arrays(local_map):
    arrays = local_map.to_arrays()
    restored = LocalMap.from_arrays(arrays)
    local_map.drop_tracks(np.ones(36, bool))  # the copy must not share memory
    assert len(restored.tracks) == 36 and restored.next_id == 36
    again = restored.to_arrays()
    assert all(np.array_equal(arrays[name], again[name]) and arrays[name].dtype == again[name].dtype for name in arrays)
