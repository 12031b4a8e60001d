/** The result for a photo or frame. */

import { checkOptions } from "./core/validate.js";
import { encodeImage } from "./imaging/encode.js";
import { isOpaque } from "./imaging/png.js";

/** @typedef {import("./faces/align.js").Matrix} Matrix */
/** @typedef {import("./faces/align.js").Point} Point */
/** @typedef {import("./faces/detector_postprocess.js").Box} Box */
/** @typedef {import("./imaging/raster.js").Raster} Raster */
/** @typedef {import("./imaging/encode.js").EncodeOptions} EncodeOptions */
/** @typedef {import("./pipeline.js").FoundFace} FoundFace */
/** @typedef {import("./unmasker.js").Unmasked} Unmasked */

/**
 * One face of a photo.
 *
 * @typedef {object} Face
 * @property {Box} box [x0, y0, x1, y1] in the photo's pixels, forehead to chin; may extend beyond the
 *   photo.
 * @property {Point[]} eyes [x, y] of the eye centers in the photo's pixels, the left one in the image
 *   first.
 * @property {number} confidence 0..1, the locator's confidence; 1 for eyes that the caller gave.
 * @property {boolean} masked Whether a mask was found and removed. If not, the photo is unchanged
 *   here.
 * @property {Uint8Array} mask `[S, S]`, in the crop: 128 to 255 is mask, 1 to 127 the seam around it,
 *   where the generated image fades out, 0 is unchanged; all 0 if not masked. S is 256.
 * @property {ImageData} crop The aligned face without its mask.
 * @property {ImageData} original The aligned face before.
 * @property {Matrix} matrix Affine transform from the photo's pixels to the crop's, `[2, 3]` row-major.
 * @property {number | null} track In a video or stream the number of the face, the same in every
 *   frame; `null` in a photo.
 */

/**
 * RGBA values as they are sent from the worker.
 *
 * @typedef {{ data: Uint8ClampedArray<ArrayBuffer>, width: number, height: number }} Rgba
 */

/**
 * A result as it is sent from the worker.
 *
 * @typedef {object} PackedResult
 * @property {Rgba} image
 * @property {PredefinedColorSpace} colorSpace
 * @property {(Omit<Face, "crop" | "original"> & { crop: Rgba, original: Rgba })[]} faces
 * @property {Record<string, number>} timings
 * @property {string[]} notes
 * @property {boolean} metadata Whether the source is a file with metadata.
 */

/** @type {Record<keyof EncodeOptions, null>} */
const FILE_OPTIONS = { type: null, quality: null };
const NO_METADATA = "the photo's metadata (EXIF, XMP, IPTC, comments) were not kept in the new file";
const NO_TRANSPARENCY = "JPEG has no transparency: the image was composited on white";

/** A photo with the masks removed. */
export class Result {
  #metadata;

  /** @param {PackedResult} packed */
  constructor({ image, colorSpace, faces, timings, notes, metadata }) {
    this.#metadata = metadata;
    /**
     * Upright. Outside the masks and the seam around them it equals the source bit for bit.
     *
     * @readonly
     */
    this.image = new ImageData(image.data, image.width, image.height, { colorSpace });
    /**
     * Every face found, masked or not; large and confident ones first, or in the order in which the
     * caller gave them. Empty if none was found: then the image is unchanged.
     *
     * @readonly
     * @type {Face[]}
     */
    this.faces = faces.map((face) => {
      return { ...face, crop: toImageData(face.crop), original: toImageData(face.original) };
    });
    /**
     * Milliseconds of the stages `decode`, `locate`, `align`, `run` and `paste`; and the number of
     * `threads`.
     *
     * @readonly
     */
    this.timings = timings;
    /**
     * Sentences about what could not be kept or was not processed. `toBlob` adds what its file
     * cannot hold.
     *
     * @readonly
     */
    this.notes = notes;
  }

  /**
   * Returns the content of an image file. If a mask was removed, it reports that a region was
   * generated: IPTC's `DigitalSourceType` in its XMP is `compositeWithTrainedAlgorithmicMedia`.
   *
   * @param {EncodeOptions} [options] `type` `image/jpeg`, `image/png` or `image/webp`, and `quality`
   *   0..1.
   * @returns {Promise<Blob>}
   */
  async toBlob(options = {}) {
    checkOptions("toBlob()", options, FILE_OPTIONS);
    const generated = this.faces.some((face) => face.masked);
    const blob = await encodeImage(this.image, { ...options, generated });
    if (this.#metadata) this.#note(NO_METADATA);
    if (blob.type === "image/jpeg" && !isOpaque(this.image.data)) this.#note(NO_TRANSPARENCY);
    return blob;
  }

  /** @param {string} note */
  #note(note) {
    if (!this.notes.includes(note)) this.notes.push(note);
  }
}

/**
 * Returns a result in a form that can be sent from a worker, and what of it is to be transferred.
 *
 * @param {Unmasked} unmasked
 * @param {number} threads
 * @returns {{ packed: PackedResult, transfer: Transferable[] }}
 */
export function packResult({ photo, faces, timings, notes }, threads) {
  const image = toRgba(photo.pixels, photo.alpha);
  const packedFaces = faces.map((face) => {
    const mask = /** @type {Uint8Array} */ (face.mask.data);
    return { ...face, mask, crop: toRgba(face.crop), original: toRgba(face.original) };
  });
  return {
    packed: {
      image,
      colorSpace: photo.colorSpace,
      faces: packedFaces,
      timings: { ...timings, threads },
      notes,
      metadata: photo.metadata,
    },
    transfer: [image, ...packedFaces.flatMap(({ crop, original }) => [crop, original])].map(
      ({ data }) => data.buffer,
    ),
  };
}

/**
 * @param {Raster} raster RGB.
 * @param {Uint8Array | null} [alpha]
 * @returns {Rgba}
 */
function toRgba({ data, width, height }, alpha) {
  const values = new Uint32Array(width * height);
  for (let source = 0, target = 0; target < values.length; source += 3, target++) {
    const opacity = alpha ? alpha[target] : 255;
    values[target] =
      data[source] | (data[source + 1] << 8) | (data[source + 2] << 16) | (opacity << 24);
  }
  const rgba = new Uint8ClampedArray(values.buffer);
  return { data: rgba, width, height };
}

/** @param {Rgba} rgba */
function toImageData({ data, width, height }) {
  return new ImageData(data, width, height);
}
