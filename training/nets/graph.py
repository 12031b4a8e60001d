"""The unmasker as it is exported: bytes in, bytes out, all else inside."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .networks import UnmaskerConfig, UnmaskerNet


def composite(
    pixels: Tensor, picture: Tensor, opacity: Tensor, decided: Tensor
) -> tuple[Tensor, Tensor]:
    """Lays the generated picture over the input, and writes the mask of both its parts.

    It is rounded once, at the end, so that runtimes whose networks differ by less than half a step
    of 255 give pixels that differ by 1 at most. Blended with the mask's 127 steps instead, a hair's
    breadth of opacity moved a pixel by up to 2.

    Args:
        pixels: float32 `[N, 3, S, S]`, whole numbers 0..255.
        picture: float32 `[N, 3, S, S]`, -1..1, beyond which it is clipped.
        opacity: float32 `[N, 1, S, S]`, 0..1, how much of the picture to show.
        decided: float32 `[N, 1, S, S]`, 0..1, what is mask; above 0 only where `opacity` is 1.

    Returns:
        The composite `[N, 3, S, S]` and the mask `[N, 1, S, S]`, float32, whole numbers 0..255.
    """
    mask = torch.round(opacity * 127.0 + decided * 128.0)
    # A line through 1 where the mask rounds to 0, and through 0 where all is generated.
    kept = ((1.0 - opacity) * (254.0 / 253.0)).clamp(max=1.0)
    generated = ((picture + 1.0) * 127.5).clamp(0.0, 255.0)
    # Not `pixels * kept + …`: ONNX Runtime does that product channels last, where one plane against
    # three is slow, a twentieth of a run.
    return torch.round(generated + (pixels - generated) * kept), mask


class UnmaskerGraph(nn.Module):
    """The graph that is exported: uint8 NHWC in and out, everything else inside.

    `image` uint8 `[N, S, S, 3]` RGB gives `unmasked` uint8 `[N, S, S, 3]` and `mask` uint8
    `[N, S, S, 1]`: 128 and above is mask, 1 to 127 the seam round it, in which the generated
    picture fades out. Where `mask` is 0 the picture comes back bit for bit: nothing of the
    generated one shows before the mask's first step begins.
    """

    def __init__(self, unmasker: UnmaskerNet) -> None:
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
        return composite(pixels, picture.float(), opacity.float(), decided.float())

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
    return UnmaskerGraph(UnmaskerNet(config))
