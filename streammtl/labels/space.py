"""Label spaces, read from the JSON files beside this one or from the user's own."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from streammtl.errors import LabelError

FOLDER = Path(__file__).parent
VOID = 0  # id of "no label" in every label space


@dataclass(frozen=True)
class LabelSpace:
    """A list of classes. Ids are what maps and label images hold; id 0 means no label.

    `mappings` gives for other label spaces the id there of each id here; ids not named map to 0.
    """

    name: str
    version: int
    ids: tuple[int, ...]
    names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]  # RGB in 0..255, for display only
    mappings: dict[str, dict[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.names) == len(self.palette):
            raise LabelError(
                f"label space {self.name!r} has {len(self.ids)} ids, {len(self.names)} names and {len(self.palette)} "
                "colours; it needs one of each per class."
            )
        if len(set(self.ids)) != len(self.ids) or VOID not in self.ids or not all(0 <= i < 65536 for i in self.ids):
            raise LabelError(
                f"label space {self.name!r}: ids must be unique, lie in 0..65535 and contain {VOID} for void."
            )

    @property
    def num_classes(self) -> int:
        """Classes without void."""
        return len(self.ids) - 1

    def id_of(self, name: str) -> int:
        """The id of a class name; raises LabelError for an unknown one."""
        if name not in self.names:
            raise LabelError(f"label space {self.name!r} has no class {name!r}; it has {', '.join(self.names)}.")
        return self.ids[self.names.index(name)]

    def name_of(self, label_id: int) -> str:
        """The name of a class id; raises LabelError for an unknown one."""
        if label_id not in self.ids:
            raise LabelError(f"label space {self.name!r} has no id {label_id}; ids are {self.ids[0]}..{self.ids[-1]}.")
        return self.names[self.ids.index(label_id)]

    def colours(self, label_ids: np.ndarray) -> np.ndarray:
        """u8 [...,3] display colours of label ids [...]; unknown ids are shown as void."""
        table = np.zeros((max(int(label_ids.max(initial=0)), *self.ids) + 1, 3), np.uint8)
        table[:] = self.palette[self.ids.index(VOID)]
        table[list(self.ids)] = self.palette
        return table[label_ids]

    def mapping_to(self, other: str) -> np.ndarray:
        """Table [max id + 1] that takes ids of this space to those of `other`; raises LabelError without a mapping."""
        table = np.zeros(max(self.ids) + 1, np.uint16)
        if other == self.name:
            table[list(self.ids)] = self.ids
            return table
        if other not in self.mappings:
            raise LabelError(
                f"label space {self.name!r} has no mapping to {other!r}; known: {', '.join(self.mappings) or 'none'}."
            )
        for source, target in self.mappings[other].items():
            table[source] = target
        return table

    def to_dict(self) -> dict:
        """Plain data for JSON and for the attributes of a map; from_dict is the inverse."""
        return {
            "name": self.name,
            "version": self.version,
            "classes": [
                {"id": i, "name": name, "colour": list(colour)}
                for i, name, colour in zip(self.ids, self.names, self.palette, strict=True)
            ],
            "mappings": {other: {str(a): b for a, b in table.items()} for other, table in self.mappings.items()},
        }

    @classmethod
    def from_dict(cls, data: dict) -> LabelSpace:
        """Raises LabelError where something is missing."""
        try:
            classes = data["classes"]
            return cls(
                name=data["name"],
                version=int(data["version"]),
                ids=tuple(int(c["id"]) for c in classes),
                names=tuple(c["name"] for c in classes),
                palette=tuple(tuple(int(x) for x in c["colour"]) for c in classes),
                mappings={o: {int(a): int(b) for a, b in t.items()} for o, t in data.get("mappings", {}).items()},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise LabelError(
                f"a label space needs name, version and classes with id, name and colour; this one fails at {error}."
            ) from error


def label_space_names() -> tuple[str, ...]:
    """The label spaces that come with the package."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


@cache
def label_space(name: str) -> LabelSpace:
    """A label space by name, or from the user's own .json file by path.

    Raises: LabelError for an unknown name or a malformed file.
    """
    path = Path(name) if name.endswith(".json") else FOLDER / f"{name}.json"
    if not path.is_file():
        raise LabelError(
            f"label space {name!r} is unknown; use one of {', '.join(label_space_names())}, or the path to a JSON file."
        )
    try:
        return LabelSpace.from_dict(json.loads(path.read_text()))
    except json.JSONDecodeError as error:
        raise LabelError(f"{path} is not valid JSON: {error}.") from error
