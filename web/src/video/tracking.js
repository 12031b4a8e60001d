/**
 * Tracks faces from frame to frame.
 *
 * The detector looks for faces a few times a second. Between those frames the aligner alone follows
 * each face from where it is expected, which costs a fifth. The detector looks at once where the
 * scene changes, and where following a face is in doubt.
 */

import { newTexture } from "../compositing/blend.js";
import { LandmarkSmoother } from "./eye_smoothing.js";
import { FillSmoother } from "./fill_smoothing.js";

/** @typedef {import("../imaging/raster.js").Raster} Raster */
/** @typedef {import("../faces/align.js").Point} Point */
/** @typedef {import("../faces/locator.js").Location} Location */
/** @typedef {import("../faces/locator.js").Locator} Locator */

/** Longest time in seconds between two frames in which the detector looks for faces. */
export const DETECTION_INTERVAL = 0.2;
// Assumed time between frames that come without a time, in seconds.
const FRAME_TIME = 1 / 30;
/**
 * Faces of consecutive frames are the same if they are at most this many eye distances apart, and
 * neither is larger than the other by more than this factor.
 */
export const MAX_STEP = 1.5;
export const MAX_GROWTH = 1.6;
// Between detections a face is followed with at least this score of the aligner; below it the
// detector looks.
const MIN_SURE = 0.8;
// The aligner is exact where a face is at most this many eye distances from where it is expected;
// farther away, it looks again.
const FAR = 0.1;
/**
 * A face that the detector misses is followed by the aligner, with at least this score, for at most
 * this many consecutive frames.
 */
export const MIN_FOLLOWED = 0.6;
export const MAX_MISSED = 15;
// Two faces closer than this many eye distances are the same face.
const SAME = 0.7;
// Of two faces closer than this many eye distances, one may cover the other. If the detector misses
// one of them, it is the covered one, and nothing is painted there.
const COVERED = 1.5;
// The scene changes where a sample of about this many columns and rows differs by at least this
// much, of 255, on average.
const SAMPLES = 48;
const SCENE_CHANGE = 25;

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
    /** Motion of the eyes in pixels per second. @type {Point} */
    this.velocity = [0, 0];
    /** Consecutive frames in which the detector looked and did not find it. */
    this.missed = 0;
    this.landmarkSmoother = new LandmarkSmoother();
    this.fillSmoother = new FillSmoother();
    // Of the frame in which the detector looked last: measuring it takes as long as blending.
    this.texture = newTexture();
  }
}

/** Tracks all faces of a sequence of frames. */
export class Tracker {
  /**
   * @param {Locator} locator Finds the faces.
   * @param {{ smooth?: boolean }} [options] `smooth`: whether faces are followed and their eye
   *     points smoothed; otherwise the detector looks at every frame, and the locator's points are
   *     used.
   */
  constructor(locator, { smooth = true } = {}) {
    this._locator = locator;
    this._smooth = smooth;
    /** @type {Track[]} */
    this._tracks = [];
    this._count = 0;
    // So that a first frame without a time is at 0.
    this._time = -FRAME_TIME;
    this._detected = -Infinity;
    /** @type {{ width: number, height: number, data: Uint8Array } | null} */
    this._sample = null;
  }

  /**
   * Finds the faces of the next frame.
   *
   * @param {Raster} image uint8 RGB.
   * @param {number} [time] Its time in seconds, from any zero; by default a thirtieth after the last.
   * @returns {Promise<Track[]>} Its faces, in the order of appearance. The same `Track` objects are
   *     updated and returned for every frame.
   */
  async update(image, time) {
    const now = time ?? this._time + FRAME_TIME;
    const passed = now - this._time;
    this._time = now;
    const cut = this._sceneChanged(image);
    if (passed < 0 || cut) this._detected = -Infinity;
    const known = this._tracks.map((track) => ({ track, center: center(track.eyes) }));
    let seen = this._detectionIsDue() ? null : await this._followed(image, passed);
    if (seen === null) {
      seen = await this._detect(image, cut);
      this._detected = this._time;
      for (const track of seen) track.texture = newTexture();
    }
    for (const track of seen) {
      const eyes = track.location.points.slice(0, 2);
      track.eyes = this._smooth ? track.landmarkSmoother.update(image, eyes) : eyes;
    }
    for (const { track, center: before } of known) {
      const [x, y] = center(track.eyes);
      const seconds = Math.max(passed, 1e-3);
      track.velocity = [(x - before[0]) / seconds, (y - before[1]) / seconds];
    }
    this._tracks = seen.sort((one, other) => one.number - other.number);
    return [...this._tracks];
  }

  /** Whether the detector has to look at this frame. */
  _detectionIsDue() {
    const doubtful = this._tracks.some((track) => track.missed > 0);
    // A frame's time may be rounded.
    const waited = this._time - this._detected >= DETECTION_INTERVAL - 1e-3;
    return !this._smooth || doubtful || waited;
  }

  /**
   * Compares a frame with the last one, by a sample of its pixels.
   *
   * @param {Raster} image
   */
  _sceneChanged(image) {
    const last = this._sample;
    const sample = sampled(image);
    this._sample = sample;
    if (last === null || last.width !== sample.width || last.height !== sample.height) return true;
    let sum = 0;
    sample.data.forEach((value, i) => (sum += Math.abs(value - last.data[i])));
    return sum >= SCENE_CHANGE * sample.data.length;
  }

