/** Downloads and opens the three networks of a model. */

import { Locator } from "../faces/locator.js";
import { configure, openNetwork, threadsTaken } from "../runtimes/onnx.js";
import { Unmasker } from "../unmasker.js";
import { downloadArtifact, downloadText } from "./download.js";
import { ArtifactError } from "./errors.js";
import { MANIFEST_NAME, findArtifact, readManifest } from "./manifest.js";

/** @typedef {import("../runtimes/onnx.js").Backend} Backend */
/** @typedef {import("../runtimes/onnx.js").Ort} Ort */

// In int8, eyes move by 0.5 px on average.
const LOCATOR_PRECISION = "fp32";

/**
 * What to open.
 *
 * @typedef {object} OpenOptions
 * @property {string} model
 * @property {Backend} backend
 * @property {string} precision Of the unmasker.
 * @property {number} threads
 * @property {Record<string, string> | string} files Addresses by name, or the folder's address.
 * @property {Ort["env"]["wasm"]["wasmPaths"]} [wasmPaths]
 * @property {string} onnxruntime Address of ONNX Runtime Web, for a page without a bundler.
 */

/**
 * What an opened model runs on, as the runtime reports it.
 *
 * @typedef {object} ModelInfo
 * @property {string} model Such as `unmask-256-lite`.
 * @property {string} precision `int8` or `fp32`.
 * @property {Backend} backend
 * @property {number} threads
 * @property {string} runtime Such as `onnxruntime-web 1.30.0`.
 */

/**
 * Bytes of all model files together.
 *
 * @typedef {{ file: string, loaded: number, total: number }} Progress
 */

/**
 * Opens a model.
 *
 * @param {Ort} ort
 * @param {OpenOptions} options
 * @param {(progress: Progress) => void} onprogress
 * @returns {Promise<{ unmasker: Unmasker, info: ModelInfo }>}
 */
export async function openModel(ort, options, onprogress) {
  const { model, backend, precision, threads, wasmPaths } = options;
  await configure(ort, { backend, threads, wasmPaths });
  const where = addressOf(options.files, MANIFEST_NAME);
  const artifacts = readManifest(await downloadText(where), where);
  const wanted = [
    findArtifact(artifacts, "detector", LOCATOR_PRECISION),
    findArtifact(artifacts, "aligner", LOCATOR_PRECISION),
    findArtifact(artifacts, model, precision),
  ];
  const entries = wanted.flatMap((artifact) =>
    artifact.external ? [artifact, artifact.external] : [artifact],
  );
  const total = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  const loaded = entries.map(() => 0);
  // If one fails, the others must not be reported as unhandled.
  const contents = await Promise.all(
    entries.map((entry, i) =>
      downloadArtifact(addressOf(options.files, entry.file), entry, (bytes) => {
        loaded[i] = bytes;
        onprogress({ file: entry.file, loaded: loaded.reduce((sum, part) => sum + part), total });
      }),
    ),
  );
  const networks = [];
  for (const artifact of wanted) {
    const content = contents[entries.indexOf(artifact)];
    const external = artifact.external && contents[entries.indexOf(artifact.external)];
    networks.push(await openNetwork(ort, content, artifact, backend, external));
  }
  const [detector, aligner, unmasker] = networks;
  return {
    unmasker: new Unmasker(unmasker, new Locator(detector, aligner)),
    info: {
      model,
      precision,
      backend,
      threads: threadsTaken(ort, threads),
      runtime: `onnxruntime-web ${ort.env.versions.web}`,
    },
  };
}

/**
 * @param {OpenOptions["files"]} files
 * @param {string} name
 */
function addressOf(files, name) {
  if (typeof files === "string") return new URL(name, files).href;
  if (!(name in files)) {
    throw new ArtifactError(
      `${name} does not come with this package; give the option models, the address of a folder ` +
        "that has it",
    );
  }
  return files[name];
}
