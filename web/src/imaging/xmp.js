/**
 * XMP: the notice that a region of an image was generated, and its place in JPEG and WebP files.
 *
 * A file whose masks were removed is marked as the IPTC specifies: its `DigitalSourceType` is
 * "edited using generative AI".
 */

const RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
const IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/";
/** A photo that was taken, with a region that a trained network generated. */
export const GENERATED =
  "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia";

/** The packet of a file with a generated region; the Python package writes the same. */
export const PACKET =
  '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n' +
  `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="${RDF}">` +
  `<rdf:Description xmlns:rdf="${RDF}" rdf:about="">` +
  `<Iptc4xmpExt:DigitalSourceType xmlns:Iptc4xmpExt="${IPTC}">${GENERATED}` +
  "</Iptc4xmpExt:DigitalSourceType></rdf:Description></rdf:RDF></x:xmpmeta>" +
  '\n<?xpacket end="w"?>';

const UTF8 = new TextEncoder();
const JPEG_PREFIX = "http://ns.adobe.com/xap/1.0/\0";
const JPEG_START = 2;
const APP0 = 0xe0;
const APP1 = 0xe1;
// Flags in the first byte of a WebP's VP8X chunk.
const WEBP_ALPHA = 0x10;
const WEBP_XMP = 0x04;

/**
 * Returns a JPEG file with a packet.
 *
 * @param {Uint8Array<ArrayBuffer>} file As a browser writes it, without XMP.
 * @param {string} packet
 * @returns {Uint8Array<ArrayBuffer>[]} Parts of the new file.
 */
export function addToJpeg(file, packet) {
  const content = UTF8.encode(JPEG_PREFIX + packet);
  const segment = new Uint8Array(4 + content.length);
  segment.set([0xff, APP1, (content.length + 2) >> 8, (content.length + 2) & 255]);
  segment.set(content, 4);
  // The segment of JFIF must be the first.
  const after = file[JPEG_START + 1] === APP0 ? 2 + file[JPEG_START + 2] * 256 + file[JPEG_START + 3] : 0;
  const place = JPEG_START + after;
  return [file.subarray(0, place), segment, file.subarray(place)];
}

/**
 * Returns a WebP file with a packet.
 *
 * @param {Uint8Array<ArrayBuffer>} file As a browser writes it, without XMP.
 * @param {string} packet
 * @param {number} width Of the image, in pixels.
 * @param {number} height
 * @returns {Uint8Array<ArrayBuffer>[]} Parts of the new file.
 */
export function addToWebp(file, packet, width, height) {
  const first = new TextDecoder().decode(file.subarray(12, 16));
  let chunks = file.slice(12);
  if (first === "VP8X") {
    chunks[8] |= WEBP_XMP;
  } else {
    const hasAlpha = first === "VP8L" && (chunks[12] & WEBP_ALPHA) !== 0;
    const head = new Uint8Array(10);
    const view = new DataView(head.buffer);
    view.setUint8(0, WEBP_XMP | (hasAlpha ? WEBP_ALPHA : 0));
    // Three bytes each: the upper byte of the width is overwritten by the height, and a side has at
    // most 16,383 pixels.
    view.setUint32(4, width - 1, true);
    view.setUint16(7, height - 1, true);
    chunks = joined([riffChunk("VP8X", head), chunks]);
  }
  const added = riffChunk("XMP ", UTF8.encode(packet));
  const head = new Uint8Array(12);
  head.set(UTF8.encode("RIFF"));
  new DataView(head.buffer).setUint32(4, 4 + chunks.length + added.length, true);
  head.set(UTF8.encode("WEBP"), 8);
  return [head, chunks, added];
}

/**
 * @param {string} name
 * @param {Uint8Array} content
 */
function riffChunk(name, content) {
  // Of even length, by a byte that its size does not count.
  const chunk = new Uint8Array(8 + content.length + (content.length % 2));
  chunk.set(UTF8.encode(name));
  new DataView(chunk.buffer).setUint32(4, content.length, true);
  chunk.set(content, 8);
  return chunk;
}

/** @param {Uint8Array[]} parts */
function joined(parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let start = 0;
  for (const part of parts) {
    whole.set(part, start);
    start += part.length;
  }
  return whole;
}
