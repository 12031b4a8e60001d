/**
 * Grain: gives a fill noise of the same strength and frequencies as the photo around it.
 *
 * A network generates smooth images, and a crop has no more detail than its pixels. A photo has more:
 * noise of the sensor and of compression, and the fine texture of skin. This is measured on the skin
 * that stays visible, and what the fill lacks of it is added: never more than the flattest parts of
 * the photo have, and only what a sensor or skin can have. `unmask_sdk/compositing/grain.py` has the
 * reasons for each number.
 *
 * Noise is measured in frequency bands of one octave each and in three opponent color channels, one of
 * brightness and two of hue. The added noise comes from a fixed sheet, at an offset that depends only
 * on the photo, so that it gives the same result every time, and whatever runs the network.
 */

import { crc32 } from "../core/crc32.js";
import { transform } from "../imaging/filter.js";
import { BANDS, SHEET, noiseSheets, splitBands } from "./noise_sheet.js";
import { blockMeans } from "./skin.js";

/** @typedef {import("../imaging/raster.js").Raster} Raster */

// From RGB to brightness and two hues; orthonormal, so that its transpose is its inverse.
const TO_OPPONENT = Float32Array.of(
  3 ** -0.5, 3 ** -0.5, 3 ** -0.5,
  2 ** -0.5, 0, -(2 ** -0.5),
  6 ** -0.5, -2 * 6 ** -0.5, 6 ** -0.5,
);
const FROM_OPPONENT = Float32Array.from([0, 3, 6, 1, 4, 7, 2, 5, 8], (i) => TO_OPPONENT[i]);
/**
 * These fractions are assumed to be flat: of the blocks of skin or of the fill, and of all blocks
 * around the eyes.
 */
export const FLATTEST = 0.15;
export const FLATTEST_OF_ALL = 0.1;
/** With fewer blocks of skin nothing is added, with more than the second number all that is missing. */
export const FEWEST_BLOCKS = 12;
export const ENOUGH_BLOCKS = 24;
/** Noise is even; what exceeds this ratio of the median to the flattest blocks is taken off. */
export const UNEVEN = 2.5;
/** Standard deviations, of 255: weaker noise is invisible. */
export const FAINT = 0.5;
/** The largest standard deviations by band. */
export const STRONGEST = [8, 3.5, 3.5];
/** The largest variances relative to the finest band. */
export const COARSEST = [1, 5, 5];

/**
 * How noise is measured in a face of some size.
 *
 * @typedef {object} GrainScale
 * @property {number} block Side in pixels of the blocks over which noise is averaged.
 * @property {number} bands Number of bands that are noise; coarser ones are features of the face.
 */

/**
 * A part of a photo in which noise is measured.
 *
 * @typedef {object} VisiblePart
 * @property {Raster} pixels uint8, RGB.
 * @property {Raster} kept One channel, a value per block: above 0 where no fill touches it.
 * @property {Raster} skin The same: above 0 for those of them that show only skin.
 */

/**
 * Returns the scale for a face whose crop has this side in the photo, in pixels.
 *
 * @param {number} side
 * @returns {GrainScale}
 */
export function scaleOfFace(side) {
  return { block: side < 256 ? 4 : 8, bands: side < 160 ? 1 : side < 384 ? 2 : 3 };
}

/**
 * Measures the noise that a fill lacks.
 *
 * @param {VisiblePart} photo The photo around the eyes.
 * @param {Raster} fill uint8, RGB, at the photo's resolution.
 * @param {Raster} filled One channel, a value per block: above 0 where it hides the photo.
 * @param {GrainScale} scale For the size of the face.
 * @returns {Float32Array} Strengths (standard deviations, of 255) `[3, BANDS]` by opponent channel
 *   and band; 0 where the fill lacks no visible noise, or too little skin is kept to measure.
 */
