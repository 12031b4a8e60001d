"""Cost models of published inpainting networks: their layer shapes and sizes, random weights.

They show how long such a network takes, and nothing about its quality. They were written from the
publications alone. Each takes float32 `[N, 4, S, S]` (image and mask) and returns `[N, 3, S, S]`;
normalization and mask detection are left out, which favors them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Peer:
    """A published network.

    Attributes:
        name: Marked as a cost model.
        source: Where its shapes are published.
        parameters: Parameters as published.
        build: Makes the cost model.
    """

    name: str
    source: str
    parameters: float
    build: Callable[[], nn.Module]


def blur_kernel(gain: float) -> Tensor:
    """The 4x4 binomial filter that goes with halving and doubling."""
    row = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = torch.outer(row, row)
    return kernel * (gain / kernel.sum())


def fixed(value: Tensor) -> nn.Parameter:
    """A filter that is counted as a parameter, as its authors do, and not trained."""
    return nn.Parameter(value, requires_grad=False)


class Halve(nn.Module):
    """Blurs and drops every other pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.kernel = fixed(blur_kernel(1.0).repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Maps `[N, C, H, W]` to half the size."""
        return F.conv2d(x, self.kernel, stride=2, padding=1, groups=len(self.kernel))


class Double(nn.Module):
    """Puts zeros between pixels and blurs, as MI-GAN's inference graph does."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        spread = torch.zeros(channels, 1, 2, 2)
        spread[:, :, 0, 0] = 1
        self.spread = fixed(spread)
        self.kernel = fixed(blur_kernel(4.0).repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Maps `[N, C, H, W]` to twice the size."""
        groups = len(self.kernel)
        wide = F.conv_transpose2d(x, self.spread, stride=2, groups=groups)
        return F.conv2d(F.pad(wide, (2, 1, 2, 1)), self.kernel, groups=groups)


def leaky(x: Tensor) -> Tensor:
    """MI-GAN's activation."""
    return (F.leaky_relu(x, 0.2) * 2**0.5).clamp(-256, 256)


class Separable(nn.Module):
    """A depthwise 3x3 and a pointwise convolution, the size halved or doubled between or after."""

    def __init__(self, inputs: int, outputs: int, *, scale: float = 1, noise: int = 0) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.before = Halve(inputs) if scale < 1 else nn.Identity()
        self.after = Double(outputs) if scale > 1 else nn.Identity()
        if noise:
            self.register_buffer("noise", torch.randn(noise, noise))
        self.strength = nn.Parameter(torch.ones(())) if noise else None

    def forward(self, x: Tensor) -> Tensor:
        """Maps `[N, C, H, W]` to the output channels and size."""
        x = self.after(self.pointwise(self.before(leaky(self.depthwise(x)))))
        if self.strength is not None:
            x = x + self.get_buffer("noise") * self.strength
        return leaky(x)


class MiganLike(nn.Module):
    """After MI-GAN-256: separable convolutions down to 4x4 and back, a picture at every scale."""

    def __init__(self) -> None:
        super().__init__()
        sizes = [256, 128, 64, 32, 16, 8, 4]
        width = {size: min(32768 // size, 512) for size in sizes}
        self.first = nn.Conv2d(4, width[256], 1)
        self.keep = nn.ModuleList(Separable(width[s], width[s]) for s in sizes)
        self.down = nn.ModuleList(
            Separable(width[a], width[b], scale=0.5) for a, b in itertools.pairwise(sizes)
        )
        self.last = Separable(width[4], width[4])
        self.turn = Separable(width[4], width[4])
        self.turned = Separable(width[4], width[4])
        back = sizes[::-1]
        self.up = nn.ModuleList(
            Separable(width[a], width[b], scale=2, noise=b) for a, b in itertools.pairwise(back)
        )
        self.refine = nn.ModuleList(Separable(width[s], width[s], noise=s) for s in back[1:])
        self.picture = nn.ModuleList(nn.Conv2d(width[s], 3, 1) for s in back)
        self.enlarge = Double(3)

    def forward(self, x: Tensor) -> Tensor:
        """Maps masked image and mask `[N, 4, 256, 256]` to an image `[N, 3, 256, 256]`."""
        x = leaky(self.first(x))
        seen = []
        for k, keep in enumerate(self.keep):
            feature = keep(x)
            seen.append(feature)
            x = self.down[k](feature) if k < len(self.down) else self.last(feature)
        x = self.turned(self.turn(x) + seen.pop())
        picture: Tensor = self.picture[0](x)
        for up, refine, to_picture in zip(self.up, self.refine, self.picture[1:], strict=True):
            x = refine(up(x) + seen.pop())
            picture = self.enlarge(picture) + to_picture(x)
        return picture


class Dilated(nn.Module):
    """A 3x3 convolution whose outputs are shared out among dilations, on reflected borders."""

    def __init__(self, inputs: int, outputs: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        width = outputs // len(dilations)
        self.branches = nn.ModuleList(
            nn.Conv2d(inputs, width, 3, padding=d, dilation=d, padding_mode="reflect")
            for d in dilations
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps `[N, C, H, W]` to the output channels."""
        return torch.cat([branch(x) for branch in self.branches], 1)


class LamaBlock(nn.Module):
    """Two multi-dilated convolutions with a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [
                Dilated(channels, channels, (1, 2, 4, 8)), nn.BatchNorm2d(channels), nn.ReLU()
            ]  # fmt: skip
        self.body = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """Maps `[N, C, H, W]` to the same shape."""
        changed: Tensor = self.body(x)
        return x + changed


class LamaDilatedLike(nn.Module):
    """After LaMa, dilated: three halvings, nine blocks of 512 channels, three doublings."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), *_normed(nn.Conv2d(4, 64, 7))]
        for width in (64, 128, 256):
            layers += _normed(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1))
        layers += [LamaBlock(512) for _ in range(9)]
        for width in (512, 256, 128):
            layers += _normed(
                nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1)
            )
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(64, 3, 7), nn.Sigmoid()]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Maps masked image and mask `[N, 4, H, W]` to an image `[N, 3, H, W]`."""
        picture: Tensor = self.body(x)
        return picture


def _normed(convolution: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    return [convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU()]


class AotBlock(nn.Module):
    """Four dilated convolutions fused, and a gate between them and the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dilated = Dilated(channels, channels, (1, 2, 4, 8))
        self.fuse = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.gate = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        """Maps `[N, C, H, W]` to the same shape."""
        fused: Tensor = self.fuse(F.relu(self.dilated(x)))
        gate: Tensor = self.gate(x)
        centered = gate - gate.mean((2, 3), keepdim=True)
        spread = centered.square().mean((2, 3), keepdim=True).sqrt() + 1e-9
        share = torch.sigmoid(5 * (2 * centered / spread - 1))
        return x * (1 - share) + fused * share


class Enlarge(nn.Module):
    """Doubles the size, bilinear, then a 3x3 convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps `[N, C, H, W]` to twice the size."""
        wide = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        features: Tensor = self.convolution(wide)
        return F.relu(features)


class AotLike(nn.Module):
    """After AOT-GAN: two halvings, eight blocks of 256 channels, two doublings."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReflectionPad2d(3), nn.Conv2d(4, 64, 7), nn.ReLU(),
            nn.Conv2d(64, 128, 4, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(128, 256, 4, stride=2, padding=1), nn.ReLU(),
            *(AotBlock(256) for _ in range(8)),
            Enlarge(256, 128), Enlarge(128, 64),
            nn.Conv2d(64, 3, 3, padding=1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Maps masked image and mask `[N, 4, H, W]` to an image `[N, 3, H, W]`."""
        picture: Tensor = self.body(x)
        return picture


PEERS = (
    Peer("MI-GAN-like (cost model)", "Sargsyan et al., ICCV 2023", 5.98e6, MiganLike),
    Peer("AOT-GAN-like (cost model)", "Zeng et al., TVCG 2022", 15.2e6, AotLike),
    Peer("LaMa-dilated-like (cost model)", "Suvorov et al., WACV 2022", 45.6e6, LamaDilatedLike),
)


def count(network: nn.Module) -> int:
    """Parameters of a network, fixed filters among them, noise not."""
    return sum(p.numel() for p in network.parameters())
