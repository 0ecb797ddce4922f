"""`streammtl evaluate`: figures for people, from the ones for programs."""

from __future__ import annotations

from typing import Any


def as_text(result: dict[str, Any]) -> str:
    """A few lines of what matters; `--json` has the rest."""
    trajectory = result["trajectory"]
    lines = []
    for name, fit in (("SE(3)", trajectory["se3"]), ("Sim(3)", trajectory["sim3"])):
        position, rotation = fit["position_m"], fit["rotation_deg"]
        lines.append(
            f"trajectory after {name}: ATE {position['rmse']:.4f} m (max {position['max']:.3f}), rotation "
            f"{rotation['rmse']:.2f} deg, scale {fit['scale']:.4f}, {fit['count']} poses, "
            f"coverage {fit['coverage']:.1%}"
        )
    if trajectory["components"] > 1:
        lines.append(f"the map has {trajectory['components']} unconnected components; the largest was judged")
    surface = result["surface"]
    if surface is None:
        return "\n".join([*lines, "no true surface to compare with"])
    for key, name in (("trajectory_aligned", "trajectory alignment"), ("after_icp", "ICP")):
        error = surface[key]
        if error["accuracy_m"] is None:
            lines.append(f"surface after {name}: nothing lies where the truth is")
            continue
        at = error["at_5cm"]
        lines.append(
            f"surface after {name}: accuracy {error['accuracy_m'] * 100:.1f} cm, completeness "
            f"{error['completeness_m'] * 100:.1f} cm; at 5 cm precision {at['precision']:.3f}, recall "
            f"{at['recall']:.3f}, F-score {at['f_score']:.3f}"
        )
    return "\n".join([*lines, *_labels(result["semantics"])])


def _labels(semantics: dict[str, Any] | None) -> list[str]:
    if semantics is None:
        return []
    lines = []
    for key, name in (("trajectory_aligned", "trajectory alignment"), ("after_icp", "ICP")):
        found = semantics[key]
        matched, everything = found["matched"], found["all"]
        lines.append(
            f"labels after {name}: {found['coverage']:.1%} of the true points have a labelled vertex within "
            f"{semantics['reach_m'] * 100:.0f} cm; of these mIoU {matched['miou']:.3f}, accuracy "
            f"{matched['accuracy']:.3f}; of all mIoU {everything['miou']:.3f}, accuracy {everything['accuracy']:.3f}"
        )
    return lines