export function missingGrain(photo, fill, filled, scale) {
  const known = (count(photo.skin) - FEWEST_BLOCKS) / (ENOUGH_BLOCKS - FEWEST_BLOCKS);
  const strengths = new Float32Array(3 * BANDS);
  if (known <= 0 || count(filled) < FEWEST_BLOCKS) return strengths;
  const around = blockVariances(photo.pixels, scale);
  const inFill = blockVariances(fill, scale);
  const sheet = inSheet(scale.block, FLATTEST);
  const sheetOfAll = inSheet(scale.block, FLATTEST_OF_ALL);
  for (let channel = 0; channel < 3; channel++) {
    const lacks = [];
    for (let band = 0; band < scale.bands; band++) {
      const values = around[band];
      // Noise is everywhere in a photo; what skin alone has is shine and stubble.
      const everywhere =
        (flattest(chosen(values, photo.kept, channel), FLATTEST_OF_ALL) * sheet[band]) / sheetOfAll[band];
      const inPhoto = Math.min(evenPart(chosen(values, photo.skin, channel)), everywhere);
      lacks.push(Math.max(inPhoto - flattest(chosen(inFill[band], filled, channel), FLATTEST), 0));
    }
    unmix(lacks, scale.block).forEach((variance, band) => {
      const strength = Math.fround(Math.min(known, 1) * Math.sqrt(variance));
      if (strength >= FAINT) strengths[channel * BANDS + band] = strength;
    });
  }
  return strengths;
}

/**
 * Returns variances by band, block and opponent channel.
 *
 * @param {Raster} image uint8, RGB.
 * @param {GrainScale} scale For the size of the face.
 * @returns {Raster[]} One image per band, float32, three channels, a pixel per block.
 */
export function blockVariances(image, { block, bands }) {
  const channels = transform(image, TO_OPPONENT);
  return splitBands(channels, bands).map((data) => meanSquares({ ...channels, data }, block));
}

/**
 * Returns an image with grain added.
 *
 * @param {Raster} image uint8, RGB: the fill blended into the photo.
 * @param {Raster} opacity float32, one channel, 0..1: the share of the fill in each pixel.
 * @param {Float32Array} strengths From `missingGrain`.
 * @param {[number, number]} place The pixel (x, y) of the repeating sheet that is added to the first
 *   pixel.
 * @returns {Raster & { data: Uint8Array<ArrayBuffer> }}
 */
export function addGrain(image, opacity, strengths, [left, top]) {
  const { width, height } = image;
  const grainy = new Uint8ClampedArray(image.data.length);
  const shares = new Float32Array(width);
  const noise = [0, 1, 2].map(() => new Float32Array(width));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const opaque = opacity.data[y * width + x];
      // Where photo and fill are mixed, the photo has some noise itself; variances add up.
      shares[x] = Math.sqrt(opaque * (2 - opaque));
    }
    noise.forEach((row, channel) => {
      row.fill(0);
      addSheets(row, noiseSheets()[channel], strengths.subarray(channel * BANDS), left, top + y);
      for (let x = 0; x < width; x++) row[x] *= shares[x];
    });
    addToRow(image.data, noise, grainy, 3 * y * width);
  }
  return { ...image, data: new Uint8Array(grainy.buffer) };
}

/**
 * @param {Float32Array} row
 * @param {Float32Array[]} sheets By band.
 * @param {Float32Array} strengths By band.
 * @param {number} left
 * @param {number} top
 */
function addSheets(row, sheets, strengths, left, top) {
  sheets.forEach((sheet, band) => {
    const strength = strengths[band];
    if (!strength) return;
    // SHEET is a power of two.
    const start = (top & (SHEET - 1)) * SHEET;
    for (let x = 0; x < row.length; x++) row[x] += strength * sheet[start + ((left + x) & (SHEET - 1))];
  });
}

/**
 * Adds noise, turned from opponent channels to RGB, to a row of an image.
 *
 * @param {ArrayLike<number>} data
 * @param {Float32Array[]} noise By opponent channel.
 * @param {Uint8ClampedArray} grainy Rounds, halves to the even neighbor, and clips.
 * @param {number} start Of the row.
 */
function addToRow(data, [light, first, second], grainy, start) {
  const [a, b, c, d, e, f, g, h, k] = FROM_OPPONENT;
  for (let x = 0, i = start; x < light.length; x++, i += 3) {
    const p = light[x];
    const q = first[x];
    const r = second[x];
    grainy[i] = data[i] + a * p + b * q + c * r;
    grainy[i + 1] = data[i + 1] + d * p + e * q + f * r;
    grainy[i + 2] = data[i + 2] + g * p + h * q + k * r;
  }
}

/**
 * Returns which place (x, y) of the sheet lies on the photo's first pixel: a hash of pixels.
 *
 * @param {Raster} pixels uint8, RGB: the part of the photo around the eyes.
 * @returns {[number, number]}
 */
