/**
 * Blends an unmasked crop back into its photo.
 *
 * Only the part of the photo around the face is touched, so that a large photo costs no more than its
 * faces. The fill gets the sharpness and the noise of the face around it. Coordinates and matrices are
 * those of `faces/align.js`.
 */

import {
  CROP_SIZE,
  boundingRect,
  cropToPhoto,
  offsetMatrix,
  photoPxPerCropPx,
} from "../faces/align.js";
import { addWeighted, blendLinear, dilateByDisc, extent, gaussianBlur, rgbToGray } from "../imaging/filter.js";
import { cropRaster, mapBytes, roundHalfToEven } from "../imaging/raster.js";
import { resize } from "../imaging/resize.js";
import { warpAffine } from "../imaging/warp.js";
import { addGrain, grainOffset, missingGrain, scaleOfFace } from "./grain.js";
import { differenceOf } from "./noise_sheet.js";
import { fullBlocks, skinBlocks } from "./skin.js";

/** @typedef {import("../imaging/raster.js").Raster} Raster */
/** @typedef {import("../faces/align.js").Matrix} Matrix */
/** @typedef {import("../faces/align.js").Point} Point */
/** @typedef {import("./grain.js").GrainScale} GrainScale */

/**
 * x0, y0, x1, y1 in whole pixels; x1 and y1 are exclusive.
 *
 * @typedef {[number, number, number, number]} Region
 */

/** Mask values (of 255) below this are invisible and are not blended. */
export const FAINT = 8;
/**
 * In pixels of a crop of 256: how far beyond the mask the crop is fully opaque, and the width of the
 * fade that follows.
 */
export const WIDEN = 2;
export const FADE = 4;
/** The fade at the crop's edge, in the same pixels, for masks (scarves) that extend beyond the crop. */
export const MARGIN = 10;
/**
 * In pixels of a crop of 256 (x0, y0, x1, y1): the eyes and the skin around them, which no mask hides,
 * for sharpness. For noise, the middle (x, y) between forehead and cheeks.
 *
 * @type {Region}
 */
export const EYES = [48, 70, 148, 150];
/** @type {Point} */
export const EYES_CENTER = [128, 101];
/** Both are measured in windows of the photo and the fill of at most these sides. */
export const WINDOW = 160;
export const FILL_WINDOW = 128;
/**
 * Unsharp mask for an enlarged crop that is less sharp than the photo: sigma in pixels of the crop, and
 * the largest gain.
 */
export const DETAIL = 0.7;
export const MAX_GAIN = 1.5;
/** A crop whose side in the photo is at least this has enough detail around the eyes alone. */
export const LARGE = 384;
// The region is processed in squares of this side, which limits memory.
const TILE = 1024;

/**
 * Sharpness and noise that a fill lacks, as measured in a photo; `null` until they are.
 *
 * In a video they change slowly, so frames share what was measured in one of them.
 *
 * @typedef {object} Texture
 * @property {number | null} gain Gain of the unsharp mask.
 * @property {Float32Array | null} grain From `missingGrain`.
 */

/** @returns {Texture} One that is not measured. */
export function newTexture() {
  return { gain: null, grain: null };
}

/**
 * Blends an unmasked crop into the photo, in place, where the mask was.
 *
 * @param {Raster} image uint8, RGB; changed in place. Pixels where `blendOpacity(mask)`, warped to the
 *   photo, is 0 keep their value bit for bit.
 * @param {Raster} crop uint8, `S x S`, RGB: the crop without its mask.
 * @param {Raster} mask uint8, `S x S`, one channel: 0 where the crop is unchanged.
 * @param {Matrix} matrix Photo to crop.
 * @param {Texture} [texture] What an earlier frame of a video lacked there is used; what is `null` is
 *   measured. By default all is.
 * @returns {Region | null} The rectangle outside of which nothing changed; `null` if nothing changed.
 */
