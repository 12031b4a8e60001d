/** Resizes images as OpenCV 5 does, bit for bit. */

import { hasFloats, roundHalfToEven, zerosLike } from "./raster.js";

/** @typedef {import("./raster.js").Raster} Raster */

// Weights of the linear interpolation of bytes are fixed-point numbers of 11 bits.
const ONE = 2048;
// Smaller parts of a pixel are left out of a mean.
const LEAST_PART = 1e-3;

/**
 * Returns an image at another size, as `cv2.resize` does.
 *
 * @param {Raster} image
 * @param {number} width In pixels, of the result.
 * @param {number} height In pixels, of the result.
 * @param {"area" | "linear"} interpolation `area` (`INTER_AREA`): means over the pixels that each
 *   pixel of the result covers; only for sizes that are not larger. `linear` (`INTER_LINEAR`): only
 *   for bytes.
 * @returns {Raster}
 */
export function resize(image, width, height, interpolation) {
  const channels = image.channels;
  const data = zerosLike(image, width * height * channels);
  const resized = { data, width, height, channels };
  const factors = [image.width / width, image.height / height];
  if (interpolation === "linear") resizeLinear(image, resized);
  else if (!factors.every(Number.isInteger)) averageParts(image, resized);
  else if (factors.every((factor) => factor === 2) && !hasFloats(image)) halve(image, resized);
  else averageWhole(image, resized, factors[0], factors[1]);
  return resized;
}

/**
 * @param {Raster} source
 * @param {Raster} target
 */
function resizeLinear({ data, width, height, channels }, target) {
  const columns = linearWeights(width, target.width, true);
  const rows = linearWeights(height, target.height, false);
  const length = target.width * channels;
  let upper = { at: -1, values: new Int32Array(length) };
  let lower = { at: -1, values: new Int32Array(length) };

  /** @param {{ at: number, values: Int32Array }} row @param {number} y */
  function interpolate(row, y) {
    const base = y * width;
    for (let x = 0, i = 0; x < target.width; x++) {
      const left = (base + columns.low[x]) * channels;
      const right = (base + columns.high[x]) * channels;
      const lowWeight = columns.lowWeight[x];
      const highWeight = columns.highWeight[x];
      for (let c = 0; c < channels; c++) {
        row.values[i++] = data[left + c] * lowWeight + data[right + c] * highWeight;
      }
    }
    row.at = y;
  }

  for (let y = 0, i = 0; y < target.height; y++) {
    // Most rows of a little smaller image share one row of the source.
    if (lower.at === rows.low[y]) [upper, lower] = [lower, upper];
    if (upper.at !== rows.low[y]) interpolate(upper, rows.low[y]);
    if (lower.at !== rows.high[y]) interpolate(lower, rows.high[y]);
    const lowWeight = rows.lowWeight[y];
    const highWeight = rows.highWeight[y];
    for (let x = 0; x < length; x++) {
      const low = (lowWeight * (upper.values[x] >> 4)) >> 16;
      const high = (highWeight * (lower.values[x] >> 4)) >> 16;
      target.data[i++] = (low + high + 2) >> 2;
    }
  }
}

/**
 * Returns the two neighbors of each place along a side, and their weights of `ONE`.
 *
 * @param {number} size
 * @param {number} count
 * @param {boolean} snap Whether places beyond the centers of the first and last pixel take that pixel
 *   alone, as OpenCV has it for columns.
 */
function linearWeights(size, count, snap) {
  const low = new Int32Array(count);
  const high = new Int32Array(count);
  const lowWeight = new Int32Array(count);
  const highWeight = new Int32Array(count);
  const scale = 1 / (count / size);
  for (let i = 0; i < count; i++) {
    const place = Math.fround((i + 0.5) * scale - 0.5);
    const floor = Math.floor(place);
    const beyond = floor < 0 || floor >= size - 1;
    const share = snap && beyond ? 0 : Math.fround(place - floor);
    low[i] = Math.min(Math.max(floor, 0), size - 1);
    high[i] = Math.min(Math.max(floor + 1, 0), size - 1);
    if (snap && floor < 0) high[i] = 0;
    lowWeight[i] = roundHalfToEven(Math.fround(1 - share) * ONE);
    highWeight[i] = roundHalfToEven(share * ONE);
  }
  return { low, high, lowWeight, highWeight };
}

