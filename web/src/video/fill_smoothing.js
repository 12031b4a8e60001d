/**
 * Temporal smoothing of the fill: an average over the last frames where nothing moves.
 *
 * What a network generates under a mask changes a little with every change of its input, including
 * camera noise. Fill and mask are averaged over the last frames, in crop coordinates. The average
 * of the inputs is kept as well: wherever the current input differs from it by more than noise, the
 * current fill is used. So the fill of moving parts does not lag.
 */

import { extent } from "../imaging/filter.js";
import { resize } from "../imaging/resize.js";
import { roundHalfToEven } from "../imaging/raster.js";
import { blurMap, dilateMap, enlargeMap } from "./cell_maps.js";

/** @typedef {import("../imaging/raster.js").Raster} Raster */

/** Weight of the current frame in the average where nothing moves. */
export const STILL_WEIGHT = 0.15;
/**
 * Difference of the input, of 255 and averaged over a cell and its neighbors, from which the average
 * is discarded. Noise with a standard deviation of 3 gives a difference of 0.3.
 */
export const MOTION_THRESHOLD = 5.0;
// Motion is measured in a grid of this many cells per side, and dilated to this many cells: a plain
// mask shows its motion only at its edge.
const CELLS = 64;
const SPREAD = 11;
// Pixels by which the part of a crop that is averaged grows and shrinks.
const STEP = 16;

/**
 * A part of a crop: x0, y0, x1, y1; x1 and y1 are exclusive.
 *
 * @typedef {[number, number, number, number]} Box
 */

/** Smooths the fill and the mask of one face over the frames. */
export class FillSmoother {
  constructor() {
    /** @type {Float32Array[] | null} */
    this._input = null;
    this._fill = new Float32Array(0);
    this._mask = new Float32Array(0);
    /** @type {Box} */
    this._box = [0, 0, 0, 0];
  }

  /**
   * Adds the crop of the next frame.
   *
   * @param {Raster} original uint8 `S x S x 3`, the crop before.
   * @param {Raster} unmasked uint8 `S x S x 3`, the network's output.
   * @param {Raster} mask uint8 `S x S x 1`, the network's mask.
   * @returns {{ unmasked: Raster, mask: Raster }} Smoothed. Where the mask is 0 the fill is
   *     `original` bit for bit.
   */
  update(original, unmasked, mask) {
    const current = cells(original);
    if (this._input === null) {
      this._input = current;
      this._fill = Float32Array.from(unmasked.data);
      this._mask = Float32Array.from(mask.data);
      this._box = covered(mask);
      return { unmasked, mask };
    }
    const share = motionShare(current, this._input);
    this._input.forEach((plane, channel) => {
      for (let i = 0; i < plane.length; i++) plane[i] += share[i] * (current[channel][i] - plane[i]);
    });
    const fine = enlargeMap(share, CELLS, mask.width);
    // Elsewhere nothing is filled: on average half of the crop.
    const average = this._mask;
    const visible = mask.data.map((value, i) => Number(value > 0 || average[i] > 0.5));
    const box = covered({ ...mask, data: visible });
    const smoothMask = new Uint8Array(mask.data.length);
    const fill = Uint8Array.from(original.data);
    for (let y = box[1]; y < box[3]; y++) {
      for (let x = box[0], i = y * mask.width + x; x < box[2]; x++, i++) {
        this._mask[i] += fine[i] * (mask.data[i] - this._mask[i]);
        smoothMask[i] = roundHalfToEven(this._mask[i]);
        // What was not averaged lately begins with this frame.
        const share = holds(this._box, x, y) ? fine[i] : 1;
        for (let c = 3 * i; c < 3 * i + 3; c++) {
          this._fill[c] += share * (unmasked.data[c] - this._fill[c]);
          if (smoothMask[i] > 0) fill[c] = roundHalfToEven(this._fill[c]);
        }
      }
    }
    this._box = box;
    return { unmasked: { ...unmasked, data: fill }, mask: { ...mask, data: smoothMask } };
  }
}

/**
 * Returns the part of a crop that holds a mask, in whole steps.
 *
 * @param {Raster} mask
 * @returns {Box}
 */
function covered(mask) {
  const [x0, y0, x1, y1] = extent(mask) ?? [0, 0, 0, 0];
  const [left, top] = [x0, y0].map((side) => Math.floor(side / STEP) * STEP);
  return [
    left,
    top,
    Math.min(Math.ceil(x1 / STEP) * STEP, mask.width),
    Math.min(Math.ceil(y1 / STEP) * STEP, mask.height),
  ];
}

/**
 * @param {Box} box
 * @param {number} x
 * @param {number} y
 */
function holds([x0, y0, x1, y1], x, y) {
  return x >= x0 && x < x1 && y >= y0 && y < y1;
}

/**
 * Returns the weight of the current frame in each cell.
 *
 * @param {Float32Array[]} current One map per channel.
 * @param {Float32Array[]} average One map per channel.
 */
function motionShare(current, average) {
  const moved = new Float32Array(CELLS * CELLS);
  current.forEach((plane, channel) => {
    const blurred = blurMap(plane.map((value, i) => value - average[channel][i]), CELLS, 3);
    for (let i = 0; i < moved.length; i++) moved[i] = Math.max(moved[i], Math.abs(blurred[i]));
  });
  const wide = dilateMap(moved, CELLS, SPREAD);
  const share = wide.map((value) => Math.min(Math.max(value / MOTION_THRESHOLD, STILL_WEIGHT), 1));
  return blurMap(share, CELLS, 5);
}

/**
 * Returns the means over the cells of a crop, one map per channel.
 *
 * @param {Raster} crop uint8 `S x S x 3`.
 */
function cells(crop) {
  const { data } = resize(crop, CELLS, CELLS, "area");
  return [0, 1, 2].map((channel) =>
    Float32Array.from({ length: CELLS * CELLS }, (_, i) => data[3 * i + channel]),
  );
}
