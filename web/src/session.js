/** The frames of one video or camera, whose faces are followed from frame to frame. */

import { InvalidInputError } from "./core/errors.js";
import { show } from "./core/validate.js";
import { Result } from "./result.js";

/** @typedef {import("./imaging/decode.js").Source} Source */

/**
 * Unmasks frames in their order. `model.session()` makes one.
 *
 * A face keeps its number (`track`) from frame to frame. Its crop and its fill are held still while
 * the face is still, and follow without delay when it moves. The detector looks for new faces about
 * five times a second, and wherever the scene changes; between those frames the known faces are
 * followed.
 */
export class Session {
  #send;
  #end;

  /**
   * Use `model.session()`.
   *
   * @param {(source: Source, time?: number) => Promise<import("./result.js").PackedResult>} send Unmasks a frame.
   * @param {() => void} end Forgets the faces.
   */
  constructor(send, end) {
    this.#send = send;
    this.#end = end;
  }

  /**
   * Unmasks the next frame.
   *
   * @param {Source} source It is not changed. Of a video element the frame that it shows.
   * @param {number} [time] Its time in seconds, from any zero: it decides when the detector looks for
   *   new faces. By default a thirtieth of a second after the last frame.
   * @returns {Promise<Result>} Its faces in the order in which they first appeared.
   */
  async frame(source, time) {
    if (time !== undefined && !Number.isFinite(time)) {
      throw new InvalidInputError(`time must be a finite number of seconds; got ${show(time)}`);
    }
    return new Result(await this.#send(source, time));
  }

  /** Forgets the faces; later frames are rejected. The model stays open. May be called twice. */
  close() {
    this.#end();
  }
}
