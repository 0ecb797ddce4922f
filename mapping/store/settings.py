"""Settings of the map on disk."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


class StoreSettings(BaseModel):
    """How a map is laid out in files and how hard a commit is pressed onto the disk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    blocks_per_chunk: int = Field(
        512, gt=0, description="voxel blocks read and decompressed together; below 512 reading slows"
    )
    blocks_per_shard: int = Field(4096, gt=0, description="voxel blocks in one file; a multiple of blocks_per_chunk")
    jpeg_quality: int = Field(92, ge=1, le=100, description="quality of the kept keyframe images, 1 to 100")
    durable: bool = Field(
        True, description="press each commit onto the disk (fsync), so that it survives a power cut too"
    )

    @model_validator(mode="after")
    def _whole_chunks(self) -> StoreSettings:
        if self.blocks_per_shard % self.blocks_per_chunk:
            raise ValueError(
                f"blocks_per_shard is {self.blocks_per_shard}; it must be a multiple of blocks_per_chunk "
                f"({self.blocks_per_chunk})"
            )
        return self
