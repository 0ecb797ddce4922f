"""Sheets of predictions beside the truth, for people to look at before they read figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from pipelines.evaluate_model_views import PosedImage
from streammtl.errors import ConfigError
from streammtl.labels import LabelSpace
from streammtl.labels.space import VOID
from streammtl.tasks.spec import IGNORE
from streammtl.views import TaskOutputs

Row = tuple[PosedImage, TaskOutputs]  # a reference and what a model says about it

ROWS = 6
PANEL_PX = 256  # width
GAP_PX = 4
LINE_PX = 20
BACKGROUND, ABSENT, INK = (255, 255, 255), 225, (20, 20, 20)
FONT, FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.45
DEPTH_PERCENTILES = (2, 98)
FACING = (1, -1, -1)  # floors are green and what faces the camera is blue


def write_sheet(path: Path, rows: Sequence[Row], space: LabelSpace) -> None:
    """One reference a row: image, then depth, confidence, normals, labels and boundaries, true ones before predicted.

    Depth: warm is near; truth and prediction of a row share the scale written on them, from the 2nd to the 98th
    percentile of the truth, or of the prediction where there is no truth. Confidence and boundaries: white is 1.
    Normals: RGB is right, up and towards the camera, from -1 to 1. Labels: the palette of `space`, with a legend of the
    classes on the sheet, the largest first. A column that nothing fills is left out.
    Raises: ConfigError when the file cannot be written.
    """
    columns = [(title, [paint(*row) for row in rows]) for title, paint in _columns(space)]
    columns = [(title, panels) for title, panels in columns if any(panel is not None for panel in panels)]
    height = max(panel.shape[0] for _, panels in columns for panel in panels if panel is not None)
    sheet = np.concatenate([_column(title, panels, height) for title, panels in columns], axis=1)
    sheet = np.concatenate([sheet, _legend(rows, space, sheet.shape[1])], axis=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), sheet[..., ::-1]):
        raise ConfigError(f"{path} cannot be written; choose another folder for --pictures.")


def _columns(space: LabelSpace) -> list[tuple[str, Callable[[PosedImage, TaskOutputs], np.ndarray | None]]]:
    return [
        ("image", lambda reference, _: _fitted(reference.image, cv2.INTER_AREA)),
        ("true depth", lambda reference, outputs: _depth(true_depth(reference), reference, outputs)),
        ("depth", lambda reference, outputs: _depth(_predicted(outputs, "depth"), reference, outputs)),
        ("confidence", lambda _, outputs: _grey(outputs.confidence[0].float().numpy())),
        ("true normals", lambda reference, _: _normals(_true(reference, "normals"))),
        ("normals", lambda _, outputs: _normals(_predicted(outputs, "normals"))),
        ("true labels", lambda reference, _: _painted(true_ids(reference), space)),
        ("labels", lambda _, outputs: _painted(predicted_ids(outputs), space)),
        ("true boundaries", lambda reference, _: _grey(_true(reference, "boundaries"))),
        ("boundaries", lambda _, outputs: _grey(_predicted(outputs, "boundaries"))),
    ]


def _true(reference: PosedImage, task: str) -> np.ndarray | None:
    """f32 [C,H,W], 0 where it is not known."""
    return reference.truth[task] * reference.valid[task] if task in reference.truth else None


def true_depth(reference: PosedImage) -> np.ndarray | None:
    """Metres f32 [1,H,W], 0 where it is not known."""
    depth = _true(reference, "depth")
    return depth if depth is not None and (depth > 0).any() else None


def _predicted(outputs: TaskOutputs, task: str) -> np.ndarray | None:
    return outputs.values[task][0].float().numpy() if task in outputs.values else None


def true_ids(reference: PosedImage) -> np.ndarray | None:
    """Label ids [H,W], 0 where there is none."""
    if "semantics" not in reference.truth:
        return None
    index = reference.truth["semantics"][0]
    return np.where(reference.valid["semantics"] & (index != IGNORE), index + 1, VOID)


def predicted_ids(outputs: TaskOutputs) -> np.ndarray | None:
    """The most probable label id [H,W] of every pixel."""
    scores = _predicted(outputs, "semantics")
    return None if scores is None else scores.argmax(0) + 1


def depth_scale(reference: PosedImage, outputs: TaskOutputs) -> tuple[float, float]:
    """The depths in metres that the colours of one row begin and end with."""
    depth = true_depth(reference)
    depth = _predicted(outputs, "depth") if depth is None else depth
    near, far = np.percentile(depth[depth > 0], DEPTH_PERCENTILES) if (depth > 0).any() else (0.0, 1.0)
    return float(near), float(max(far, near + 0.01))


def _depth(depth: np.ndarray | None, reference: PosedImage, outputs: TaskOutputs) -> np.ndarray | None:
    if depth is None:
        return None
    near, far = depth_scale(reference, outputs)
    share = np.clip((depth[0] - near) / (far - near), 0, 1)
    colours = cv2.applyColorMap(np.rint(255 * (1 - share)).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    panel = _fitted(np.where(depth[0][..., None] > 0, colours, 0).astype(np.uint8))
    text = f"{near:.2f} to {far:.2f} m"
    panel[-LINE_PX:, : _text_width(text) + 8] = INK
    return _written(panel, text, (4, panel.shape[0] - 6), BACKGROUND)


def _grey(values: np.ndarray | None) -> np.ndarray | None:
    if values is None:
        return None
    return _fitted(np.repeat(np.rint(255 * np.clip(values[0], 0, 1)).astype(np.uint8)[..., None], 3, axis=2))


def _normals(normals: np.ndarray | None) -> np.ndarray | None:
    if normals is None:
        return None
    known = np.abs(normals).max(axis=0)[..., None] > 0
    shown = np.clip(127.5 + 127.5 * normals.transpose(1, 2, 0) * FACING, 0, 255)
    return _fitted(np.where(known, shown, 0).astype(np.uint8))


def _painted(ids: np.ndarray | None, space: LabelSpace) -> np.ndarray | None:
    return None if ids is None else _fitted(space.colours(ids))


def _fitted(panel: np.ndarray, interpolation: int = cv2.INTER_NEAREST) -> np.ndarray:
    height = round(PANEL_PX * panel.shape[0] / panel.shape[1])
    return np.ascontiguousarray(cv2.resize(panel, (PANEL_PX, height), interpolation=interpolation))


def _column(title: str, panels: Sequence[np.ndarray | None], height: int) -> np.ndarray:
    head = np.full((LINE_PX, PANEL_PX + GAP_PX, 3), BACKGROUND, np.uint8)
    parts = [_written(head, title, (4, 14), INK)]
    for panel in panels:
        cell = np.full((height + GAP_PX, PANEL_PX + GAP_PX, 3), BACKGROUND, np.uint8)
        cell[:height, :PANEL_PX] = ABSENT
        if panel is not None:
            cell[: panel.shape[0], :PANEL_PX] = panel
        parts.append(cell)
    return np.concatenate(parts)


def _legend(rows: Sequence[Row], space: LabelSpace, width: int) -> np.ndarray:
    """Lines of colours and names; none where no class is shown."""
    counts: Counter[int] = Counter()
    for reference, outputs in rows:
        for ids in (true_ids(reference), predicted_ids(outputs)):
            counts.update({} if ids is None else dict(zip(*np.unique(ids, return_counts=True), strict=True)))
    places, x, y = [], GAP_PX, 0
    for label_id in (int(i) for i, _ in counts.most_common() if i != VOID and i in space.ids):
        name = space.name_of(label_id)
        step = LINE_PX + 8 + _text_width(name)
        if x + step > width and x > GAP_PX:
            x, y = GAP_PX, y + LINE_PX
        places.append((label_id, name, x, y))
        x += step
    legend = np.full((y + LINE_PX if places else 0, width, 3), BACKGROUND, np.uint8)
    for label_id, name, x, y in places:
        legend[y + 4 : y + 16, x : x + 14] = space.colours(np.array(label_id))
        _written(legend, name, (x + 18, y + 14), INK)
    return legend


def _text_width(text: str) -> int:
    return cv2.getTextSize(text, FONT, FONT_SCALE, 1)[0][0]


def _written(panel: np.ndarray, text: str, at: tuple[int, int], colour: tuple[int, int, int]) -> np.ndarray:
    return cv2.putText(panel, text, at, FONT, FONT_SCALE, colour, 1, cv2.LINE_AA)