export function blendCrop(image, crop, mask, matrix, texture = newTexture()) {
  let { source, opacity, warp, region } = atPhotoResolution(image, crop, mask, matrix);
  if (region[2] <= region[0] || region[3] <= region[1]) return null;
  const size = crop.width;
  if (source.width === size) {
    texture.gain ??= missingGain(image, source, opacity, matrix);
    source = sharpened(source, texture.gain);
  }
  const tiles = tilesOf(region);
  const middle = centerCut(region, FILL_WINDOW);
  // Nearly always there is one tile, and the middle is a part of it.
  const first = tiles.length === 1 ? tiles[0] : middle;
  let { fill, alpha } = warpToPhoto(source, opacity, warp, first);
  const toCanonical = matrix.map((value) => value * (CROP_SIZE / size));
  const [x0, y0, x1, y1] = boundingRect(cropToPhoto(toCanonical, [EYES_CENTER]), image, WINDOW >> 1);
  const pixels = cropRaster(image, x0, y0, Math.max(x1, x0), Math.max(y1, y0));
  if (texture.grain === null) {
    const part = /** @type {Region} */ (middle.map((side, i) => side - first[i % 2]));
    const scale = scaleOfFace(size * photoPxPerCropPx(matrix));
    const matrices = [warp, toCanonical].map((m) => offsetMatrix(m, x0, y0));
    const visible = visiblePart(pixels, opacity, matrices[0], matrices[1], scale);
    const opaque = mapBytes(cropRaster(alpha, ...part), (value) => Number(value > 0.99));
    const filled = fullBlocks(opaque, scale.block);
    texture.grain = missingGrain(visible, cropRaster(fill, ...part), filled, scale);
  }
  const offset = grainOffset(pixels);
  for (const tile of tiles) {
    if (tile !== first) ({ fill, alpha } = warpToPhoto(source, opacity, warp, tile));
    blend(image, tile, fill, alpha, texture.grain, [offset[0] + tile[0], offset[1] + tile[1]]);
  }
  return region;
}

/**
 * Returns what of a part of the photo stays visible.
 *
 * @param {Raster} pixels The part.
 * @param {Raster} opacity float32, of the crop at the photo's resolution.
 * @param {Matrix} warp From the part to `opacity`.
 * @param {Matrix} matrix From the part to a crop of 256.
 * @param {GrainScale} scale For the size of the face.
 */
function visiblePart(pixels, opacity, warp, matrix, scale) {
  const covered = warpOpacity(opacity, warp, pixels.width, pixels.height);
  const kept = fullBlocks(mapBytes(covered, (value) => Number(value === 0)), scale.block);
  return { pixels, kept, skin: skinBlocks(pixels, kept, matrix, scale.block) };
}

/**
 * Returns crop and opacity, downsampled if the face is small, their matrix and their region.
 *
 * @param {Raster} image
 * @param {Raster} crop
 * @param {Raster} mask
 * @param {Matrix} matrix
 * @returns {{ source: Raster, opacity: Raster, warp: Matrix, region: Region }}
 */
function atPhotoResolution(image, crop, mask, matrix) {
  const alpha = blendOpacity(mask);
  const filled = extent(alpha);
  const size = crop.width;
  if (!filled) return { source: crop, opacity: alpha, warp: matrix, region: [0, 0, 0, 0] };
  const small = Math.min(size, Math.max(1, roundHalfToEven(size * photoPxPerCropPx(matrix))));
  let [source, opacity, warp] = [crop, alpha, matrix];
  let padding = 1;
  if (small < size) {
    // A small face: averaged to the photo's resolution, so that fine detail cannot alias.
    source = resize(crop, small, small, "area");
    opacity = resize(alpha, small, small, "area");
    const factor = small / size;
    const shift = 0.5 * factor - 0.5;
    warp = matrix.map((value, i) => factor * value + (i % 3 === 2 ? shift : 0));
    padding += Math.ceil(size / small);
  }
  const [x0, y0] = [filled[0] - padding, filled[1] - padding];
  const [x1, y1] = [filled[2] + padding, filled[3] + padding];
  const region = boundingRect(cropToPhoto(matrix, cornersOf([x0, y0, x1, y1])), image, 1);
  return { source, opacity, warp, region };
}

