/**
 * Temporal smoothing of the fill: an average over the last frames where nothing moves.
 *
 * What a network generates under a mask changes a little with every change of its input, including
 * camera noise. Fill and mask are averaged over the last frames, in crop coordinates. The average
 * of the inputs is kept as well: wherever the current input differs from it by more than noise, the
 * current fill is used. So the fill of moving parts does not lag.
 */

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

/** Smooths the fill and the mask of one face over the frames. */
export class FillSmoother {
  constructor() {
    /** @type {Float32Array[] | null} */
    this._input = null;
    this._fill = new Float32Array(0);
    this._mask = new Float32Array(0);
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
      return { unmasked, mask };
    }
    const share = motionShare(current, this._input);
    this._input.forEach((plane, channel) => {
      for (let i = 0; i < plane.length; i++) plane[i] += share[i] * (current[channel][i] - plane[i]);
    });
    const fine = enlargeMap(share, CELLS, mask.width);
    const smoothMask = new Uint8Array(mask.data.length);
    const fill = new Uint8Array(unmasked.data.length);
    for (let i = 0; i < smoothMask.length; i++) {
      this._mask[i] += fine[i] * (mask.data[i] - this._mask[i]);
      smoothMask[i] = roundHalfToEven(this._mask[i]);
      for (let c = 3 * i; c < 3 * i + 3; c++) {
        this._fill[c] += fine[i] * (unmasked.data[c] - this._fill[c]);
        fill[c] = smoothMask[i] > 0 ? roundHalfToEven(this._fill[c]) : original.data[c];
      }
    }
    return { unmasked: { ...unmasked, data: fill }, mask: { ...mask, data: smoothMask } };
  }
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