/**
 * Halves an image of bytes; OpenCV rounds halves up here, and here only.
 *
 * @param {Raster} source
 * @param {Raster} target
 */
function halve({ data, width, channels }, target) {
  const row = width * channels;
  for (let y = 0, i = 0; y < target.height; y++) {
    let place = 2 * y * row;
    for (let x = 0; x < target.width; x++) {
      for (let c = 0; c < channels; c++, place++) {
        const right = place + channels;
        target.data[i++] = (data[place] + data[right] + data[place + row] + data[right + row] + 2) >> 2;
      }
      place += channels;
    }
  }
}

/**
 * @param {Raster} source
 * @param {Raster} target
 * @param {number} across A whole number.
 * @param {number} down A whole number.
 */
function averageWhole(source, target, across, down) {
  const { data, width, channels } = source;
  const round = hasFloats(source) ? Math.fround : roundHalfToEven;
  const share = Math.fround(1 / (across * down));
  for (let y = 0, i = 0; y < target.height; y++) {
    for (let x = 0; x < target.width; x++) {
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let row = 0; row < down; row++) {
          let place = ((y * down + row) * width + x * across) * channels + c;
          for (let column = 0; column < across; column++, place += channels) sum += data[place];
        }
        target.data[i++] = round(Math.fround(sum * share));
      }
    }
  }
}

/**
 * @param {Raster} source
 * @param {Raster} target
 */
function averageParts(source, target) {
  const { data, width, channels } = source;
  const round = hasFloats(source) ? Math.fround : roundHalfToEven;
  const columns = partsOfMeans(width, target.width);
  const rows = partsOfMeans(source.height, target.height);
  const length = target.width * channels;
  const sums = new Float32Array(length);
  for (let y = 0; y < target.height; y++) {
    sums.fill(0);
    for (let r = rows.start[y]; r < rows.start[y + 1]; r++) {
      const base = rows.place[r] * width;
      for (let x = 0, i = 0; x < target.width; x++) {
        for (let c = 0; c < channels; c++) {
          let sum = 0;
          for (let k = columns.start[x]; k < columns.start[x + 1]; k++) {
            const value = data[(base + columns.place[k]) * channels + c];
            sum = Math.fround(sum + Math.fround(value * columns.weight[k]));
          }
          sums[i++] += Math.fround(rows.weight[r] * sum);
        }
      }
    }
    for (let i = 0; i < length; i++) target.data[y * length + i] = round(sums[i]);
  }
}

/**
 * Returns which pixels along a side make each mean, and their weights.
 *
 * @param {number} size
 * @param {number} count
 */
function partsOfMeans(size, count) {
  const scale = size / count;
  const place = [];
  const weight = [];
  const start = [0];
  for (let i = 0; i < count; i++) {
    const low = i * scale;
    const high = low + scale;
    const covered = Math.min(scale, size - low);
    const last = Math.min(Math.floor(high), size - 1);
    const first = Math.min(Math.ceil(low), last);
    if (first - low > LEAST_PART) {
      place.push(first - 1);
      weight.push((first - low) / covered);
    }
    for (let whole = first; whole < last; whole++) {
      place.push(whole);
      weight.push(1 / covered);
    }
    if (high - last > LEAST_PART) {
      place.push(last);
      weight.push(Math.min(high - last, 1, covered) / covered);
    }
    start.push(place.length);
  }
  return { place, weight: Float32Array.from(weight), start };
}
