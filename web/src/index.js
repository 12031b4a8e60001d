/** Removes face masks from photos, on the user's own device. */

import { InvalidInputError } from "./core/errors.js";
import { MODEL_FILES } from "./core/model_files.js";
import { Model } from "./model.js";

export {
  ArtifactError,
  DeviceMismatchError,
  ImageReadError,
  ImageWriteError,
  InvalidInputError,
  RuntimeUnavailableError,
  SourceError,
  UnmaskError,
} from "./core/errors.js";
export { Model } from "./model.js";
export { Result } from "./result.js";
export { Session } from "./session.js";
export { Stream } from "./stream.js";

/** @typedef {import("./core/open_model.js").ModelInfo} ModelInfo */
/** @typedef {import("./core/open_model.js").Progress} Progress */
/** @typedef {import("./imaging/decode.js").Source} Source */
/** @typedef {import("./imaging/encode.js").EncodeOptions} EncodeOptions */
/** @typedef {import("./result.js").Face} Face */
/** @typedef {import("./stream.js").Counters} Counters */
/** @typedef {import("./stream.js").StreamHandlers} StreamHandlers */
/** @typedef {import("./runtimes/onnx.js").Backend} Backend */
/** @typedef {import("./unmasker.js").UnmaskOptions} UnmaskOptions */

/**
 * What to load, and how it runs. Every choice works or is an error: nothing falls back.
 *
 * @typedef {object} LoadOptions
 * @property {string} [model] `unmask-256-lite` (the default) or `unmask-256`.
 * @property {Backend} [backend] `wasm` (the default) or `webgpu`.
 * @property {"int8" | "fp32"} [precision] Of the unmasker: by default `int8` with `wasm`. With `webgpu`
 *   there is only `fp32`.
 * @property {number} [threads] Of `wasm`, 1 by default. More need a page that is cross-origin isolated.
 * @property {string | URL} [models] Address of a folder with the files of `models/`, if they are not
 *   where this package has them.
 * @property {string | { wasm?: string | URL, mjs?: string | URL }} [wasmPaths] Where ONNX Runtime Web
 *   finds its `.wasm` and `.mjs` files: `env.wasm.wasmPaths` of onnxruntime-web.
 * @property {string | URL} [onnxruntime] In a page without a bundler: address of `ort.wasm.min.mjs`, or
 *   of `ort.webgpu.min.mjs` for `webgpu`.
 * @property {(progress: Progress) => void} [onprogress] Called while model files are loaded.
 */

// Each is a worker; no device has more cores, and browsers crash before they have many more.
const MAX_THREADS = 64;
const PRECISIONS = { wasm: "int8", webgpu: "fp32" };

/**
 * Opens a model in a worker.
 *
 * @param {LoadOptions} [options]
 * @returns {Promise<Model>}
 */
export async function load(options = {}) {
  const { model: name = "unmask-256-lite", backend = "wasm", threads = 1, models } = options;
  if (!(backend in PRECISIONS)) {
    throw new InvalidInputError(`backend must be "wasm" or "webgpu", got ${JSON.stringify(backend)}`);
  }
  const { precision = PRECISIONS[backend], onnxruntime, onprogress = () => {} } = options;
  if (backend === "webgpu" && precision !== "fp32") {
    throw new InvalidInputError(`webgpu runs fp32 only, got precision ${JSON.stringify(precision)}`);
  }
  if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS) {
    throw new InvalidInputError(
      `threads must be a whole number from 1 to ${MAX_THREADS}, got ${threads}`,
    );
  }
  const model = new Model(startWorker(backend, onnxruntime), onprogress);
  try {
    await model.open({
      model: name,
      backend,
      precision,
      threads,
      files: models === undefined ? MODEL_FILES : folder(models),
      wasmPaths: wasmAddresses(options.wasmPaths),
      onnxruntime: onnxruntime === undefined ? "onnxruntime-web" : absolute(onnxruntime),
    });
  } catch (error) {
    model.close();
    throw error;
  }
  return model;
}

/**
 * @param {Backend} backend
 * @param {string | URL} [onnxruntime]
 */
function startWorker(backend, onnxruntime) {
  if (onnxruntime !== undefined) {
    const entry = new URL(/* @vite-ignore */ /* webpackIgnore: true */ "./worker_plain.js", import.meta.url);
    // A policy in a <meta> element binds a worker only if it is made from a blob.
    const code = new Blob([`import ${JSON.stringify(entry.href)};`], { type: "text/javascript" });
    return new Worker(URL.createObjectURL(code), { type: "module" });
  }
  // Bundlers find workers only by this expression.
  return backend === "webgpu"
    ? new Worker(new URL("./worker_webgpu.js", import.meta.url), { type: "module" })
    : new Worker(new URL("./worker_wasm.js", import.meta.url), { type: "module" });
}

/** @param {LoadOptions["wasmPaths"]} paths */
function wasmAddresses(paths) {
  if (paths === undefined || typeof paths === "string") return paths && absolute(paths);
  return {
    ...(paths.wasm && { wasm: absolute(paths.wasm) }),
    ...(paths.mjs && { mjs: absolute(paths.mjs) }),
  };
}

/**
 * Returns an address that means the same in the worker.
 *
 * @param {string | URL} address
 */
function absolute(address) {
  return new URL(address, globalThis.document?.baseURI ?? location.href).href;
}

/** @param {string | URL} address */
function folder(address) {
  const found = absolute(address);
  return found.endsWith("/") ? found : `${found}/`;
}
