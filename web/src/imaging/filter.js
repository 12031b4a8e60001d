/**
 * Filters of images, as OpenCV 5 computes them.
 *
 * `Uint8ClampedArray` rounds what is written to it as OpenCV does: halves to the even neighbor.
 */

import { hasFloats, roundHalfToEven, zerosLike } from "./raster.js";

/** @typedef {import("./raster.js").Raster} Raster */

// `blendLinear` adds this to the sum of the weights.
const EPSILON = 1e-5;

/**
 * Blurs an image as `cv2.GaussianBlur` does; beyond the edges it is mirrored.
 *
 * @param {Raster} image
 * @param {number} side Side of the kernel, odd; 0 for as many pixels as sigma needs.
 * @param {number} sigma In pixels; 0 for the weights 1, 4, 6, 4, 1 (only for a side of 5) or 1, 2, 1 (3).
 * @returns {Raster}
 */
export function gaussianBlur(image, side, sigma) {
  const floats = hasFloats(image);
  // OpenCV's kernels of floats are wider.
  const reach = side ? side >> 1 : roundHalfToEven(sigma * (floats ? 8 : 6) + 1) >> 1;
  const kernel = gaussianKernel(reach, sigma);
  return floats ? blurFloats(image, Float32Array.from(kernel)) : blurBytes(image, kernel);
}

/**
 * @param {number} reach
 * @param {number} sigma
 */
function gaussianKernel(reach, sigma) {
  if (sigma === 0) return reach === 1 ? [0.25, 0.5, 0.25] : [1, 4, 6, 4, 1].map((value) => value / 16);
  const values = [];
  for (let d = -reach; d <= reach; d++) values.push(Math.exp((-0.5 * d * d) / (sigma * sigma)));
  const sum = values.reduce((a, b) => a + b, 0);
  return values.map((value) => value / sum);
}

/**
 * Blurs floats. The order of the sums, and that products and sums are rounded once, is that of OpenCV's
 * vector code on processors that can, so that the result is the same bit for bit.
 *
 * @param {Raster} image
 * @param {Float32Array} kernel
 */
function blurFloats({ data, width, height, channels }, kernel) {
  const reach = kernel.length >> 1;
  const length = width * channels;
  const mirrored = mirroredIndices(width, reach);
  const padded = new Float32Array(mirrored.length * channels);
  const rows = new Float32Array(data.length);
  for (let y = 0; y < height; y++) {
    padRow(data, y * length, channels, mirrored, padded);
    const row = rows.subarray(y * length, (y + 1) * length);
    if (reach === 2) blurRowBy5(padded, kernel, channels, row);
    else blurRow(padded, kernel, channels, row);
  }
  const lines = mirroredIndices(height, reach);
  const blurred = new Float32Array(data.length);
  for (let y = 0; y < height; y++) {
    const target = blurred.subarray(y * length, (y + 1) * length);
    const middle = y * length;
    const weight = kernel[reach];
    for (let x = 0; x < length; x++) target[x] = weight * rows[middle + x];
    for (let d = 1; d <= reach; d++) {
      const above = lines[y + reach - d] * length;
      const below = lines[y + reach + d] * length;
      addRows(rows, above, below, kernel[reach + d], target);
    }
  }
  return { data: blurred, width, height, channels };
}

/**
 * @param {Float32Array} rows
 * @param {number} above
 * @param {number} below
 * @param {number} weight
 * @param {Float32Array} target
 */
function addRows(rows, above, below, weight, target) {
  for (let x = 0; x < target.length; x++) {
    target[x] += weight * Math.fround(rows[above + x] + rows[below + x]);
  }
}

/**
 * Copies a row with its mirrored ends.
 *
 * @param {ArrayLike<number>} data
 * @param {number} start
 * @param {number} channels
 * @param {Int32Array} mirrored
 * @param {Float32Array | Int32Array} padded
 */
function padRow(data, start, channels, mirrored, padded) {
  for (let x = 0, i = 0; x < mirrored.length; x++) {
    const place = start + mirrored[x] * channels;
    for (let c = 0; c < channels; c++) padded[i++] = data[place + c];
  }
}

/**
 * @param {Float32Array} padded
 * @param {Float32Array} kernel
 * @param {number} channels
 * @param {Float32Array} row
 */
