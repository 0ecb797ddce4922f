"""`streammtl evaluate-model`: a model's predictions against the truth, frame by frame, without a map."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import mapping.evaluation.boundaries  # noqa: F401  it registers the metric of boundaries
from pipelines.evaluate_model_data import is_pool, sequences
from pipelines.evaluate_model_figures import DepthFigures
from pipelines.evaluate_model_pictures import ROWS, write_sheet
from pipelines.evaluate_model_views import PosedImage, Protocol, choose_sources
from streammtl.errors import ConfigError, DataError
from streammtl.labels import label_space
from streammtl.metrics import build_metric
from streammtl.metrics.mean_iou import MeanIou
from streammtl.models.predictor import Predictor
from streammtl.models.registry import build_model
from streammtl.models.settings import ModelSettings
from streammtl.stablemtl.fitting import scaled_and_shifted
from streammtl.tasks.registry import task_spec
from streammtl.views import TaskOutputs, ViewBatch

TRUE_SPACE = "nyu40"  # of labelled images and rendered clips
Sample = tuple[PosedImage, list[PosedImage]]  # a reference and its sources, best first


def evaluate_model(
    settings: ModelSettings,
    data: Path,
    views: Sequence[int],
    poses: Path | None = None,
    every: int = 1,
    max_refs: int | None = None,
    pictures: Path | None = None,
) -> dict[str, Any]:
    """Figures by number of sources, each on the same references.

    data: a recording folder with depth, a folder of images with labels, or a pool of clips. every: references are
    every n-th frame that has a pose. max_refs: at most so many, evenly chosen. pictures: folder for a sheet of a few
    references per number of sources; with it, `data` may be images without any truth.
    Raises: ConfigError, RecordingError, DataError, CheckpointError.
    """
    protocol = Protocol(causal=not is_pool(data))  # clips are short, and any order of their frames is as good
    if not views or min(views) < 0 or max(views) > protocol.most_sources:
        raise ConfigError(f"--views {list(views)}: the protocol has 0 to {protocol.most_sources} sources.")
    size = (settings.height, settings.width)
    samples, skipped = collect(data, poses, size, every, max_refs, protocol, needs_truth=pictures is None)
    model = build_model(settings)
    figures = {str(count): _judge(model, samples, count, protocol) for count in views}
    sheets = (
        []
        if pictures is None
        else _draw(model, samples, views, protocol, pictures / f"{settings.name}_{data.resolve().name}")
    )
    return {
        "model": settings.name,
        "weights": None if settings.weights is None else str(settings.weights),
        "data": str(data),
        "poses": None if poses is None else str(poses),
        "size": [settings.height, settings.width],
        "references": len(samples),
        "skipped": skipped,
        "protocol": vars(protocol),
        "by_sources": figures,
        "pictures": [str(path) for path in sheets],
    }


def collect(
    data: Path,
    poses: Path | None,
    size: tuple[int, int],
    every: int,
    max_refs: int | None,
    protocol: Protocol,
    needs_truth: bool = True,
) -> tuple[list[Sample], int]:
    """References with their sources, and how many references were skipped for want of sources."""
    samples: list[Sample] = []
    skipped = 0
    for frames in sequences(data, poses, size, needs_truth):
        posed = [frame for frame in frames if frame.T_world_cam is not None]
        if not posed:  # single images
            samples += [(frame, []) for frame in frames[::every]]
            continue
        T_world_cam = [frame.T_world_cam for frame in posed]
        for reference in range(0, len(posed), every):
            chosen = choose_sources(T_world_cam, reference, protocol)
            if chosen is None:
                skipped += 1
            else:
                samples.append((posed[reference], [posed[frame] for frame in chosen]))
    if not samples:
        raise DataError(f"{data} has no frame with {protocol.most_sources} other frames that fit the protocol.")
    return samples if max_refs is None else _evenly(samples, max_refs), skipped


def _evenly(samples: list[Sample], most: int) -> list[Sample]:
    if len(samples) <= most:
        return samples
    return [samples[i] for i in np.linspace(0, len(samples) - 1, most).round().astype(int)]


def _judge(model: Predictor, samples: Sequence[Sample], count: int, protocol: Protocol) -> dict[str, Any]:
    depth = DepthFigures(protocol.counted_m)
    others = {t: build_metric(task_spec(t)) for t in model.tasks if t != "depth" and task_spec(t).metric}
    seen: set[str] = set()
    times_ms = []
    for reference, sources in samples:
        batch = _batch([reference, *sources[:count]], protocol)
        begun = time.perf_counter()
        outputs = model.predict(batch)
        times_ms.append(1000 * (time.perf_counter() - begun))
        if "depth" in reference.truth:
            seen.add("depth")
            predicted, confidence = outputs.values["depth"].float(), outputs.confidence[0, 0].float()
            truth, valid = reference.truth["depth"], reference.valid["depth"]
            if model.relative_depth:
                truths = torch.from_numpy(truth)[None], torch.from_numpy(valid)[None, None]
                predicted = scaled_and_shifted(predicted, *truths)
            depth.update(predicted[0, 0].numpy(), confidence.numpy(), truth[0], valid)
        for task in others.keys() & reference.truth.keys() & outputs.values.keys():
            seen.add(task)
            others[task].update(*_compared(task, outputs, reference))
    result: dict[str, Any] = {"depth": depth.result()} if "depth" in seen else {}
    for task, metric in others.items():
        if task in seen:
            result[task] = metric.result()
            if isinstance(metric, MeanIou):
                result[task]["miou_present"] = metric.miou_of_present
    return result | {"ms_per_frame": float(np.median(times_ms))}


def _draw(model: Predictor, samples: list[Sample], views: Sequence[int], protocol: Protocol, stem: Path) -> list[Path]:
    """Writes STEM_N_sources.png for each number of sources, or of those that the samples have; gives the files."""
    space = label_space(model.label_space or TRUE_SPACE)
    chosen = _evenly(samples, ROWS)
    written = []
    for count in sorted({min(count, max(len(sources) for _, sources in chosen)) for count in views}):
        rows = [(r, model.predict(_batch([r, *sources[:count]], protocol))) for r, sources in chosen]
        written.append(stem.with_name(f"{stem.name}_{count}_sources.png"))
        write_sheet(written[-1], rows, space)
    return written


def _compared(task: str, outputs: TaskOutputs, reference: PosedImage) -> tuple[torch.Tensor, ...]:
    truth = torch.from_numpy(reference.truth[task])[None]
    return outputs.values[task].float(), truth, torch.from_numpy(reference.valid[task])[None, None]


def _batch(frames: Sequence[PosedImage], protocol: Protocol) -> ViewBatch:
    T = [np.eye(4) if frame.T_world_cam is None else frame.T_world_cam for frame in frames]
    return ViewBatch(
        images=torch.from_numpy(np.stack([f.image for f in frames])).permute(0, 3, 1, 2)[None].float() / 255,
        K=torch.from_numpy(np.stack([f.K for f in frames]))[None].float(),
        T_world_cam=torch.from_numpy(np.stack(T))[None],
        view_mask=torch.ones(1, len(frames), dtype=torch.bool),
        near_m=torch.tensor([protocol.near_m]),
        far_m=torch.tensor([protocol.far_m]),
    )


def as_text(result: dict[str, Any]) -> str:
    """A few lines per number of sources; `--json` has the rest."""
    lines = [f"{result['model']} on {result['data']}: {result['references']} references, {result['skipped']} skipped"]
    for count, figures in result["by_sources"].items():
        lines.append(f"{count} sources, {figures['ms_per_frame']:.0f} ms a frame")
        if depth := figures.get("depth"):
            scaled = depth["median_scaled"]
            confident = ", ".join(f"best {float(s):.0%}: {v:.3f}" for s, v in depth["abs_rel_confident"].items())
            lines.append(
                f"  depth       AbsRel {depth['abs_rel']:.3f} ({confident}), RMSE {depth['rmse']:.3f} m, delta1 "
                f"{depth['delta1']:.3f}; median-scaled AbsRel {scaled['abs_rel']:.3f}, delta1 {scaled['delta1']:.3f}"
            )
        for task in ("normals", "semantics", "boundaries"):
            if found := figures.get(task):
                shown = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
                lines.append(f"  {task:11} {shown}")
    lines += [f"wrote {path}" for path in result["pictures"]]
    return "\n".join(lines)
