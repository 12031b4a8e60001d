/** The fixed sheet of noise from which grain is made: the same values as in the package for Python. */

import { gaussianBlur } from "../imaging/filter.js";
import { cropRaster } from "../imaging/raster.js";

/** @typedef {import("../imaging/raster.js").Raster} Raster */

/** Octaves, the finest first: what Gaussian blurs with a sigma of 0.8, 1.6 and 3.2 pixels remove. */
export const BANDS = 3;
const FINEST = 0.8;
/** Side of the sheet of noise in pixels. */
export const SHEET = 256;
// Pixels around the sheet, so that it can be tiled.
const EDGE = 32;
// Words of four random bytes whose sum is one value.
const WORDS = 3;

/** @type {Float32Array[][] | undefined} */
let sheets;

/**
 * Returns noise of strength 1, tileable, by channel and band: `SHEET * SHEET` values each.
 *
 * @returns {Float32Array[][]}
 */
export function noiseSheets() {
  sheets ??= makeSheets();
  return sheets;
}

/**
 * Splits an image into its finest frequency bands (differences of Gaussians).
 *
 * @param {Raster} image float32.
 * @param {number} [count]
 * @returns {Float32Array[]} Values of one band each, in the image's layout.
 */
export function splitBands(image, count = BANDS) {
  const bands = [];
  let done = 0;
  for (let band = 0; band < count; band++) {
    const sigma = FINEST * 2 ** band;
    const more = Math.sqrt(sigma ** 2 - done ** 2);
    const blurred = gaussianBlur(image, 2 * Math.ceil(2.5 * more) + 1, more);
    bands.push(differenceOf(image.data, blurred.data));
    image = blurred;
    done = sigma;
  }
  return bands;
}

/**
 * @param {ArrayLike<number>} one
 * @param {ArrayLike<number>} other
 */
export function differenceOf(one, other) {
  const difference = new Float32Array(one.length);
  for (let i = 0; i < one.length; i++) difference[i] = one[i] - other[i];
  return difference;
}

function makeSheets() {
  /** @type {Float32Array[][]} */
  const made = [[], [], []];
  for (let band = 0; band < BANDS; band++) {
    const side = SHEET + 2 * EDGE;
    const data = splitBands(tiled(whiteNoise(band)), band + 1)[band];
    const inner = cropRaster({ data, width: side, height: side, channels: 3 }, EDGE, EDGE, side - EDGE, side - EDGE);
    for (let channel = 0; channel < 3; channel++) {
      const plane = new Float32Array(SHEET * SHEET);
      for (let i = 0; i < plane.length; i++) plane[i] = inner.data[3 * i + channel];
      const strength = deviation(plane);
      for (let i = 0; i < plane.length; i++) plane[i] /= strength;
      made[channel].push(plane);
    }
  }
  return made;
}

/**
 * Returns white noise for one band: near-normal values whose bits come from a hash of their place.
 *
 * @param {number} band
 * @returns {Float32Array} `[SHEET, SHEET, 3]`.
 */
export function whiteNoise(band) {
  const length = SHEET * SHEET * 3;
  const noise = new Float32Array(length);
  const bytes = 4 * WORDS;
  for (let i = 0, word = band * length * WORDS; i < length; i++) {
    let sum = 0;
    for (let n = 0; n < WORDS; n++, word++) {
      const bits = hash(word);
      sum += (bits & 255) + ((bits >>> 8) & 255) + ((bits >>> 16) & 255) + (bits >>> 24);
    }
    // The mean of a byte is 127.5, its variance 65535 / 12.
    noise[i] = (sum - 127.5 * bytes) / Math.sqrt((bytes * 65535) / 12);
  }
  return noise;
}

/**
 * Returns 32 bits that look random (Chris Wellons, *Prospecting for Hash Functions*, lowbias32).
 *
 * @param {number} word
 */
function hash(word) {
  let bits = Math.imul(word ^ (word >>> 16), 0x7feb352d);
  bits = Math.imul(bits ^ (bits >>> 15), 0x846ca68b);
  return (bits ^ (bits >>> 16)) >>> 0;
}

/**
 * Returns a sheet with a part of itself repeated on each side.
 *
 * @param {Float32Array} sheet
 * @returns {Raster}
 */
function tiled(sheet) {
  const side = SHEET + 2 * EDGE;
  const data = new Float32Array(side * side * 3);
  for (let y = 0, i = 0; y < side; y++) {
    const row = ((y + SHEET - EDGE) % SHEET) * SHEET;
    for (let x = 0; x < side; x++, i += 3) {
      const place = 3 * (row + ((x + SHEET - EDGE) % SHEET));
      for (let c = 0; c < 3; c++) data[i + c] = sheet[place + c];
    }
  }
  return { data, width: side, height: side, channels: 3 };
}

/** @param {Float32Array} values */
function deviation(values) {
  let sum = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return Math.sqrt(squares / values.length);
}
