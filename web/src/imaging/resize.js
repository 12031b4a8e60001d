/** Resizes images as OpenCV 5 does, bit for bit. */

import { hasFloats, roundHalfToEven, rounding, zerosLike } from "./raster.js";

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
  const across = image.width / width;
  const down = image.height / height;
  if (interpolation === "linear") resizeLinear(image, resized);
  else if (!Number.isInteger(across) || !Number.isInteger(down)) averageParts(image, resized);
  else if (hasFloats(image)) averageFloats(image, resized, across, down);
  else if (across === 2 && down === 2) halve(image, resized);
  else averageBytes(image, resized, across, down);
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
  const output = target.data;

  /** @param {{ at: number, values: Int32Array }} row @param {number} y */
  function interpolate(row, y) {
    const { low, high, lowWeight, highWeight } = columns;
    const values = row.values;
    const base = y * width;
    for (let x = 0, i = 0; x < low.length; x++) {
      let left = (base + low[x]) * channels;
      let right = (base + high[x]) * channels;
      const near = lowWeight[x];
      const far = highWeight[x];
      for (let c = 0; c < channels; c++, left++, right++) {
        values[i++] = (data[left] * near + data[right] * far) >> 4;
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
    const above = upper.values;
    const below = lower.values;
    for (let x = 0; x < length; x++) {
      output[i++] = (((lowWeight * above[x]) >> 16) + ((highWeight * below[x]) >> 16) + 2) >> 2;
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
  const output = target.data;
  for (let y = 0, i = 0; y < target.height; y++) {
    let place = 2 * y * row;
    for (let x = 0; x < target.width; x++, place += channels) {
      for (let c = 0; c < channels; c++, place++) {
        const right = place + channels;
        output[i++] = (data[place] + data[right] + data[place + row] + data[right + row] + 2) >> 2;
      }
    }
  }
}

/**
 * @param {Raster} source Bytes.
 * @param {Raster} target
 * @param {number} across A whole number.
 * @param {number} down A whole number.
 */
function averageBytes({ data, width, channels }, target, across, down) {
  const output = rounding(target);
  const share = Math.fround(1 / (across * down));
  const length = target.width * channels;
  const sums = new Int32Array(length);
  for (let y = 0; y < target.height; y++) {
    sums.fill(0);
    for (let row = y * down; row < (y + 1) * down; row++) {
      let place = row * width * channels;
      for (let i = 0; i < length; i += channels) {
        for (let n = 0; n < across; n++) {
          for (let c = 0; c < channels; c++, place++) sums[i + c] += data[place];
        }
      }
    }
    for (let i = 0, start = y * length; i < length; i++) output[start + i] = Math.fround(sums[i] * share);
  }
}

/**
 * Averages floats in the order in which OpenCV does: four are added to each other first.
 *
 * @param {Raster} source
 * @param {Raster} target
 * @param {number} across A whole number.
 * @param {number} down A whole number.
 */
function averageFloats({ data, width, channels }, target, across, down) {
  const output = target.data;
  const share = Math.fround(1 / (across * down));
  const count = across * down;
  const offsets = Int32Array.from({ length: count }, (_, n) => {
    return (Math.floor(n / across) * width + (n % across)) * channels;
  });
  const fours = count - (count % 4);
  for (let y = 0, i = 0; y < target.height; y++) {
    for (let x = 0; x < target.width; x++) {
      const corner = (y * down * width + x * across) * channels;
      for (let c = 0; c < channels; c++) {
        const place = corner + c;
        let sum = 0;
        let n = 0;
        for (; n < fours; n += 4) {
          const two = Math.fround(data[place + offsets[n]] + data[place + offsets[n + 1]]);
          const three = Math.fround(two + data[place + offsets[n + 2]]);
          sum = Math.fround(sum + Math.fround(three + data[place + offsets[n + 3]]));
        }
        for (; n < count; n++) sum = Math.fround(sum + data[place + offsets[n]]);
        output[i++] = sum * share;
      }
    }
  }
}

/**
 * @param {Raster} source
 * @param {Raster} target
 */
function averageParts({ data, width, height, channels }, target) {
  const output = rounding(target);
  const columns = partsOfMeans(width, target.width);
  const rows = partsOfMeans(height, target.height);
  const length = target.width * channels;
  const sums = new Float32Array(length);
  const row = new Float32Array(length);
  for (let y = 0; y < target.height; y++) {
    sums.fill(0);
    for (let r = rows.start[y]; r < rows.start[y + 1]; r++) {
      row.fill(0);
      addColumns(data, rows.place[r] * width * channels, channels, columns, row);
      const weight = rows.weight[r];
      for (let i = 0; i < length; i++) sums[i] += Math.fround(weight * row[i]);
    }
    for (let i = 0, start = y * length; i < length; i++) output[start + i] = sums[i];
  }
}

/**
 * Adds the weighted columns of a row to their means.
 *
 * @param {ArrayLike<number>} data
 * @param {number} start Of the row.
 * @param {number} channels
 * @param {Parts} columns
 * @param {Float32Array} means
 */
function addColumns(data, start, channels, { place, weight, start: starts }, means) {
  for (let x = 0; x < starts.length - 1; x++) {
    for (let n = starts[x]; n < starts[x + 1]; n++) {
      const share = weight[n];
      let i = x * channels;
      let at = start + place[n] * channels;
      for (let c = 0; c < channels; c++, i++, at++) means[i] += Math.fround(share * data[at]);
    }
  }
}

/**
 * Which pixels along a side make each mean, and their weights.
 *
 * @typedef {object} Parts
 * @property {Int32Array} place
 * @property {Float32Array} weight
 * @property {Int32Array} start Of each mean in the other two, and their length.
 */

/**
 * @param {number} size
 * @param {number} count
 * @returns {Parts}
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
  return {
    place: Int32Array.from(place),
    weight: Float32Array.from(weight),
    start: Int32Array.from(start),
  };
}
