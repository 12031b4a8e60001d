/** Filters of images, as OpenCV 5 computes them. */

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
 * @param {Raster} image
 * @param {Float32Array} kernel
 */
function blurFloats(image, kernel) {
  const { data, width, height, channels } = image;
  const reach = kernel.length >> 1;
  const length = width * channels;
  const rows = new Float32Array(data.length);
  const columns = mirroredIndices(width, reach).map((column) => column * channels);
  for (let y = 0, i = 0; y < height; y++) {
    const base = y * length;
    for (let x = 0; x < width; x++) {
      const inside = x >= reach && x < width - reach;
      for (let c = 0; c < channels; c++, i++) {
        let sum = kernel[reach] * data[i];
        for (let d = 1; d <= reach; d++) {
          const before = inside ? i - d * channels : base + columns[x + reach - d] + c;
          const after = inside ? i + d * channels : base + columns[x + reach + d] + c;
          sum += kernel[reach + d] * (data[before] + data[after]);
        }
        rows[i] = sum;
      }
    }
  }
  const lines = mirroredIndices(height, reach).map((line) => line * length);
  const blurred = new Float32Array(data.length);
  for (let y = 0; y < height; y++) {
    const target = y * length;
    for (let x = 0; x < length; x++) blurred[target + x] = kernel[reach] * rows[target + x];
    for (let d = 1; d <= reach; d++) {
      const above = lines[y + reach - d];
      const below = lines[y + reach + d];
      const weight = kernel[reach + d];
      for (let x = 0; x < length; x++) {
        blurred[target + x] += weight * (rows[above + x] + rows[below + x]);
      }
    }
  }
  return { data: blurred, width, height, channels };
}

/**
 * Blurs bytes with weights in 256ths, whose rounding errors are passed on to the next weight.
 *
 * @param {Raster} image
 * @param {number[]} kernel
 */
function blurBytes(image, kernel) {
  const { data, width, height, channels } = image;
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
  const length = width * channels;
  const rows = new Int32Array(data.length);
  const columns = mirroredIndices(width, reach).map((column) => column * channels);
  for (let y = 0, i = 0; y < height; y++) {
    const base = y * length;
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++, i++) {
        let value = 0;
        for (let d = 0; d < weights.length; d++) value += weights[d] * data[base + columns[x + d] + c];
        rows[i] = value;
      }
    }
  }
  const lines = mirroredIndices(height, reach).map((line) => line * length);
  const blurred = new Uint8Array(data.length);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < length; x++, i++) {
      let value = 32768;
      for (let d = 0; d < weights.length; d++) value += weights[d] * rows[lines[y + d] + x];
      blurred[i] = value >> 16;
    }
  }
  return { data: blurred, width, height, channels };
}

/**
 * Returns the indices from `-reach` to `size + reach`, mirrored without repeating the edge.
 *
 * @param {number} size
 * @param {number} reach
 */
function mirroredIndices(size, reach) {
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
  const [a, b, c, d, e, f, g, h, k] = Array.from(matrix);
  const moved = new Float32Array(data.length);
  for (let i = 0; i < data.length; i += 3) {
    const [x, y, z] = [data[i], data[i + 1], data[i + 2]];
    moved[i] = a * x + b * y + c * z;
    moved[i + 1] = d * x + e * y + f * z;
    moved[i + 2] = g * x + h * y + k * z;
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
  const data = new Uint8Array(one.data.length);
  const [a, b] = [Math.fround(oneWeight), Math.fround(otherWeight)];
  // Half of all ties would be rounded otherwise: OpenCV rounds the second product alone.
  for (let i = 0; i < data.length; i++) {
    data[i] = toByte(Math.fround(a * one.data[i] + Math.fround(b * other.data[i])));
  }
  return { ...one, data };
}

/**
 * Returns two images of bytes blended by the opacity of the other, as `cv2.blendLinear` does.
 *
 * @param {Raster} one
 * @param {Raster} other
 * @param {Raster} opacity float32, one channel, 0..1.
 * @returns {Raster}
 */
export function blendLinear(one, other, opacity) {
  const data = new Uint8Array(one.data.length);
  const { channels } = one;
  const fround = Math.fround;
  for (let pixel = 0, i = 0; i < data.length; pixel++) {
    const share = opacity.data[pixel];
    const rest = fround(1 - share);
    const sum = fround(fround(rest + share) + fround(EPSILON));
    for (let c = 0; c < channels; c++, i++) {
      const both = fround(fround(rest * one.data[i]) + fround(share * other.data[i]));
      data[i] = toByte(fround(both / sum));
    }
  }
  return { ...one, data };
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

/**
 * Rounds and clips to 0..255.
 *
 * @param {number} value
 */
export function toByte(value) {
  return Math.min(Math.max(roundHalfToEven(value), 0), 255);
}
