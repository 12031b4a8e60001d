/** A black-and-white photo gets a black-and-white fill. */

import { roundHalfToEven } from "../imaging/raster.js";

/** @typedef {import("../imaging/raster.js").Raster} Raster */

/** A crop whose channels differ by at most this much is black and white. */
export const MAX_CHANNEL_DIFFERENCE = 2;
/** Weights of R, G and B in luma (ITU-R BT.601). */
export const LUMA = [0.299, 0.587, 0.114];

/**
 * Returns whether a crop is black and white.
 *
 * @param {Raster} crop uint8, RGB.
 */
export function isGrayscale({ data }) {
  for (let i = 0; i < data.length; i += 3) {
    if (
      Math.abs(data[i] - data[i + 1]) > MAX_CHANNEL_DIFFERENCE ||
      Math.abs(data[i + 1] - data[i + 2]) > MAX_CHANNEL_DIFFERENCE
    ) {
      return false;
    }
  }
  return true;
}

/**
 * Returns a black-and-white crop without color where it was generated.
 *
 * @param {Raster} original uint8, RGB: the crop before.
 * @param {Raster} unmasked uint8, RGB: the crop with the generated fill.
 * @param {Raster} mask uint8, one channel, above 0 where the crop was generated.
 * @returns {Raster} uint8, RGB.
 */
export function grayscaleFill(original, unmasked, mask) {
  const data = Uint8Array.from(original.data);
  const fill = unmasked.data;
  for (let pixel = 0, i = 0; i < data.length; pixel++, i += 3) {
    if (mask.data[pixel] > 0) {
      data.fill(roundHalfToEven(LUMA[0] * fill[i] + LUMA[1] * fill[i + 1] + LUMA[2] * fill[i + 2]), i, i + 3);
    }
  }
  return { ...original, data };
}
