"""`streammtl models`: what can be chosen, and what it costs."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from pipelines.settings import load_settings
from streammtl.encoders.registry import HIERARCHICAL, TRANSFORMERS, encoder_names
from streammtl.errors import ConfigError
from streammtl.models.costs import NetworkCost, network_cost
from streammtl.models.registry import model_class, model_names
from streammtl.tasks.registry import task_names, task_spec

DEFAULT_SIZE = "448x576"


def available() -> tuple[dict[str, Any], str]:
    """Models, encoders and tasks by name, as data and as text."""
    models = {name: list(model_class(name).tasks) for name in model_names()}
    tasks = {name: f"{task_spec(name).channels} x {task_spec(name).unit}" for name in task_names()}
    found = {"models": models, "encoders": list(encoder_names()), "tasks": tasks}
    families = ", ".join(("tiny", *HIERARCHICAL, *TRANSFORMERS))
    lines = ["models:", *(f"  {name:12} {', '.join(inside)}" for name, inside in models.items())]
    lines += ["tasks:", *(f"  {name:12} {meaning}" for name, meaning in tasks.items())]
    lines += [f"encoders: {len(found['encoders'])} of the families {families}; all of them with --json"]
    return found, "\n".join(lines)


def count(name: str, size: str, views: int, overrides: list[str] | None) -> tuple[dict[str, Any], str]:
    """Parameters and operations of a model part by part, as data and as text.

    Raises: ConfigError for an unknown model, a size that is not HEIGHTxWIDTH or does not fit, or a wrong setting.
    """
    settings = load_settings(None, [f"model.name={name}", *(overrides or [])]).model
    cost = network_cost(model_class(name), settings, parse_size(size), views)
    data = _as_data(cost)
    rows = [(part.name, part.parameters, part.flops) for part in cost.parts]
    rows += [("cross_view", data["cross_view"]["parameters"], data["cross_view"]["flops"])] if cost.cross_view else []
    rows += [("total", data["parameters"], data["flops"])]
    title = f"{name} on {cost.encoder}, {size} (height x width), {views} views, batch 1"
    lines = [title, f"{'part':28}{'parameters, M':>16}{'GFLOP':>12}"]
    lines += [f"{part:28}{parameters / 1e6:16.3f}{flops / 1e9:12.2f}" for part, parameters, flops in rows]
    if cost.cross_view:
        lines += [f"cross_view with every view a reference: {cost.cross_view_flops_every_view / 1e12:.3f} TFLOP"]
        lines += [data["note"]]
    return data, "\n".join(lines)


def parse_size(text: str) -> tuple[int, int]:
    """(height, width) of "448x576"; raises ConfigError for anything else."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        raise ConfigError(f"size {text!r} is not HEIGHTxWIDTH in pixels; write for example {DEFAULT_SIZE}.")
    return int(match[1]), int(match[2])


def _as_data(cost: NetworkCost) -> dict[str, Any]:
    data: dict[str, Any] = {
        "model": cost.model,
        "encoder": cost.encoder,
        "height": cost.size[0],
        "width": cost.size[1],
        "views": cost.views,
        "parts": [asdict(part) for part in cost.parts],
        "parameters": sum(part.parameters for part in cost.parts),
        "flops": sum(part.flops for part in cost.parts),
    }
    if cost.cross_view:
        data["cross_view"] = {
            "parameters": sum(part.parameters for part in cost.cross_view),
            "flops": sum(part.flops for part in cost.cross_view),
            "flops_every_view": cost.cross_view_flops_every_view,
        }
        data["note"] = (
            "A prediction makes the volume and its upsampling for view 0 only; training on all views, as the paper "
            "counts (about 5 M parameters and 0.27 TFLOP at 448x576 with 2 views), makes them for every view."
        )
    return data
