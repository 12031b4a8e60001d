/** Finds out what the colors of an image file mean, from its ICC profile. */

/** Descriptions of profiles whose colors are those of sRGB. */
const SRGB = /srgb|IEC ?61966|^c2$/i;
const DISPLAY_P3 = /^(display |apple )?p3\b/i;

/**
 * Returns the color space of a file's pixels, as far as browsers know it.
 *
 * @param {Uint8Array} file
 * @returns {Promise<{ colorSpace: PredefinedColorSpace, note: string | null }>} The note reports a
 *   profile that a result cannot keep.
 */
export async function readColorSpace(file) {
  const description = describeProfile(await readProfile(file));
  if (description === null || SRGB.test(description)) return { colorSpace: "srgb", note: null };
  if (DISPLAY_P3.test(description)) return { colorSpace: "display-p3", note: null };
  const note = `the color profile "${description}" could not be kept: colors may look different`;
  return { colorSpace: "srgb", note };
}

/**
 * Returns the ICC profile of a JPEG, PNG or WebP file, or the first part of a long one.
 *
 * @param {Uint8Array} file
 * @returns {Promise<Uint8Array | null>}
 */
async function readProfile(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const text = (/** @type {number} */ at, /** @type {number} */ size) =>
    String.fromCharCode(...file.subarray(at, at + size));
  if (text(0, 2) === "\xff\xd8") {
    for (let at = 2; at + 18 < file.length && file[at] === 0xff && file[at + 1] !== 0xda; ) {
      const size = view.getUint16(at + 2);
      const icc = file[at + 1] === 0xe2 && text(at + 4, 12) === "ICC_PROFILE\0";
      if (icc && file[at + 16] === 1) return file.subarray(at + 18, at + 2 + size);
      at += 2 + size;
    }
  } else if (text(1, 3) === "PNG") {
    for (let at = 8; at + 12 < file.length; at += 12 + view.getUint32(at)) {
      if (text(at + 4, 4) === "IDAT") break;
      if (text(at + 4, 4) !== "iCCP") continue;
      const chunk = file.subarray(at + 8, at + 8 + view.getUint32(at));
      return inflate(chunk.subarray(chunk.indexOf(0) + 2));
    }
  } else if (text(8, 4) === "WEBP") {
    for (let at = 12; at + 8 < file.length; ) {
      const size = view.getUint32(at + 4, true);
      if (text(at, 4) === "ICCP") return file.subarray(at + 8, at + 8 + size);
      at += 8 + size + (size & 1);
    }
  }
  return null;
}

/**
 * Returns the description of an RGB profile, or `null` if there is none.
 *
 * @param {Uint8Array | null} profile
 * @returns {string | null}
 */
function describeProfile(profile) {
  if (!profile || profile.length < 132) return null;
  const view = new DataView(profile.buffer, profile.byteOffset, profile.byteLength);
  const text = (/** @type {number} */ at, /** @type {number} */ size) =>
    new TextDecoder("latin1").decode(profile.subarray(at, at + size));
  // The colors of gray and CMYK images are converted to sRGB.
  if (text(16, 4) !== "RGB ") return null;
  const tags = Math.min(view.getUint32(128), Math.floor((profile.length - 132) / 12));
  for (let at = 132; at < 132 + 12 * tags; at += 12) {
    const start = view.getUint32(at + 4);
    if (text(at, 4) !== "desc" || start + 12 > profile.length) continue;
    if (text(start, 4) === "desc") {
      return text(start + 12, Math.max(view.getUint32(start + 8) - 1, 0));
    }
    if (start + 28 > profile.length) continue;
    const [size, place] = [view.getUint32(start + 20), view.getUint32(start + 24)];
    const words = profile.subarray(start + place, start + place + size);
    return new TextDecoder("utf-16be").decode(words);
  }
  return "unknown";
}

/** @param {Uint8Array} data @returns {Promise<Uint8Array | null>} */
async function inflate(data) {
  try {
    const stream = new Blob([new Uint8Array(data)])
      .stream()
      .pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch {
    // Damaged metadata is no reason to refuse an intact image.
    return null;
  }
}
