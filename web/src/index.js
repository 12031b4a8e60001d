/** Removes face masks from photos, on the user's own device. */

import { InvalidInputError, RuntimeUnavailableError, oneLine } from "./core/errors.js";
import { MODEL_FILES } from "./core/model_files.js";
import { checkOptions, show } from "./core/validate.js";
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

/** @typedef {{ wasm?: string | URL, mjs?: string | URL }} WasmPaths */

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
 * @property {string | URL | WasmPaths} [wasmPaths] Where ONNX Runtime Web finds its `.wasm` and `.mjs`
 *   files: `env.wasm.wasmPaths` of onnxruntime-web.
 * @property {string | URL} [onnxruntime] In a page without a bundler: address of `ort.wasm.min.mjs`, or
 *   of `ort.webgpu.min.mjs` for `webgpu`.
 * @property {(progress: Progress) => void} [onprogress] Called while model files are loaded.
 */

// Each is a worker; no device has more cores, and browsers crash before they have many more.
const MAX_THREADS = 64;
/** @type {Record<keyof LoadOptions, import("./core/validate.js").Kind>} */
const LOAD_OPTIONS = {
  model: "a string",
  backend: null,
  precision: "a string",
  threads: null,
  models: null,
  wasmPaths: null,
  onnxruntime: null,
  onprogress: "a function",
};
/** @type {Record<keyof WasmPaths, null>} */
const WASM_PATHS = { wasm: null, mjs: null };
const PRECISIONS = { wasm: "int8", webgpu: "fp32" };

/**
 * Opens a model in a worker. Only in a browser: a page that a server renders calls it once it is
 * shown, such as in an effect.
 *
 * @param {LoadOptions} [options]
 * @returns {Promise<Model>}
 */
export async function load(options = {}) {
  if (typeof Worker === "undefined") {
    throw new RuntimeUnavailableError(
      "load() needs a browser, and here is no Worker; call it in the page, not in Node.js or while " +
        "a server renders, such as from an event handler or an effect (useEffect, onMounted)",
    );
  }
  checkOptions("load()", options, LOAD_OPTIONS);
  const { model: name = "unmask-256-lite", backend = "wasm", threads = 1, models } = options;
  if (typeof backend !== "string" || !Object.hasOwn(PRECISIONS, backend)) {
    throw new InvalidInputError(`backend must be "wasm" or "webgpu", got ${show(backend)}`);
  }
  const { precision = PRECISIONS[backend], onnxruntime, onprogress = () => {} } = options;
  if (backend === "webgpu" && precision !== "fp32") {
    throw new InvalidInputError(`webgpu runs fp32 only, got precision ${JSON.stringify(precision)}`);
  }
  if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS) {
    throw new InvalidInputError(
      `threads must be a whole number from 1 to ${MAX_THREADS}, got ${show(threads)}`,
    );
  }
  const bundled = onnxruntime === undefined;
  const opening = {
    model: name,
    backend,
    precision,
    threads,
    files: models === undefined ? MODEL_FILES : folder(models),
    wasmPaths: wasmAddresses(options.wasmPaths),
    onnxruntime: bundled ? "onnxruntime-web" : absolute("onnxruntime", onnxruntime),
  };
  const model = new Model(startWorker(backend, bundled), onprogress);
  try {
    await model.open(opening);
  } catch (error) {
    model.close();
    throw error;
  }
  return model;
}

/**
 * @param {Backend} backend
 * @param {boolean} bundled
 * @returns {Worker}
 */
function startWorker(backend, bundled) {
  try {
    return createWorker(backend, bundled);
  } catch (error) {
    throw new RuntimeUnavailableError(
      `the worker of this model cannot be started (${oneLine(error)}); serve the files of ` +
        "@unmask-sdk/web from the page's own origin, and allow them in worker-src of its " +
        "Content-Security-Policy",
      { cause: error },
    );
  }
}

/**
 * @param {Backend} backend
 * @param {boolean} bundled
 */
function createWorker(backend, bundled) {
  if (!bundled) {
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
  if (paths === undefined) return undefined;
  if (typeof paths === "string" || paths instanceof URL) return absolute("wasmPaths", paths);
  checkOptions("wasmPaths", paths, WASM_PATHS);
  const { wasm, mjs } = paths;
  return {
    ...(wasm !== undefined && { wasm: absolute("wasmPaths.wasm", wasm) }),
    ...(mjs !== undefined && { mjs: absolute("wasmPaths.mjs", mjs) }),
  };
}

/**
 * Returns an address that means the same in the worker.
 *
 * @param {string} option Its name, for errors.
 * @param {string | URL} address
 */
function absolute(option, address) {
  try {
    if (typeof address === "string" || address instanceof URL) {
      return new URL(address, globalThis.document?.baseURI ?? location.href).href;
    }
  } catch {
    // The address is not valid either.
  }
  throw new InvalidInputError(`${option} must be an address (a string or URL), got ${show(address)}`);
}

/** @param {string | URL} address */
function folder(address) {
  const found = absolute("models", address);
  return found.endsWith("/") ? found : `${found}/`;
}
