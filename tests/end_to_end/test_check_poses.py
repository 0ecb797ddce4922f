"""A pose file that looks fine and is read in the wrong way."""

import numpy as np

from recordings.trajectory_file import read_tum
from tests.end_to_end.conftest import ROOM


def test_poses_with_other_axes_are_found_out_and_written_corrected(streammtl, tmp_path):
    rows = np.loadtxt(ROOM / "poses.txt")
    x, y, z, w = rows[:, 4:].T
    rows[:, 4:] = np.stack([w, z, -y, -x], axis=1)  # turned by half a turn about x: OpenGL axes
    np.savetxt(tmp_path / "gl.tum", rows)
    arguments = (tmp_path / "gl.tum", "--recording", ROOM, "--to", tmp_path / "fixed.tum")
    answer = streammtl("check-poses", *arguments, "--json")
    assert answer.code == 1 and "OpenGL axes" in answer.data["wrong"][0], answer.err
    expected, found = read_tum(ROOM / "poses.txt"), read_tum(tmp_path / "fixed.tum")
    np.testing.assert_allclose(found[1][:100], expected[1][:100], atol=1e-6)
    good = streammtl("check-poses", ROOM / "poses.txt", "--json")
    assert good.code == 0 and good.data["wrong"] == good.data["doubts"] == []
