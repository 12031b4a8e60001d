"""Uses a page like those in `tests/web/bundlers/`: gives it a photo, and takes what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

import unmask_sdk
from browsers import Page
from example_photos import read_rgb
from unmask_sdk.benchmarks.web_model import load_as_web
from unmask_sdk.core.arrays import UInt8Array
from web_server import WebServer

# What the server must have at /photo/; PNG, which all browsers decode alike.
PHOTO = "photo.png"
# dB, of the model in int8.
LEAST_PSNR = 45
ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
USE_PAGE = """
async (address) => {
  const end = performance.now() + 60_000;
  async function find(selector) {
    while (performance.now() < end) {
      const found = document.querySelector(selector);
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`no ${selector} after a minute`);
  }
  const input = await find("input:enabled");
  const file = await (await fetch(address)).blob();
  const files = new DataTransfer();
  files.items.add(new File([file], "photo.png", { type: file.type }));
  input.files = files.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  const output = await find("output:not(:empty)");
  const body = await (await fetch((await find("img[src]")).src)).blob();
  await fetch("/exchange", { method: "POST", body });
  return output.textContent;
}
"""


@dataclass(frozen=True)
class Expected:
    """A photo, and what the Python package makes of it.

    Args:
        photo: uint8 `[H, W, 3]` RGB.
        result: Of Python.
    """

    photo: UInt8Array
    result: unmask_sdk.Result

    def psnr(self, image: UInt8Array) -> float:
        """Returns the PSNR in dB to Python's result inside the mask.

        Fails if a pixel differs from the photo where Python keeps the photo.
        """
        generated = self.result.generated
        kept, inside = generated == 0, generated > 127
        np.testing.assert_array_equal(image[kept], self.photo[kept])
        difference = image[inside].astype(float) - self.result.image[inside]
        return float(10 * np.log10(255**2 / max(np.mean(difference**2), 1e-10)))


def expect(photo: Path, folder: Path) -> Expected:
    """Returns what the Python package makes of a photo, and writes it as `PHOTO` into a folder."""
    pixels = read_rgb(photo)
    cv2.imwrite(str(folder / PHOTO), pixels[..., ::-1])
    with load_as_web("unmask-256-lite", "int8") as model:
        return Expected(pixels, model(folder / PHOTO))


def use_page(page: Page, server: WebServer) -> tuple[str, UInt8Array]:
    """Unmasks the photo of a page that is loaded; returns the page's text and image, RGB."""
    text = page.evaluate(USE_PAGE, f"/photo/{PHOTO}")
    image = cv2.imdecode(np.frombuffer(server.incoming, np.uint8), cv2.IMREAD_COLOR)
    return text, np.asarray(image[..., ::-1], np.uint8)
