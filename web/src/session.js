/** The frames of one video or camera, whose faces are followed from frame to frame. */

import { Result } from "./result.js";

/** @typedef {import("./imaging/decode.js").Source} Source */

/**
 * Unmasks frames in their order. `model.session()` makes one.
 *
 * A face keeps its number (`track`) from frame to frame. Its crop and its fill are held still while
 * the face is still, and follow without delay when it moves.
 */
export class Session {
  #send;
  #end;

  /**
   * Use `model.session()`.
   *
   * @param {(source: Source) => Promise<import("./result.js").PackedResult>} send Unmasks a frame.
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
   * @returns {Promise<Result>} Its faces in the order in which they first appeared.
   */
  async frame(source) {
    return new Result(await this.#send(source));
  }

  /** Forgets the faces; later frames are rejected. The model stays open. May be called twice. */
  close() {
    this.#end();
  }
}
