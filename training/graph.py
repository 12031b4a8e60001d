"""The unmasker as it is exported: bytes in, bytes out, all else inside."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .networks import Unmasker, UnmaskerConfig


class UnmaskerGraph(nn.Module):
    """The graph that is exported: uint8 NHWC in and out, everything else inside.

    `image` uint8 `[N, S, S, 3]` RGB gives `unmasked` uint8 `[N, S, S, 3]` and `mask` uint8
    `[N, S, S, 1]`: 128 and above is mask, 1 to 127 the seam round it, in which the generated
    picture fades out. Where `mask` is 0 the picture comes back bit for bit: the composite is made
    of whole numbers 0..255, whose sums and differences are exact in float32, and opacities too
    small to show in the 8-bit mask are dropped first.
    """

    def __init__(self, unmasker: Unmasker) -> None:
        super().__init__()
        self.unmasker = unmasker

    def blend(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The graph on float planes, for formats whose pictures are not bytes.

        Args:
            pixels: float32 `[N, 3, S, S]`, whole numbers 0..255.

        Returns:
            The picture `[N, 3, S, S]` and the mask `[N, 1, S, S]`, float32, whole numbers 0..255.
        """
        picture, opacity, decided = self.unmasker(pixels * (1.0 / 127.5) - 1.0)
        mask = torch.round(opacity.to(torch.float32) * 127.0 + decided.to(torch.float32) * 128.0)
        opacity = mask.clamp(max=127.0) * (1.0 / 127.0)
        generated = torch.round(((picture.to(torch.float32) + 1.0) * 127.5).clamp(0.0, 255.0))
        # Not `pixels * (1 - opacity) + …`: ONNX Runtime does that product channels last, where one
        # plane against three is slow, a twentieth of a run.
        return torch.round(pixels + (generated - pixels) * opacity), mask

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        # Cast before permuting: TensorRT refuses uint8 into Transpose.
        pixels = image.to(torch.float32).permute(0, 3, 1, 2).contiguous()
        blended, mask = self.blend(pixels)
        return (
            blended.permute(0, 2, 3, 1).to(torch.uint8),
            mask.permute(0, 2, 3, 1).to(torch.uint8),
        )


def build_unmasker(config: UnmaskerConfig) -> UnmaskerGraph:
    """The exported graph with fresh weights."""
    return UnmaskerGraph(Unmasker(config))
