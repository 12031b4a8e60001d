/** Unmasks the frames of one video or camera, and follows its faces between them. */

import { readPhoto } from "../imaging/decode.js";
import { StageTimer } from "../pipeline.js";
import { Tracker } from "./tracking.js";

/** @typedef {import("../imaging/decode.js").PackedSource} PackedSource */
/** @typedef {import("../unmasker.js").Unmasked} Unmasked */
/** @typedef {import("../unmasker.js").Unmasker} Unmasker */
/** @typedef {import("./tracking.js").Track} Track */

/** The worker's part of a session (`src/session.js`). Its calls must not overlap. */
export class FrameSession {
  #unmasker;
  #smooth;
  #tracker;

  /**
   * @param {Unmasker} unmasker
   * @param {{ smooth?: boolean }} [options] `smooth`: whether faces are followed, and crops and
   *   fills smoothed over time; otherwise each frame is unmasked by itself, and faces are numbered
   *   all the same.
   */
  constructor(unmasker, { smooth = true } = {}) {
    this.#unmasker = unmasker;
    this.#smooth = smooth;
    this.#tracker = new Tracker(unmasker.locator, { smooth });
  }

  /**
   * Unmasks the next frame.
   *
   * @param {PackedSource} source
   * @param {number} [time] In seconds, from any zero; by default a thirtieth after the last frame.
   * @returns {Promise<Unmasked>} Its faces in the order in which they first appeared.
   */
  async frame(source, time) {
    const timer = new StageTimer();
    const photo = await readPhoto(source);
    timer.lap("decode");
    const tracks = await this.#tracker.update(photo.pixels, time);
    timer.lap("locate");
    const tasks = tracks.map((track) => this.#task(track));
    const faces = await this.#unmasker.unmaskFaces(photo.pixels, tasks, timer);
    return { photo, faces, timings: timer.laps, notes: photo.notes };
  }

  /** @param {Track} track */
  #task(track) {
    const { location, eyes, number, fillSmoother, texture } = track;
    return {
      location: { ...location, points: [...eyes, ...location.points.slice(2)] },
      smooth: this.#smooth ? fillSmoother.update.bind(fillSmoother) : undefined,
      texture,
      track: number,
    };
  }
}
