// Calls of the public API that must fail, written as in a page.

import { load } from "/src/index.js";
import { ONNXRUNTIME } from "./models.js";

const AsyncFunction = (async () => {}).constructor;
let opened;

/** Runs code that may use the names in `given`; returns its error. */
export async function run(code) {
  opened ??= await load({ onnxruntime: ONNXRUNTIME });
  const blob = await new OffscreenCanvas(64, 64).getContext("2d").canvas.convertToBlob();
  const frame = new VideoFrame(new ImageData(64, 64).data, {
    format: "RGBA",
    codedWidth: 64,
    codedHeight: 64,
    timestamp: 0,
  });
  const given = {
    load,
    model: opened,
    blob,
    frame,
    image: new ImageData(64, 64),
    bitmap: await createImageBitmap(blob),
    result: await opened.unmask(blob),
    video: document.createElement("video"),
  };
  try {
    await new AsyncFunction(...Object.keys(given), code)(...Object.values(given));
  } catch (error) {
    return `${error}`;
  } finally {
    frame.close();
  }
  return "no error";
}

/** Returns how a picture from another origin fails: its element, a canvas with it and a bitmap. */
export async function unmaskFromElsewhere(address) {
  opened ??= await load({ onnxruntime: ONNXRUNTIME });
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.getContext("2d").drawImage(image, 0, 0);
  const sources = [image, canvas, await createImageBitmap(image)];
  const session = opened.session();
  const ends = await Promise.allSettled([
    ...sources.map((source) => opened.unmask(source)),
    session.frame(image),
  ]);
  session.close();
  return ends.map(({ reason }) => `${reason}`);
}
