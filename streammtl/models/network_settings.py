"""What a cross-view multi-task network is made of."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streammtl.crossview import settings as crossview
from streammtl.crossview.settings import CrossViewSettings
from streammtl.errors import ConfigError
from streammtl.mixers.task_mixer import MixerSettings
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
INSIDE_MIXER = {
    "mixer_window": "window",
    "mixer_layers": "layers",
    "mixer_heads": "heads",
    "mixer_channels": "channels",
    "mixer_shifted": "shifted",
    "mixer_masking": "masking",
}
INSIDE_NETWORK = ("encoder", "encoder_levels", "decoder", "decoder_width", "depth_head", "mixer", "adapter_paths")


class NetworkSettings(BaseModel):
    """One network; the defaults are cvm-lite's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: str = Field("tf_efficientnet_lite0", description="as build_encoder takes it")
    encoder_levels: tuple[int, ...] | None = Field(None, description="blocks of a ViT taken as levels")
    adapter_paths: int = Field(0, description="paths of adapters beside a ViT that routers of each task mix", ge=0)
    decoder: Literal["pyramid", "levels", "fusion"] | None = Field(
        None, description="none: pyramid where the encoder has its strides, levels elsewhere"
    )
    decoder_width: int | None = Field(None, description="channels per task; none: the decoder's own default", gt=0)
    depth_head: Literal["planes", "linear"] = Field("planes", description="linear is used where there are no planes")
    depthwise: bool = Field(False, description="fusion decoder and doubled heads: convolutions within channels")
    head_stride: Literal[2, 4] = Field(4, description="heads work at 1/4 of the image, or after a doubling at 1/2")
    mixer: str = Field("none", description="task mixer after the decoder, as build_mixer takes it, or none")
    mixing: MixerSettings = MixerSettings()
    cross_view: CrossViewSettings = crossview.LITE

    def changed_by(self, settings: ModelSettings) -> NetworkSettings:
        """This network with whatever of the model's settings is not none. Raises: ConfigError if they do not fit."""
        outside = {name: getattr(settings, name) for name in INSIDE_NETWORK}
        try:
            cross_view = CrossViewSettings.model_validate(_changed(self.cross_view, settings, INSIDE_CROSS_VIEW))
            mixing = MixerSettings.model_validate(_changed(self.mixing, settings, INSIDE_MIXER))
        except ValidationError as error:
            raise ConfigError("; ".join(fault["msg"] for fault in error.errors())) from error
        update = {name: value for name, value in outside.items() if value is not None}
        return self.model_copy(update={**update, "cross_view": cross_view, "mixing": mixing})


def _changed(inner: BaseModel, settings: ModelSettings, names: dict[str, str]) -> dict[str, Any]:
    given = {new: getattr(settings, name) for name, new in names.items()}
    return {**inner.model_dump(), **{name: value for name, value in given.items() if value is not None}}


LITE = NetworkSettings()
PAPER = NetworkSettings(
    encoder="vit_large_patch16_dinov3", decoder="levels", depth_head="linear", cross_view=crossview.PAPER
)
M2H = NetworkSettings(
    encoder="vit_small_patch14_dinov2",
    decoder="fusion",
    decoder_width=256,
    depth_head="linear",
    head_stride=2,
    mixer="wmca+ggfm",
    cross_view=crossview.NONE,
)
M2H_SMALL = M2H.model_copy(update={"decoder_width": 64, "depthwise": True})
M2H_LITE = M2H_SMALL.model_copy(
    update={"encoder": "tf_efficientnet_lite0", "mixing": MixerSettings(channels=32, heads=2)}
)
M2H_CVM = NetworkSettings(
    decoder="fusion",
    decoder_width=64,
    depthwise=True,
    head_stride=2,
    mixer="wmca+ggfm",
    mixing=MixerSettings(channels=32, heads=2),  # at which a prediction takes as many operations as cvm-lite's
)
