/** ONNX Runtime Web: opens one network and runs it by the names of its inputs and outputs. */

import {
  ArtifactError,
  DeviceMismatchError,
  InvalidInputError,
  RuntimeUnavailableError,
  oneLine,
} from "../core/errors.js";

/** @typedef {import("../core/manifest.js").Artifact} Artifact */
/** @typedef {import("../core/manifest.js").TensorSpec} TensorSpec */
/** @typedef {typeof import("onnxruntime-web/wasm")} Ort */
/** @typedef {"wasm" | "webgpu"} Backend */

/**
 * An array with its shape, row-major.
 *
 * @typedef {{ data: Uint8Array | Float32Array, dims: readonly number[] }} Tensor
 */

const TYPES = { uint8: Uint8Array, float32: Float32Array };
const ERRORS_ONLY = "error";
// Milliseconds. In some bundles the workers of ONNX Runtime's threads are never started, and without
// a limit nothing would happen.
const THREADS_TIMEOUT = 60_000;

/**
 * Chooses what ONNX Runtime runs with; must be called before the first network is opened.
 *
 * @param {Ort} ort
 * @param {object} options
 * @param {Backend} options.backend
 * @param {number} options.threads
 * @param {Ort["env"]["wasm"]["wasmPaths"]} [options.wasmPaths]
 */
export async function configure(ort, { backend, threads, wasmPaths }) {
  if (backend === "webgpu") await checkWebgpu();
  if (threads > 1 && !globalThis.crossOriginIsolated) {
    throw new InvalidInputError(
      `threads is ${threads}, but this page is not cross-origin isolated, so it can have one only; ` +
        'serve it with the headers "Cross-Origin-Opener-Policy: same-origin" and ' +
        '"Cross-Origin-Embedder-Policy: require-corp"',
    );
  }
  ort.env.logLevel = ERRORS_ONLY;
  ort.env.wasm.numThreads = threads;
  // It runs in a worker already.
  ort.env.wasm.proxy = false;
  ort.env.wasm.initTimeout = threads > 1 ? THREADS_TIMEOUT : 0;
  if (wasmPaths !== undefined) ort.env.wasm.wasmPaths = wasmPaths;
}

/**
 * Returns the number of threads that ONNX Runtime runs with, once a network is opened.
 *
 * @param {Ort} ort
 * @param {number} asked
 * @returns {number}
 */
export function threadsTaken(ort, asked) {
  const taken = ort.env.wasm.numThreads ?? 1;
  if (taken < asked) {
    throw new DeviceMismatchError(
      `asked ONNX Runtime for ${asked} threads, got ${taken}; use threads: ${taken}`,
    );
  }
  return taken;
}

/** One opened network. */
export class OnnxNetwork {
  #ort;
  /** @type {import("onnxruntime-web/wasm").InferenceSession | null} */
  #session;

  /**
   * Use `openNetwork`.
   *
   * @param {Ort} ort
   * @param {import("onnxruntime-web/wasm").InferenceSession} session
   * @param {Artifact} artifact
   */
  constructor(ort, session, artifact) {
    this.#ort = ort;
    this.#session = session;
    this.artifact = artifact;
  }

