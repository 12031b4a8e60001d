"""The npm package: its types, and what it contains."""

from __future__ import annotations

import json
import subprocess

import pytest

import npm_packages

pytestmark = pytest.mark.browser

WEB = npm_packages.WEB
# What a page in TypeScript may write, and what it may not.
CONSUMER = """
import { ImageReadError, load, type Face, type Model, type Result } from "@unmask-sdk/web";

export async function unmask(file: File, image: HTMLImageElement): Promise<Blob> {
  const model: Model = await load({ model: "unmask-256-lite", backend: "wasm", threads: 1 });
  const version: string = model.info.runtime;
  const result: Result = await model.unmask(image, { boxes: [[1, 2, 3, 4]] });
  const faces: Face[] = result.faces;
  const pixels: ImageData = faces[0]?.crop ?? result.image;
  console.log(version, pixels.width, result.timings.run, result.notes.join());
  const { unmasked, masks } = await model.crops(new Uint8Array(256 * 256 * 3));
  const sum: number = unmasked.length + masks.length;
  console.log(sum, new ImageReadError("text") instanceof Error);
  // @ts-expect-error: there is no such backend.
  await load({ backend: "webgl" });
  // @ts-expect-error: a path is not a source.
  await model.unmask("photo.jpg");
  model.close();
  return result.toBlob({ type: "image/jpeg", quality: 0.9 });
}
"""


def tsc(folder, *arguments):
    command = [WEB / "node_modules/.bin/tsc", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_types(npm):
    tsc(WEB, "--noEmit")


def test_declarations_for_typescript(npm, tmp_path):
    tsc(WEB, "--outDir", str(tmp_path / "types"))
    (tmp_path / "page.ts").write_text(CONSUMER)
    (tmp_path / "node_modules").symlink_to(WEB / "node_modules")
    settings = {
        "compilerOptions": {
            "strict": True,
            "noEmit": True,
            "target": "ES2022",
            "lib": ["ES2022", "DOM"],
            "module": "ESNext",
            "moduleResolution": "Bundler",
            "types": [],
            "paths": {"@unmask-sdk/web": ["./types/index.d.ts"]},
        },
        "files": ["page.ts"],
    }
    (tmp_path / "tsconfig.json").write_text(json.dumps(settings))
    tsc(tmp_path, "-p", ".")


def test_packed_files(npm):
    report = npm_packages.run_npm("pack", "--dry-run", "--json", "--ignore-scripts")
    (packed,) = json.loads(report)
    files = {file["path"] for file in packed["files"]}
    folders = {name.split("/")[0] for name in files if "/" in name}
    assert folders <= {"src", "types", "models"}
    assert {"package.json", "src/index.js", "src/worker_wasm.js", "models/manifest.json"} <= files
    assert "models/LICENSE-WEIGHTS.md" in files
    assert packed["name"] == "@unmask-sdk/web"
