/** Live frames in, results out, without falling behind. */

import { RuntimeUnavailableError, SourceError } from "./core/errors.js";

/** @typedef {import("./result.js").Result} Result */
/** @typedef {import("./session.js").Session} Session */

/**
 * What a stream calls.
 *
 * What the functions themselves throw is an uncaught error of the page, and the stream goes on.
 *
 * @typedef {object} StreamHandlers
 * @property {(result: Result) => void} onresult Called with each result, in order.
 * @property {(error: Error) => void} [onerror] Called if a frame fails, or none arrives; a
 *   `SourceError` if the source has ended or delivers nothing. A `RuntimeUnavailableError`, such as
 *   after `model.close()`, ends the stream. By default errors are logged.
 */

/**
 * How to stream.
 *
 * @typedef {StreamHandlers & { smooth?: boolean, timeout?: number }} StreamOptions
 */

/** @type {Record<keyof StreamOptions, import("./core/validate.js").Kind>} */
export const STREAM_OPTIONS = {
  onresult: "a function",
  onerror: "a function",
  smooth: "true or false",
  timeout: "a positive number of milliseconds (at most 2147483647)",
};

/**
 * Counts of the frames of a stream.
 *
 * @typedef {object} Counters
 * @property {number} received Frames that the video showed.
 * @property {number} dropped Frames discarded because a newer one came before they were processed.
 * @property {number} done Results delivered.
 * @property {number} stalls Times that no frame came within the timeout.
 */

/**
 * Unmasks what a video element shows, such as a webcam. `model.stream()` makes one.
 *
 * One frame is processed at a time. Of those that come meanwhile only the latest waits, and its
 * pixels are read when its turn comes, so that the picture is never older than one frame.
 */
export class Stream {
  #session;
  #video;
  #handlers;
  #timeout;
  #counters = { received: 0, dropped: 0, done: 0, stalls: 0 };
  #waiting = false;
  #busy = false;
  #closed = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #signal;
  #onended = () => this.#ended();
  #onabort = () => this.#failForGood(this.#signal.reason);

  /**
   * Use `model.stream()`.
   *
   * @param {Session} session Closed with the stream.
   * @param {HTMLVideoElement} video
   * @param {StreamOptions} options `timeout`: milliseconds without a frame until `onerror` is
   *   called, 10,000 by default; the stream goes on.
   * @param {AbortSignal} signal Aborted when the model ends.
   */
  constructor(session, video, { onresult, onerror = console.error, timeout = 10_000 }, signal) {
    this.#session = session;
    this.#video = video;
    this.#handlers = { onresult, onerror };
    this.#timeout = timeout;
    this.#signal = signal;
    signal.addEventListener("abort", this.#onabort);
    video.addEventListener("ended", this.#onended);
    this.#tracks().forEach((track) => track.addEventListener("ended", this.#onended));
    this.#next();
  }

  /** Counts of the frames so far. @returns {Counters} */
  get counters() {
    return { ...this.#counters };
  }

  /** Ends the stream; the video and its camera stay as they are. May be called twice. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#counters.dropped += Number(this.#waiting);
    this.#waiting = false;
    this.#signal.removeEventListener("abort", this.#onabort);
    this.#video.removeEventListener("ended", this.#onended);
    this.#tracks().forEach((track) => track.removeEventListener("ended", this.#onended));
    this.#session.close();
  }

  /** Asks for the next frame. */
  #next() {
    if (this.#closed) return;
    this.#watch();
    this.#video.requestVideoFrameCallback(() => {
      if (this.#closed) return;
      this.#counters.received += 1;
      this.#counters.dropped += Number(this.#waiting);
      this.#waiting = true;
      void this.#process();
      this.#next();
    });
  }

  /** Reports a source that delivers nothing, again and again. */
  #watch() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#counters.stalls += 1;
      const seconds = this.#timeout / 1000;
      this.#fail(
        new SourceError(
          `the video showed no new frame for ${seconds} seconds; check that it plays (video.play()) ` +
            "and that its camera is connected and not used by another program",
        ),
      );
      if (!this.#closed) this.#watch();
    }, this.#timeout);
  }

  async #process() {
    if (this.#busy) return;
    this.#busy = true;
    while (this.#waiting && !this.#closed) {
      this.#waiting = false;
      try {
        const result = await this.#session.frame(this.#video, performance.now() / 1000);
        if (this.#closed) break;
        this.#counters.done += 1;
        callHandler(this.#handlers.onresult, result);
      } catch (error) {
        if (error instanceof RuntimeUnavailableError) this.#failForGood(error);
        else this.#fail(/** @type {Error} */ (error));
      }
    }
    this.#busy = false;
  }

  #ended() {
    this.#failForGood(
      new SourceError(
        "the video has ended: its file is over, or its camera was disconnected, switched off or " +
          "taken by another program; start a new stream",
      ),
    );
  }

  /** @param {Error} error */
  #fail(error) {
    if (!this.#closed) callHandler(this.#handlers.onerror, error);
  }

  /** @param {Error} error */
  #failForGood(error) {
    this.#fail(error);
    this.close();
  }

  #tracks() {
    const source = this.#video.srcObject;
    return source instanceof MediaStream ? source.getVideoTracks() : [];
  }
}

/**
 * Calls a function of the page; what it throws is the page's error, not one of the frame.
 *
 * @template Value
 * @param {(value: Value) => void} handler
 * @param {Value} value
 */
function callHandler(handler, value) {
  try {
    handler(value);
  } catch (error) {
    reportError(error);
  }
}