export function grainOffset({ data, width, height }) {
  const bytes = [];
  for (let y = 0; y < height; y += 8) {
    for (let x = 0; x < width; x += 8) {
      const i = 3 * (y * width + x);
      bytes.push(data[i], data[i + 1], data[i + 2]);
    }
  }
  const digest = crc32(Uint8Array.from(bytes));
  return [digest % SHEET, Math.floor(digest / SHEET) % SHEET];
}

/**
 * @param {Raster} values float32.
 * @param {number} block
 */
function meanSquares(values, block) {
  const data = new Float32Array(values.data.length);
  for (let i = 0; i < data.length; i++) data[i] = values.data[i] * values.data[i];
  return blockMeans({ ...values, data }, block);
}

/** @param {Raster} blocks */
function count({ data }) {
  let above = 0;
  for (const value of data) above += value > 0 ? 1 : 0;
  return above;
}

/**
 * Returns the values of one channel in some blocks, ascending.
 *
 * @param {Raster} values
 * @param {Raster} blocks
 * @param {number} channel
 */
function chosen({ data, channels }, blocks, channel) {
  const found = [];
  for (let i = 0; i < blocks.data.length; i++) {
    if (blocks.data[i] > 0) found.push(data[i * channels + channel]);
  }
  return Float64Array.from(found).sort();
}

/**
 * Returns a quantile.
 *
 * @param {ArrayLike<number>} ascending
 * @param {number} share
 */
function flattest(ascending, share) {
  return ascending[Math.trunc(share * ascending.length)];
}

/**
 * Returns the flattest part of skin, less where skin is uneven: hair, wrinkles and shine.
 *
 * @param {ArrayLike<number>} ascending
 */
function evenPart(ascending) {
  const flat = flattest(ascending, FLATTEST);
  return flat * Math.min(1, (UNEVEN * flat) / Math.max(flattest(ascending, 0.5), 1e-9));
}

/**
 * Returns the variances of the sheets whose sum measures nearest to the given variances.
 *
 * Filters overlap, so each sheet is also measured in other bands. The solution is a least-squares fit
 * by multiplicative updates, within the limits of each band: its own measured variance, `STRONGEST`
 * and `COARSEST`.
 *
 * @param {number[]} variances By band.
 * @param {number} block
 */
function unmix(variances, block) {
  const measured = leaks(block, FLATTEST);
  const bands = variances.map((_, band) => band);
  const target = bands.map((band) => variances[band] / measured[band][band]);
  const share = bands.map((row) => bands.map((column) => measured[row][column] / measured[row][row]));
  const limits = bands.map((band) => Math.min(target[band], STRONGEST[band] ** 2));
  let mixture = limits.map((limit) => Math.max(limit, 1e-9));
  for (let round = 0; round < 15; round++) {
    const sums = bands.map((row) => bands.reduce((sum, k) => sum + mixture[k] * share[row][k], 0));
    const old = mixture;
    mixture = bands.map((band) => {
      const wanted = bands.reduce((sum, row) => sum + target[row] * share[row][band], 0);
      const got = bands.reduce((sum, row) => sum + sums[row] * share[row][band], 0);
      return Math.min((old[band] * (wanted + 1e-9)) / (got + 1e-9), limits[band]);
    });
    const finest = mixture[0];
    mixture = mixture.map((value, band) => Math.min(value, finest * COARSEST[band]));
  }
  return mixture;
}

/** @type {Map<number, Float32Array[][]>} */
const measuredSheets = new Map();

/**
 * Returns what each band (row) measures of a sheet of strength 1 (column).
 *
 * @param {number} block
 * @param {number} share
 */
function leaks(block, share) {
  let columns = measuredSheets.get(block);
  if (!columns) {
    columns = noiseSheets()[0].map((data) => {
      const sheet = { data, width: SHEET, height: SHEET, channels: 1 };
      return splitBands(sheet).map((band) => {
        return Float32Array.from(meanSquares({ ...sheet, data: band }, block).data).sort();
      });
    });
    measuredSheets.set(block, columns);
  }
  const measured = columns;
  return measured.map((_, row) => measured.map((column) => flattest(column[row], share)));
}

/**
 * Returns what each band measures of its own sheet of strength 1.
 *
 * @param {number} block
 * @param {number} share
 */
function inSheet(block, share) {
  return leaks(block, share).map((row, band) => row[band]);
}
