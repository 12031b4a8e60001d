/**
 * Warps images by affine matrices as OpenCV 5 does: with exact places, not in steps of 1/32 pixel as
 * before. As OpenCV does on processors that can, `linear` multiplies and adds with one rounding; where
 * they cannot, one value in some ten thousand differs by 1.
 */

import { roundHalfToEven, rounding, zerosLike } from "./raster.js";

/** @typedef {import("./raster.js").Raster} Raster */

/**
 * How to warp.
 *
 * @typedef {object} WarpOptions
 * @property {"nearest" | "linear" | "cubic"} interpolation
 * @property {"replicate" | "constant"} border Beyond the image its border pixels are repeated, or all
 *   is 0. `nearest` has `constant` only, `cubic` has `replicate` only.
 * @property {boolean} [inverse] Whether the matrix leads from the result to the image
 *   (`WARP_INVERSE_MAP`); by default from the image to the result.
 */

// OpenCV's cubic has this slope.
const SLOPE = -0.75;

/**
 * Returns a warped image, as `cv2.warpAffine` does.
 *
 * @param {Raster} image
 * @param {ArrayLike<number>} matrix `[2, 3]`, row by row.
 * @param {number} width In pixels, of the result.
 * @param {number} height In pixels, of the result.
 * @param {WarpOptions} options
 * @returns {Raster}
 */
export function warpAffine(image, matrix, width, height, { interpolation, border, inverse = false }) {
  const toImage = Array.from(inverse ? matrix : invertAffineTransform(matrix));
  const data = zerosLike(image, width * height * image.channels);
  const warped = { data, width, height, channels: image.channels };
  if (interpolation === "nearest") warpNearest(image, warped, toImage);
  else if (interpolation === "cubic") warpCubic(image, warped, toImage);
  else warpLinear(image, warped, toImage, border === "replicate");
  return warped;
}

/**
 * Returns the inverse of an affine transform, as OpenCV calculates it.
 *
 * @param {ArrayLike<number>} matrix `[2, 3]`, row by row.
 * @returns {Float64Array}
 */
export function invertAffineTransform({ 0: a, 1: b, 2: c, 3: d, 4: e, 5: f }) {
  const determinant = a * e - b * d;
  const scale = determinant === 0 ? 0 : 1 / determinant;
  const [a11, a22, a12, a21] = [e * scale, a * scale, -b * scale, -d * scale];
  return Float64Array.of(a11, a12, -a11 * c - a12 * f, a21, a22, -a21 * c - a22 * f);
}

/**
 * @param {Raster} source
 * @param {Raster} target
 * @param {number[]} matrix From the target to the source.
 */
function warpNearest({ data, width, height, channels }, target, matrix) {
  const fround = Math.fround;
  const [a, b, c, d, e, f] = matrix.map(fround);
  for (let y = 0, i = 0; y < target.height; y++) {
    const startX = fround(fround(b * y) + c);
    const startY = fround(fround(e * y) + f);
    for (let x = 0; x < target.width; x++) {
      const column = roundHalfToEven(fround(a * x + startX));
      const row = roundHalfToEven(fround(d * x + startY));
      const inside = column >= 0 && row >= 0 && column < width && row < height;
      const place = (row * width + column) * channels;
      for (let k = 0; k < channels; k++, i++) if (inside) target.data[i] = data[place + k];
    }
  }
}

/**
 * @param {Raster} source
 * @param {Raster} target
 * @param {number[]} matrix From the target to the source.
 * @param {boolean} replicate
 */