  /**
   * Follows all faces with the aligner alone; `null` if one of them is in doubt.
   *
   * @param {Raster} image
   * @param {number} passed Seconds since the last frame.
   */
  async _followed(image, passed) {
    const expected = this._tracks.map(({ location, velocity }) => {
      const shift = /** @type {Point} */ ([velocity[0] * passed, velocity[1] * passed]);
      return shifted(location, shift);
    });
    let found = await this._locator.follow(image, expected);
    if (found.some((location, i) => step(expected[i], location) > FAR)) {
      found = await this._locator.follow(image, found);
    }
    const doubtful = found.some(
      (location, i) =>
        location.score < MIN_SURE ||
        step(this._tracks[i].location, location) > MAX_STEP ||
        found.slice(0, i).some((other) => distance(location, other) <= COVERED),
    );
    if (doubtful) return null;
    this._tracks.forEach((track, i) => {
      // The detector's part of the score is that of its last look.
      track.location = { ...found[i], score: track.location.score };
    });
    return [...this._tracks];
  }

  /**
   * Finds all faces with the detector; faces that it misses are followed for a while.
   *
   * @param {Raster} image
   * @param {boolean} cut Whether the scene changed.
   */
  async _detect(image, cut) {
    const found = await this._locator.locate(image);
    const pairs = match(this._tracks.map((track) => track.location), found);
    if (cut) {
      // Another person may be where one was before.
      for (const [index, partner] of pairs) {
        const eyes = found[partner].points.slice(0, 2);
        if (!this._tracks[index].landmarkSmoother.recognizes(image, eyes)) pairs.delete(index);
      }
    }
    const seen = [];
    this._tracks.forEach((track, index) => {
      const partner = pairs.get(index);
      if (partner !== undefined) {
        track.location = found[partner];
        track.missed = 0;
        seen.push(track);
      }
    });
    if (!cut) {
      const lost = this._tracks.filter((track, i) => !pairs.has(i) && track.missed < MAX_MISSED);
      seen.push(...(await this._followedThoughMissed(image, lost, found)));
    }
    const known = new Set(pairs.values());
    found.forEach((location, index) => {
      if (!known.has(index)) seen.push(new Track(this._count++, location));
    });
    return seen;
  }

  /**
   * Looks for the faces that the detector missed near their previous location.
   *
   * @param {Raster} image
   * @param {Track[]} lost
   * @param {Location[]} found
   */
  async _followedThoughMissed(image, lost, found) {
    /** @type {Track[]} */
    const kept = [];
    const locations = await this._locator.follow(image, lost.map((track) => track.location));
    for (const [index, track] of lost.entries()) {
      const location = locations[index];
      if (
        location.score >= MIN_FOLLOWED &&
        step(track.location, location) <= MAX_STEP &&
        found.every((other) => distance(location, other) > COVERED) &&
        kept.every((other) => step(location, other.location) > SAME)
      ) {
        track.location = location;
        track.missed += 1;
        kept.push(track);
      }
    }
    return kept;
  }
}

/**
 * Returns a sample of an image's pixels.
 *
 * @param {Raster} image
 */
function sampled({ data, width, height }) {
  const [right, down] = [width, height].map((side) => Math.max(1, Math.floor(side / SAMPLES)));
  const rows = [];
  for (let y = down >> 1; y < height; y += down) {
    for (let x = right >> 1; x < width; x += right) {
      const i = 3 * (y * width + x);
      rows.push(data[i], data[i + 1], data[i + 2]);
    }
  }
  return { width, height, data: Uint8Array.from(rows) };
}

/**
 * @param {Location} face
 * @param {Point} shift
 * @returns {Location}
 */
function shifted({ box: [x0, y0, x1, y1], points, score }, [x, y]) {
  return {
    box: [x0 + x, y0 + y, x1 + x, y1 + y],
    points: points.map(([px, py]) => [px + x, py + y]),
    score,
  };
}

/**
 * @param {Point[]} eyes
 * @returns {Point}
 */
function center([left, right]) {
  return [(left[0] + right[0]) / 2, (left[1] + right[1]) / 2];
}

/**
 * Matches the faces of two frames, nearest first; index before to index after.
 *
 * @param {Location[]} before
 * @param {Location[]} after
 */
function match(before, after) {
  const steps = before.flatMap((a, i) => after.map((b, j) => ({ far: step(a, b), i, j })));
  steps.sort((a, b) => a.far - b.far || a.i - b.i || a.j - b.j);
  /** @type {Map<number, number>} */
  const pairs = new Map();
  const taken = new Set();
  for (const { far, i, j } of steps) {
    if (far <= MAX_STEP && !pairs.has(i) && !taken.has(j)) {
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
  const [a, b] = [eyeDistance(one), eyeDistance(other)];
  return Math.max(a, b) > MAX_GROWTH * Math.min(a, b) ? Infinity : distance(one, other);
}

/**
 * Returns the distance of two faces in eye distances of the smaller one.
 *
 * @param {Location} one
 * @param {Location} other
 */
function distance(one, other) {
  const [[ax, ay], [bx, by]] = [one, other].map(({ points: [left, right] }) => center([left, right]));
  return Math.hypot(ax - bx, ay - by) / Math.max(Math.min(eyeDistance(one), eyeDistance(other)), 1);
}

/** @param {Location} face */
function eyeDistance({ points: [left, right] }) {
  return Math.hypot(right[0] - left[0], right[1] - left[1]);
}
