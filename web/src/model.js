/** An opened model, as a page has it: every call goes to the worker that owns the networks. */

import { InvalidInputError, RuntimeUnavailableError, unpackError } from "./core/errors.js";
import { checkOptions, show } from "./core/validate.js";
import { isA, packSource, sendError } from "./imaging/decode.js";
import { Result } from "./result.js";
import { Session } from "./session.js";
import { STREAM_OPTIONS, Stream } from "./stream.js";

/** @typedef {import("./core/open_model.js").ModelInfo} ModelInfo */
/** @typedef {import("./core/open_model.js").OpenOptions} OpenOptions */
/** @typedef {import("./core/open_model.js").Progress} Progress */
/** @typedef {import("./imaging/decode.js").Source} Source */
/** @typedef {import("./unmasker.js").UnmaskOptions} UnmaskOptions */
/** @typedef {import("./core/validate.js").Kind} Kind */

/** @type {Record<keyof UnmaskOptions, Kind>} */
const UNMASK_OPTIONS = {
  boxes: "arrays of numbers with the shape [F, 4]",
  eyes: "arrays of numbers with the shape [F, 2, 2]",
};
/** @type {Record<"smooth", Kind>} */
const SESSION_OPTIONS = { smooth: "true or false" };
const CLOSED = "this model is closed; open another with load()";

/** Removes the masks from photos. `load()` makes one. */
export class Model {
  #worker;
  #nextId = 0;
  #nextSession = 0;
  /** @type {Map<number, { resolve: (value: any) => void, reject: (error: Error) => void }>} */
  #waiting = new Map();
  /** Why no call can be answered any more. @type {string | null} */
  #ended = null;
  /** Aborted at the end, with the error. */
  #life = new AbortController();
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
  async unmask(source, options = {}) {
    this.#check();
    checkOptions("unmask()", options, UNMASK_OPTIONS);
    const { boxes, eyes } = options;
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
    // What is no array may be what cannot be sent; the worker checks the size.
    if (!ArrayBuffer.isView(images)) {
      throw new InvalidInputError(
        `crops must be a Uint8Array of RGB values, N * 256 * 256 * 3; got ${show(images)}`,
      );
    }
    return this.#call("crops", [images]);
  }

  /**
   * Follows the faces of one video or camera from frame to frame.
   *
   * @param {{ smooth?: boolean }} [options] `smooth`, true by default: whether faces are followed,
   *   and crops and fills smoothed over time; otherwise each frame is unmasked by itself, and faces
   *   are numbered all the same.
   * @returns {Session} Call its `frame(source, time)` for each frame, and `close()` at the end.
   */
  session(options = {}) {
    this.#check();
    checkOptions("session()", options, SESSION_OPTIONS);
    const { smooth = true } = options;
    const number = this.#nextSession++;
    let closed = false;
    // An error of the worker is the error of the next frame.
    this.#call("startSession", [number, { smooth }]).catch(() => {});
    return new Session(
      async (source, time) => {
        if (closed) throw new RuntimeUnavailableError("this session is closed; open another");
        const { packed, transfer } = await packSource(source);
        return this.#call("frame", [number, packed, time], transfer);
      },
      () => {
        if (closed) return;
        closed = true;
        if (this.#ended === null) this.#call("endSession", [number]).catch(() => {});
      },
    );
  }

  /**
   * Unmasks what a video element shows, such as a webcam, without falling behind.
   *
   * Of the frames that come while another is processed, only the latest is used.
   *
   * @param {HTMLVideoElement} video It plays, or will; it stays as it is.
   * @param {import("./stream.js").StreamOptions} options `onresult(result)` and `onerror(error)`;
   *   `smooth` as for `session`; `timeout`: milliseconds without a new frame until `onerror` is
   *   called, 10,000 by default.
   * @returns {Stream} Read its `counters`, and `close()` it at the end.
   */
  stream(video, options) {
    if (!isA(video, "HTMLVideoElement")) {
      throw new InvalidInputError(`video must be a <video> element, got ${show(video)}`);
    }
    checkOptions("stream()", options, STREAM_OPTIONS);
    if (options.onresult === undefined) {
      throw new InvalidInputError("stream() needs onresult, a function that takes each result");
    }
    const session = this.session({ smooth: options.smooth });
    return new Stream(session, video, options, this.#life.signal);
  }

  /**
   * Releases the networks and their worker. May be called twice. Calls that wait are rejected, and
   * streams end with an error.
   */
  close() {
    this.#end(CLOSED);
  }

  #check() {
    if (this.#ended !== null) throw new RuntimeUnavailableError(this.#ended);
  }

  /**
   * @param {import("./worker.js").Method} method
   * @param {unknown[]} args
   * @param {Transferable[]} [transfer]
   * @returns {Promise<any>}
   */
  #call(method, args, transfer = []) {
    return new Promise((resolve, reject) => {
      this.#check();
      const id = this.#nextId++;
      try {
        this.#worker.postMessage({ id, method, args }, transfer);
      } catch (error) {
        throw sendError(error, args);
      }
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
    this.#life.abort(new RuntimeUnavailableError(reason));
  }
}
