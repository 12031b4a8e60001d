"""The unmasker as it is exported: uint8 in and out, with all pre- and postprocessing inside."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .unmasker_networks import UnmaskerConfig, UnmaskerNet


def _round(values: Tensor) -> Tensor:
    # Not `torch.round`: ONNX Runtime Web has no `Round` on WebGPU and would leave the GPU for it.
    return torch.floor(values + 0.5)


def composite(
    pixels: Tensor, generated: Tensor, opacity: Tensor, binary: Tensor
) -> tuple[Tensor, Tensor]:
    """Blends the generated image over the input, and encodes mask and seam in one plane.

    Values are rounded once, at the end, so that runtimes whose networks differ by less than half
    a step of 255 give pixels that differ by 1 at most. With an opacity quantized to the mask's
    127 steps instead, a tiny change of opacity moved a pixel by up to 2.

    Args:
        pixels: float32 `[N, 3, S, S]`, integers 0..255.
        generated: float32 `[N, 3, S, S]`, -1..1, clipped beyond.
        opacity: float32 `[N, 1, S, S]`, 0..1, how much of the generated image to show.
        binary: float32 `[N, 1, S, S]`, 0..1, what is mask; above 0 only where `opacity` is 1.

    Returns:
        The composite `[N, 3, S, S]` and the mask `[N, 1, S, S]`, float32, integers 0..255.
    """
    mask = _round(opacity * 127.0 + binary * 128.0)
    # Linear in the opacity: 1 where the mask rounds to 0, and 0 where all is generated.
    kept = ((1.0 - opacity) * (254.0 / 253.0)).clamp(max=1.0)
    foreground = ((generated + 1.0) * 127.5).clamp(0.0, 255.0)
    # Not `pixels * kept + …`: ONNX Runtime does that product channels last, where multiplying one
    # plane with three is slow and takes a twentieth of a run.
    return _round(foreground + (pixels - foreground) * kept), mask


class UnmaskerGraph(nn.Module):
    """The graph that is exported: uint8 NHWC in and out, everything else inside.

    `image` uint8 `[N, S, S, 3]` RGB gives `unmasked` uint8 `[N, S, S, 3]` and `mask` uint8
    `[N, S, S, 1]`: 128 and above is mask, 1 to 127 the seam around it, in which the generated
    image fades out. Where `mask` is 0 the pixels of `unmasked` equal those of `image` bit for
    bit: nothing of the generated image shows below the mask's first step.
    """

    def __init__(self, unmasker: UnmaskerNet) -> None:
        super().__init__()
        self.unmasker = unmasker

    def blend(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Runs the graph on float planes, for formats whose images are not uint8.

        Args:
            pixels: float32 `[N, 3, S, S]`, integers 0..255.

        Returns:
            The image `[N, 3, S, S]` and the mask `[N, 1, S, S]`, float32, integers 0..255.
        """
        generated, opacity, binary = self.unmasker(pixels * (1.0 / 127.5) - 1.0)
        return composite(pixels, generated.float(), opacity.float(), binary.float())

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Maps `image` to `unmasked` and `mask`, as the class describes."""
        # Cast before permuting: TensorRT refuses uint8 into Transpose.
        pixels = image.to(torch.float32).permute(0, 3, 1, 2).contiguous()
        blended, mask = self.blend(pixels)
        return (
            blended.permute(0, 2, 3, 1).to(torch.uint8),
            mask.permute(0, 2, 3, 1).to(torch.uint8),
        )


def build_unmasker(config: UnmaskerConfig) -> UnmaskerGraph:
    """Returns the exported graph with fresh weights."""
    return UnmaskerGraph(UnmaskerNet(config))
