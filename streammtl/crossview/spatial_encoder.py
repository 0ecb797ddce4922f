"""Small CNN that keeps the place of things: features for matching, at 1/8 of the image size."""

from __future__ import annotations

from torch import Tensor, nn

STRIDE = 8


class SpatialEncoder(nn.Module):
    """Images [N,3,H,W] in [0,1] to features [N,channels,H/8,W/8], and those before the last stage
    [N,widths[1],H/4,W/4].

    Source: UniMatch's CNN (arXiv 2211.05783), from which the cross-view module descends; narrower here.
    """

    def __init__(self, channels: int, widths: tuple[int, int, int] = (32, 48, 64)) -> None:
        super().__init__()
        first, second, third = widths
        self.stem = nn.Sequential(
            nn.Conv2d(3, first, 7, stride=2, padding=3, bias=False), nn.InstanceNorm2d(first), nn.ReLU(inplace=True)
        )
        self.stages = nn.Sequential(
            ResidualBlock(first, first, 1),
            ResidualBlock(first, first, 1),
            ResidualBlock(first, second, 2),
            ResidualBlock(second, second, 1),
            ResidualBlock(second, third, 2),
            ResidualBlock(third, third, 1),
        )
        self.out = nn.Conv2d(third, channels, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        detail = self.stages[:4](self.stem(images * 2.0 - 1.0))
        return self.out(self.stages[4:](detail)), detail


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with instance normalisation beside a shortcut."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False),
            nn.InstanceNorm2d(channels_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
            nn.InstanceNorm2d(channels_out),
            nn.ReLU(inplace=True),
        )
        same = stride == 1 and channels_in == channels_out
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.shortcut(x) + self.body(x))
