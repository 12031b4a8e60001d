/**
 * The canonical crop: the aligned 256x256 image of a face that the networks take.
 *
 * The crop is placed by the eye centers alone, so that the masked and the unmasked image of a face
 * are aligned in the same way. Coordinates are pixels, x to the right and y down, with integers at
 * pixel centers (OpenCV's convention). "Left" and "right" are as seen in the image, not the person's.
 */

import { InvalidInputError } from "../core/errors.js";
import { cropRaster } from "../imaging/raster.js";
import { resize } from "../imaging/resize.js";
import { invertAffineTransform, warpAffine } from "../imaging/warp.js";

/** @typedef {import("../imaging/raster.js").Raster} Raster */
/** @typedef {[number, number]} Point */
/**
 * An affine transform, `[2, 3]` row-major.
 *
 * @typedef {Float64Array} Matrix
 */

export const CROP_SIZE = 256;
/** @type {[Point, Point]} */
export const CROP_EYES = [
  [98, 112],
  [158, 112],
];
export const CROP_EYE_DISTANCE = 60;

/** Two "eye centers" closer than this, in pixels, give no usable direction or scale. */
export const MIN_EYE_DISTANCE = 1;

/**
 * Returns the similarity transform from photo to canonical crop.
 *
 * @param {Point[]} eyes The [x, y] centers of the image-left and image-right eye in pixels.
 * @param {number} [size] Side of the crop in pixels; the positions of the eyes scale with it.
 * @returns {Matrix}
 */
export function cropMatrix(eyes, size = CROP_SIZE) {
  const shown = JSON.stringify(eyes);
  if (eyes.length !== 2 || !eyes.every((p) => p.length === 2 && p.every(Number.isFinite))) {
    throw new InvalidInputError(`eyes must be two finite [x, y] points; got ${shown}`);
  }
  const [[ax, ay], [bx, by]] = eyes;
  const [dx, dy] = [bx - ax, by - ay];
  const squared = dx * dx + dy * dy;
  if (!Number.isFinite(squared)) {
    throw new InvalidInputError(`eyes are too far apart; got ${shown}`);
  }
  if (squared < MIN_EYE_DISTANCE ** 2) {
    throw new InvalidInputError(
      `eyes must be at least ${MIN_EYE_DISTANCE} px apart; got ${shown}`,
    );
  }
  // The eyes keep their position relative to the crop's edges (pixel edges, not centers) when the
  // size changes, so a crop of 128 is exactly the crop of 256 at half size.
  const [left, right] = CROP_EYES.map((eye) => eye.map((v) => (v + 0.5) * (size / CROP_SIZE) - 0.5));
  const [tx, ty] = [right[0] - left[0], right[1] - left[1]];
  const a = (tx * dx + ty * dy) / squared;
  const b = (ty * dx - tx * dy) / squared;
  return Float64Array.of(a, -b, left[0] - a * ax + b * ay, b, a, left[1] - b * ax - a * ay);
}

/**
 * Applies an affine transform to points.
 *
 * @param {Matrix} matrix
 * @param {Point[]} points
 * @returns {Point[]}
 */
export function transformPoints([a, b, c, d, e, f], points) {
  return points.map(([x, y]) => [x * a + y * b + c, x * d + y * e + f]);
}

/**
 * Returns how many photo pixels one crop pixel spans along a side.
 *
 * @param {Matrix} matrix
 * @returns {number}
 */
export function photoPxPerCropPx(matrix) {
  return 1 / Math.hypot(matrix[0], matrix[3]);
}

/**
 * Transforms crop points back to the photo.
 *
 * @param {Matrix} matrix
 * @param {Point[]} points
 * @returns {Point[]}
 */
export function cropToPhoto(matrix, points) {
  return transformPoints(invertAffineTransform(matrix), points);
}

/**
 * Returns the matrix for the part of the photo that begins at (left, top).
 *
 * @param {Matrix} matrix
 * @param {number} left
 * @param {number} top
 * @returns {Matrix}
 */
export function offsetMatrix([a, b, c, d, e, f], left, top) {
  return Float64Array.of(a, b, c + (a * left + b * top), d, e, f + (d * left + e * top));
}

/**
 * Returns the bounding rectangle of points, padded and clipped to the image.
 *
 * @param {Point[]} points
 * @param {{ width: number, height: number }} image
 * @param {number} padding Pixels added on each side.
 * @returns {[number, number, number, number]} x0, y0, x1, y1 in whole pixels; x1 and y1 are
 *   exclusive.
 */
export function boundingRect(points, { width, height }, padding) {
  const xs = points.map((point) => point[0]);
  const ys = points.map((point) => point[1]);
  const inside = (/** @type {number} */ value, /** @type {number} */ size) =>
    Math.min(Math.max(value, 0), size);
  return [
    inside(Math.floor(Math.min(...xs) - padding), width),
    inside(Math.floor(Math.min(...ys) - padding), height),
    inside(Math.ceil(Math.max(...xs) + padding) + 1, width),
    inside(Math.ceil(Math.max(...ys) + padding) + 1, height),
  ];
}

/**
 * Warps the canonical crop out of a photo.
 *
 * Only the part of the photo around the crop is read. A face that is larger than the crop is
 * downsampled by averaging, so that fine detail does not alias. Outside the photo, its border pixels
 * are repeated.
 *
 * @param {Raster} image uint8.
 * @param {Matrix} matrix From `cropMatrix`, with the same `size`.
 * @param {number} [size] Side of the crop in pixels.
 * @returns {Raster} uint8, `size` x `size`.
 */
export function warpCrop(image, matrix, size = CROP_SIZE) {
  /** @type {Point[]} */
  const corners = [
    [-1, -1],
    [size, -1],
    [size, size],
    [-1, size],
  ];
  // Averaging reads one more crop pixel on each side.
  const padding = 2 + 2 * photoPxPerCropPx(matrix);
  let [x0, y0, x1, y1] = boundingRect(cropToPhoto(matrix, corners), image, padding);
  // A crop that lies completely outside the photo gets the nearest border pixels.
  [x0, y0] = [Math.min(x0, image.width - 1), Math.min(y0, image.height - 1)];
  [x1, y1] = [Math.max(x1, x0 + 1), Math.max(y1, y0 + 1)];
  let warp = offsetMatrix(matrix, x0, y0);
  const factor = Math.trunc(photoPxPerCropPx(matrix));
  let source;
  if (factor > 1) {
    let [width, height] = [x1 - x0, y1 - y0];
    const columns = Math.max(1, Math.floor(width / factor));
    const rows = Math.max(1, Math.floor(height / factor));
    if (width >= factor && height >= factor) {
      // An integer factor is faster. The pixels left out lie beyond the crop or, where the photo ends
      // there, are less than one pixel of the crop.
      [width, height] = [columns * factor, rows * factor];
    }
    source = resize(cropRaster(image, x0, y0, x0 + width, y0 + height), columns, rows, "area");
    const [fx, fy] = [width / columns, height / rows];
    // Pixel x of the downsampled image lies at fx * (x + 0.5) - 0.5 in the original.
    const [sx, sy] = [0.5 * fx - 0.5, 0.5 * fy - 0.5];
    const [a, b, c, d, e, f] = warp;
    warp = Float64Array.of(
      a * fx, b * fy, a * sx + b * sy + c, d * fx, e * fy, d * sx + e * sy + f,
    );
  } else {
    source = cropRaster(image, x0, y0, x1, y1);
  }
  return warpAffine(source, warp, size, size, { interpolation: "linear", border: "replicate" });
}
