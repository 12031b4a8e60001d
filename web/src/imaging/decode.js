/**
 * Reads images: every source that a page can have becomes a `Photo`.
 *
 * `packSource` runs where the source is, in the page; `readPhoto` in the worker.
 */

import { ImageReadError, InvalidInputError, oneLine } from "../core/errors.js";
import { readColorSpace } from "./color.js";
import { isVideo, readFileHeader } from "./file_header.js";
import { createRaster } from "./raster.js";
import { Unpremultiplied } from "./unpremultiplied.js";

/** @typedef {import("./raster.js").Raster} Raster */

/**
 * What a photo can be read from.
 *
 * @typedef {Blob | ImageBitmap | ImageData | HTMLVideoElement | HTMLCanvasElement | HTMLImageElement
 *   | OffscreenCanvas | VideoFrame} Source
 */

/**
 * A source as it is sent to the worker.
 *
 * @typedef {{ kind: "blob", blob: Blob, name: string }
 *   | { kind: "bitmap", bitmap: ImageBitmap | VideoFrame }
 *   | { kind: "pixels", image: ImageData }} PackedSource
 */

/**
 * A decoded image, upright.
 *
 * @typedef {object} Photo
 * @property {Raster} pixels uint8, RGB; they may be changed in place.
 * @property {Uint8Array | null} alpha 0 (transparent) to 255 (opaque) by pixel; `null` if all of it is
 *   opaque.
 * @property {PredefinedColorSpace} colorSpace
 * @property {string[]} notes What of the source could not be kept.
 * @property {boolean} metadata Whether the source is a file with metadata, which no result has.
 */

/** 12,000 x 12,000: the largest decoded image, of any aspect ratio. */
export const MAX_PIXELS = 144_000_000;
const CLOSED_BITMAP =
  "the ImageBitmap is closed or was transferred; keep it until the call has ended";
const READABLE = "JPEG, PNG, WebP, GIF, BMP or AVIF";

// Large images are read in parts: browsers limit the sides and the area of a canvas.
const TILE_SIDE = 4096;
const TILE_AREA = 2 ** 22;

/**
 * The pixels as the file has them, upright.
 *
 * @type {ImageBitmapOptions}
 */
export const EXACT = {
  colorSpaceConversion: "none",
  premultiplyAlpha: "none",
  imageOrientation: "from-image",
};

/**
 * Returns a source in a form that can be sent to a worker, and what of it is to be transferred.
 *
 * @param {Source} source
 * @returns {Promise<{ packed: PackedSource, transfer: Transferable[] }>}
 */
export async function packSource(source) {
  if (isA(source, "Blob")) {
    const name = /** @type {Partial<File>} */ (source).name || "the file";
    return { packed: { kind: "blob", blob: source, name }, transfer: [] };
  }
  if (isA(source, "ImageData")) {
    // Chromium lets a worker fail on it.
    if (!source.data.length) throw new InvalidInputError("the pixels of the ImageData were transferred");
    return { packed: { kind: "pixels", image: source }, transfer: [] };
  }
  if (isA(source, "VideoFrame")) {
    const frame = cloneFrame(source);
    return { packed: { kind: "bitmap", bitmap: frame }, transfer: [frame] };
  }
  // A copy, which the structured clone makes: the caller keeps the bitmap.
  if (isA(source, "ImageBitmap")) {
    if (!source.width) throw new InvalidInputError(CLOSED_BITMAP);
    return { packed: { kind: "bitmap", bitmap: source }, transfer: [] };
  }
  checkElement(source);
  let bitmap;
  try {
    if (isA(source, "HTMLImageElement")) await source.decode();
    bitmap = await createImageBitmap(source, EXACT);
    return { packed: { kind: "bitmap", bitmap }, transfer: [bitmap] };
  } catch (error) {
    const problem = isA(source, "OffscreenCanvas")
      ? "the OffscreenCanvas has no image that can be read; get a context of it and draw first"
      : "the element has no image that can be read";
    throw new ImageReadError(`${problem}: ${oneLine(error)}`, { cause: error });
  }
}

/**
 * Returns the error for arguments that cannot be sent to a worker.
 *
 * @param {unknown} error Why.
 * @param {any[]} args Of them a source is a `PackedSource`.
 * @returns {Error}
 */
export function sendError(error, args) {
  const bitmap = args.find((arg) => arg?.kind === "bitmap")?.bitmap;
  if (!bitmap) {
    return new InvalidInputError(
      `an argument cannot be sent to the worker of this model (${oneLine(error)}); its arrays ` +
        "must not be transferred before the call has ended",
      { cause: error },
    );
  }
  if (bitmap.width === 0) return new InvalidInputError(CLOSED_BITMAP, { cause: error });
  // Browsers do not let a page ask whether a bitmap is of another origin.
  return new ImageReadError(
    "the image is, or was drawn from, a file of another origin that the page may not read; load " +
      'it with crossorigin="anonymous" on its element from a server that sends CORS headers ' +
      `(Access-Control-Allow-Origin), or pass the file's Blob (${oneLine(error)})`,
    { cause: error },
  );
}

