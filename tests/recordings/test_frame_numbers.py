from __future__ import annotations

import random

from recordings.frame_numbers import FrameNumbers, PacketTable


def test_in_a_whole_stream_frames_are_numbered_by_time():
    numbers = FrameNumbers(reordered=True)
    for pts in (0, 30, 10, 20, 60, 40, 50):
        numbers.packet(pts)
    assert [numbers.frame(pts) for pts in range(0, 70, 10)] == [([], k) for k in range(7)]
    assert numbers.rest() == []


def test_a_packet_that_gave_no_frame_keeps_its_number():
    numbers = FrameNumbers(reordered=True)
    for pts in (0, 30, 10, 20, 40):
        numbers.packet(pts)
    assert numbers.frame(0) == ([], 0)
    assert numbers.frame(20) == ([(1, 10)], 2)
    assert numbers.rest() == [(3, 30), (4, 40)]


def test_a_frame_that_comes_after_it_was_given_up_has_no_number():
    numbers = FrameNumbers(reordered=True)
    for pts in (0, 10, 20):
        numbers.packet(pts)
    assert numbers.frame(20) == ([(0, 0), (1, 10)], 2)
    assert numbers.frame(10) == ([], None)


def test_without_reordering_times_that_go_back_lose_nothing():
    numbers = FrameNumbers(reordered=False)
    times = (0, 40, 80, 80, 60, 100)
    for pts in times:
        numbers.packet(pts)
    assert [numbers.frame(pts) for pts in times] == [([], k) for k in range(6)]


def test_frames_shown_before_the_starting_keyframe_are_not_counted():
    numbers = FrameNumbers(reordered=True, first_index=30, first_pts=300)
    for pts in (300, 280, 290, 320, 310):
        numbers.packet(pts)
    assert [numbers.frame(pts) for pts in (300, 310, 320)] == [([], 30), ([], 31), ([], 32)]


def test_the_packet_table_agrees_with_counting():
    generator = random.Random(3)
    times = sorted(generator.sample(range(10_000), 200))
    keys = set(times[::17])
    stored = [(pts, pts in keys) for pts in times]
    generator.shuffle(stored)
    table = PacketTable.from_packets(stored, reordered=True)
    for index in range(200):
        key = table.keyframe_before(index)
        assert key == max(k for k in keys if k <= times[index])
        assert table.index_of(key) == times.index(key)
    assert table.keyframe_before(500) == max(keys)
    assert table.index_of(times[0] + 20_000) is None


def test_there_is_no_packet_table_for_times_that_do_not_number_frames():
    assert PacketTable.from_packets([(0, True), (None, False)], reordered=True) is None
    assert PacketTable.from_packets([(0, True), (0, False)], reordered=True) is None
    assert PacketTable.from_packets([(0, True), (20, True), (10, True)], reordered=False) is None
    assert PacketTable.from_packets([], reordered=True) is None
