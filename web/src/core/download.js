/** Downloads files, and checks them before they are used. */

import { ArtifactError, RuntimeUnavailableError, oneLine } from "./errors.js";

/** @typedef {import("./manifest.js").Artifact} Artifact */
/** @typedef {import("./manifest.js").ExternalData} ExternalData */

/**
 * Returns a text file.
 *
 * @param {string} url
 * @returns {Promise<string>}
 */
export async function downloadText(url) {
  return new TextDecoder().decode(await download(url, () => {}));
}

/**
 * Returns the content of a model file that has the size and the digest of its entry.
 *
 * @param {string} url
 * @param {Artifact | ExternalData} entry
 * @param {(loaded: number) => void} onprogress Called with the bytes that have arrived.
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function downloadArtifact(url, entry, onprogress) {
  const content = await download(url, onprogress);
  const actual = await sha256Of(content);
  if (actual !== entry.sha256) {
    throw new ArtifactError(
      `${url} was changed or damaged: it has ${content.length} bytes and the SHA-256 ${actual}, ` +
        `expected ${entry.bytes} and ${entry.sha256}; copy the folder models/ of this ` +
        "version of @unmask-sdk/web again, and clear the browser's cache",
    );
  }
  return content;
}

/**
 * Returns a SHA-256 as 64 lower-case hexadecimal digits.
 *
 * @param {Uint8Array<ArrayBuffer>} content
 * @returns {Promise<string>}
 */
export async function sha256Of(content) {
  if (!globalThis.crypto?.subtle) {
    throw new RuntimeUnavailableError(
      `model files cannot be checked here, because ${location.origin} is not a secure context; ` +
        "serve the page over https, or on localhost",
    );
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {string} url
 * @param {(loaded: number) => void} onprogress
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
async function download(url, onprogress) {
  try {
    const response = await fetch(url);
    if (!response.ok) {
      throw new ArtifactError(
        `${url} cannot be loaded: the server answers ${response.status}; see the option models`,
      );
    }
    /** @type {Uint8Array[]} */
    const parts = [];
    let length = 0;
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      length += part.value.length;
      onprogress(length);
    }
    const content = new Uint8Array(length);
    let start = 0;
    for (const part of parts) {
      content.set(part, start);
      start += part.length;
    }
    return content;
  } catch (error) {
    if (error instanceof ArtifactError) throw error;
    throw new ArtifactError(
      `${url} cannot be loaded (${oneLine(error)}); check the network, the option models, and ` +
        "connect-src of the page's Content-Security-Policy",
      { cause: error },
    );
  }
}
