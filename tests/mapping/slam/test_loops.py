"""Coming back: drift is spread over the path, and components that meet become one."""

import dataclasses

import numpy as np
import pytest

from mapping.slam.lens import Lens
from mapping.slam.local_map import LocalMap
from mapping.slam.memory import Memory
from mapping.slam.places import Place, pool
from mapping.slam.recognition import look
from mapping.slam.rigid import inverse, moved_pose, rotation_angle_deg, rotation_matrix, scale_of, similarity
from mapping.slam.settings import TrackerSettings
from mapping.slam.tracked import TrackStatus, Trajectory
from mapping.slam.tracker import make_tracker

SETTINGS = TrackerSettings()
SHIFT, TURN_DEG, GROWTH = 0.012, 0.4, 0.99  # drift from place to place


def outward(angle_deg):
    """A camera on a circle about the middle of the room, looking away from it."""
    T = np.eye(4)
    T[:3, :3] = rotation_matrix(np.array([0.0, np.radians(angle_deg), 0.0]))
    T[:3, 3] = 0.6 * T[:3, 2]
    return T


def drift(steps, growth):
    """The world as it appears after some steps: turned, shifted and stretched."""
    T = np.eye(4)
    T[:3, :3] = rotation_matrix(np.array([0.0, np.radians(TURN_DEG * steps), 0.0]))
    T[:3, 3] = SHIFT * steps
    return similarity(T, growth**steps)


def memory_of(room, angles, growth, component=0):
    """Places with true landmarks, at drifting poses and in drifting units."""
    memory = Memory(SETTINGS, Lens(room.camera))
    for i, angle in enumerate(angles):
        image, depth = room.render(outward(angle))
        seen = look(image[..., 0])
        column, row = np.rint(seen.uv).astype(int).T
        xyz = Lens(room.camera).rays(seen.uv) * depth[row, column, None] * growth**i
        T_world_cam = moved_pose(drift(i, growth), outward(angle))
        uv, pooled = seen.uv.astype(np.float32), pool(seen.descriptors)
        place = Place(10 * i, component, T_world_cam, uv, xyz.astype(np.float32), seen.descriptors, pooled)
        memory.places.add(place)
    return memory


def present(memory):
    """A local map that holds the newest place alone."""
    local_map, here = LocalMap(), memory.places.all[-1]
    local_map.keyframes.append(index=np.array([here.index]), T_world_cam=here.T_world_cam)
    grey = np.random.default_rng(0).integers(0, 256, (240, 320)).astype(np.uint8)
    uv = np.random.default_rng(1).uniform(20, 200, (50, 2))
    local_map.add_tracks(grey, uv, uv, here.xyz[:50].astype(float), here.index)
    return local_map


ROUND = [*range(0, 360, 24), 2]


@pytest.mark.parametrize("growth", [1.0, GROWTH])
def test_a_closed_round_takes_out_drift_of_turn_shift_and_scale(box_room, growth):
    memory = memory_of(box_room, ROUND, growth)
    before = memory.places.T_world_cam
    correction = memory.close_loop(present(memory), 0, metric=growth == 1.0)
    assert correction.index.tolist() == list(range(0, 160, 10)) and correction.joined == correction.component == 0
    after = memory.places.T_world_cam
    assert np.allclose(after, moved_pose(correction.S_new_old, before))
    gap = [inverse(outward(2)) @ outward(0) @ inverse(poses[0]) @ poses[-1] for poses in (before, after)]
    assert np.linalg.norm(gap[0][:3, 3]) > 0.15 and np.linalg.norm(gap[1][:3, 3]) < 0.03
    assert rotation_angle_deg(gap[0][:3, :3]) > 5 and rotation_angle_deg(gap[1][:3, :3]) < 1.0
    assert scale_of(correction.S_new_old)[-1] == pytest.approx(growth**-15, rel=0.02)
    truth = np.array([outward(angle) for angle in ROUND])
    error = [np.linalg.norm(poses[:, :3, 3] - truth[:, :3, 3], axis=1).mean() for poses in (before, after)]
    assert error[1] < 0.5 * error[0]


def test_a_second_look_at_a_closed_loop_moves_little(box_room):
    memory = memory_of(box_room, ROUND, GROWTH)
    before = memory.places.T_world_cam
    memory.close_loop(present(memory), 0, metric=False)
    once = memory.places.T_world_cam
    memory.close_loop(present(memory), 0, metric=False)
    twice = memory.places.T_world_cam
    assert len(memory.places.loops) == 2
    assert np.abs(twice - once).max() < 0.2 * np.abs(once - before).max()