  /**
   * Runs the graph. Runs must not overlap.
   *
   * @param {Record<string, Tensor>} inputs
   * @returns {Promise<Record<string, Tensor>>} Fresh arrays.
   */
  async runNamed(inputs) {
    if (!this.#session) throw new RuntimeUnavailableError("this network is closed; open it again");
    const { name, inputs: takes, outputs: gives } = this.artifact;
    /** @type {Record<string, import("onnxruntime-web/wasm").Tensor>} */
    const feeds = {};
    for (const spec of takes) {
      const given = inputs[spec.name];
      if (!given || !fits(spec, given)) {
        throw new InvalidInputError(`the graph takes ${describe(spec)}; got ${shown(given)}`);
      }
      feeds[spec.name] = new this.#ort.Tensor(
        /** @type {"uint8"} */ (spec.dtype),
        /** @type {Uint8Array} */ (given.data),
        given.dims,
      );
    }
    let found;
    try {
      found = await this.#session.run(feeds);
    } catch (error) {
      const shapes = takes.map((spec) => `[${inputs[spec.name].dims.join(", ")}]`).join(", ");
      throw new RuntimeUnavailableError(
        `ONNX Runtime failed on inputs ${shapes}: ${oneLine(error)}`,
        { cause: error },
      );
    } finally {
      for (const feed of Object.values(feeds)) feed.dispose();
    }
    /** @type {Record<string, Tensor>} */
    const outputs = {};
    for (const spec of gives) {
      const tensor = found[spec.name];
      const output = { data: /** @type {Uint8Array} */ (tensor.data), dims: tensor.dims };
      if (!fits(spec, output)) {
        throw new ArtifactError(
          `${name} returned ${shown(output)} for ${describe(spec)}: file and manifest do not ` +
            "belong together; copy the folder models/ again",
        );
      }
      outputs[spec.name] = output;
    }
    return outputs;
  }

  /** Releases the network. May be called twice. */
  async close() {
    const session = this.#session;
    this.#session = null;
    await session?.release();
  }
}

/**
 * Opens a network.
 *
 * @param {Ort} ort ONNX Runtime Web, configured.
 * @param {Uint8Array} content Of the model file, its digest already checked.
 * @param {Artifact} artifact Its entry.
 * @param {Backend} backend
 * @param {Uint8Array | null} [external] Content of the entry's external data, likewise checked.
 * @returns {Promise<OnnxNetwork>}
 */
export async function openNetwork(ort, content, artifact, backend, external = null) {
  let session;
  try {
    session = await ort.InferenceSession.create(content, {
      executionProviders: [backend],
      logSeverityLevel: 3,
      externalData:
        external && artifact.external ? [{ path: artifact.external.file, data: external }] : [],
    });
  } catch (error) {
    throw new RuntimeUnavailableError(
      `ONNX Runtime Web ${ort.env.versions.web} does not open ${artifact.file} with ${backend} ` +
        `(${oneLine(error)}); its files must be where the option wasmPaths says (by default next ` +
        "to its script), and script-src of the page's Content-Security-Policy must have " +
        "'wasm-unsafe-eval'",
      { cause: error },
    );
  }
  const names = (/** @type {TensorSpec[]} */ specs) => specs.map((spec) => spec.name).join(", ");
  for (const [kind, actual, expected] of [
    ["inputs", session.inputNames.join(", "), names(artifact.inputs)],
    ["outputs", session.outputNames.join(", "), names(artifact.outputs)],
  ]) {
    if (actual !== expected) {
      throw new ArtifactError(`${artifact.file} has ${kind} ${actual}, its entry says ${expected}`);
    }
  }
  return new OnnxNetwork(ort, session, artifact);
}

async function checkWebgpu() {
  const gpu = /** @type {any} */ (globalThis.navigator).gpu;
  if (!gpu) {
    throw new RuntimeUnavailableError(
      'this browser has no WebGPU here (it needs a secure context); use backend: "wasm"',
    );
  }
  if (!(await gpu.requestAdapter())) {
    throw new RuntimeUnavailableError(
      'WebGPU finds no graphics card that it can use; use backend: "wasm"',
    );
  }
}

/**
 * @param {TensorSpec} spec
 * @param {Tensor} tensor
 */
function fits(spec, { data, dims }) {
  const type = TYPES[/** @type {keyof typeof TYPES} */ (spec.dtype)];
  return (
    data instanceof type &&
    dims.length === spec.shape.length &&
    dims.every((size, i) => spec.shape[i] === null || spec.shape[i] === size) &&
    data.length === dims.reduce((product, size) => product * size, 1)
  );
}

/** @param {TensorSpec} spec */
function describe({ name, dtype, shape }) {
  return `${name}: ${dtype} [${shape.map((size) => size ?? "*").join(", ")}]`;
}

/** @param {Tensor | undefined} tensor */
function shown(tensor) {
  return tensor ? `${tensor.data.constructor.name} [${tensor.dims.join(", ")}]` : "nothing";
}
