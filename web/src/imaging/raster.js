/** Images as typed arrays. */

/**
 * An image.
 *
 * @typedef {object} Raster
 * @property {Uint8Array | Uint8ClampedArray | Float32Array} data Row by row, channels interleaved: RGB
 *   if there are three.
 * @property {number} width In pixels.
 * @property {number} height In pixels.
 * @property {number} channels
 */

/**
 * Returns a black image of bytes.
 *
 * @param {number} width
 * @param {number} height
 * @param {number} channels
 * @returns {Raster & { data: Uint8Array<ArrayBuffer> }}
 */
export function createRaster(width, height, channels) {
  return { data: new Uint8Array(width * height * channels), width, height, channels };
}

/**
 * Returns zeros of the same type as the values of an image.
 *
 * @param {Raster} like
 * @param {number} length
 * @returns {Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>}
 */
export function zerosLike(like, length) {
  return hasFloats(like) ? new Float32Array(length) : new Uint8Array(length);
}

/**
 * Returns whether the values of an image are float32, not bytes.
 *
 * @param {Raster} image
 */
export function hasFloats({ data }) {
  return data instanceof Float32Array;
}

/**
 * Returns where the values of an image are written; bytes are rounded there as OpenCV does it, halves
 * to the even neighbor, and clipped.
 *
 * @param {Raster} image Bytes in a buffer of their own, or floats.
 */
export function rounding({ data }) {
  return data instanceof Float32Array ? data : new Uint8ClampedArray(data.buffer);
}

/**
 * Returns a copy of a part of an image.
 *
 * @param {Raster} image
 * @param {number} x0
 * @param {number} y0
 * @param {number} x1 Exclusive.
 * @param {number} y1 Exclusive.
 * @returns {Raster}
 */
export function cropRaster(image, x0, y0, x1, y1) {
  const { data, width, channels } = image;
  const row = (x1 - x0) * channels;
  const cut = zerosLike(image, row * (y1 - y0));
  for (let y = y0; y < y1; y++) {
    const start = (y * width + x0) * channels;
    cut.set(data.subarray(start, start + row), (y - y0) * row);
  }
  return { data: cut, width: x1 - x0, height: y1 - y0, channels };
}

/**
 * Returns an image of bytes made from the values of another.
 *
 * @param {Raster} image
 * @param {(value: number) => number} change Returns a whole number, 0..255.
 * @returns {Raster & { data: Uint8Array<ArrayBuffer> }}
 */
export function mapBytes(image, change) {
  const data = new Uint8Array(image.data.length);
  for (let i = 0; i < data.length; i++) data[i] = change(image.data[i]);
  return { ...image, data };
}

/**
 * Rounds as NumPy and OpenCV do: halves to the even neighbor.
 *
 * @param {number} value
 */
export function roundHalfToEven(value) {
  const low = Math.floor(value);
  const rest = value - low;
  if (rest < 0.5) return low;
  return rest > 0.5 ? low + 1 : low + (low & 1);
}