/**
 * Returns the opacity of the crop: a little wider than the mask, then fading out.
 *
 * @param {Raster} mask uint8, `S x S`, one channel.
 * @returns {Raster} float32, 0..1: 1 wherever the mask is at least `FAINT` (except at the crop's edge),
 *   and 0 from `WIDEN + FADE` pixels away.
 */
export function blendOpacity(mask) {
  const size = mask.height;
  const scale = size / CROP_SIZE;
  const fade = Math.max(1, roundHalfToEven(FADE * scale));
  // The blur extends inwards by half of the fade; widening by as much more keeps the mask opaque.
  const reach = 2 * roundHalfToEven(WIDEN * scale + fade / 2) + 1;
  const wide = dilateByDisc(mapBytes(mask, (value) => Number(value >= FAINT)), reach);
  const soft = gaussianBlur({ ...wide, data: new Float32Array(wide.data) }, 2 * (fade >> 1) + 1, 0);
  const ramp = edgeRamp(size);
  for (let y = 0, i = 0; y < size; y++) {
    for (let x = 0; x < size; x++, i++) soft.data[i] *= Math.min(ramp[x], ramp[y]);
  }
  return soft;
}

/**
 * Returns the opacity of a crop of this side towards its edge, along a side.
 *
 * @param {number} size
 */
function edgeRamp(size) {
  const margin = Math.max(1, roundHalfToEven((MARGIN * size) / CROP_SIZE));
  return Float32Array.from({ length: size }, (_, i) => {
    const share = Math.min(Math.min(i, size - 1 - i) / margin, 1);
    return share * share * (3 - 2 * share);
  });
}

/**
 * @param {Raster} image
 * @param {Region} tile
 * @param {Raster} fill
 * @param {Raster} alpha
 * @param {Float32Array} strengths
 * @param {[number, number]} place
 */
function blend(image, tile, fill, alpha, strengths, place) {
  let blended = blendLinear(cropRaster(image, ...tile), fill, alpha);
  if (strengths.some(Boolean)) blended = addGrain(blended, alpha, strengths, place);
  const { width, height } = alpha;
  for (let y = 0, pixel = 0; y < height; y++) {
    let target = 3 * ((tile[1] + y) * image.width + tile[0]);
    for (let x = 0; x < width; x++, pixel++, target += 3) {
      // `blendLinear` may change other pixels.
      if (alpha.data[pixel] > 0) {
        for (let c = 0; c < 3; c++) image.data[target + c] = blended.data[3 * pixel + c];
      }
    }
  }
}

/**
 * Returns fill and opacity, warped to a part of the photo.
 *
 * @param {Raster} source
 * @param {Raster} opacity
 * @param {Matrix} warp
 * @param {Region} tile
 */
function warpToPhoto(source, opacity, warp, [left, top, right, bottom]) {
  const tileWarp = offsetMatrix(warp, left, top);
  const [width, height] = [right - left, bottom - top];
  return {
    fill: warpImage(source, tileWarp, width, height),
    alpha: warpOpacity(opacity, tileWarp, width, height),
  };
}

/**
 * Linear interpolation, because cubic would overshoot below 0 and above 1.
 *
 * @param {Raster} opacity
 * @param {Matrix} warp
 * @param {number} width
 * @param {number} height
 */
function warpOpacity(opacity, warp, width, height) {
  const options = { interpolation: "linear", border: "constant", inverse: true };
  return warpAffine(opacity, warp, width, height, /** @type {any} */ (options));
}

/**
 * @param {Raster} source
 * @param {Matrix} warp
 * @param {number} width
 * @param {number} height
 */
function warpImage(source, warp, width, height) {
  const options = { interpolation: "cubic", border: "replicate", inverse: true };
  return warpAffine(source, warp, width, height, /** @type {any} */ (options));
}

/**
 * Returns the gain of the unsharp mask with which a crop is as sharp as the photo, 0 for none.
 *
 * Where the crop is unchanged, the enlarged crop must equal the photo. The gain that comes nearest to
 * this is a least-squares fit over all pixels that are kept.
 *
 * @param {Raster} image
 * @param {Raster} crop
 * @param {Raster} opacity
 * @param {Matrix} matrix
 */
