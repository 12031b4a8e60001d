/**
 * Finds faces in a photo, masked or not, and their eye centers to the pixel.
 *
 * It uses two small networks. The detector takes the photo at one to three scales and returns boxes.
 * The aligner takes a crop around each box, then a second crop placed by its first result, and
 * returns five points. Coordinates are pixels as in `align.js`: integers at pixel centers, "left" and
 * "right" as seen in the image.
 *
 * A box is the tight rectangle around the face from the top of the forehead to the chin, without
 * hair, ears and neck; with a mask it ends where the chin would be.
 */

import { InvalidInputError } from "../core/errors.js";
import { roundHalfToEven } from "../imaging/raster.js";
import { invertAffineTransform } from "../imaging/warp.js";
import { transformPoints, warpCrop } from "./align.js";
import {
  ALIGN_SIZE,
  BORDER,
  boxArea,
  boxMatrix,
  decodeBoxes,
  detectorScales,
  letterbox,
  meanPoint,
  nms,
  pointsMatrix,
} from "./detector_postprocess.js";

/** @typedef {import("../imaging/raster.js").Raster} Raster */
/** @typedef {import("../runtimes/onnx.js").Tensor} Tensor */
/** @typedef {import("./align.js").Matrix} Matrix */
/** @typedef {import("./align.js").Point} Point */
/** @typedef {import("./detector_postprocess.js").Box} Box */

/**
 * The part of a runtime that the locator needs: named arrays in, named arrays out.
 *
 * @typedef {{
 *   runNamed(inputs: Record<string, Tensor>): Promise<Record<string, Tensor>>,
 * }} NamedRuntime
 */

/**
 * The location of a face in a photo.
 *
 * @typedef {object} Location
 * @property {Box} box In pixels; may extend beyond the photo.
 * @property {Point[]} points Image-left eye, image-right eye, nose tip, image-left and image-right
 *   mouth corner.
 * @property {number} score 0..1, the geometric mean of the detector's and the aligner's confidence.
 */

/**
 * Least score of a face. Measured on validation faces: 0.5 finds 1 to 3 % more of them, but has twice
 * as many false positives.
 */
export const MIN_SCORE = 0.6;
/**
 * Smaller faces (mean side of the box in pixels of the photo) are ignored: so small a fill cannot be
 * recognized, and most false positives are as small as that.
 */
export const MIN_FACE = 30;
/** Two boxes with a higher intersection over union than this are one face. */
export const MAX_OVERLAP = 0.4;
export const MAX_FACES = 256;
/**
 * Runtimes differ in the last digits of what they compute. A crop that is placed by rounded numbers is
 * nearly always the same on all of them, bit for bit; otherwise a fill differs by some 50 dB. In steps
 * per pixel: of what places the crops of the aligner, and of the points found.
 */
export const PLACING_STEPS = 8;
export const POINT_STEPS = 128;
// Crops of the aligner in one batch, which limits memory: that of WebAssembly never shrinks.
const CHUNK = 8;

/** Finds faces with a detector and an aligner, each behind a runtime. */
export class Locator {
  #detector;
  #aligner;

  /**
   * @param {NamedRuntime} detector Takes `image` uint8 `[1, H, W, 3]`, sides multiples of 32; returns
   *   `heat` float32 `[1, H/8, W/8]` and `box` float32 `[1, H/8, W/8, 4]`.
   * @param {NamedRuntime} aligner Takes `image` uint8 `[N, 112, 112, 3]`; returns `points` float32
   *   `[N, 5, 2]` and `score` float32 `[N]`.
   */
  constructor(detector, aligner) {
    this.#detector = detector;
    this.#aligner = aligner;
  }

  /**
   * Finds the faces of a photo.
   *
   * @param {Raster} image uint8, RGB. Faces from 40 px (box height; in photos longer than 4000 px, a
   *   hundredth of the longer side) to the full frame are found, rolled by up to about 45 degrees.
   * @returns {Promise<Location[]>} The faces with a score of at least `MIN_SCORE`; large and
   *   confident ones first.
   */
  async locate(image) {
    const detected = await this.#detect(image);
    const best = nms(detected.boxes, detected.heats, MAX_OVERLAP).slice(0, MAX_FACES);
    const placing = best.map((i) => /** @type {Box} */ (rounded(detected.boxes[i], PLACING_STEPS)));
    const aligned = await this.#alignBoxes(image, placing);
    const faces = aligned
      .map(({ points, score }, n) => {
        const i = best[n];
        return { box: detected.boxes[i], points, score: Math.sqrt(score * detected.heats[i]) };
      })
      .filter((face) => face.score >= MIN_SCORE);
    // Two boxes, such as of the face and of the head, may lead the aligner to the same eyes.
    const around = faces.map(({ points: [left, right] }) => {
      const distance = Math.hypot(right[0] - left[0], right[1] - left[1]);
      const [x, y] = [(left[0] + right[0]) / 2, (left[1] + right[1]) / 2];
      return /** @type {Box} */ ([x - distance, y - distance, x + distance, y + distance]);
    });
    const scores = faces.map((face) => face.score);
    const rank = (/** @type {Location} */ face) => face.score * boxArea(face.box) ** 0.5;
    return nms(around, scores, MAX_OVERLAP)
      .map((i) => faces[i])
      .sort((a, b) => rank(b) - rank(a));
  }

