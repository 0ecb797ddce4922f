"""Settings of the cross-view module."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from streammtl.crossview.choices import MatchFeatures, NeighbourRule, SingleView, Spacing


class CrossViewSettings(BaseModel):
    """One cross-view module; the defaults are the lite one.

    Source of the alternatives: cross-view MTL (arXiv 2511.20646), tables 4 to 7 and A8 to A11.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_planes: int = Field(64, description="depth hypotheses per pixel", ge=2, le=512)
    channels: int = Field(64, description="width of the matching features, a multiple of 4", gt=0, multiple_of=4)
    encoder_widths: tuple[int, int, int] = Field((32, 48, 64), description="widths at 1/2, 1/4 and 1/8 of the own CNN")
    layers: int = Field(6, description="self- and cross-attention layers", ge=0)
    spacing: Spacing = Field(Spacing.INVERSE, description="how planes lie between near and far")
    match_features: MatchFeatures = Field(MatchFeatures.OWN, description="what views are matched by")
    cost_volume: bool = Field(True, description="give the cost volume to the decoder")
    plane_metadata: bool = Field(False, description="weigh views per point by angle, distance and depth, learned")
    cross_view_features: bool = Field(True, description="give the matching features to the decoder")
    single_view: SingleView = Field(SingleView.NO_MATCH, description="what a view without neighbours is compared with")
    num_neighbours: int = Field(2, description="views that each view is compared with", ge=1)
    neighbour_rule: NeighbourRule = Field(NeighbourRule.PARALLAX, description="which views are the best neighbours")
    upsampling: Literal[1, 2, 4] = Field(1, description="learned upsampling from 1/8, times; 1: none")

    volume_stride: Literal[4, 8] = Field(
        8, description="cost volume at 1/8 of the image as the paper's, or at 1/4: finer depth, slower"
    )
    fine_channels: int = Field(32, description="width of the matching features at 1/4, a multiple of 4", multiple_of=4)

    @model_validator(mode="after")
    def _fine_volume_has_features(self) -> CrossViewSettings:
        if self.volume_stride == 4 and (self.match_features is not MatchFeatures.OWN or self.upsampling > 1):
            raise ValueError(
                "a cost volume at volume_stride 4 needs match_features own, which alone has features at 1/4, and no "
                "upsampling; leave volume_stride at 8"
            )
        return self

    @property
    def joined_channels(self) -> int:
        """Channels of features and volume together, as the decoder sees them."""
        return self.channels * self.cross_view_features + self.num_planes * self.cost_volume

    @property
    def enabled(self) -> bool:
        return self.cost_volume or self.cross_view_features


LITE = CrossViewSettings(volume_stride=4)
PAPER = CrossViewSettings(
    num_planes=128, channels=128, encoder_widths=(64, 96, 128), neighbour_rule=NeighbourRule.DISTANCE, upsampling=4
)
NONE = CrossViewSettings(cost_volume=False, cross_view_features=False)
