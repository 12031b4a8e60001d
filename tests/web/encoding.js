// Writes images through `web/src/imaging/encode.js`, and reads the files as bytes.

import { encodeImage } from "/src/imaging/encode.js";

export async function encodeRaster(raster, options) {
  const { width, height, data, channels } = raster;
  const rgba = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < channels; c++) rgba[4 * i + c] = data[channels * i + c];
  }
  const { colorSpace, ...rest } = options;
  const blob = await encodeImage(new ImageData(rgba, width, height, { colorSpace }), rest);
  return { type: blob.type, content: new Uint8Array(await blob.arrayBuffer()) };
}

export async function encodeWide(width, type) {
  await encodeImage(new ImageData(width, 1), { type });
}
