"""Measures the page of `unmask web` in Chromium, in turns with this package.

    python -m unmask_sdk.benchmarks.web_speed --onnxruntime-web web/node_modules/onnxruntime-web

Needs Chromium, Playwright (`pip install playwright`) and Node.js. A photo of 1280x720 and one of
3464x2598 (9 megapixels), each with one masked face, go through both as JPEG files, one thread each,
with the same networks: the unmasker in int8, the locator in fp32.
Prints ratios of wall time; the bytes that a visitor downloads, compressed with Brotli; the page's
memory over many photos; and, with the small photo as a camera, how many frames wait at most. Exit
code 1 if one of the limits below is exceeded.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer

import unmask_sdk
from unmask_sdk.benchmarks.photo_cost import one_face
from unmask_sdk.benchmarks.web_model import load_as_web
from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.cpu_count import usable_cpus
from unmask_sdk.web.server import SiteServer
from unmask_sdk.web.site import Site, collect_site, find_runtime

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
# Times of this package, for a small and a large photo.
MOST_TIMES, MOST_TIMES_LARGE = 5.0, 3.0
# MB to download, with Brotli, by model.
MOST_MEGABYTES = {"unmask-256-lite": 4.5, "unmask-256": 7.0}
# Growth of the page's memory from the first tenth of the photos to the last, MB.
MOST_GROWTH = 16.0

LOAD = """async (name) => {
  const { load } = await import("/src/index.js");
  globalThis.model = await load({
    model: name, models: "/models/", onnxruntime: "/onnxruntime/ort.wasm.min.mjs" });
  globalThis.photos = {};
  return model.info;
}"""
KEEP = """([name, base64]) => {
  photos[name] = new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))]);
}"""
UNMASK = """async (name) => {
  const start = performance.now();
  const { faces, timings } = await model.unmask(photos[name]);
  return [performance.now() - start, faces.filter((face) => face.masked).length, timings];
}"""
MEMORY = "async () => (await performance.measureUserAgentSpecificMemory()).bytes / 1e6"
STREAM = """async (seconds) => {
  const bitmap = await createImageBitmap(photos.small);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  const context = canvas.getContext("2d");
  const video = document.createElement("video");
  video.muted = true;
  video.srcObject = canvas.captureStream(30);
  document.body.append(video);
  let shift = 0;
  const drawing = setInterval(() => context.drawImage(bitmap, shift++ % 3, 0), 33);
  await video.play();
  let waiting = 0;
  const stream = model.stream(video, { onresult() {
    const { received, dropped, done } = stream.counters;
    waiting = Math.max(waiting, received - dropped - done);
  } });
  await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  const { counters } = stream;
  stream.close();
  clearInterval(drawing);
  video.remove();
  return { ...counters, waiting };
}"""


@contextmanager
def opened_page(site: Site) -> Iterator[Any]:
    """Serves a site and opens it in Chromium; a `playwright.sync_api.Page`."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        raise SystemExit(f"error: none of {', '.join(CHROMIUM)} is on PATH; install Chromium")
    server = SiteServer(site, 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path)
            page = browser.new_page()
            page.goto(server.address)
            yield page
            browser.close()
    finally:
        server.shutdown()
        server.server_close()


def jpeg_photos() -> dict[str, bytes]:
    """Returns the two photos as JPEG files."""
    small = one_face(256)
    large = cv2.resize(small, (4619, 2598), interpolation=cv2.INTER_CUBIC)[:, 577:4041]
    return {"small": _jpeg(small), "large": _jpeg(np.ascontiguousarray(large))}


def _jpeg(photo: UInt8Array) -> bytes:
    done, content = cv2.imencode(".jpg", photo[..., ::-1])
    assert done
    return content.tobytes()


def downloaded_megabytes(site: Site, model: str) -> float:
    """Returns the bytes of what a visitor loads, each file compressed with Brotli, in MB."""
    loaded = [path for path in site if _is_loaded(path, model)]
    return sum(_brotli_size(site[path].read()) for path in loaded) / 1e6


