"""The label space as arrays, for people who read the map with plain Zarr. The root attribute holds the same."""

from __future__ import annotations

import numpy as np
import zarr

from mapping.store.arrays import create_array, write_array
from mapping.store.header import LabelSpaceRecord
from streammtl.errors import StoreError

GROUP = "labels"


def check_label_space(label_space: LabelSpaceRecord) -> None:
    """Raises StoreError when ids, names, palette and mappings are not one per label."""
    lengths = {
        len(label_space.ids),
        len(label_space.names),
        len(label_space.palette),
        *map(len, label_space.mappings.values()),
    }
    if len(lengths) > 1:
        raise StoreError(
            f"label space {label_space.name}: ids, names, palette and mappings have lengths {sorted(lengths)}; "
            "expected one per label."
        )


def write_labels(root: zarr.Group, label_space: LabelSpaceRecord) -> None:
    group = root.create_group(
        GROUP, overwrite=True, attributes={"name": label_space.name, "version": label_space.version}
    )
    write_array(group, "ids", np.array(label_space.ids, dtype=np.int32))
    write_array(group, "palette", np.array(label_space.palette, dtype=np.uint8).reshape(-1, 3))
    count = len(label_space.names)
    names = create_array(group, "names", (count,), str, (max(1, count),))
    if label_space.names:
        names[:] = np.array(label_space.names)
    mappings = group.create_group("mappings")
    for other, ids in label_space.mappings.items():
        write_array(mappings, other, np.array(ids, dtype=np.int32))
