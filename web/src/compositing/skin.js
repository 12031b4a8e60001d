/**
 * Finds the skin of a face, where noise is measured.
 *
 * Hair, eyebrows, glasses and what is behind the face have texture that is not noise. Skin is what
 * lies in the outline of the face, away from eyes and mouth, and has the color of the bridge of the
 * nose and of the cheeks below the eyes, which masks and hair cover least.
 */

import { CROP_SIZE } from "../faces/align.js";
import { createRaster, cropRaster } from "../imaging/raster.js";
import { resize } from "../imaging/resize.js";
import { warpAffine } from "../imaging/warp.js";

/** @typedef {import("../imaging/raster.js").Raster} Raster */
/** @typedef {import("../faces/align.js").Matrix} Matrix */

/**
 * In pixels of a crop of 256, from the mean face mesh: center x and y, and radii, of the outline of a
 * face that may be turned by 30 degrees, and of what is not skin in it: eyes with eyebrows, nostrils,
 * mouth.
 */
export const OUTLINE = [128, 138, 52, 74];
export const FEATURES = [
  [95, 102, 25, 21],
  [161, 102, 25, 21],
  [128, 153, 20, 11],
  [128, 182, 30, 17],
];
/**
 * x0, y0, x1, y1: the bridge of the nose and the cheeks below the eyes. Their median is the color of
 * the skin.
 */
export const SKIN_PATCHES = [
  [117, 94, 139, 130],
  [82, 124, 114, 140],
  [142, 124, 174, 140],
];
// Values of the map of a face.
const FACE = 1;
const PATCH = 2;
/**
 * Skin may be this much darker and brighter than its median (a fraction), and its share of red, green
 * and blue may differ by this much: shading changes the first, hair and background the second.
 */
export const DARKEST = 0.6;
export const BRIGHTEST = 1.5;
export const MAX_HUE_DIFFERENCE = 0.04;
/** Beyond these levels the sensor clips, and noise with it. */
export const CLIPPED = [4, 251];

/** @type {Raster | undefined} */
let faceMap;

/**
 * Finds the blocks of a part of a photo that show only skin.
 *
 * @param {Raster} view uint8, RGB: the part.
 * @param {Raster} kept One channel, a value per block: above 0 for those without mask.
 * @param {Matrix} matrix From the part's pixels to those of a crop of 256.
 * @param {number} block Side of the blocks in pixels.
 * @returns {Raster} uint8, as `kept`.
 */
export function skinBlocks(view, kept, matrix, block) {
  const { width, height } = kept;
  const skin = createRaster(width, height, 1);
  if (!kept.data.some((value) => value > 0)) return skin;
  faceMap ??= drawFaceMap();
  // The map of the face, at the centers of the blocks.
  const middle = (block - 1) / 2;
  const [a, b, c, d, e, f] = matrix;
  const centers = [
    a * block, b * block, (a + b) * middle + c,
    d * block, e * block, (d + e) * middle + f,
  ];
  const options = { interpolation: "nearest", border: "constant", inverse: true };
  const place = warpAffine(faceMap, centers, width, height, /** @type {any} */ (options)).data;
  const colors = blockMeans(view, block).data;
  const samples = [];
  for (let i = 0; i < place.length; i++) {
    if (kept.data[i] && place[i] === PATCH) samples.push(colors.subarray(3 * i, 3 * i + 3));
  }
  if (!samples.length) return skin;
  const isSkin = similarTo(samples);
  for (let i = 0; i < place.length; i++) {
    const inside = kept.data[i] > 0 && place[i] > 0;
    skin.data[i] = Number(inside && isSkin(colors[3 * i], colors[3 * i + 1], colors[3 * i + 2]));
  }
  return skin;
}

/**
 * Returns the blocks that lie in an area completely, without those at the image's border.
 *
 * At the border filters see a mirror image.
 *
 * @param {Raster} where One channel, 0 or 1: the area.
 * @param {number} block Side of the blocks in pixels.
 * @returns {Raster} uint8, one channel, a value per block.
 */
export function fullBlocks(where, block) {
  const columns = Math.floor(where.width / block);
  const rows = Math.floor(where.height / block);
  const full = createRaster(columns, rows, 1);
  if (Math.min(columns, rows) <= 2) return full;
  const shares = blockMeans({ ...where, data: new Float32Array(where.data) }, block).data;
  for (let y = 1; y < rows - 1; y++) {
    for (let x = 1; x < columns - 1; x++) {
      full.data[y * columns + x] = Number(shares[y * columns + x] > 0.999);
    }
  }
  return full;
}

/**
 * Returns means over blocks; rows and columns that do not fill a block are left out.
 *
 * @param {Raster} values
 * @param {number} block
 */
export function blockMeans(values, block) {
  const columns = Math.floor(values.width / block);
  const rows = Math.floor(values.height / block);
  return resize(cropRaster(values, 0, 0, columns * block, rows * block), columns, rows, "area");
}

/** Returns where a crop of 256 shows skin: 0, `FACE` or `PATCH`. */
function drawFaceMap() {
  const map = createRaster(CROP_SIZE, CROP_SIZE, 1);
  for (let y = 0, i = 0; y < CROP_SIZE; y++) {
    for (let x = 0; x < CROP_SIZE; x++, i++) {
      if (!inEllipse(x, y, OUTLINE) || FEATURES.some((feature) => inEllipse(x, y, feature))) continue;
      const patch = SKIN_PATCHES.some(([x0, y0, x1, y1]) => x >= x0 && x < x1 && y >= y0 && y < y1);
      map.data[i] = patch ? PATCH : FACE;
    }
  }
  return map;
}

/**
 * @param {number} x
 * @param {number} y
 * @param {number[]} ellipse
 */
function inEllipse(x, y, [centerX, centerY, radiusX, radiusY]) {
  return ((x - centerX) / radiusX) ** 2 + ((y - centerY) / radiusY) ** 2 < 1;
}

/**
 * Returns which colors may be skin if most samples are, and are not clipped.
 *
 * @param {ArrayLike<number>[]} samples
 */
function similarTo(samples) {
  const skin = [0, 1, 2].map((channel) => {
    return Array.from(samples, (color) => color[channel]).sort((a, b) => a - b)[samples.length >> 1];
  });
  const skinTotal = Math.max(skin[0] + skin[1] + skin[2], 1);
  const skinHue = skin.map((value) => value / skinTotal);
  return (/** @type {number} */ red, /** @type {number} */ green, /** @type {number} */ blue) => {
    const total = red + green + blue;
    const largest = Math.max(
      Math.abs(red / Math.max(total, 1) - skinHue[0]),
      Math.abs(green / Math.max(total, 1) - skinHue[1]),
      Math.abs(blue / Math.max(total, 1) - skinHue[2]),
    );
    return (
      Math.fround(largest) <= Math.fround(MAX_HUE_DIFFERENCE) &&
      total >= DARKEST * skinTotal &&
      total <= BRIGHTEST * skinTotal &&
      Math.min(red, green, blue) >= CLIPPED[0] &&
      Math.max(red, green, blue) <= CLIPPED[1]
    );
  };
}
