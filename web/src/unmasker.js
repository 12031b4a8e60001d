/** From a photo to the same without masks, in the thread where the networks are. */

import { InvalidInputError } from "./core/errors.js";
import { MIN_BOX_SCORE, facesFromBoxes, facesFromEyes } from "./faces/given_faces.js";
import { MAX_FACES } from "./faces/locator.js";
import { locateInPositions } from "./faces/positions.js";
import { readPhoto } from "./imaging/decode.js";
import { StageTimer, runCrops, unmaskFaces } from "./pipeline.js";

/** @typedef {import("./imaging/decode.js").PackedSource} PackedSource */
/** @typedef {import("./imaging/decode.js").Photo} Photo */
/** @typedef {import("./faces/locator.js").Locator} Locator */
/** @typedef {import("./pipeline.js").FoundFace} FoundFace */
/** @typedef {import("./runtimes/onnx.js").OnnxNetwork} OnnxNetwork */

/**
 * Which faces to unmask; all that are found by default.
 *
 * @typedef {object} UnmaskOptions
 * @property {number[][]} [boxes] (x0, y0, x1, y1) in pixels around each face from forehead to chin,
 *   used instead of detection. For faces rolled by up to 45 degrees; for others give the eyes.
 * @property {number[][][]} [eyes] (x, y) in pixels of the two eye centers of each face, used instead of
 *   detection. First the eye that is on the left in the image when the head is upright.
 */

/**
 * A photo with the masks removed.
 *
 * @typedef {object} Unmasked
 * @property {Photo} photo
 * @property {FoundFace[]} faces
 * @property {Record<string, number>} timings Milliseconds of each stage.
 * @property {string[]} notes
 */

/** The opened networks. Its calls must not overlap. */
export class Unmasker {
  #network;

  /**
   * @param {OnnxNetwork} network An unmasker.
   * @param {Locator} locator Finds the faces.
   */
  constructor(network, locator) {
    this.#network = network;
    this.locator = locator;
  }

  /** Side of the crops that the network takes, in pixels. */
  get cropSize() {
    return /** @type {number} */ (this.#network.artifact.inputs[0].shape[1]);
  }

  /**
   * Removes the masks from all faces of a photo.
   *
   * If no face is found, the photo is tried on its sides and upside down; the result stays as the
   * photo lies, and its notes report it.
   *
   * @param {PackedSource} source
   * @param {UnmaskOptions} [options]
   * @returns {Promise<Unmasked>}
   */
  async unmask(source, { boxes, eyes } = {}) {
    const timer = new StageTimer();
    if (boxes && eyes) throw new InvalidInputError("give boxes or eyes, not both");
    const photo = await readPhoto(source);
    timer.lap("decode");
    const notes = photo.notes;
    let minScore = 0;
    let found;
    if (boxes) {
      found = await facesFromBoxes(photo.pixels, this.locator, boxes);
      minScore = MIN_BOX_SCORE;
    } else if (eyes) {
      found = facesFromEyes(photo.pixels, eyes);
    } else {
      const { faces, note } = await locateInPositions(photo.pixels, this.locator);
      if (note) notes.push(note);
      if (faces.length === MAX_FACES) {
        notes.push(`only the ${MAX_FACES} most confident faces were processed`);
      }
      found = faces;
    }
    timer.lap("locate");
    const tasks = found.map((location) => ({ location, minScore }));
    const faces = await this.unmaskFaces(photo.pixels, tasks, timer);
    return { photo, faces, timings: timer.laps, notes };
  }

  /**
   * Removes the masks from faces whose places are known, in place (`pipeline.js`).
   *
   * @param {import("./imaging/raster.js").Raster} image uint8, RGB.
   * @param {import("./pipeline.js").FaceTask[]} tasks
   * @param {StageTimer} timer
   * @returns {Promise<FoundFace[]>}
   */
  unmaskFaces(image, tasks, timer) {
    return unmaskFaces(this.#network, image, tasks, timer);
  }

  /**
   * Removes the masks from faces that are aligned already.
   *
   * @param {unknown} images uint8 `[N, S, S, 3]`, RGB canonical crops (`faces/align.js`); N may be 0.
   * @returns {Promise<{ unmasked: Uint8Array, masks: Uint8Array }>} `[N, S, S, 3]` and `[N, S, S, 1]`.
   */
  async crops(images) {
    const size = this.cropSize;
    const bytes = images instanceof Uint8Array || images instanceof Uint8ClampedArray;
    if (!bytes || images.length % (3 * size * size)) {
      const got = bytes ? `${images.length} values` : (images?.constructor?.name ?? typeof images);
      throw new InvalidInputError(
        `crops must be a Uint8Array of RGB values, N * ${size} * ${size} * 3; got ${got}`,
      );
    }
    return runCrops(this.#network, new Uint8Array(images.buffer, images.byteOffset, images.length), size);
  }
}
