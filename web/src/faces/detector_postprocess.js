/**
 * Inputs and outputs of the locator's networks: scales, letterboxing, decoding and NMS.
 *
 * Boxes are [x0, y0, x1, y1] in pixels, with integers at pixel centers as in `align.js`.
 */

import { resize } from "../imaging/resize.js";
import { createRaster, roundHalfToEven } from "../imaging/raster.js";

/** @typedef {import("../imaging/raster.js").Raster} Raster */
/** @typedef {import("./align.js").Matrix} Matrix */
/** @typedef {import("./align.js").Point} Point */
/** @typedef {[number, number, number, number]} Box */

// Sizes of the inputs of the detector and the aligner, in pixels.

/** Height and width of the detector's input are multiples of this. */
export const STRIDE = 32;
/** Longest side of the photo in the coarse pass, which sees faces that fill the frame. */
export const COARSE_SIDE = 288;
/**
 * Longest side of the photo in the fine pass; beyond 4000 px the smallest face that is found grows
 * with the photo.
 */
export const MAX_SIDE = 1664;
/**
 * The detector sees faces up to this side, so it needs no coarser pass than one in which the photo's
 * shorter side is no longer.
 */
export const FULL_SIDE = 288;
/** Gray border around the photo, so that a face cut off by the frame has its center inside. */
export const BORDER = 16;
/** Side of the crop that the aligner takes. */
export const ALIGN_SIZE = 112;

/**
 * Only cells with at least this heat give a box. It is the square of `locator.MIN_SCORE`: with less
 * heat a face could not reach that score even if the aligner were certain.
 */
export const MIN_HEAT = Math.fround(0.36);

export const CELL = 8;
/**
 * The fine pass: this fraction of the photo's size, so that a face of 40 px still spans 16, but no
 * longer than MAX_SIDE.
 */
export const FINE_SCALE = 0.4;
/** Largest ratio of two neighboring scales; the detector is trained for faces of 12 to 300 px. */
export const MAX_STEP = 6.0;
export const GRAY = 127;

/**
 * Where the five points of an average upright face lie in the crop that the aligner takes, in crop
 * sides from the top-left edge.
 *
 * @type {Point[]}
 */
export const TEMPLATE = [
  [0.33, 0.34],
  [0.67, 0.34],
  [0.5, 0.56],
  [0.35, 0.694],
  [0.65, 0.694],
];
/** Crop side divided by the longer side of the box: an upright face then matches the template. */
export const BOX_MARGIN = 1.12;

/**
 * Returns the scale factors at which the detector sees a photo, smallest first.
 *
 * One is enough if it shows both faces that fill the frame and the smallest ones.
 *
 * @param {number} height
 * @param {number} width
 * @returns {number[]}
 */
export function detectorScales(height, width) {
  const longest = Math.max(height, width);
  const coarse = Math.min(1, COARSE_SIDE / longest);
  const fine = Math.min(FINE_SCALE, MAX_SIDE / longest);
  if (coarse >= fine) return [coarse];
  if (Math.min(height, width) * fine <= FULL_SIDE) return [fine];
  const steps = Math.ceil(Math.log(fine / coarse) / Math.log(MAX_STEP));
  return Array.from({ length: steps + 1 }, (_, step) => coarse * (fine / coarse) ** (step / steps));
}

/**
 * Downsamples a photo and pads it with gray, to sides that are multiples of 32.
 *
 * @param {Raster} image uint8, three channels.
 * @param {number} scale Scale factor, at most 1.
 * @param {Raster[]} [halves] The photo at a half, a quarter and so on of its size, as computed for
 *   other scales; further sizes that this scale needs are appended.
 * @returns {{ canvas: Raster, factors: Point }} The canvas with the photo `BORDER` px from its left
 *   and top, and the number of photo pixels per canvas pixel, [x, y].
 */
export function letterbox(image, scale, halves = []) {
  const { width, height } = image;
  const w = Math.max(1, roundHalfToEven(width * scale));
  const h = Math.max(1, roundHalfToEven(height * scale));
  let shrunk = image;
  // First halved as often as possible, which avoids aliasing: averaging by a fractional factor takes
  // many times longer.
  for (let level = 0; scale <= 0.5 && Math.min(shrunk.width, shrunk.height) > 1; level++) {
    if (level === halves.length) {
      halves.push(resize(shrunk, shrunk.width >> 1, shrunk.height >> 1, "area"));
    }
    shrunk = halves[level];
    scale *= 2;
  }
  if (shrunk.width !== w || shrunk.height !== h) shrunk = resize(shrunk, w, h, "linear");
  const [rows, columns] = [h, w].map((n) => Math.ceil((n + 2 * BORDER) / STRIDE) * STRIDE);
  const canvas = createRaster(columns, rows, 3);
  canvas.data.fill(GRAY);
  for (let y = 0; y < h; y++) {
    const row = shrunk.data.subarray(3 * y * w, 3 * (y + 1) * w);
    canvas.data.set(row, 3 * ((y + BORDER) * columns + BORDER));
  }
  return { canvas, factors: [width / w, height / h] };
}

/**
 * Decodes the detector's maps to boxes, in pixels of the detector's input.
 *
 * @param {Float32Array} heat `[height, width]`, 0..1.
 * @param {Float32Array} box `[height, width, 4]`: offset (x, y) from the cell's center to the box's
 *   center in box sides, then log width and log height in cells.
 * @param {number} height
 * @param {number} width
 * @returns {{ boxes: Box[], heats: number[] }} One for each local maximum.
 */
