// Opens models through the public API and keeps them for the following calls.

import { load } from "/src/index.js";

export const ONNXRUNTIME = "/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs";
export const WEBGPU = "/node_modules/onnxruntime-web/dist/ort.webgpu.min.mjs";

const opened = new Map();

/** Opens a model once; returns what it runs on and what was reported while it was loaded. */
export async function open(name, options = {}) {
  if (!opened.has(name)) opened.set(name, await loadWithProgress(options));
  const { model, progress } = opened.get(name);
  return { info: model.info, progress };
}

export async function openAndClose(options) {
  const { model, progress } = await loadWithProgress(options);
  model.close();
  return { info: model.info, progress };
}

async function loadWithProgress(options) {
  const progress = [];
  const onnxruntime = options.backend === "webgpu" ? WEBGPU : ONNXRUNTIME;
  const onprogress = (event) => progress.push(event);
  const all = { onnxruntime, onprogress, ...options };
  // As in a page without a bundler that forgot it.
  if (all.onnxruntime === null) delete all.onnxruntime;
  const model = await load(all);
  return { model, progress };
}

export function unmaskFile(name, bytes, options) {
  return get(name).unmask(new Blob([bytes]), options);
}

export function unmaskPixels(name, data, width, height, options) {
  return get(name).unmask(new ImageData(new Uint8ClampedArray(data), width, height), options);
}

export async function unmaskToFile(name, bytes, options) {
  const result = await get(name).unmask(new Blob([bytes]));
  const blob = await result.toBlob(options);
  await result.toBlob(options);
  const content = new Uint8Array(await blob.arrayBuffer());
  return { type: blob.type, content, notes: result.notes };
}

export function crops(name, images) {
  return get(name).crops(images);
}

/** Returns how each of several calls that overlap ends. */
export async function unmaskAllAtOnce(name, files) {
  const ends = await Promise.allSettled(files.map((bytes) => unmaskFile(name, bytes)));
  return ends.map(({ value, reason }) => (reason ? String(reason) : value));
}

/** Closes a model while a call runs and another waits; returns how they and a later one end. */
export async function closeInBetween(options, bytes) {
  const { model } = await loadWithProgress(options);
  const calls = [model.unmask(new Blob([bytes])), model.unmask(new Blob([bytes]))];
  await new Promise((resolve) => setTimeout(resolve, 30));
  model.close();
  model.close();
  calls.push(model.unmask(new Blob([bytes])), model.crops(new Uint8Array(0)));
  const ends = await Promise.allSettled(calls);
  return ends.map(({ status, reason }) => [status, `${reason}`, reason?.constructor.name]);
}

/** Lets the worker of a model fail while a call waits; returns how that and a later call end. */
export async function breakWorker(options, bytes) {
  const workers = [];
  const { Worker } = globalThis;
  globalThis.Worker = class extends Worker {
    constructor(...given) {
      super(...given);
      workers.push(this);
    }
  };
  const { model } = await loadWithProgress(options);
  globalThis.Worker = Worker;
  // Not a call: an exception that nothing in the worker catches.
  workers[0].postMessage(null);
  const ends = [];
  for (let i = 0; i < 2; i++) {
    ends.push(await model.unmask(new Blob([bytes])).then(() => "done", String));
  }
  return ends;
}

/** Unmasks a photo again and again. */
export async function unmaskAgain(name, bytes, times) {
  for (let i = 0; i < times; i++) await get(name).unmask(new Blob([bytes]));
}

function get(name) {
  return opened.get(name).model;
}
