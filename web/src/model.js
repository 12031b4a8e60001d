/** An opened model, as a page has it: every call goes to the worker that owns the networks. */

import { RuntimeUnavailableError, unpackError } from "./core/errors.js";
import { packSource } from "./imaging/decode.js";
import { Result } from "./result.js";

/** @typedef {import("./core/open_model.js").ModelInfo} ModelInfo */
/** @typedef {import("./core/open_model.js").OpenOptions} OpenOptions */
/** @typedef {import("./core/open_model.js").Progress} Progress */
/** @typedef {import("./imaging/decode.js").Source} Source */
/** @typedef {import("./unmasker.js").UnmaskOptions} UnmaskOptions */

const CLOSED = "this model is closed; open another with load()";

/** Removes the masks from photos. `load()` makes one. */
export class Model {
  #worker;
  #nextId = 0;
  /** @type {Map<number, { resolve: (value: any) => void, reject: (error: Error) => void }>} */
  #waiting = new Map();
  /** Why no call can be answered any more. @type {string | null} */
  #ended = null;
  /** @type {ModelInfo | null} */
  #info = null;

  /**
   * Use `load()`.
   *
   * @param {Worker} worker
   * @param {(progress: Progress) => void} onprogress
   */
  constructor(worker, onprogress) {
    this.#worker = worker;
    worker.onmessage = ({ data }) => {
      if (data.progress) {
        onprogress(data.progress);
        return;
      }
      const call = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if (data.error) call?.reject(unpackError(data.error));
      else call?.resolve(data.result);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      const reason = event.message || "its script, or one that it imports, cannot be loaded";
      this.#end(
        `the worker of this model failed: ${reason}; check that the files of @unmask-sdk/web and ` +
          "onnxruntime-web are served, that worker-src of the page's Content-Security-Policy allows " +
          "them, and in a page without a bundler the option onnxruntime",
      );
    };
    worker.onmessageerror = () => this.#end("the worker of this model sent what cannot be read");
  }

  /** Opens the networks. @param {OpenOptions} options */
  async open(options) {
    this.#info = await this.#call("open", [options]);
  }

  /** What the model runs on, as the runtime reports it. */
  get info() {
    return /** @type {ModelInfo} */ (this.#info);
  }

  /**
   * Removes the masks from all faces of a photo. Calls that overlap are answered one after the other.
   *
   * A face whose mask covers less than a hundredth of its crop counts as not masked and is left
   * unchanged, bit for bit; so is a given box that seems to contain no face.
   *
   * @param {Source} source A file, blob, bitmap, frame, or an element that shows an image. It is not
   *   changed. For an animation or a video the frame that an element shows.
   * @param {UnmaskOptions} [options]
   * @returns {Promise<Result>} If no face was found it has no faces, and the photo unchanged.
   */
  async unmask(source, { boxes, eyes } = {}) {
    this.#check();
    const { packed, transfer } = await packSource(source);
    return new Result(await this.#call("unmask", [packed, { boxes, eyes }], transfer));
  }

  /**
   * Removes the masks from faces that are aligned already.
   *
   * @param {Uint8Array | Uint8ClampedArray} images RGB canonical crops, `[N, 256, 256, 3]`. It is not
   *   changed.
   * @returns {Promise<{ unmasked: Uint8Array, masks: Uint8Array }>} The unmasked crops `[N, 256, 256,
   *   3]` and the masks `[N, 256, 256, 1]`: 128 to 255 is mask, 1 to 127 the seam around it, 0
   *   unchanged.
   */
  async crops(images) {
    return this.#call("crops", [images]);
  }

  /** Releases the networks and their worker. May be called twice; calls that wait are rejected. */
  close() {
    this.#end(CLOSED);
  }

  #check() {
    if (this.#ended !== null) throw new RuntimeUnavailableError(this.#ended);
  }

  /**
   * @param {import("./worker.js").Call["method"]} method
   * @param {unknown[]} args
   * @param {Transferable[]} [transfer]
   * @returns {Promise<any>}
   */
  #call(method, args, transfer = []) {
    return new Promise((resolve, reject) => {
      this.#check();
      const id = this.#nextId++;
      this.#worker.postMessage({ id, method, args }, transfer);
      this.#waiting.set(id, { resolve, reject });
    });
  }

  /** @param {string} reason */
  #end(reason) {
    if (this.#ended !== null) return;
    this.#ended = reason;
    this.#worker.terminate();
    for (const { reject } of this.#waiting.values()) reject(new RuntimeUnavailableError(reason));
    this.#waiting.clear();
  }
}