export function decodeBoxes(heat, box, height, width) {
  /** @type {Box[]} */
  const boxes = [];
  /** @type {number[]} */
  const heats = [];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const cell = row * width + column;
      if (!(heat[cell] >= MIN_HEAT) || !isPeak(heat, height, width, row, column)) continue;
      const [dx, dy, logWidth, logHeight] = box.subarray(4 * cell, 4 * cell + 4);
      const sideX = boxSide(logWidth);
      const sideY = boxSide(logHeight);
      const x = (column + 0.5) * CELL - 0.5 + dx * sideX;
      const y = (row + 0.5) * CELL - 0.5 + dy * sideY;
      boxes.push([x - sideX / 2, y - sideY / 2, x + sideX / 2, y + sideY / 2]);
      heats.push(heat[cell]);
    }
  }
  return { boxes, heats };
}

/**
 * Non-maximum suppression: of boxes that overlap, keeps the one with the highest score.
 *
 * @param {Box[]} boxes
 * @param {number[]} scores
 * @param {number} overlap Intersection over union, 0..1, above which the box with the lower score is
 *   dropped.
 * @returns {number[]} Indices of the boxes kept, best first.
 */
export function nms(boxes, scores, overlap) {
  let order = scores.map((_, i) => i).sort((a, b) => scores[b] - scores[a]);
  const kept = [];
  while (order.length) {
    const [best, ...rest] = order;
    kept.push(best);
    order = rest.filter((other) => iou(boxes[best], boxes[other]) <= overlap);
  }
  return kept;
}

/**
 * Returns the intersection over union of two boxes.
 *
 * @param {Box} first
 * @param {Box} second
 * @returns {number}
 */
export function iou(first, second) {
  const width = Math.min(first[2], second[2]) - Math.max(first[0], second[0]);
  const height = Math.min(first[3], second[3]) - Math.max(first[1], second[1]);
  const intersection = Math.max(width, 0) * Math.max(height, 0);
  return intersection / Math.max(boxArea(first) + boxArea(second) - intersection, 1e-9);
}

/**
 * Returns width times height of a box.
 *
 * @param {Box} box
 * @returns {number}
 */
export function boxArea([x0, y0, x1, y1]) {
  return (x1 - x0) * (y1 - y0);
}

/**
 * Returns the transform from photo to aligner crop for a box whose roll is unknown.
 *
 * @param {Box} box
 * @returns {Matrix}
 */
export function boxMatrix([x0, y0, x1, y1]) {
  const side = BOX_MARGIN * Math.max(x1 - x0, y1 - y0);
  const scale = ALIGN_SIZE / side;
  const left = (x0 + x1) / 2 - side / 2;
  const top = (y0 + y1) / 2 - side / 2;
  return Float64Array.of(scale, 0, -scale * left - 0.5, 0, scale, -scale * top - 0.5);
}

/**
 * Returns the transform from photo to aligner crop for a face whose five points are known.
 *
 * It is the similarity that brings the points nearest to the template (least squares).
 *
 * @param {Point[]} points
 * @returns {Matrix}
 */
export function pointsMatrix(points) {
  /** @type {Point[]} */
  const target = TEMPLATE.map(([x, y]) => [x * ALIGN_SIZE - 0.5, y * ALIGN_SIZE - 0.5]);
  const [sourceX, sourceY] = meanPoint(points);
  const [targetX, targetY] = meanPoint(target);
  // Scale and rotation as one complex number.
  let [real, imaginary, variance] = [0, 0, 0];
  points.forEach(([x, y], i) => {
    const [dx, dy] = [x - sourceX, y - sourceY];
    const [goalX, goalY] = [target[i][0] - targetX, target[i][1] - targetY];
    real += dx * goalX + dy * goalY;
    imaginary += dx * goalY - dy * goalX;
    variance += dx * dx + dy * dy;
  });
  let a = real / Math.max(variance, 1e-9);
  let b = imaginary / Math.max(variance, 1e-9);
  const size = Math.hypot(a, b);
  // A damaged network: no size or direction, so any crop will do.
  if (!(size > 1e-3 && size < 1e3)) [a, b] = [1, 0];
  const shiftX = targetX - (a * sourceX - b * sourceY);
  const shiftY = targetY - (b * sourceX + a * sourceY);
  return Float64Array.of(a, -b, shiftX, b, a, shiftY);
}

/**
 * Returns the mean of points.
 *
 * @param {Point[]} points
 * @returns {Point}
 */
export function meanPoint(points) {
  let [x, y] = [0, 0];
  for (const point of points) {
    x += point[0];
    y += point[1];
  }
  return [x / points.length, y / points.length];
}

/**
 * @param {Float32Array} heat
 * @param {number} height
 * @param {number} width
 * @param {number} row
 * @param {number} column
 */
function isPeak(heat, height, width, row, column) {
  const here = heat[row * width + column];
  for (let y = Math.max(row - 1, 0); y <= Math.min(row + 1, height - 1); y++) {
    for (let x = Math.max(column - 1, 0); x <= Math.min(column + 1, width - 1); x++) {
      if (heat[y * width + x] > here) return false;
    }
  }
  return true;
}

/** @param {number} logSide In cells. */
function boxSide(logSide) {
  // Wider than any photo, but far from overflow: a damaged network must not give infinite boxes.
  return Math.exp(Math.min(Math.max(logSide, -8), 8)) * CELL;
}
