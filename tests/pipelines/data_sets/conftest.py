"""Tiny copies of data sets, written once."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from streammtl.data.clip import Clip
from tests.pipelines.data_sets import indoor_layouts as indoor
from tests.pipelines.data_sets import other_layouts as other
from tests.rendered_pool import room_clip

WRITERS = {
    "nyuv2-mtl": indoor.write_nyuv2_mtl,
    "nyuv2-video": indoor.write_nyuv2_video,
    "pascal-context": indoor.write_pascal_context,
    "scannet": indoor.write_scannet,
    "7-scenes": indoor.write_seven_scenes,
    "cityscapes": other.write_cityscapes,
    "hypersim": other.write_hypersim,
    "mid-intrinsics": other.write_mid_intrinsics,
    "diode": other.write_diode,
    "virtual-kitti-2": other.write_virtual_kitti,
    "kitti-flow": other.write_kitti_flow,
    "flyingthings3d": other.write_flyingthings3d,
}


@dataclass
class TinyCopies:
    """Folders of data sets in their layouts, all of one clip."""

    folder: Path
    clip: Clip
    written: dict[str, Path] = field(default_factory=dict)

    def __call__(self, name: str) -> Path:
        """The root of a data set; shared by all tests, which leave it as it is."""
        if name not in self.written:
            self.written[name] = self.write(name, self.folder / name)
        return self.written[name]

    def write(self, name: str, root: Path) -> Path:
        root.mkdir(parents=True)
        WRITERS[name](root, self.clip)
        return root


@pytest.fixture(scope="session")
def copies(tmp_path_factory):
    return TinyCopies(tmp_path_factory.mktemp("data_sets"), room_clip(5, (64, 96), 5))
