/**
 * Writes PNG files.
 *
 * A browser's own writer takes the pixels from a canvas, which loses the colors of pixels that are
 * partly transparent, and in some browsers adds noise against fingerprinting.
 */

import { crc32 } from "../core/crc32.js";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const COLOR_RGB = 2;
const COLOR_RGBA = 6;
const FILTERS = 5;
// Between pauses, in which the page answers its user.
const PAUSE_BYTES = 2 ** 20;
// Numbers of ITU-T H.273: primaries of Display P3, transfer of sRGB, RGB, full range.
const DISPLAY_P3 = [12, 13, 0, 1];

/**
 * Returns a PNG file with exactly the pixels of an image.
 *
 * @param {ImageData} image
 * @param {string | null} xmp XMP packet to write.
 * @returns {Promise<BlobPart[]>} Parts of the file.
 */
export async function encodePng(image, xmp) {
  const { width, height, data } = image;
  const channels = isOpaque(data) ? 3 : 4;
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, channels === 3 ? COLOR_RGB : COLOR_RGBA], 8);
  const parts = [new Uint8Array(SIGNATURE), ...chunk("IHDR", header)];
  if (image.colorSpace === "display-p3") parts.push(...chunk("cICP", new Uint8Array(DISPLAY_P3)));
  if (xmp !== null) parts.push(...chunk("iTXt", internationalText("XML:com.adobe.xmp", xmp)));
  parts.push(...chunk("IDAT", await compressed(image, channels)), ...chunk("IEND", new Uint8Array()));
  return parts;
}

/**
 * Returns whether no pixel is transparent.
 *
 * @param {Uint8ClampedArray} data RGBA.
 */
export function isOpaque(data) {
  for (let at = 3; at < data.length; at += 4) if (data[at] !== 255) return false;
  return true;
}

/**
 * @param {string} key
 * @param {string} text
 */
function internationalText(key, text) {
  // Not compressed, and without language and translated key.
  return new TextEncoder().encode(`${key}\0\0\0\0\0${text}`);
}

/**
 * @param {string} name
 * @param {Uint8Array<ArrayBuffer>} content
 * @returns {Uint8Array<ArrayBuffer>[]}
 */
function chunk(name, content) {
  const head = new Uint8Array(8);
  new DataView(head.buffer).setUint32(0, content.length);
  head.set(new TextEncoder().encode(name), 4);
  const check = new Uint8Array(4);
  new DataView(check.buffer).setUint32(0, crc32(content, crc32(head.subarray(4))));
  return [head, content, check];
}

/**
 * @param {ImageData} image
 * @param {number} channels
 */
async function compressed({ data, width, height }, channels) {
  const stream = new CompressionStream("deflate");
  const writer = stream.writable.getWriter();
  const output = new Response(stream.readable).arrayBuffer();
  const length = width * channels;
  const rows = Math.max(1, Math.floor(PAUSE_BYTES / length));
  let above = new Uint8Array(length);
  let row = new Uint8Array(length);
  const filters = Array.from({ length: FILTERS }, () => new Uint8Array(length));
  for (let start = 0; start < height; start += rows) {
    const end = Math.min(height, start + rows);
    const lines = new Uint8Array((end - start) * (length + 1));
    for (let y = start; y < end; y++) {
      for (let x = 0, from = 4 * width * y; x < length; x += channels, from += 4) {
        for (let c = 0; c < channels; c++) row[x + c] = data[from + c];
      }
      const best = filterRow(row, above, channels, filters);
      lines[(y - start) * (length + 1)] = best;
      lines.set(filters[best], (y - start) * (length + 1) + 1);
      [above, row] = [row, above];
    }
    await writer.write(lines);
    await new Promise((resolve) => setTimeout(resolve));
  }
  await writer.close();
  return new Uint8Array(await output);
}

/**
 * Fills every filter's line, and returns the number of the one with the least sum of differences,
 * which compresses best as a rule.
 *
 * @param {Uint8Array} row
 * @param {Uint8Array} above
 * @param {number} channels
 * @param {Uint8Array[]} filters
 */
function filterRow(row, above, channels, [none, sub, up, average, paeth]) {
  // Not an array of sums, which is slower.
  let [sum0, sum1, sum2, sum3, sum4] = [0, 0, 0, 0, 0];
  for (let x = 0; x < row.length; x++) {
    const value = row[x];
    const a = x < channels ? 0 : row[x - channels];
    const b = above[x];
    const c = x < channels ? 0 : above[x - channels];
    const nearA = Math.abs(b - c);
    const nearB = Math.abs(a - c);
    const nearC = Math.abs(a + b - 2 * c);
    none[x] = value;
    sub[x] = value - a;
    up[x] = value - b;
    average[x] = value - ((a + b) >> 1);
    paeth[x] = value - (nearA <= nearB && nearA <= nearC ? a : nearB <= nearC ? b : c);
    sum0 += size(value);
    sum1 += size(sub[x]);
    sum2 += size(up[x]);
    sum3 += size(average[x]);
    sum4 += size(paeth[x]);
  }
  const sums = [sum0, sum1, sum2, sum3, sum4];
  return sums.indexOf(Math.min(...sums));
}

/** @param {number} byte Of a signed difference. */
function size(byte) {
  return byte < 128 ? byte : 256 - byte;
}
