// Finds faces with the shipped locator, as the worker does.

import { downloadArtifact } from "/src/core/download.js";
import { findArtifact, readManifest } from "/src/core/manifest.js";
import { Locator } from "/src/faces/locator.js";
import { locateInPositions } from "/src/faces/positions.js";
import { configure, openNetwork } from "/src/runtimes/onnx.js";

const ORT = "/node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs";
let locator;

export async function locate(image) {
  return (await opened()).locate(image);
}

export async function align(image, box) {
  return (await opened()).align(image, box);
}

export async function follow(image, faces) {
  return (await opened()).follow(image, faces);
}

export async function locateTurned(image) {
  return locateInPositions(image, await opened());
}

async function opened() {
  locator ??= await openLocator();
  return locator;
}

async function openLocator() {
  const ort = await import(ORT);
  await configure(ort, { backend: "wasm", threads: 1 });
  const artifacts = readManifest(await (await fetch("/models/manifest.json")).text(), "manifest");
  const networks = [];
  for (const name of ["detector", "aligner"]) {
    const artifact = findArtifact(artifacts, name, "fp32");
    const content = await downloadArtifact(`/models/${artifact.file}`, artifact, () => {});
    const { external } = artifact;
    const weights = await downloadArtifact(`/models/${external.file}`, external, () => {});
    networks.push(await openNetwork(ort, content, artifact, "wasm", weights));
  }
  return new Locator(...networks);
}
