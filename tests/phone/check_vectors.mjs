// Compares web/src with vectors of `unmask export vectors`: node check_vectors.mjs FOLDER.
// Prints a line for each output: name, how many values, largest and mean difference.

import { readFileSync } from "node:fs";

import { blendCrop } from "../../web/src/compositing/blend.js";
import { cropMatrix, transformPoints, warpCrop } from "../../web/src/faces/align.js";
import * as detector from "../../web/src/faces/detector_postprocess.js";
import { roundHalfToEven } from "../../web/src/imaging/raster.js";
import { invertAffineTransform } from "../../web/src/imaging/warp.js";

const folder = process.argv[2];
const { vectors } = JSON.parse(readFileSync(`${folder}/vectors.json`, "utf8"));
const bytes = readFileSync(`${folder}/vectors.bin`);
const found = new Map();

for (const vector of vectors) {
  const photo = raster(vector.photo);
  for (const { scale, canvas, factors } of vector.letterbox) {
    const boxed = detector.letterbox(photo, scale);
    compare("canvas", boxed.canvas.data, raster(canvas).data);
    compare("factors", boxed.factors, factors);
  }
  const [rows, columns] = vector.heat.shape;
  const { boxes, heats } = detector.decodeBoxes(floats(vector.heat), floats(vector.box), rows, columns);
  compare("boxes", boxes.flat(), vector.boxes.flat());
  compare("heats", heats, vector.heats);
  compare("kept", detector.nms(boxes, heats, 0.4), vector.kept);

  const matrix = detector.boxMatrix(vector.face_box);
  compare("box_matrix", matrix, vector.box_matrix);
  const inCrop = pairs(floats(vector.aligner_points)).map((p) => p.map((v) => v * detector.ALIGN_SIZE - 0.5));
  const points = transformPoints(invertAffineTransform(matrix), inCrop);
  compare("points", points.flat().map((v) => roundHalfToEven(v * 128) / 128), vector.points.flat());
  const second = detector.pointsMatrix(vector.placing);
  compare("points_matrix", second, vector.points_matrix);
  compare("aligner_crop", warpCrop(photo, second, detector.ALIGN_SIZE).data, raster(vector.aligner_crop).data);

  const placed = cropMatrix(vector.eyes);
  compare("crop_matrix", placed, vector.crop_matrix);
  compare("crop", warpCrop(photo, placed).data, raster(vector.crop).data);
  blendCrop(photo, raster(vector.unmasked), raster(vector.mask), placed);
  compare("blended", photo.data, raster(vector.blended).data);
}

for (const [name, { count, largest, sum }] of found) console.log(name, count, largest, sum / count);

function compare(name, values, expected) {
  const entry = found.get(name) ?? { count: 0, largest: 0, sum: 0 };
  found.set(name, entry);
  if (values.length !== expected.length) entry.largest = Infinity;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(values[i] - expected[i]);
    entry.count += 1;
    entry.sum += difference;
    if (!(difference <= entry.largest)) entry.largest = difference;
  }
}

function raster({ shape: [height, width, channels = 1], offset }) {
  const data = Uint8Array.from(bytes.subarray(offset, offset + height * width * channels));
  return { data, width, height, channels };
}

function floats({ shape, offset }) {
  const length = shape.reduce((product, side) => product * side, 1);
  return new Float32Array(bytes.buffer, bytes.byteOffset + offset, length);
}

function pairs(values) {
  return Array.from({ length: values.length / 2 }, (_, i) => [values[2 * i], values[2 * i + 1]]);
}
