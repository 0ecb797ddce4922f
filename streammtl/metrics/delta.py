"""The figure that sums up a multi-task model."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from streammtl.errors import DataError


def delta_m(
    model: Mapping[str, float],
    baseline: Mapping[str, float],
    lower_is_better: Collection[str],
    averaged: Sequence[Collection[str]] = (),
) -> float:
    """Mean relative gain over single-task baselines in percent: (100 / T) sum of s (M - B) / B.

    s is -1 for the figures in `lower_is_better`. Each group in `averaged` counts as one task: the mean of its gains
    (StableMTL has one task, depth, on two data sets).

    Raises: DataError where the two do not hold the same figures, or a baseline is 0.
    Source: cross-view MTL, section 4; StableMTL, section 4.
    """
    if set(model) != set(baseline) or not model:
        raise DataError(f"the model has {sorted(model)}, the baseline {sorted(baseline)}; both need the same figures.")
    if zero := [name for name, value in baseline.items() if value == 0]:
        raise DataError(f"the baseline of {', '.join(zero)} is 0; a relative gain needs another.")
    gains = {
        name: (-1 if name in lower_is_better else 1) * (model[name] - baseline[name]) / baseline[name] for name in model
    }
    groups = [sum(gains.pop(name) for name in group) / len(group) for group in averaged]
    tasks = [*gains.values(), *groups]
    return 100 * sum(tasks) / len(tasks)
