/** Faces whose boxes or eyes the caller gives, instead of letting the locator search. */

import { InvalidInputError } from "../core/errors.js";
import { cropMatrix, cropToPhoto } from "./align.js";

/** @typedef {import("../imaging/raster.js").Raster} Raster */
/** @typedef {import("./align.js").Point} Point */
/** @typedef {import("./detector_postprocess.js").Box} Box */
/** @typedef {import("./locator.js").Location} Location */
/** @typedef {import("./locator.js").Locator} Locator */

/**
 * A box from the caller contains a face from this aligner score up. How it was measured is written
 * next to the constant of the same name in the Python package.
 */
export const MIN_BOX_SCORE = 0.7;
/**
 * The face in the canonical crop, where only the eyes are known: forehead to chin.
 *
 * @type {Box}
 */
export const FACE_BOX = [66, 61, 190, 219];

/**
 * Aligns the faces in given boxes.
 *
 * @param {Raster} image uint8, RGB.
 * @param {Locator} locator Finds the eyes in each box.
 * @param {unknown} boxes `[F, 4]`, (x0, y0, x1, y1) in pixels from forehead to chin; `[4]` for a
 *   single face.
 * @returns {Promise<Location[]>}
 */
export async function facesFromBoxes(image, locator, boxes) {
  const rows = /** @type {Box[]} */ (readRows("boxes", boxes, [4]));
  for (const [x0, y0, x1, y1] of rows) checkInside("boxes", image, [[x0, y0], [x1, y1]]);
  const found = [];
  for (const box of rows) found.push(await locator.align(image, box));
  return found;
}

/**
 * Returns the faces with given eyes; their nose and mouth points are NaN.
 *
 * @param {Raster} image uint8, RGB.
 * @param {unknown} eyes `[F, 2, 2]`, (x, y) in pixels of the eye centers, the left one in an upright
 *   image first; `[2, 2]` for a single face.
 * @returns {Location[]}
 */
export function facesFromEyes(image, eyes) {
  return /** @type {Point[][]} */ (readRows("eyes", eyes, [2, 2])).map((pair) =>
    fromEyes(image, pair),
  );
}

/**
 * Reads one row per face; a single face may come without its outer brackets.
 *
 * @param {string} name
 * @param {unknown} given
 * @param {number[]} shape
 * @returns {unknown[]}
 */
function readRows(name, given, shape) {
  const rows = hasShape(given, shape) ? [given] : given;
  if (Array.isArray(rows) && rows.every((row) => hasShape(row, shape))) return rows;
  throw new InvalidInputError(
    `${name} must be arrays of numbers with the shape [F, ${shape.join(", ")}]; ` +
      `got ${JSON.stringify(given)}`,
  );
}

/**
 * @param {unknown} value
 * @param {number[]} shape
 * @returns {boolean}
 */
function hasShape(value, [size, ...inner]) {
  if (size === undefined) return typeof value === "number";
  return Array.isArray(value) && value.length === size && value.every((v) => hasShape(v, inner));
}

/**
 * @param {Raster} image
 * @param {Point[]} eyes
 * @returns {Location}
 */
function fromEyes(image, eyes) {
  const matrix = cropMatrix(eyes);
  checkInside("eyes", image, eyes);
  const [x0, y0, x1, y1] = FACE_BOX;
  const corners = cropToPhoto(matrix, [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]);
  const xs = corners.map((corner) => corner[0]);
  const ys = corners.map((corner) => corner[1]);
  /** @type {Box} */
  const box = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  const unknown = /** @type {Point[]} */ (Array(3).fill([NaN, NaN]));
  return { box, points: [...eyes.map((eye) => /** @type {Point} */ ([...eye])), ...unknown], score: 1 };
}

/**
 * Refuses two points, or the corners of a box, that lie outside on one side of the image.
 *
 * @param {string} name
 * @param {Raster} image
 * @param {Point[]} points
 */
function checkInside(name, { width, height }, points) {
  const outside = [width, height].some(
    (size, k) => points.every((p) => p[k] < -0.5) || points.every((p) => p[k] > size - 0.5),
  );
  if (outside) {
    throw new InvalidInputError(
      `${name} must not lie outside the ${width}x${height} image; got ${JSON.stringify(points)}`,
    );
  }
}
