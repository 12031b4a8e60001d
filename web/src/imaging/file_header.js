/** Reads what a browser does not report of an image file: its size, its frames, its end. */

/**
 * What the first and the last bytes of an image file say.
 *
 * @typedef {object} FileHeader
 * @property {string} format
 * @property {number} width In pixels, before EXIF orientation is applied; 0 if it is not known.
 * @property {number} height
 * @property {number} frames More than 1 in an animation.
 * @property {number} bits Per channel.
 * @property {boolean} complete Whether the file has its end.
 * @property {boolean} metadata Whether it has EXIF, XMP, IPTC, a comment or other texts.
 */

const VIDEO_BRANDS = ["isom", "iso2", "iso4", "iso5", "iso6", "mp41", "mp42", "avc1", "M4V ", "qt  "];

// Markers of EXIF or XMP, of IPTC, and of a comment.
const JPEG_METADATA = [0xe1, 0xed, 0xfe];
const PNG_METADATA = ["eXIf", "tEXt", "zTXt", "iTXt"];

/**
 * Returns what a file's bytes say, or `null` if it is none of JPEG, PNG, WebP, GIF and BMP.
 *
 * @param {Uint8Array} file
 * @returns {FileHeader | null}
 */
export function readFileHeader(file) {
  const bytes = new Bytes(file);
  if (bytes.u16(0) === 0xffd8) return readJpeg(bytes);
  if (bytes.u32(0) === 0x89504e47) return readPng(bytes);
  if (bytes.text(0, 4) === "RIFF" && bytes.text(8, 4) === "WEBP") return readWebp(bytes);
  if (bytes.text(0, 3) === "GIF") return readGif(bytes);
  if (bytes.text(0, 2) === "BM") return readBmp(bytes);
  return null;
}

/**
 * Returns whether a file is a video, or an animation in AVIF or HEIC.
 *
 * @param {Uint8Array} file
 * @returns {boolean}
 */
export function isVideo(file) {
  const bytes = new Bytes(file);
  if (bytes.u32(0) === 0x1a45dfa3) return true;
  if (bytes.text(4, 4) !== "ftyp") return false;
  return ["avis", "hevc", "msf1", ...VIDEO_BRANDS].includes(bytes.text(8, 4));
}

/** Numbers and texts in a file; beyond its end they are 0 and empty. */
class Bytes {
  /** @param {Uint8Array} data */
  constructor(data) {
    this.data = data;
  }

  get length() {
    return this.data.length;
  }

  /** @param {number} at */
  u8(at) {
    return this.data[at] ?? 0;
  }

  /** Big-endian. @param {number} at */
  u16(at) {
    return (this.u8(at) << 8) | this.u8(at + 1);
  }

  /** Big-endian. @param {number} at */
  u32(at) {
    return this.u16(at) * 65536 + this.u16(at + 2);
  }

  /** Little-endian, up to four bytes. @param {number} at @param {number} size */
  little(at, size) {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.u8(at + i);
    return value;
  }

  /** @param {number} at @param {number} size */
  text(at, size) {
    return String.fromCharCode(...this.data.subarray(at, at + size));
  }
}

/**
 * @param {Bytes} bytes
 * @returns {FileHeader}
 */
function readJpeg(bytes) {
  const header = {
    format: "JPEG", width: 0, height: 0, frames: 1, bits: 8, complete: false, metadata: false,
  };
  let at = 2;
  while (at < bytes.length) {
    // Any number of 0xff may come before a marker.
    while (bytes.u8(at) === 0xff && bytes.u8(at + 1) === 0xff) at++;
    const marker = bytes.u8(at + 1);
    const frame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (frame) {
      header.bits = bytes.u8(at + 4);
      header.height = bytes.u16(at + 5);
      header.width = bytes.u16(at + 7);
    }
    header.metadata ||= JPEG_METADATA.includes(marker);
    if (bytes.u8(at) !== 0xff || marker === 0xda || marker === 0xd9) break;
    at += 2 + bytes.u16(at + 2);
  }
  // A phone's JPEG may have a second, auxiliary image after this one.
  for (let end = bytes.length - 2; end > at && !header.complete; end--) {
    header.complete = bytes.u16(end) === 0xffd9;
  }
  return header;
}