function missingGain(image, crop, opacity, matrix) {
  const size = crop.width;
  const large = size * photoPxPerCropPx(matrix) >= LARGE;
  /** @type {Region} */
  const box = large ? EYES : [0, 0, CROP_SIZE, CROP_SIZE];
  const [left, top, right, bottom] = windowAround(image, matrix, box, size);
  // One pixel in four is enough for the fit.
  const view = everyOther(image, left, top, right, bottom);
  const { width, height } = view;
  if (!width || !height) return 0;
  const warp = offsetMatrix(matrix, left, top).map((value, i) => (i % 3 === 2 ? value : 2 * value));
  const covered = warpOpacity(opacity, warp, width, height).data;
  const cropGray = rgbToGray(crop);
  const gray = { ...cropGray, data: new Float32Array(cropGray.data) };
  const soft = gaussianBlur(gray, 0, DETAIL).data;
  const fine = { ...gray, data: differenceOf(gray.data, soft) };
  const detail = warpImage(fine, warp, width, height).data;
  const enlarged = warpImage(gray, warp, width, height).data;
  const photo = rgbToGray(view).data;
  let [power, overlap, kept] = [0, 0, 0];
  for (let i = 0; i < photo.length; i++) {
    if (covered[i] !== 0) continue;
    kept += 1;
    power += detail[i] * detail[i];
    overlap += detail[i] * (photo[i] - enlarged[i]);
  }
  // Without noticeable detail there is nothing to fit.
  return power > kept ? Math.max(0, Math.min(overlap / power, MAX_GAIN)) : 0;
}

/**
 * @param {Raster} crop
 * @param {number} gain
 */
function sharpened(crop, gain) {
  return gain > 0 ? addWeighted(crop, 1 + gain, gaussianBlur(crop, 0, DETAIL), -gain) : crop;
}

/**
 * Returns every other row and column of a part of an image.
 *
 * @param {Raster} image
 * @param {number} left
 * @param {number} top
 * @param {number} right
 * @param {number} bottom
 * @returns {Raster}
 */
function everyOther({ data, width }, left, top, right, bottom) {
  const columns = Math.max(0, Math.ceil((right - left) / 2));
  const rows = Math.max(0, Math.ceil((bottom - top) / 2));
  const some = new Uint8Array(3 * columns * rows);
  for (let y = 0, i = 0; y < rows; y++) {
    let place = 3 * ((top + 2 * y) * width + left);
    for (let x = 0; x < columns; x++, i += 3, place += 6) {
      for (let c = 0; c < 3; c++) some[i + c] = data[place + c];
    }
  }
  return { data: some, width: columns, height: rows, channels: 3 };
}

/**
 * Returns the part of a photo around a box of a crop of 256, cut to `WINDOW` at its middle.
 *
 * @param {Raster} image
 * @param {Matrix} matrix
 * @param {Region} box
 * @param {number} size
 */
function windowAround(image, matrix, box, size) {
  const corners = cornersOf(/** @type {Region} */ (box.map((side) => (size / CROP_SIZE) * side)));
  return centerCut(boundingRect(cropToPhoto(matrix, corners), image, 8), WINDOW);
}

/**
 * @param {Region} box
 * @returns {Point[]}
 */
function cornersOf([x0, y0, x1, y1]) {
  return [
    [x0, y0],
    [x1, y0],
    [x1, y1],
    [x0, y1],
  ];
}

/**
 * @param {Region} region
 * @param {number} side
 * @returns {Region}
 */
function centerCut([x0, y0, x1, y1], side) {
  const spareX = Math.max(0, x1 - x0 - side) >> 1;
  const spareY = Math.max(0, y1 - y0 - side) >> 1;
  return [x0 + spareX, y0 + spareY, x1 - spareX, y1 - spareY];
}

/**
 * @param {Region} region
 * @returns {Region[]}
 */
function tilesOf([x0, y0, x1, y1]) {
  /** @type {Region[]} */
  const tiles = [];
  for (let top = y0; top < y1; top += TILE) {
    for (let left = x0; left < x1; left += TILE) {
      tiles.push([left, top, Math.min(left + TILE, x1), Math.min(top + TILE, y1)]);
    }
  }
  return tiles;
}