function warpLinear(source, target, matrix, replicate) {
  const { data, width, height, channels } = source;
  const fround = Math.fround;
  const output = rounding(target);
  const [a, b, c, d, e, f] = matrix.map(fround);
  const row = width * channels;
  for (let y = 0, i = 0; y < target.height; y++) {
    const startX = fround(fround(b * y) + c);
    const startY = fround(fround(e * y) + f);
    for (let x = 0; x < target.width; x++) {
      const placeX = fround(a * x + startX);
      const placeY = fround(d * x + startY);
      const left = Math.floor(placeX);
      const top = Math.floor(placeY);
      const u = fround(placeX - left);
      const v = fround(placeY - top);
      if (left >= 0 && top >= 0 && left < width - 1 && top < height - 1) {
        let place = top * row + left * channels;
        for (let k = 0; k < channels; k++, place++) {
          const below = place + row;
          const upper = mix(data[place], data[place + channels], u);
          const lower = mix(data[below], data[below + channels], u);
          output[i++] = mix(upper, lower, v);
        }
      } else if (replicate || (left >= -1 && top >= -1 && left < width && top < height)) {
        for (let k = 0; k < channels; k++) {
          const upper = mix(pixel(left, top, k), pixel(left + 1, top, k), u);
          const lower = mix(pixel(left, top + 1, k), pixel(left + 1, top + 1, k), u);
          output[i++] = mix(upper, lower, v);
        }
      } else {
        i += channels;
      }
    }
  }

  /** @param {number} x @param {number} y @param {number} k */
  function pixel(x, y, k) {
    const column = Math.min(Math.max(x, 0), width - 1);
    const line = Math.min(Math.max(y, 0), height - 1);
    const inside = replicate || (column === x && line === y);
    return inside ? data[line * row + column * channels + k] : 0;
  }
}

/**
 * @param {number} one
 * @param {number} other
 * @param {number} share Of the other.
 */
function mix(one, other, share) {
  return Math.fround(one + share * Math.fround(other - one));
}

/**
 * @param {Raster} source
 * @param {Raster} target
 * @param {number[]} matrix From the target to the source.
 */
function warpCubic({ data, width, height, channels }, target, matrix) {
  const fround = Math.fround;
  const [a, b, c, d, e, f] = matrix.map(fround);
  const output = rounding(target);
  const row = width * channels;
  for (let y = 0, i = 0; y < target.height; y++) {
    const startX = fround(fround(b * y) + c);
    const startY = fround(fround(e * y) + f);
    for (let x = 0; x < target.width; x++) {
      // Unlike `linear`, with a rounding after each step.
      const placeX = fround(fround(a * x) + startX);
      const placeY = fround(fround(d * x) + startY);
      const left = Math.floor(placeX);
      const top = Math.floor(placeY);
      const u = placeX - left;
      const v = placeY - top;
      const u0 = outerWeight(u);
      const u1 = innerWeight(u);
      const u2 = innerWeight(1 - u);
      const u3 = 1 - u0 - u1 - u2;
      const v0 = outerWeight(v);
      const v1 = innerWeight(v);
      const v2 = innerWeight(1 - v);
      const v3 = 1 - v0 - v1 - v2;
      const x0 = clip(left - 1, width) * channels;
      const x1 = clip(left, width) * channels;
      const x2 = clip(left + 1, width) * channels;
      const x3 = clip(left + 2, width) * channels;
      let y0 = clip(top - 1, height) * row;
      let y1 = clip(top, height) * row;
      let y2 = clip(top + 1, height) * row;
      let y3 = clip(top + 2, height) * row;
      for (let k = 0; k < channels; k++, y0++, y1++, y2++, y3++) {
        output[i++] =
          v0 * (u0 * data[y0 + x0] + u1 * data[y0 + x1] + u2 * data[y0 + x2] + u3 * data[y0 + x3]) +
          v1 * (u0 * data[y1 + x0] + u1 * data[y1 + x1] + u2 * data[y1 + x2] + u3 * data[y1 + x3]) +
          v2 * (u0 * data[y2 + x0] + u1 * data[y2 + x1] + u2 * data[y2 + x2] + u3 * data[y2 + x3]) +
          v3 * (u0 * data[y3 + x0] + u1 * data[y3 + x1] + u2 * data[y3 + x2] + u3 * data[y3 + x3]);
      }
    }
  }
}

/**
 * Returns the weight of a neighbor more than a pixel away.
 *
 * @param {number} t Its distance less 1, 0..1.
 */
function outerWeight(t) {
  return ((SLOPE * (t + 1) - 5 * SLOPE) * (t + 1) + 8 * SLOPE) * (t + 1) - 4 * SLOPE;
}

/**
 * Returns the weight of a neighbor at most a pixel away.
 *
 * @param {number} t Its distance, 0..1.
 */
function innerWeight(t) {
  return ((SLOPE + 2) * t - (SLOPE + 3)) * t * t + 1;
}

/**
 * @param {number} index
 * @param {number} size
 */
function clip(index, size) {
  return index < 0 ? 0 : index < size ? index : size - 1;
}
