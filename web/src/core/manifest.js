/**
 * Reads `manifest.json`: the list of model files, with their digests.
 *
 * `models.py` makes it of the Python package's manifest.
 */

import { ArtifactError, InvalidInputError } from "./errors.js";

export const SCHEMA = 1;
export const MANIFEST_NAME = "manifest.json";

/**
 * One input or output of a graph; `null` in the shape where any size is allowed.
 *
 * @typedef {{ name: string, dtype: string, shape: (number | null)[] }} TensorSpec
 */

/**
 * One model file.
 *
 * @typedef {object} Artifact
 * @property {string} name Of the network, such as `unmask-256`.
 * @property {"unmasker" | "detector" | "aligner"} role
 * @property {string} precision `fp32` or `int8`.
 * @property {string} file Name of the file, in the folder of the manifest.
 * @property {string} sha256 Its digest, 64 lower-case hexadecimal digits.
 * @property {number} bytes Its size.
 * @property {TensorSpec[]} inputs In the graph's order.
 * @property {TensorSpec[]} outputs In the graph's order.
 * @property {ExternalData | null} external The file that holds large tensors; `null` if there is none.
 */

/**
 * A weight file that a model file refers to: its name in the folder of the manifest, digest and size.
 *
 * @typedef {{ file: string, sha256: string, bytes: number }} ExternalData
 */

const FIX = "copy the folder models/ of this version of @unmask-sdk/web again";

/**
 * Returns the artifacts that a manifest lists.
 *
 * @param {string} text Content of `manifest.json`.
 * @param {string} where Its address, for errors.
 * @returns {Artifact[]}
 */
export function readManifest(text, where) {
  let data;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw new ArtifactError(`${where} is not valid JSON; ${FIX}`, { cause: error });
  }
  if (data?.schema !== SCHEMA) {
    throw new ArtifactError(
      `${where} has schema ${data?.schema}, this version of @unmask-sdk/web reads ${SCHEMA}; ${FIX}`,
    );
  }
  if (!Array.isArray(data.artifacts) || !data.artifacts.every(isArtifact)) {
    throw new ArtifactError(`${where} has an entry that is not valid; ${FIX}`);
  }
  return data.artifacts;
}

/**
 * Returns the artifact of a network in a precision.
 *
 * @param {Artifact[]} artifacts
 * @param {string} name
 * @param {string} precision
 * @returns {Artifact}
 */
export function findArtifact(artifacts, name, precision) {
  const found = artifacts.find((a) => a.name === name && a.precision === precision);
  if (found) return found;
  const named = artifacts.filter((a) => a.name === name);
  if (named.length) {
    const has = named.map((a) => a.precision).join(", ");
    throw new InvalidInputError(`${name} has no file in ${precision}; it has ${has}`);
  }
  const role = ["detector", "aligner"].includes(name) ? name : "unmasker";
  const known = new Set(artifacts.filter((a) => a.role === role).map((a) => a.name));
  throw new InvalidInputError(`there is no model ${name}; there is ${[...known].join(", ")}`);
}

/** @param {any} entry */
function isArtifact(entry) {
  return (
    ["name", "role", "precision"].every((key) => typeof entry?.[key] === "string") &&
    isFile(entry, ".onnx") &&
    (entry.external === null || isFile(entry.external, ".safetensors")) &&
    [entry.inputs, entry.outputs].every((specs) => Array.isArray(specs) && specs.every(isSpec))
  );
}

/**
 * @param {any} entry
 * @param {string} suffix
 */
function isFile(entry, suffix) {
  return (
    typeof entry?.file === "string" &&
    // A file next to the manifest, not a path that leads elsewhere.
    /^[\w.-]+$/.test(entry.file) &&
    entry.file.endsWith(suffix) &&
    /^[0-9a-f]{64}$/.test(entry.sha256) &&
    Number.isInteger(entry.bytes)
  );
}

/** @param {any} spec */
function isSpec(spec) {
  return (
    typeof spec?.name === "string" &&
    typeof spec.dtype === "string" &&
    Array.isArray(spec.shape) &&
    spec.shape.every((/** @type {any} */ size) => size === null || Number.isInteger(size))
  );
}
