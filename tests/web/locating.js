// Finds faces with the shipped locator, as the worker does.

import { downloadArtifact } from "/src/core/download.js";
import { findArtifact, readManifest } from "/src/core/manifest.js";
import { Locator } from "/src/faces/locator.js";
import { locateInPositions } from "/src/faces/positions.js";
import { configure, openNetwork } from "/src/runtimes/onnx.js";

const ORT = "/node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs";
const locators = new Map();

export async function locate(precision, image) {
  return (await locator(precision)).locate(image);
}

export async function align(precision, image, box) {
  return (await locator(precision)).align(image, box);
}

export async function follow(precision, image, faces) {
  return (await locator(precision)).follow(image, faces);
}

export async function locateTurned(precision, image) {
  return locateInPositions(image, await locator(precision));
}

async function locator(precision) {
  if (!locators.has(precision)) locators.set(precision, await openLocator(precision));
  return locators.get(precision);
}

async function openLocator(precision) {
  const ort = await import(ORT);
  await configure(ort, { backend: "wasm", threads: 1 });
  const artifacts = readManifest(await (await fetch("/models/manifest.json")).text(), "manifest");
  const networks = [];
  for (const name of ["detector", "aligner"]) {
    const artifact = findArtifact(artifacts, name, precision);
    const content = await downloadArtifact(`/models/${artifact.file}`, artifact, () => {});
    networks.push(await openNetwork(ort, content, artifact, "wasm"));
  }
  return new Locator(...networks);
}
