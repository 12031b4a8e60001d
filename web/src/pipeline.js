/** The one way of a face: crop, run the network, judge the mask, blend the fill into the photo. */

import { blendCrop } from "./compositing/blend.js";
import { grayscaleFill, isGrayscale } from "./compositing/grayscale.js";
import { cropMatrix, warpCrop } from "./faces/align.js";

/** @typedef {import("./imaging/raster.js").Raster} Raster */
/** @typedef {import("./faces/align.js").Matrix} Matrix */
/** @typedef {import("./faces/align.js").Point} Point */
/** @typedef {import("./faces/detector_postprocess.js").Box} Box */
/** @typedef {import("./faces/locator.js").Location} Location */
/** @typedef {import("./compositing/blend.js").Texture} Texture */
/** @typedef {import("./runtimes/onnx.js").OnnxNetwork} OnnxNetwork */

/**
 * A face is masked if the mask covers at least this fraction of its crop; the smallest real mask
 * covers ten times as much.
 */
export const MIN_MASK_SHARE = 0.01;

/**
 * Takes the original crop, the unmasked crop and the mask of one frame; returns the last two, smoothed
 * over time.
 *
 * @typedef {(original: Raster, unmasked: Raster, mask: Raster) =>
 *   { unmasked: Raster, mask: Raster }} Smoother
 */

/**
 * A face to unmask.
 *
 * @typedef {object} FaceTask
 * @property {Location} location Where it lies; its eyes place the crop.
 * @property {number} [minScore] With a lower locator score it does not count as a face, and is left
 *   unchanged.
 * @property {Smoother} [smooth] Smooths the fill over time; not for a photo.
 * @property {Texture} [texture] Measured in an earlier frame of a video, or to be measured for later
 *   ones.
 * @property {number} [track] Number of the face in a video.
 */

/**
 * One face of a photo.
 *
 * @typedef {object} FoundFace
 * @property {Box} box In the photo's pixels, forehead to chin; may extend beyond the photo.
 * @property {Point[]} eyes Eye centers in the photo's pixels, the left one in the image first.
 * @property {number} confidence 0..1, the locator's confidence; 1 for eyes that the caller gave.
 * @property {boolean} masked Whether a mask was found and removed.
 * @property {Raster} mask One channel, in the crop: 128 to 255 is mask, 1 to 127 the seam around it, 0
 *   unchanged.
 * @property {Raster} crop The aligned face without its mask.
 * @property {Raster} original The aligned face before.
 * @property {Matrix} matrix From the photo's pixels to the crop's.
 * @property {number | null} track
 */

/** Measures the milliseconds of each stage. */
export class StageTimer {
  /** @type {Record<string, number>} */
  laps = {};
  #last = performance.now();

  /** Ends a stage; the next one begins now. @param {string} stage */
  lap(stage) {
    const now = performance.now();
    this.laps[stage] = now - this.#last;
    this.#last = now;
  }
}

/**
 * Removes the masks from crops.
 *
 * One at a time: with one thread a batch is no faster, and the memory of WebAssembly never shrinks.
 *
 * @param {OnnxNetwork} network An unmasker.
 * @param {Uint8Array} images `[N, S, S, 3]`, RGB.
 * @param {number} size S.
 * @returns {Promise<{ unmasked: Uint8Array, masks: Uint8Array }>} `[N, S, S, 3]` and `[N, S, S, 1]`.
 */
export async function runCrops(network, images, size) {
  const area = size * size;
  const count = images.length / (3 * area);
  const unmasked = new Uint8Array(images.length);
  const masks = new Uint8Array(count * area);
  for (let i = 0; i < count; i++) {
    const data = images.slice(3 * area * i, 3 * area * (i + 1));
    const found = await network.runNamed({ image: { data, dims: [1, size, size, 3] } });
    unmasked.set(found.unmasked.data, 3 * area * i);
    masks.set(found.mask.data, area * i);
  }
  return { unmasked, masks };
}

/**
 * Removes the masks from the faces of an image, in place.
 *
 * @param {OnnxNetwork} network An unmasker.
 * @param {Raster} image uint8, RGB.
 * @param {FaceTask[]} tasks The faces, in the order in which they are to be returned.
 * @param {StageTimer} timer The stages `align`, `run` and `paste` are added.
 * @returns {Promise<FoundFace[]>}
 */
export async function unmaskFaces(network, image, tasks, timer) {
  const size = /** @type {number} */ (network.artifact.inputs[0].shape[1]);
  const matrices = tasks.map((task) => cropMatrix(task.location.points.slice(0, 2), size));
  const crops = matrices.map((matrix) => warpCrop(image, matrix, size));
  timer.lap("align");
  /** @type {{ unmasked: Raster, mask: Raster }[]} */
  const outputs = [];
  for (const crop of crops) {
    const data = /** @type {Uint8Array} */ (crop.data);
    const { unmasked, masks } = await runCrops(network, data, size);
    outputs.push({
      unmasked: { data: unmasked, width: size, height: size, channels: 3 },
      mask: { data: masks, width: size, height: size, channels: 1 },
    });
  }
  timer.lap("run");
  const faces = tasks.map((task, i) => {
    return judgeFace(task, matrices[i], crops[i], outputs[i].unmasked, outputs[i].mask);
  });
  faces.forEach(({ masked, crop, mask, matrix }, i) => {
    if (masked) blendCrop(image, crop, mask, matrix, tasks[i].texture);
  });
  timer.lap("paste");
  return faces;
}

/**
 * Decides whether a face wears a mask, and what of the network's answer is used.
 *
 * @param {FaceTask} task
 * @param {Matrix} matrix From the photo's pixels to the crop's.
 * @param {Raster} original The crop before.
 * @param {Raster} unmasked From the network.
 * @param {Raster} mask From the network.
 * @returns {FoundFace}
 */
export function judgeFace(task, matrix, original, unmasked, mask) {
  const { location, minScore = 0, smooth, track = null } = task;
  if (smooth) ({ unmasked, mask } = smooth(original, unmasked, mask));
  let covered = 0;
  for (const value of mask.data) covered += value >= 128 ? 1 : 0;
  const masked = location.score >= minScore && covered / mask.data.length >= MIN_MASK_SHARE;
  if (!masked) {
    unmasked = original;
    mask = { ...mask, data: new Uint8Array(mask.data.length) };
  } else if (isGrayscale(original)) {
    unmasked = grayscaleFill(original, unmasked, mask);
  }
  return {
    box: location.box,
    eyes: location.points.slice(0, 2),
    confidence: location.score,
    masked,
    mask,
    crop: unmasked,
    original,
    matrix,
    track,
  };
}
