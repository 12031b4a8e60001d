/** Writes images as files: PNG, JPEG and WebP, with the notice that a region was generated. */

import { ImageWriteError, InvalidInputError, oneLine } from "../core/errors.js";
import { encodePng, isOpaque } from "./png.js";
import { PACKET, addToJpeg, addToWebp } from "./xmp.js";

/**
 * How to write an image.
 *
 * @typedef {object} EncodeOptions
 * @property {"image/png" | "image/jpeg" | "image/webp"} [type] PNG (the default) has exactly the
 *   image's pixels. JPEG has no transparency: the image is composited on white.
 * @property {number} [quality] Of JPEG and WebP, 0..1; 0.95 by default.
 */

export const DEFAULT_QUALITY = 0.95;
const MAX_SIDES = { "image/png": 2 ** 31 - 1, "image/jpeg": 65_500, "image/webp": 16_383 };

/**
 * Returns the content of an image file.
 *
 * @param {ImageData} image
 * @param {EncodeOptions & { generated?: boolean }} [options] `generated`: whether a region was
 *   generated, which is then noted in the file's XMP.
 * @returns {Promise<Blob>}
 */
export async function encodeImage(image, options = {}) {
  const { type = "image/png", quality = DEFAULT_QUALITY, generated = false } = options;
  if (!Object.hasOwn(MAX_SIDES, type)) {
    const known = Object.keys(MAX_SIDES).join(", ");
    throw new InvalidInputError(`type must be one of ${known}; got ${JSON.stringify(type)}`);
  }
  if (!(typeof quality === "number" && quality >= 0 && quality <= 1)) {
    throw new InvalidInputError(`quality must be a number from 0 to 1, got ${quality}`);
  }
  const { width, height } = image;
  if (Math.max(width, height) > MAX_SIDES[type]) {
    throw new ImageWriteError(
      `${type} can have at most ${MAX_SIDES[type]} pixels per side, this image is ` +
        `${width}x${height}; use image/png`,
    );
  }
  const packet = generated ? PACKET : null;
  try {
    if (type === "image/png") return new Blob(await encodePng(image, packet), { type });
    return await encodeByCanvas(image, type, quality, packet);
  } catch (error) {
    if (error instanceof ImageWriteError) throw error;
    throw new ImageWriteError(
      `this browser cannot write an image of ${width}x${height} as ${type} (${oneLine(error)}); ` +
        "use image/png, or a smaller image",
      { cause: error },
    );
  }
}

/**
 * Returns RGBA values composited on white, and opaque.
 *
 * @param {Uint8ClampedArray} data
 * @returns {Uint8ClampedArray<ArrayBuffer>}
 */
export function compositeOnWhite(data) {
  const composited = new Uint8ClampedArray(data);
  for (let at = 0; at < data.length; at += 4) {
    const alpha = data[at + 3];
    for (let c = 0; c < 3; c++) {
      const value = data[at + c] * alpha + 255 * (255 - alpha) + 128;
      composited[at + c] = (value + (value >> 8)) >> 8; // Division by 255, rounded.
    }
    composited[at + 3] = 255;
  }
  return composited;
}

/**
 * @param {ImageData} image
 * @param {"image/jpeg" | "image/webp"} type
 * @param {number} quality
 * @param {string | null} packet
 */
async function encodeByCanvas(image, type, quality, packet) {
  const { width, height, colorSpace } = image;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { colorSpace });
  if (!context) throw new Error("it has no canvas of this size");
  const flat = type === "image/jpeg" && !isOpaque(image.data);
  context.putImageData(
    flat ? new ImageData(compositeOnWhite(image.data), width, height, { colorSpace }) : image,
    0,
    0,
  );
  const blob = await canvas.convertToBlob({ type, quality });
  // What a browser cannot write it writes as PNG.
  if (blob.type !== type) {
    throw new ImageWriteError(`this browser cannot write ${type}; use image/png or image/jpeg`);
  }
  if (packet === null) return blob;
  const file = new Uint8Array(await blob.arrayBuffer());
  const parts =
    type === "image/jpeg" ? addToJpeg(file, packet) : addToWebp(file, packet, width, height);
  return new Blob(parts, { type });
}