def test_a_loop_without_drift_is_noted_and_moves_nothing(box_room):
    memory = memory_of(box_room, [0, 30, 60, 0], 1.0)
    memory.places.all[-1].T_world_cam = outward(0)
    assert memory.close_loop(present(memory), 0, metric=True) is None and len(memory.places.loops) == 1


def test_what_tracking_links_to_the_present_is_no_loop(box_room):
    memory = memory_of(box_room, ROUND, 1.0)
    local_map = present(memory)
    local_map.tracks.patch_keyframe[:] = 0  # landmarks of the first place are in sight
    assert memory.close_loop(local_map, 0, metric=True) is None and not len(memory.places.loops)


def test_more_than_drift_is_refused(box_room):
    memory = memory_of(box_room, ROUND, 1.0)
    far = np.eye(4)
    far[0, 3] = 40.0
    memory.places.all[-1].T_world_cam = far @ memory.places.all[-1].T_world_cam
    assert memory.close_loop(present(memory), 0, metric=True) is None


def test_the_same_view_in_two_components_joins_them_at_one_scale(box_room):
    memory = memory_of(box_room, [0, 24, 48, 120, 96, 72, 50], 1.0)
    S = similarity(outward(77), 0.5)  # the second component has a world and a unit of its own
    for place in memory.places.all[3:]:
        place.component, place.T_world_cam = 1, moved_pose(S, place.T_world_cam)
        place.xyz = (0.5 * place.xyz).astype(np.float32)
    old = memory.places.T_world_cam
    correction = memory.close_loop(present(memory), 1, metric=False)
    assert (correction.component, correction.joined) == (1, 0) and correction.index.tolist() == [30, 40, 50, 60]
    assert memory.places.component.tolist() == [0] * 7 and np.array_equal(memory.places.T_world_cam[:3], old[:3])
    assert scale_of(correction.S_new_old) == pytest.approx(2.0, rel=0.02)
    apart = inverse(memory.places.T_world_cam[2]) @ memory.places.T_world_cam[6]
    assert np.linalg.norm((inverse(outward(48)) @ outward(50))[:3, 3] - apart[:3, 3]) < 0.03


def test_two_stretches_of_a_clip_are_one_after_the_camera_leads_from_one_to_the_other(box_room, clip):
    """RGB-D: a corner of the room, noise, another corner, then a pan back to the first one."""
    frames, poses = clip

    def panned(T, degrees):
        turned = T.copy()
        turned[:3, :3] = rotation_matrix(np.array([0.0, np.radians(degrees), 0.0])) @ T[:3, :3]
        return turned

    path = [panned(poses[0], 4.0 * max(0, 27 - i)) for i in range(34)]
    noise = np.random.default_rng(0).integers(0, 256, (12, 240, 320, 3)).astype(np.uint8)
    spoilt = [dataclasses.replace(frames[29], image=image) for image in noise]
    shown = frames[:30] + spoilt + [box_room.frame(0, T, with_depth=True) for T in path]
    shown = [dataclasses.replace(frame, index=i, timestamp_s=i / 30) for i, frame in enumerate(shown)]
    tracker, trajectory = make_tracker(SETTINGS, box_room.camera, True), Trajectory()
    answers = [tracker.track(frame) for frame in shown]
    for answer in answers:
        trajectory.add(dataclasses.replace(answer))
    parts = [answer.component for answer in answers if answer.status is TrackStatus.TRACKED]
    assert set(parts) == {0, 1} and parts[-1] == 0
    meeting = next(i for i, answer in enumerate(answers) if answer.correction is not None)
    assert (answers[meeting].correction.component, answers[meeting].correction.joined) == (1, 0)
    assert {answer.component for answer in answers[meeting:]} == {0} and answers[meeting].reference == meeting
    posed = {f.index: f.T_world_cam for f in trajectory.frames() if f.T_world_cam is not None}
    assert {f.component for f in trajectory.frames() if f.T_world_cam is not None} == {0}
    truth = [*poses[:30], *[None] * 12, *path]
    for i, T in posed.items():
        error = inverse(truth[i]) @ truth[0] @ inverse(posed[0]) @ T
        assert np.linalg.norm(error[:3, 3]) < 0.06 and rotation_angle_deg(error[:3, :3]) < 1.5
