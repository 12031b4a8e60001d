/** A black-and-white photo gets a black-and-white fill. */

import { roundHalfToEven } from "../imaging/raster.js";

/** @typedef {import("../imaging/raster.js").Raster} Raster */

/**
 * A face is black and white if the channels of all but a few of its pixels differ by at most this
 * much: JPEG gives gray pixels a little color.
 */
export const MAX_CHANNEL_DIFFERENCE = 8;
export const MAX_COLORED_SHARE = 0.02;
/** The part of a crop's width and height, on each side, that is not the face: there may be text. */
export const MARGIN = 0.2;
/** Weights of R, G and B in luma (ITU-R BT.601). */
export const LUMA = [0.299, 0.587, 0.114];

/**
 * Returns whether the face of a crop is black and white.
 *
 * @param {Raster} crop uint8, RGB.
 */
export function isGrayscale({ data, width, height }) {
  const margin = Math.round(MARGIN * height);
  let colored = 0;
  for (let y = margin; y < height - margin; y++) {
    for (let i = 3 * (y * width + margin); i < 3 * (y * width + width - margin); i += 3) {
      const difference = Math.max(Math.abs(data[i] - data[i + 1]), Math.abs(data[i + 1] - data[i + 2]));
      colored += Number(difference > MAX_CHANNEL_DIFFERENCE);
    }
  }
  return colored <= MAX_COLORED_SHARE * (height - 2 * margin) * (width - 2 * margin);
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
