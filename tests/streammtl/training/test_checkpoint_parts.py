"""Tensors cut into files of bounded size come back the same."""

import pytest
import torch

from streammtl.errors import CheckpointError
from streammtl.training.tensor_parts import read_parts, write_parts


def tensors():
    generator = torch.Generator().manual_seed(0)
    return {
        "long": torch.randn(50, 70, generator=generator),
        "short": torch.randn(3, generator=generator).to(torch.bfloat16),
        "number": torch.tensor(7.0),
        "bytes": torch.arange(200, dtype=torch.uint8),
        "empty": torch.zeros(0, 4),
    }


def test_parts_hold_what_was_written_and_are_no_longer_than_asked(tmp_path):
    write_parts(tmp_path, tensors(), part_bytes=4000)
    found = read_parts(tmp_path)
    assert found.keys() == tensors().keys()
    for name, tensor in tensors().items():
        assert found[name].dtype == tensor.dtype and found[name].shape == tensor.shape
        assert torch.equal(found[name], tensor)
    sizes = [path.stat().st_size for path in tmp_path.glob("*.safetensors")]
    assert len(sizes) == 4 and max(sizes) < 4000 + 1000  # with its header


def test_a_missing_part_is_told(tmp_path):
    write_parts(tmp_path, tensors(), part_bytes=4000)
    (tmp_path / "part-001.safetensors").unlink()
    with pytest.raises(CheckpointError, match="whole"):
        read_parts(tmp_path)