/** @param {VideoFrame} frame */
function cloneFrame(frame) {
  try {
    return frame.clone();
  } catch (error) {
    throw new InvalidInputError(
      `the VideoFrame is closed or was transferred; keep it until the call has ended ` +
        `(${oneLine(error)})`,
      { cause: error },
    );
  }
}

/**
 * Reads a photo.
 *
 * @param {PackedSource} source
 * @returns {Promise<Photo>}
 */
export async function readPhoto(source) {
  try {
    if (source.kind === "pixels") return fromImageData(source.image);
    if (source.kind === "bitmap") return await fromBitmap(source.bitmap, "the image");
    return await fromBlob(source.blob, source.name);
  } catch (error) {
    if (error instanceof RangeError) {
      throw new ImageReadError(`not enough memory for the image: ${oneLine(error)}`, {
        cause: error,
      });
    }
    throw error;
  }
}

/**
 * @param {Blob} blob
 * @param {string} name
 * @returns {Promise<Photo>}
 */
async function fromBlob(blob, name) {
  if (!blob.size) throw new ImageReadError(`${name} is empty (0 bytes)`);
  let file;
  try {
    file = new Uint8Array(await blob.arrayBuffer());
  } catch (error) {
    throw new ImageReadError(`${name} cannot be read: ${oneLine(error)}`, { cause: error });
  }
  if (isVideo(file)) {
    throw new ImageReadError(`${name} is a video; play it in a <video>, and use model.stream(video)`);
  }
  const header = readFileHeader(file);
  if (header) {
    const { width, height, frames, complete } = header;
    if (frames > 1) {
      throw new ImageReadError(
        `${name} has ${frames} images (an animation); save one of them as a file`,
      );
    }
    checkSize(name, width, height);
    if (!complete) throw new ImageReadError(`${name} is cut off or damaged: its end is missing`);
  }
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, EXACT);
  } catch (error) {
    const problem = header
      ? `is cut off or damaged, or too large for this browser (${header.width}x${header.height})`
      : `is not an image that this browser can read: it must be ${READABLE}`;
    throw new ImageReadError(`${name} ${problem}`, { cause: error });
  }
  const photo = await fromBitmap(bitmap, name);
  if (header && header.bits > 8) photo.notes.push(`${header.bits} bits per channel were reduced to 8`);
  const { colorSpace, note } = await readColorSpace(file);
  if (note) photo.notes.push(note);
  return { ...photo, colorSpace, metadata: header?.metadata ?? false };
}

/**
 * @param {ImageData} image
 * @returns {Photo}
 */
function fromImageData(image) {
  const { width, height, data } = image;
  if (!(data instanceof Uint8ClampedArray)) {
    throw new InvalidInputError("ImageData must have 8 bits per channel (pixelFormat rgba-unorm8)");
  }
  checkSize("the ImageData", width, height);
  const pixels = createRaster(width, height, 3);
  const alpha = new Uint8Array(width * height).fill(255);
  const opaque = unpack(data, width, pixels, alpha, 0, 0);
  const colorSpace = image.colorSpace ?? "srgb";
  return { pixels, alpha: opaque ? null : alpha, colorSpace, notes: [], metadata: false };
}

/**
 * Reads a bitmap, and closes it.
 *
 * @param {ImageBitmap | VideoFrame} bitmap
 * @param {string} name
 * @returns {Promise<Photo>}
 */
async function fromBitmap(bitmap, name) {
  try {
    const frame = "displayWidth" in bitmap;
    const width = frame ? bitmap.displayWidth : bitmap.width;
    const height = frame ? bitmap.displayHeight : bitmap.height;
    checkSize(name, width, height);
    const pixels = createRaster(width, height, 3);
    const alpha = new Uint8Array(width * height).fill(255);
    /** @type {string[]} */
    const notes = [];
    let opaque = true;
    for (const [tile, x, y] of readTiles(bitmap, width, height)) {
      opaque = unpack(tile.data, tile.width, pixels, alpha, x, y) && opaque;
    }
    if (!opaque && !frame) notes.push(...(await restoreColors(bitmap, pixels, alpha)));
    const seen = opaque ? null : alpha;
    return { pixels, alpha: seen, colorSpace: "srgb", notes, metadata: false };
  } finally {
    bitmap.close();
  }
}

/**
 * Yields the RGBA values of a bitmap part by part, each with the place of its top-left corner.
 *
 * @param {ImageBitmap | VideoFrame} bitmap
 * @param {number} width
 * @param {number} height
 * @returns {Generator<[ImageData, number, number]>}
 */
