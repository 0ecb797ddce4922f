"""A drawing of polygons, lines and words that becomes SVG or PNG. Lengths in pixels of the page, y downwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_RAISED = 0.62  # size of raised digits
FINER = 3  # a PNG is drawn this many times larger, for smooth edges
FONT = "Inter, 'Helvetica Neue', Arial, sans-serif"
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class _Shape:
    """An area with holes, a line, or both."""

    outlines: list[np.ndarray]  # f64 [n,2] each; areas in two outlines at once are outside
    fill: Colour | None
    stroke: Colour | None
    width: float
    dash: float
    closed: bool


@dataclass(frozen=True)
class _Words:
    at: tuple[float, float]
    text: str
    size: float
    colour: Colour
    anchor: str  # start, middle or end
    upwards: bool


@dataclass
class Drawing:
    """Things in the order in which they are painted."""

    width: int
    height: int
    background: Colour
    items: list[_Shape | _Words] = field(default_factory=list)

    def area(
        self, *outlines: np.ndarray, fill: Colour | None, stroke: Colour | None = None, width: float = 1.0
    ) -> None:
        """Outlines f64 [n,2]; those inside others are holes."""
        self.items.append(_Shape([np.asarray(o, np.float64) for o in outlines], fill, stroke, width, 0, True))

    def line(self, points: np.ndarray, stroke: Colour, width: float = 1.0, dash: float = 0) -> None:
        self.items.append(_Shape([np.asarray(points, np.float64)], None, stroke, width, dash, False))

    def words(
        self,
        at: tuple[float, float],
        text: str,
        size: float,
        colour: Colour,
        anchor: str = "start",
        upwards: bool = False,
    ) -> None:
        """Text on one line, centred in height at `at`; `upwards` reads from the bottom to the top."""
        self.items.append(_Words((float(at[0]), float(at[1])), text, size, colour, anchor, upwards))

    def write_svg(self, path: Path) -> None:
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" font-family="{FONT}">',
            f'<rect width="100%" height="100%" fill="{_hex(self.background)}"/>',
            *(_svg_shape(item) if isinstance(item, _Shape) else _svg_words(item) for item in self.items),
            "</svg>",
        ]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def write_png(self, path: Path) -> None:
        image = Image.new("RGB", (self.width * FINER, self.height * FINER), self.background)
        for item in self.items:
            if isinstance(item, _Shape):
                _paint_shape(image, item)
            else:
                _paint_words(image, item)
        image.resize((self.width, self.height), Image.Resampling.LANCZOS).save(path, "PNG")


def text_width(text: str, size: float) -> float:
    """How wide a line of text is in a PNG."""
    plain, raised = text.replace("²", ""), "2" * text.count("²")
    font, small = ImageFont.load_default(size * FINER), ImageFont.load_default(size * FINER * _RAISED)
    return (font.getlength(plain) + small.getlength(raised)) / FINER


def _hex(colour: Colour | None) -> str:
    return "none" if colour is None else "#{:02x}{:02x}{:02x}".format(*colour)


def _svg_shape(shape: _Shape) -> str:
    end = " Z" if shape.closed else ""
    path = " ".join("M " + " L ".join(f"{x:.1f} {y:.1f}" for x, y in outline) + end for outline in shape.outlines)
    dash = f' stroke-dasharray="{shape.dash:g}"' if shape.dash else ""
    stroke = f' stroke="{_hex(shape.stroke)}" stroke-width="{shape.width:g}" stroke-linejoin="round"{dash}'
    return f'<path d="{path}" fill="{_hex(shape.fill)}" fill-rule="evenodd"{stroke if shape.stroke else ""}/>'


def _svg_words(words: _Words) -> str:
    x, y = words.at
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if words.upwards else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{words.size:g}" fill="{_hex(words.colour)}" '
        f'text-anchor="{words.anchor}" dominant-baseline="central"{turn}>{escape(words.text)}</text>'
    )


def _paint_shape(image: Image.Image, shape: _Shape) -> None:
    draw = ImageDraw.Draw(image)
    outlines = [[(float(x), float(y)) for x, y in outline * FINER] for outline in shape.outlines]
    if shape.fill is not None:
        points = np.concatenate(shape.outlines) * FINER
        low = np.floor(points.min(0)).astype(int)
        width, height = (np.ceil(points.max(0)).astype(int) - low + 1).tolist()
        mask = np.zeros((height, width), bool)
        for outline in outlines:
            one = Image.new("1", (width, height))
            ImageDraw.Draw(one).polygon([(x - low[0], y - low[1]) for x, y in outline], fill=1)
            mask ^= np.asarray(one)
        image.paste(shape.fill, (int(low[0]), int(low[1])), Image.fromarray(mask))
    if shape.stroke is not None:
        width = max(1, round(shape.width * FINER))
        for outline in outlines:
            points = [*outline, outline[0], outline[1]] if shape.closed else outline
            for part in _dashes(np.array(points), shape.dash * FINER) if shape.dash else [points]:
                draw.line([tuple(p) for p in part], fill=shape.stroke, width=width, joint="curve")


def _dashes(points: np.ndarray, length: float) -> list[np.ndarray]:
    """Every other stretch of `length` along a line."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    way = np.concatenate([[0], np.cumsum(steps)])
    parts = []
    for start in np.arange(0, way[-1], 2 * length):
        ends = np.array([start, min(start + length, way[-1])])
        inner = way[(way > ends[0]) & (way < ends[1])]
        at = np.concatenate([ends[:1], inner, ends[1:]])
        parts.append(np.stack([np.interp(at, way, points[:, i]) for i in (0, 1)], -1))
    return parts


def _paint_words(image: Image.Image, words: _Words) -> None:
    width, height = round(FINER * text_width(words.text, words.size)) + 2, round(1.5 * words.size * FINER)
    ink, x = Image.new("L", (width, height)), 0.0
    for part in words.text.partition("²"):  # which the font lacks
        raised = part == "²"
        font = ImageFont.load_default(words.size * FINER * (_RAISED if raised else 1))
        text = "2" if raised else part
        ImageDraw.Draw(ink).text((x, height * (0.36 if raised else 0.5)), text, fill=255, font=font, anchor="lm")
        x += font.getlength(text)
    left = {"start": 0, "middle": width / 2, "end": width}[words.anchor]
    x, y = words.at[0] * FINER, words.at[1] * FINER
    if words.upwards:
        ink = ink.transpose(Image.Transpose.ROTATE_90)
        place = (round(x - height / 2), round(y - (width - left)))
    else:
        place = (round(x - left), round(y - height / 2))
    image.paste(words.colour, place, ink)