function blurRow(padded, kernel, channels, row) {
  const first = kernel[0];
  for (let x = 0; x < row.length; x++) row[x] = first * padded[x];
  // Two at a time, which takes half as long.
  for (let d = 1; d < kernel.length; d += 2) {
    const near = d * channels;
    const far = near + channels;
    const weight = kernel[d];
    const next = kernel[d + 1];
    for (let x = 0; x < row.length; x++) {
      row[x] = next * padded[x + far] + Math.fround(weight * padded[x + near] + row[x]);
    }
  }
}

/**
 * @param {Float32Array} padded
 * @param {Float32Array} kernel
 * @param {number} channels
 * @param {Float32Array} row
 */
function blurRowBy5(padded, kernel, channels, row) {
  const fround = Math.fround;
  const [far, near, middle] = kernel;
  for (let x = 0; x < row.length; x++) {
    const center = x + 2 * channels;
    const neighbors = fround(padded[center - channels] + padded[center + channels]);
    const inner = fround(middle * padded[center] + fround(near * neighbors));
    row[x] = inner + far * fround(padded[x] + padded[center + 2 * channels]);
  }
}

/**
 * Blurs bytes with weights in 256ths, whose rounding errors are passed on to the next weight.
 *
 * @param {Raster} image
 * @param {number[]} kernel
 */
function blurBytes({ data, width, height, channels }, kernel) {
  const reach = kernel.length >> 1;
  const weights = wholeWeights(kernel);
  const length = width * channels;
  const mirrored = mirroredIndices(width, reach);
  const padded = new Int32Array(mirrored.length * channels);
  const rows = new Int32Array(data.length);
  for (let y = 0; y < height; y++) {
    padRow(data, y * length, channels, mirrored, padded);
    const row = rows.subarray(y * length, (y + 1) * length);
    for (let d = 0; d < weights.length; d++) {
      const shift = d * channels;
      const weight = weights[d];
      for (let x = 0; x < length; x++) row[x] += weight * padded[x + shift];
    }
  }
  const lines = mirroredIndices(height, reach);
  const blurred = new Uint8Array(data.length);
  const sums = new Int32Array(length);
  for (let y = 0; y < height; y++) {
    sums.fill(32768);
    for (let d = 0; d < weights.length; d++) {
      const line = lines[y + d] * length;
      const weight = weights[d];
      for (let x = 0; x < length; x++) sums[x] += weight * rows[line + x];
    }
    const target = y * length;
    for (let x = 0; x < length; x++) blurred[target + x] = sums[x] >> 16;
  }
  return { data: blurred, width, height, channels };
}

/** @param {number[]} kernel */
function wholeWeights(kernel) {
  const reach = kernel.length >> 1;
  const weights = new Int32Array(kernel.length);
  let error = 0;
  let sum = 0;
  for (let i = 0; i < reach; i++) {
    const exact = kernel[i] * 256 + error;
    weights[i] = weights[kernel.length - 1 - i] = roundHalfToEven(exact);
    error = exact - weights[i];
    sum += 2 * weights[i];
  }
  weights[reach] = 256 - sum;
  return weights;
}

/**
 * Returns the indices from `-reach` to `size + reach`, mirrored without repeating the edge.
 *
 * @param {number} size
 * @param {number} reach
 * @returns {Int32Array}
 */
export function mirroredIndices(size, reach) {
  return Int32Array.from({ length: size + 2 * reach }, (_, i) => {
    let index = i - reach;
    while (index < 0 || index >= size) {
      if (size === 1) return 0;
      index = index < 0 ? -index : 2 * size - 2 - index;
    }
    return index;
  });
}

/**
 * Dilates a map of one channel by a disc, as `cv2.dilate` with `MORPH_ELLIPSE` does.
 *
 * @param {Raster} image One channel.
 * @param {number} side Of the disc, odd.
 * @returns {Raster}
 */
export function dilateByDisc(image, side) {
  const { data, width, height } = image;
  const reach = side >> 1;
  const dilated = zerosLike(image, data.length);
  for (let dy = -reach; dy <= reach; dy++) {
    const wide = roundHalfToEven(reach * Math.sqrt((reach * reach - dy * dy) / (reach * reach || 1)));
    for (let y = Math.max(0, -dy); y < Math.min(height, height - dy); y++) {
      const source = (y + dy) * width;
      for (let x = 0; x < width; x++) {
        const value = data[source + x];
        if (!value) continue;
        const first = y * width + Math.max(0, x - wide);
        const last = y * width + Math.min(width - 1, x + wide);
        for (let i = first; i <= last; i++) if (dilated[i] < value) dilated[i] = value;
      }
    }
  }
  return { ...image, data: dilated };
}