function* readTiles(bitmap, width, height) {
  const columns = Math.min(width, TILE_SIDE);
  const rows = Math.min(height, Math.floor(TILE_AREA / columns));
  const canvas = new OffscreenCanvas(columns, rows);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new ImageReadError("not enough memory for a canvas to read the image");
  context.globalCompositeOperation = "copy";
  context.imageSmoothingEnabled = false;
  for (let y = 0; y < height; y += rows) {
    for (let x = 0; x < width; x += columns) {
      context.drawImage(bitmap, -x, -y, width, height);
      const [w, h] = [Math.min(columns, width - x), Math.min(rows, height - y)];
      yield [context.getImageData(0, 0, w, h), x, y];
    }
  }
}

/**
 * A canvas stores colors multiplied by alpha, which rounds them; WebGL has them as they were.
 *
 * @param {ImageBitmap} bitmap
 * @param {Raster} pixels Changed in place.
 * @param {Uint8Array} alpha Changed in place.
 * @returns {Promise<string[]>} Notes.
 */
async function restoreColors(bitmap, pixels, alpha) {
  const reader = Unpremultiplied.create();
  if (!reader) return ["colors of transparent pixels were rounded, because there is no WebGL here"];
  const side = Math.min(TILE_SIDE, reader.maxSide);
  for (let y = 0; y < bitmap.height; y += side) {
    for (let x = 0; x < bitmap.width; x += side) {
      const columns = Math.min(side, bitmap.width - x);
      const rows = Math.min(side, bitmap.height - y);
      const part = await createImageBitmap(bitmap, x, y, columns, rows, EXACT);
      unpack(reader.read(part), columns, pixels, alpha, x, y);
      part.close();
    }
  }
  reader.close();
  return [];
}

/**
 * Copies RGBA values to a place of an image and its alpha.
 *
 * @param {Uint8ClampedArray | Uint8Array} rgba
 * @param {number} columns
 * @param {Raster} pixels
 * @param {Uint8Array} alpha Opaque so far.
 * @param {number} x
 * @param {number} y
 * @returns {boolean} Whether all of it is opaque.
 */
function unpack(rgba, columns, pixels, alpha, x, y) {
  const { data, width } = pixels;
  // Four bytes at a time, the first of them lowest: browsers run on such processors only.
  const values = new Uint32Array(rgba.buffer, rgba.byteOffset, rgba.length / 4);
  let all = 0xff000000;
  for (let source = 0, row = y; source < values.length; row++) {
    let target = 3 * (row * width + x);
    for (const end = source + columns; source < end; source++, target += 3) {
      const value = values[source];
      data[target] = value;
      data[target + 1] = value >> 8;
      data[target + 2] = value >> 16;
      all &= value;
    }
  }
  if (all >>> 24 === 255) return true;
  for (let source = 0, row = y; source < values.length; row++, source += columns) {
    for (let i = 0; i < columns; i++) alpha[row * width + x + i] = values[source + i] >>> 24;
  }
  return false;
}

/**
 * @param {string} name
 * @param {number} width
 * @param {number} height
 */
function checkSize(name, width, height) {
  if (!width || !height) {
    throw new ImageReadError(`${name} has no pixels: it is ${width}x${height}`);
  }
  if (width * height > MAX_PIXELS) {
    throw new ImageReadError(
      `${name} is ${width}x${height}: that is more than the ${MAX_PIXELS / 1e6} million pixels ` +
        "that are allowed",
    );
  }
}

/** @param {unknown} source */
function checkElement(source) {
  const video = isA(source, "HTMLVideoElement");
  if (video && source.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) {
    throw new ImageReadError("the video has no picture yet; wait for its event loadeddata");
  }
  const canvas = isA(source, "HTMLCanvasElement") || isA(source, "OffscreenCanvas");
  if (canvas && !(source.width && source.height)) {
    throw new ImageReadError(
      `the canvas has no pixels: it is ${source.width}x${source.height}`,
    );
  }
  if (!video && !canvas && !isA(source, "HTMLImageElement")) {
    const given = source === null ? "null" : (source?.constructor?.name ?? typeof source);
    throw new InvalidInputError(
      "the source must be a Blob or File, an ImageBitmap, ImageData, a VideoFrame, or an image, " +
        `video or canvas element; got ${given}`,
    );
  }
}

/**
 * Returns whether a value is of a class of the browser, where this browser and thread have it.
 *
 * @template {"Blob" | "ImageBitmap" | "ImageData" | "VideoFrame" | "HTMLVideoElement"
 *   | "HTMLCanvasElement" | "HTMLImageElement" | "OffscreenCanvas"} Name
 * @param {unknown} value
 * @param {Name} name
 * @returns {value is InstanceType<(typeof globalThis)[Name]>}
 */
export function isA(value, name) {
  const type = /** @type {any} */ (globalThis)[name];
  return type !== undefined && value instanceof type;
}