def _is_loaded(path: str, model: str) -> bool:
    if path.endswith(".onnx"):
        name, precision = Path(path).stem.rsplit("-", 1)
        return precision == "int8" if name == model else name not in MOST_MEGABYTES
    return not path.endswith((".md", "LICENSE"))


def _brotli_size(content: bytes) -> int:
    code = "console.log(zlib.brotliCompressSync(fs.readFileSync(0)).length)"
    done = subprocess.run(["node", "-e", code], input=content, capture_output=True, check=True)
    return int(done.stdout)


def compare(page: Any, model: unmask_sdk.Unmasker, name: str, photo: bytes, rounds: int) -> float:
    """Prints and returns how many times as long as this package the page takes."""
    page.evaluate(KEEP, [name, b64encode(photo).decode()])
    times: dict[str, list[float]] = {"page": [], "package": []}
    timings: dict[str, float] = {}
    for count in range(rounds + 2):
        start = time.perf_counter()
        faces = model(photo).faces
        native = 1000 * (time.perf_counter() - start)
        there, found, timings = page.evaluate(UNMASK, name)
        if not found == sum(face.masked for face in faces) == 1:
            raise SystemExit(f"error: found {found} masked faces in the page, {faces} here")
        if count >= 2:  # The first ones warm up.
            times["page"].append(there)
            times["package"].append(native)
    ratio = float(np.median(np.divide(times["page"], times["package"])))
    milliseconds = {key: float(np.median(values)) for key, values in times.items()}
    stages = ", ".join(f"{k} {v:.0f}" for k, v in timings.items() if k != "threads")
    print(
        f"{name} photo: page {milliseconds['page']:.0f} ms, package "
        f"{milliseconds['package']:.0f} ms, ratio {ratio:.2f} (page: {stages})"
    )
    return ratio


def memory_growth(page: Any, photos: int) -> float:
    """Prints the page's memory after some and after all of many photos; returns the growth."""
    for _ in range(photos // 10):
        page.evaluate(UNMASK, "small")
    first = float(page.evaluate(MEMORY))
    for _ in range(photos - photos // 10):
        page.evaluate(UNMASK, "small")
    last = float(page.evaluate(MEMORY))
    print(f"memory: {first:.0f} MB after {photos // 10} photos, {last:.0f} MB after {photos}")
    return last - first


def main(
    onnxruntime_web: Annotated[Path | None, typer.Option(help="Folder of the npm package.")] = None,
    model: Annotated[str, typer.Option(help="Name of the unmasker.")] = "unmask-256-lite",
    rounds: Annotated[int, typer.Option(min=3)] = 15,
    photos: Annotated[int, typer.Option(min=20, help="For the memory.")] = 200,
    seconds: Annotated[float, typer.Option(min=1, help="Of the camera.")] = 10,
) -> None:
    """Measures the page."""
    cv2.setNumThreads(1)
    site = collect_site(find_runtime(onnxruntime_web))
    files = jpeg_photos()
    failed = []
    megabytes = downloaded_megabytes(site, model)
    print(f"{model}, int8; {usable_cpus()} cores; download {megabytes:.2f} MB")
    if megabytes > MOST_MEGABYTES[model]:
        failed.append(f"the download is above {MOST_MEGABYTES[model]} MB")
    with (
        load_as_web(model, "int8") as unmasker,
        opened_page(site) as page,
    ):
        print(page.evaluate(LOAD, model)["runtime"])
        if compare(page, unmasker, "small", files["small"], rounds) > MOST_TIMES:
            failed.append(f"a small photo takes more than {MOST_TIMES} times as long")
        if compare(page, unmasker, "large", files["large"], rounds) > MOST_TIMES_LARGE:
            failed.append(f"a large photo takes more than {MOST_TIMES_LARGE} times as long")
        if memory_growth(page, photos) > MOST_GROWTH:
            failed.append(f"memory grows by more than {MOST_GROWTH} MB")
        frames = page.evaluate(STREAM, seconds)
        print(f"camera, {seconds:g} s: {frames}")
        if frames["waiting"] > 2:  # One in work, one that waits.
            failed.append("more than one frame waits")
    for reason in failed:
        print(f"error: {reason}")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    typer.run(main)