/**
 * Returns brightness, as `cv2.cvtColor` with `COLOR_RGB2GRAY` does.
 *
 * @param {Raster} image uint8, RGB.
 * @returns {Raster & { data: Uint8Array<ArrayBuffer> }} uint8, one channel.
 */
export function rgbToGray({ data, width, height }) {
  const gray = new Uint8Array(width * height);
  for (let i = 0, j = 0; i < gray.length; i++, j += 3) {
    gray[i] = (9798 * data[j] + 19235 * data[j + 1] + 3735 * data[j + 2] + 16384) >> 15;
  }
  return { data: gray, width, height, channels: 1 };
}

/**
 * Returns each pixel multiplied by a matrix, as `cv2.transform` does.
 *
 * @param {Raster} image Three channels.
 * @param {ArrayLike<number>} matrix `[3, 3]`, row by row.
 * @returns {Raster & { data: Float32Array<ArrayBuffer> }} float32.
 */
export function transform({ data, width, height }, matrix) {
  const fround = Math.fround;
  const [a, b, c, d, e, f, g, h, k] = Array.from(matrix, fround);
  const moved = new Float32Array(data.length);
  for (let i = 0; i < data.length; i += 3) {
    const x = data[i];
    const y = data[i + 1];
    const z = data[i + 2];
    moved[i] = a * x + fround(b * y + fround(c * z));
    moved[i + 1] = d * x + fround(e * y + fround(f * z));
    moved[i + 2] = g * x + fround(h * y + fround(k * z));
  }
  return { data: moved, width, height, channels: 3 };
}

/**
 * Returns a weighted sum of two images of bytes, as `cv2.addWeighted` does.
 *
 * @param {Raster} one
 * @param {number} oneWeight
 * @param {Raster} other
 * @param {number} otherWeight
 * @returns {Raster}
 */
export function addWeighted(one, oneWeight, other, otherWeight) {
  const fround = Math.fround;
  const sum = new Uint8ClampedArray(one.data.length);
  const [a, b] = [fround(oneWeight), fround(otherWeight)];
  // OpenCV rounds the second product alone, which decides ties.
  for (let i = 0; i < sum.length; i++) {
    sum[i] = fround(a * one.data[i] + fround(b * other.data[i]));
  }
  return { ...one, data: new Uint8Array(sum.buffer) };
}

/**
 * Returns two images of bytes blended by the opacity of the other, as `cv2.blendLinear` does.
 *
 * @param {Raster} one
 * @param {Raster} other
 * @param {Raster} opacity float32, one channel, 0..1.
 * @returns {Raster & { data: Uint8Array<ArrayBuffer> }}
 */
export function blendLinear(one, other, opacity) {
  const fround = Math.fround;
  const { channels } = one;
  const blended = new Uint8ClampedArray(one.data.length);
  for (let pixel = 0, i = 0; i < blended.length; pixel++) {
    const share = opacity.data[pixel];
    const rest = fround(1 - share);
    const sum = fround(fround(rest + share) + fround(EPSILON));
    for (let c = 0; c < channels; c++, i++) {
      const both = fround(fround(rest * one.data[i]) + fround(share * other.data[i]));
      blended[i] = fround(both / sum);
    }
  }
  return { ...one, data: new Uint8Array(blended.buffer) };
}

/**
 * Returns the rectangle around all values above 0, as `cv2.boundingRect` does.
 *
 * @param {Raster} image One channel.
 * @returns {[number, number, number, number] | null} x0, y0, x1, y1; x1 and y1 are exclusive. `null`
 *   if there are none.
 */
export function extent({ data, width, height }) {
  let [x0, y0, x1, y1] = [width, height, 0, 0];
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (data[i] > 0) {
        x0 = Math.min(x0, x);
        x1 = Math.max(x1, x + 1);
        y0 = Math.min(y0, y);
        y1 = y + 1;
      }
    }
  }
  return x1 ? [x0, y0, x1, y1] : null;
}