  /**
   * Finds the points of a face whose box is known.
   *
   * @param {Raster} image uint8, RGB.
   * @param {Box} box Around the face as described for this module; errors of a tenth do no harm.
   * @returns {Promise<Location>} The location, with the box as given and the aligner's score only.
   */
  async align(image, box) {
    if (!box.every(Number.isFinite) || box[2] <= box[0] || box[3] <= box[1]) {
      throw new InvalidInputError(
        "a box must be four finite numbers x0, y0, x1, y1 with x1 > x0 and y1 > y0; " +
          `got ${JSON.stringify(box)}`,
      );
    }
    const [aligned] = await this.#alignBoxes(image, [box]);
    return { box: [...box], ...aligned };
  }

  /**
   * Finds the points of faces that were nearby in the previous frame.
   *
   * @param {Raster} image uint8, RGB.
   * @param {Location[]} faces Their previous locations, at most a quarter of a face away.
   * @returns {Promise<Location[]>} A location for each, with the aligner's score only: a low one means
   *   that the face is gone. The box is moved with the points.
   */
  async follow(image, faces) {
    const aligned = await this.#runSecondLook(image, faces);
    return aligned.map(({ points, score }, i) => {
      return { box: movedBox(faces[i], points), points, score };
    });
  }

  /** @param {Raster} image */
  async #detect(image) {
    /** @type {Box[]} */
    const boxes = [];
    /** @type {number[]} */
    const heats = [];
    /** @type {Raster[]} */
    const halves = [];
    for (const scale of detectorScales(image.height, image.width)) {
      const { canvas, factors } = letterbox(image, scale, halves);
      const dims = [1, canvas.height, canvas.width, 3];
      const input = { data: /** @type {Uint8Array} */ (canvas.data), dims };
      const { heat, box } = await this.#detector.runNamed({ image: input });
      const found = decodeBoxes(
        /** @type {Float32Array} */ (heat.data),
        /** @type {Float32Array} */ (box.data),
        heat.dims[1],
        heat.dims[2],
      );
      found.boxes.forEach((inCanvas, i) => {
        // Pixel edges, not centers, keep their position when the size changes.
        const inPhoto = /** @type {Box} */ (
          inCanvas.map((value, k) => (value - BORDER + 0.5) * factors[k % 2] - 0.5)
        );
        if (!(Math.sqrt(boxArea(inPhoto)) >= MIN_FACE)) return;
        boxes.push(inPhoto);
        heats.push(found.heats[i]);
      });
    }
    return { boxes, heats };
  }

  /**
   * @param {Raster} image
   * @param {Box[]} boxes
   */
  async #alignBoxes(image, boxes) {
    return this.#runSecondLook(image, await this.#runAligner(image, boxes.map(boxMatrix)));
  }

  /**
   * @param {Raster} image
   * @param {{ points: Point[] }[]} faces
   */
  #runSecondLook(image, faces) {
    const matrices = faces.map(({ points }) =>
      pointsMatrix(points.map((point) => /** @type {Point} */ (rounded(point, PLACING_STEPS)))),
    );
    return this.#runAligner(image, matrices);
  }

  /**
   * @param {Raster} image
   * @param {Matrix[]} matrices
   */
  async #runAligner(image, matrices) {
    /** @type {{ points: Point[], score: number }[]} */
    const found = [];
    const area = 3 * ALIGN_SIZE ** 2;
    for (let start = 0; start < matrices.length; start += CHUNK) {
      const part = matrices.slice(start, start + CHUNK);
      const data = new Uint8Array(part.length * area);
      part.forEach((m, i) => data.set(warpCrop(image, m, ALIGN_SIZE).data, i * area));
      const input = { data, dims: [part.length, ALIGN_SIZE, ALIGN_SIZE, 3] };
      const { points, score } = await this.#aligner.runNamed({ image: input });
      part.forEach((matrix, i) => {
        const inCrop = Array.from({ length: 5 }, (_, k) => {
          const [x, y] = points.data.subarray(10 * i + 2 * k, 10 * i + 2 * k + 2);
          return /** @type {Point} */ ([x * ALIGN_SIZE - 0.5, y * ALIGN_SIZE - 0.5]);
        });
        const inPhoto = transformPoints(invertAffineTransform(matrix), inCrop).map(
          (point) => /** @type {Point} */ (rounded(point, POINT_STEPS)),
        );
        found.push({ points: inPhoto, score: score.data[i] });
      });
    }
    return found;
  }
}

/**
 * Moves and scales a face's box as its points moved.
 *
 * @param {Location} face
 * @param {Point[]} points
 * @returns {Box}
 */
function movedBox(face, points) {
  const [oldX, oldY] = meanPoint(face.points);
  const [newX, newY] = meanPoint(points);
  const growth = spread(points, [newX, newY]) / Math.max(spread(face.points, [oldX, oldY]), 1e-9);
  const [x0, y0, x1, y1] = face.box;
  return [
    (x0 - oldX) * growth + newX,
    (y0 - oldY) * growth + newY,
    (x1 - oldX) * growth + newX,
    (y1 - oldY) * growth + newY,
  ];
}

/**
 * Rounds to a whole number of steps of a pixel.
 *
 * @param {number[]} values
 * @param {number} steps
 */
function rounded(values, steps) {
  return values.map((value) => roundHalfToEven(value * steps) / steps);
}

/**
 * @param {Point[]} points
 * @param {Point} center
 */
function spread(points, [x, y]) {
  return Math.hypot(...points.flatMap((point) => [point[0] - x, point[1] - y]));
}
