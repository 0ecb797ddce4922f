"""The column beside a floor plan, and the bar that gives its scale."""

from __future__ import annotations

from collections import Counter

import numpy as np

from mapping.export.drawing import Colour, Drawing

LEGEND_WIDTH = 230
_INK, _SOFT, _LINE = (52, 56, 64), (122, 126, 134), (218, 214, 205)
_BAR_PX = 260  # about as long as the scale bar is


def draw_legend(
    drawing: Drawing,
    left: float,
    counts: Counter[str],
    colours: dict[str, tuple[Colour, Colour]],
    area_m2: float,
    rooms: int,
    metric: bool,
) -> None:
    """Writes what the plan covers, and every class of things with its colour and how many there are."""
    unit = "m²" if metric else "square units"
    drawing.line(np.array([(left, 56), (left, drawing.height - 56)]), _LINE, 1.0)
    x, y = left + 28, 66
    drawing.words((x, y), "Floor plan", 22, _INK)
    what = f"{rooms} room{'s' * (rooms != 1)}, {area_m2:.1f} {unit}"
    drawing.words((x, y + 27), what, 14, _SOFT)
    y += 66
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        fill, line = colours[name]
        square = np.array([(x, y - 7), (x + 14, y - 7), (x + 14, y + 7), (x, y + 7)])
        drawing.area(square, fill=fill, stroke=line, width=1.2)
        drawing.words((x + 24, y), name, 14, _INK)
        drawing.words((drawing.width - 30, y), str(count), 14, _SOFT, "end")
        y += 24


def draw_scale(drawing: Drawing, at: tuple[float, float], per_metre: float, metric: bool) -> None:
    """Draws a bar of a round length in black and white."""
    step = 10.0 ** np.floor(np.log10(_BAR_PX / per_metre))
    length = next(step * k for k in (5, 2, 1) if step * k * per_metre <= _BAR_PX * 1.01)
    x, y = at
    ends = np.linspace(x, x + length * per_metre, 5)
    for i in range(4):
        part = np.array([(ends[i], y - 3), (ends[i + 1], y - 3), (ends[i + 1], y + 3), (ends[i], y + 3)])
        drawing.area(part, fill=_INK if i % 2 == 0 else (255, 255, 255), stroke=_INK, width=1.0)
    drawing.words((ends[-1] + 10, y), f"{length:g} {'m' if metric else 'units'}", 13, _INK)
