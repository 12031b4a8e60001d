/**
 * Temporal smoothing of the eye points, without lag.
 *
 * The locator's eye points jitter from frame to frame, and a jittering crop makes a flickering
 * fill. The motion of the face is measured in the image (`crop_motion.js`). The points are moved by
 * that motion, and corrected towards the locator's points only by a small fraction each frame. So
 * the crop follows a moving head without delay, and the locator's noise is averaged out.
 */

import { cropMatrix, transformPoints, warpCrop } from "../faces/align.js";
import { rgbToGray } from "../imaging/filter.js";
import { invertAffineTransform } from "../imaging/warp.js";
import { SIDE, correlation, cropMotion } from "./crop_motion.js";

/** @typedef {import("../faces/align.js").Point} Point */
/** @typedef {import("../imaging/raster.js").Raster} Raster */

/** Fraction by which the points are corrected towards the locator's points, each frame. */
export const CORRECTION = 0.1;
// If the two differ by more than `FAR` eye distances, the locator's points are used; between
// `NEAR` and `FAR` the fraction increases.
const NEAR = 0.05;
const FAR = 0.15;

// Least correlation of a face's crop with its last one (see the package for Python).
const SAME_FACE = 0.9;

/** Smooths the eye points of one face over the frames. */
export class LandmarkSmoother {
  constructor() {
    /** @type {Point[] | null} */
    this._eyes = null;
    /** @type {{ crop: Uint8Array, matrix: Float64Array } | null} */
    this._seen = null;
  }

  /**
   * Adds the next frame.
   *
   * @param {Raster} image uint8 RGB.
   * @param {Point[]} eyes Two points (x, y) in pixels, from the locator.
   * @returns {Point[]} The smoothed eye points, for `cropMatrix`.
   */
  update(image, eyes) {
    const { crop, matrix } = grayCrop(image, eyes);
    let smooth = copied(eyes);
    if (this._seen !== null && this._eyes !== null) {
      const motion = cropMotion(this._seen.crop, crop);
      if (motion !== null) {
        const inCrop = transformPoints(motion, transformPoints(this._seen.matrix, this._eyes));
        const moved = transformPoints(invertAffineTransform(matrix), inCrop);
        smooth = corrected(moved, eyes);
      }
    }
    this._seen = { crop, matrix };
    this._eyes = smooth;
    return copied(smooth);
  }

  /**
   * Returns whether a face shows what this one showed last, in whatever light.
   *
   * @param {Raster} image uint8 RGB.
   * @param {Point[]} eyes Two points (x, y) in pixels, from the locator.
   */
  recognizes(image, eyes) {
    if (this._seen === null) return false;
    return correlation(this._seen.crop, grayCrop(image, eyes).crop) >= SAME_FACE;
  }
}

/**
 * @param {Raster} image
 * @param {Point[]} eyes
 */
function grayCrop(image, eyes) {
  const matrix = cropMatrix(eyes, SIDE);
  const crop = /** @type {Uint8Array} */ (rgbToGray(warpCrop(image, matrix, SIDE)).data);
  return { crop, matrix };
}

/**
 * @param {Point[]} points
 * @returns {Point[]}
 */
function copied(points) {
  return points.map(([x, y]) => [x, y]);
}

/**
 * Returns the moved points, brought nearer to the locator's points.
 *
 * @param {Point[]} moved
 * @param {Point[]} located
 * @returns {Point[]}
 */
function corrected(moved, located) {
  const steps = located.map(([x, y], i) => [x - moved[i][0], y - moved[i][1]]);
  const distance = Math.hypot(located[1][0] - located[0][0], located[1][1] - located[0][1]);
  const far = Math.max(...steps.map(([x, y]) => Math.hypot(x, y))) / distance;
  const share = CORRECTION + (1 - CORRECTION) * Math.min(Math.max((far - NEAR) / (FAR - NEAR), 0), 1);
  return moved.map(([x, y], i) => [x + share * steps[i][0], y + share * steps[i][1]]);
}
