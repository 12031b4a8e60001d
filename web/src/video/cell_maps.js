/**
 * Filters of small float maps, as OpenCV's `blur`, `dilate` and linear `resize` compute them.
 *
 * A map is a `Float32Array` of `side * side` values, row by row.
 */

import { mirroredIndices } from "../imaging/filter.js";

/**
 * Returns means over squares; beyond the edges the map is mirrored.
 *
 * @param {Float32Array} map `side * side` values.
 * @param {number} side
 * @param {number} window Side of the squares, odd.
 * @returns {Float32Array}
 */
export function blurMap(map, side, window) {
  const reach = window >> 1;
  const mirrored = mirroredIndices(side, reach);
  const rows = new Float64Array(side * side);
  const blurred = new Float32Array(side * side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      let sum = 0;
      for (let d = 0; d < window; d++) sum += map[y * side + mirrored[x + d]];
      rows[y * side + x] = sum;
    }
  }
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      let sum = 0;
      for (let d = 0; d < window; d++) sum += rows[mirrored[y + d] * side + x];
      blurred[y * side + x] = sum / (window * window);
    }
  }
  return blurred;
}

/**
 * Returns the largest value of squares, of the part of them that lies in the map.
 *
 * @param {Float32Array} map `side * side` values.
 * @param {number} side
 * @param {number} window Side of the squares, odd.
 * @returns {Float32Array}
 */
export function dilateMap(map, side, window) {
  const reach = window >> 1;
  const rows = new Float32Array(side * side);
  const dilated = new Float32Array(side * side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      let largest = -Infinity;
      for (let i = Math.max(0, x - reach); i <= Math.min(side - 1, x + reach); i++) {
        largest = Math.max(largest, map[y * side + i]);
      }
      rows[y * side + x] = largest;
    }
  }
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      let largest = -Infinity;
      for (let i = Math.max(0, y - reach); i <= Math.min(side - 1, y + reach); i++) {
        largest = Math.max(largest, rows[i * side + x]);
      }
      dilated[y * side + x] = largest;
    }
  }
  return dilated;
}

/**
 * Enlarges a map by linear interpolation; pixel edges, not centers, keep their position.
 *
 * @param {Float32Array} map `side * side` values.
 * @param {number} side
 * @param {number} size Side of the enlarged map.
 * @returns {Float32Array} `size * size` values.
 */
export function enlargeMap(map, side, size) {
  const low = new Int32Array(size);
  const high = new Int32Array(size);
  const share = new Float32Array(size);
  for (let i = 0; i < size; i++) {
    const place = ((i + 0.5) * side) / size - 0.5;
    const floor = Math.floor(place);
    low[i] = Math.min(Math.max(floor, 0), side - 1);
    high[i] = Math.min(Math.max(floor + 1, 0), side - 1);
    share[i] = place - floor;
  }
  const enlarged = new Float32Array(size * size);
  for (let y = 0; y < size; y++) {
    const top = low[y] * side;
    const bottom = high[y] * side;
    const v = share[y];
    for (let x = 0; x < size; x++) {
      const u = share[x];
      const above = map[top + low[x]] * (1 - u) + map[top + high[x]] * u;
      const below = map[bottom + low[x]] * (1 - u) + map[bottom + high[x]] * u;
      enlarged[y * size + x] = above * (1 - v) + below * v;
    }
  }
  return enlarged;
}
