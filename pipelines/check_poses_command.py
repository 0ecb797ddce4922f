"""`streammtl check-poses`: what a pose file is, what looks wrong with it, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from mapping.slam.given_conventions import agreement, matched_pairs
from recordings import Recording, open_recording
from recordings.given_poses import PosedRecording
from recordings.pose_files import load_poses
from recordings.pose_flaws import suspicions, unusable
from recordings.pose_table import Convention, PoseTable
from recordings.settings import RecordingSettings
from streammtl.errors import RecordingError
from streammtl.views import Frame

MOST_FRAMES = 1500  # looked at
GUESSED_FOCAL = 0.9  # of the longer side, where no calibration is at hand
MIN_AGREEMENT = 0.35  # below, no reading explains the images
CLEAR = 1.25  # times better than the format's own reading
OVERRULED = ("these look", "the first quaternion")  # doubts that images decide


@dataclass
class PoseReport:
    """Findings on a pose file. `wrong` is what has to be mended before mapping."""

    source: str
    kind: str
    poses: int
    facts: list[str]
    wrong: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)  # hints that the images, where there are some, can overrule
    agreement: dict[str, float] = field(default_factory=dict)  # reading -> 0..1
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def as_text(self) -> str:
        lines = [f"{self.source}: {self.kind}, {self.poses} poses", *(f"  {fact}" for fact in self.facts)]
        lines += [f"WRONG   {text}" for text in self.wrong]
        lines += [f"doubt   {text}" for text in self.doubts]
        if not self.wrong and not self.doubts:
            lines.append("ok      nothing looks wrong")
        return "\n".join(lines + ([self.remedy] if self.remedy else []))


def check_poses(poses: Path, source: str | None, intrinsics: str | None, to: Path | None) -> PoseReport:
    """Judges a pose file, with the images it belongs to where a recording is given.

    to: where to write the poses in TUM format, read in the way that the images agree with.
    Raises: RecordingError when the file or the recording cannot be read.
    """
    table = load_poses(poses)
    report = PoseReport(str(poses), table.kind, len(table), _facts(table))
    trouble = unusable(table)
    if trouble:
        report.wrong.append(trouble)
        return report
    report.doubts += suspicions(table)
    if source is None:
        report.facts.append("direction and axes of the poses are taken as given: only images (--recording) can tell")
        if to is not None:
            write_tum(_times(table), table.T_world_cam, to)
        return report
    with open_recording(source, camera=intrinsics) as recording:
        best = _compare(report, table, recording)
        if to is not None:
            posed = PosedRecording(recording, table, RecordingSettings().nominal_fps)
            found = [(frame.timestamp_s, posed.row(frame)) for frame in recording.frames() if isinstance(frame, Frame)]
            times, rows = np.array([(time, row) for time, row in found if row >= 0]).reshape(-1, 2).T
            write_tum(times, table.under(best)[rows.astype(int)], to)
            report.remedy = f"Written: {to}, for `streammtl map --poses`."
    return report


def _facts(table: PoseTable) -> list[str]:
    T = table.T_world_cam
    length = float(np.linalg.norm(np.diff(T[:, :3, 3], axis=0), axis=1).sum())
    extent = np.ptp(T[:, :3, 3], axis=0)
    convention = table.convention
    facts = [
        f"read as {convention.direction}, {convention.axes} axes"
        + (f", quaternions {convention.quaternion}" if table.quaternions is not None else ""),
        f"path {length:.4g} long within {extent[0]:.3g} x {extent[1]:.3g} x {extent[2]:.3g}"
        + ("" if table.metric else " (the format has no unit)"),
    ]
    if table.timestamps_s is not None:
        first, last = table.timestamps_s[[0, -1]]
        facts.append(f"times {first:.3f} to {last:.3f} s, {float(np.median(np.diff(table.timestamps_s))):.4g} s apart")
    if table.camera is not None:
        camera = table.camera
        facts.append(f"calibration {camera.model} {camera.width}x{camera.height} fx {camera.fx:.1f} fy {camera.fy:.1f}")
    return [*facts, *table.notes]


def _compare(report: PoseReport, table: PoseTable, recording: Recording) -> Convention:
    """Adds what the recording says; returns the reading that its images agree with."""
    try:
        posed = PosedRecording(recording, table, RecordingSettings().nominal_fps)
    except RecordingError as error:
        report.wrong.append(f"{error}{_shift(table, recording)}")
        return table.convention
    counts = {"frames": 0, "posed": 0}
    pairs = matched_pairs(_posed_images(posed, counts), table.T_world_cam)
    report.facts.append(f"{counts['posed']} of the first {counts['frames']} frames of {recording.name} have a pose")
    if counts["posed"] < 0.5 * counts["frames"]:
        report.doubts.append(
            "most frames have no pose: poses of keyframes only, or another frame rate or clock than the recording's"
        )
    if len(pairs) < 2:
        report.doubts.append("too few pairs of frames turn and match for the images to say anything of the poses")
        return table.convention
    return _judge(report, table, recording, pairs)


def _judge(report: PoseReport, table: PoseTable, recording: Recording, pairs: list) -> Convention:
    camera = recording.camera or (table.camera and table.camera.to_pinhole())
    width, height = recording.width, recording.height
    focal = GUESSED_FOCAL * max(width, height)
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]) if camera is None else camera.K
    scores = {reading: agreement(pairs, table.under(reading), K, width) for reading in table.conventions()}
    names = {reading: ", ".join((reading.direction, f"{reading.axes} axes", reading.quaternion)) for reading in scores}
    report.agreement = {names[reading]: round(score, 3) for reading, score in scores.items()}
    best = max(scores, key=scores.get)
    own = scores[table.convention]
    guessed = "" if camera is not None else " (the calibration is unknown, a usual lens was assumed)"
    seen = f"of {len(pairs)} pairs of frames{guessed}"
    if scores[best] < MIN_AGREEMENT:
        report.wrong.append(
            f"the images {seen} agree with no reading of the poses (at best {scores[best]:.0%}): they belong to "
            f"another recording, or their time stamps are shifted"
        )
        return table.convention
    if scores[best] < CLEAR * own:
        report.facts.append(f"the images {seen} agree with the poses ({own:.0%})")
        report.doubts = [doubt for doubt in report.doubts if not doubt.startswith(OVERRULED)]
        return table.convention
    report.wrong.append(
        f"these look like {' and '.join(best.differences(table.convention))}: so read, the images {seen} agree with "
        f"them ({scores[best]:.0%}); read as {table.kind} is defined they do not ({own:.0%})"
    )
    report.remedy = "Write them corrected with --to FIXED.tum, and give that to `streammtl map --poses`."
    return best


def _posed_images(posed: PosedRecording, counts: dict[str, int]) -> Iterator[tuple[int, np.ndarray]]:
    for frame in islice(posed.inner.frames(), MOST_FRAMES):
        counts["frames"] += 1
        row = posed.row(frame) if isinstance(frame, Frame) else -1
        if row >= 0:
            counts["posed"] += 1
            yield row, frame.image


def _shift(table: PoseTable, recording: Recording) -> str:
    """A word on clocks that differ by a constant."""
    first, last = recording.time_span_s
    if table.timestamps_s is None or last is None:
        return ""
    span, lasted = float(np.ptp(table.timestamps_s)), last - first
    if abs(span - lasted) > 0.1 * max(lasted, 1e-9):
        return f" They last {span:.3f} s, the recording {lasted:.3f} s."
    return f" They last about as long: subtracting {table.timestamps_s[0] - first:.6f} s would bring them together."


def _times(table: PoseTable) -> np.ndarray:
    """Seconds for each pose. Raises: RecordingError where only a recording could tell."""
    if table.timestamps_s is not None:
        return table.timestamps_s
    if table.numbers is None:
        raise RecordingError(f"{table.source} goes by the names of images: give the recording too, for its times.")
    return table.numbers / RecordingSettings().nominal_fps


def write_tum(times_s: np.ndarray, T_world_cam: np.ndarray, path: Path) -> None:
    """Poses f64 [N,4,4] as TUM lines."""
    quaternions = Rotation.from_matrix(T_world_cam[:, :3, :3]).as_quat()
    rows = np.column_stack([times_s, T_world_cam[:, :3, 3], quaternions])
    np.savetxt(path, rows, fmt="%.9f", header="timestamp tx ty tz qx qy qz qw; camera to world, OpenCV axes")
