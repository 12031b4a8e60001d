/** Tracks faces from frame to frame. */

import { LandmarkSmoother } from "./eye_smoothing.js";
import { FillSmoother } from "./fill_smoothing.js";

/** @typedef {import("../imaging/raster.js").Raster} Raster */
/** @typedef {import("../faces/locator.js").Location} Location */
/** @typedef {import("../faces/locator.js").Locator} Locator */

/**
 * Faces of consecutive frames are the same if they are at most this many eye distances apart, and
 * neither is larger than the other by more than this factor.
 */
export const MAX_STEP = 1.5;
export const MAX_GROWTH = 1.6;
/**
 * A face that the detector misses is followed by the aligner, with at least this score, for at most
 * this many consecutive frames.
 */
export const MIN_FOLLOWED = 0.6;
export const MAX_MISSED = 15;
// Two faces closer than this many eye distances are the same face.
const SAME = 0.7;

/** One face over the frames. */
export class Track {
  /**
   * @param {number} number 0, 1, 2, … in the order of appearance; never reused.
   * @param {Location} location Its location in the last frame, from the locator.
   */
  constructor(number, location) {
    this.number = number;
    this.location = location;
    /** The (smoothed) eye points for the crop. */
    this.eyes = location.points.slice(0, 2);
    /** Consecutive frames in which the detector did not find it. */
    this.missed = 0;
    this.landmarkSmoother = new LandmarkSmoother();
    this.fillSmoother = new FillSmoother();
  }
}

/** Tracks all faces of a sequence of frames. */
export class Tracker {
  /**
   * @param {Locator} locator Finds the faces.
   * @param {{ smooth?: boolean }} [options] `smooth`: whether the eye points are smoothed;
   *     otherwise the locator's points are used.
   */
  constructor(locator, { smooth = true } = {}) {
    this._locator = locator;
    this._smooth = smooth;
    /** @type {Track[]} */
    this._tracks = [];
    this._count = 0;
  }

  /**
   * Finds the faces of the next frame.
   *
   * @param {Raster} image uint8 RGB.
   * @returns {Promise<Track[]>} Its faces, in the order of appearance. The same `Track` objects are
   *     updated and returned for every frame.
   */
  async update(image) {
    const found = await this._locator.locate(image);
    const pairs = match(this._tracks.map((track) => track.location), found);
    const seen = [];
    this._tracks.forEach((track, index) => {
      const partner = pairs.get(index);
      if (partner !== undefined) {
        track.location = found[partner];
        track.missed = 0;
        seen.push(track);
      }
    });
    const lost = this._tracks.filter((track, index) => !pairs.has(index) && track.missed < MAX_MISSED);
    seen.push(...(await this._followed(image, lost, found)));
    const known = new Set(pairs.values());
    found.forEach((location, index) => {
      if (!known.has(index)) seen.push(new Track(this._count++, location));
    });
    for (const track of seen) {
      const eyes = track.location.points.slice(0, 2);
      track.eyes = this._smooth ? track.landmarkSmoother.update(image, eyes) : eyes;
    }
    this._tracks = seen.sort((one, other) => one.number - other.number);
    return [...this._tracks];
  }

  /**
   * Looks for the faces that the detector missed near their previous location.
   *
   * @param {Raster} image
   * @param {Track[]} lost
   * @param {Location[]} found
   */
  async _followed(image, lost, found) {
    const taken = [...found];
    const kept = [];
    const locations = await this._locator.follow(image, lost.map((track) => track.location));
    for (const [index, track] of lost.entries()) {
      const location = locations[index];
      if (
        location.score >= MIN_FOLLOWED &&
        step(track.location, location) <= MAX_STEP &&
        taken.every((other) => step(location, other) > SAME)
      ) {
        track.location = location;
        track.missed += 1;
        taken.push(location);
        kept.push(track);
      }
    }
    return kept;
  }
}

/**
 * Matches the faces of two frames, nearest first; index before to index after.
 *
 * @param {Location[]} before
 * @param {Location[]} after
 */
function match(before, after) {
  const steps = before.flatMap((a, i) => after.map((b, j) => ({ distance: step(a, b), i, j })));
  steps.sort((a, b) => a.distance - b.distance || a.i - b.i || a.j - b.j);
  /** @type {Map<number, number>} */
  const pairs = new Map();
  const taken = new Set();
  for (const { distance, i, j } of steps) {
    if (distance <= MAX_STEP && !pairs.has(i) && !taken.has(j)) {
      pairs.set(i, j);
      taken.add(j);
    }
  }
  return pairs;
}

/**
 * Returns the distance of two faces in eye distances; infinite if their sizes differ.
 *
 * @param {Location} one
 * @param {Location} other
 */
function step(one, other) {
  const [a, b] = [one, other].map(({ points: [left, right] }) => ({
    size: Math.hypot(right[0] - left[0], right[1] - left[1]),
    x: (left[0] + right[0]) / 2,
    y: (left[1] + right[1]) / 2,
  }));
  const smaller = Math.min(a.size, b.size);
  if (Math.max(a.size, b.size) > MAX_GROWTH * smaller) return Infinity;
  return Math.hypot(a.x - b.x, a.y - b.y) / Math.max(smaller, 1);
}