/**
 * @param {Bytes} bytes
 * @returns {FileHeader}
 */
function readPng(bytes) {
  const header = {
    format: "PNG", width: 0, height: 0, frames: 1, bits: 8, complete: false, metadata: false,
  };
  let at = 8;
  while (at + 12 <= bytes.length) {
    const type = bytes.text(at + 4, 4);
    if (type === "IHDR") {
      header.width = bytes.u32(at + 8);
      header.height = bytes.u32(at + 12);
      header.bits = bytes.u8(at + 16);
    }
    header.metadata ||= PNG_METADATA.includes(type);
    if (type === "acTL") header.frames = bytes.u32(at + 8);
    header.complete = type === "IEND";
    if (header.complete) break;
    at += 12 + bytes.u32(at);
  }
  return header;
}

/**
 * @param {Bytes} bytes
 * @returns {FileHeader}
 */
function readWebp(bytes) {
  const complete = bytes.length >= 8 + bytes.little(4, 4);
  const header = {
    format: "WebP", width: 0, height: 0, frames: 1, bits: 8, complete, metadata: false,
  };
  const type = bytes.text(12, 4);
  if (type === "VP8 ") {
    header.width = bytes.little(26, 2) & 0x3fff;
    header.height = bytes.little(28, 2) & 0x3fff;
  } else if (type === "VP8L") {
    header.width = 1 + (bytes.little(21, 2) & 0x3fff);
    header.height = 1 + ((bytes.little(22, 3) >> 6) & 0x3fff);
  } else if (type === "VP8X") {
    header.width = 1 + bytes.little(24, 3);
    header.height = 1 + bytes.little(27, 3);
    header.metadata = (bytes.u8(20) & 0x0c) !== 0;
    if (bytes.u8(20) & 0x02) header.frames = countWebpFrames(bytes);
  }
  return header;
}

/** @param {Bytes} bytes */
function countWebpFrames(bytes) {
  let frames = 0;
  for (let at = 12; at + 8 <= bytes.length; at += 8 + 2 * Math.ceil(bytes.little(at + 4, 4) / 2)) {
    if (bytes.text(at, 4) === "ANMF") frames++;
  }
  return frames;
}

/**
 * @param {Bytes} bytes
 * @returns {FileHeader}
 */
function readGif(bytes) {
  const [width, height] = [bytes.little(6, 2), bytes.little(8, 2)];
  const header = {
    format: "GIF", width, height, frames: 0, bits: 8, complete: false, metadata: false,
  };
  const skipBlocks = (/** @type {number} */ at) => {
    while (bytes.u8(at)) at += 1 + bytes.u8(at);
    return at + 1;
  };
  const colorTable = (/** @type {number} */ at) =>
    bytes.u8(at) & 0x80 ? 3 * 2 ** ((bytes.u8(at) & 7) + 1) : 0;
  let at = 13 + colorTable(10);
  while (at < bytes.length) {
    const kind = bytes.u8(at);
    if (kind === 0x2c) {
      header.frames++;
      at = skipBlocks(at + 11 + colorTable(at + 9));
      // Whether the data of the last image ended before the file did.
      header.complete = at <= bytes.length;
    } else if (kind === 0x21) {
      header.metadata ||= bytes.u8(at + 1) === 0xfe;
      at = skipBlocks(at + 2);
    } else {
      break;
    }
  }
  return header;
}

/**
 * @param {Bytes} bytes
 * @returns {FileHeader}
 */
function readBmp(bytes) {
  const width = bytes.little(18, 4);
  // Negative if the rows are stored from the top.
  const height = Math.abs(bytes.little(22, 4) | 0);
  const complete = bytes.length >= bytes.little(2, 4);
  return { format: "BMP", width, height, frames: 1, bits: 8, complete, metadata: false };
}
