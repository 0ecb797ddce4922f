"""What a cross-view multi-task network is made of."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streammtl.crossview import settings as crossview
from streammtl.crossview.settings import CrossViewSettings
from streammtl.errors import ConfigError
from streammtl.models.settings import ModelSettings

# ModelSettings are flat, so that each of them is one `--set model.x=y`; these are their names inside
INSIDE_CROSS_VIEW = {
    "num_planes": "num_planes",
    "match_features": "match_features",
    "cost_volume": "cost_volume",
    "plane_metadata": "plane_metadata",
    "cross_view_features": "cross_view_features",
    "cross_view_channels": "channels",
    "cross_view_layers": "layers",
    "cross_view_upsampling": "upsampling",
    "volume_stride": "volume_stride",
    "plane_spacing": "spacing",
    "single_view": "single_view",
    "num_neighbours": "num_neighbours",
    "neighbour_rule": "neighbour_rule",
}
INSIDE_NETWORK = ("encoder", "encoder_levels", "decoder", "depth_head")


class NetworkSettings(BaseModel):
    """One network; the defaults are cvm-lite's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: str = Field("tf_efficientnet_lite0", description="as build_encoder takes it")
    encoder_levels: tuple[int, ...] | None = Field(None, description="blocks of a ViT taken as levels")
    decoder: Literal["pyramid", "levels"] | None = Field(
        None, description="none: pyramid where the encoder has its strides, levels elsewhere"
    )
    decoder_width: int | None = Field(None, description="channels per task; none: the decoder's own default", gt=0)
    depth_head: Literal["planes", "linear"] = Field("planes", description="linear is used where there are no planes")
    cross_view: CrossViewSettings = crossview.LITE

    def changed_by(self, settings: ModelSettings) -> NetworkSettings:
        """This network with whatever of the model's settings is not none. Raises: ConfigError if they do not fit."""
        inside = {new: getattr(settings, name) for name, new in INSIDE_CROSS_VIEW.items()}
        outside = {name: getattr(settings, name) for name in INSIDE_NETWORK}
        changed = {k: v for k, v in inside.items() if v is not None}
        try:
            cross_view = CrossViewSettings.model_validate({**self.cross_view.model_dump(), **changed})
        except ValidationError as error:
            raise ConfigError("; ".join(fault["msg"] for fault in error.errors())) from error
        update = {name: value for name, value in outside.items() if value is not None}
        return self.model_copy(update={**update, "cross_view": cross_view})


LITE = NetworkSettings()
PAPER = NetworkSettings(
    encoder="vit_large_patch16_dinov3", decoder="levels", depth_head="linear", cross_view=crossview.PAPER
)
