// Reads files as `model.unmask` does: packed in the page, decoded as in the worker.

import { EXACT, packSource, readPhoto } from "/src/imaging/decode.js";

export async function decodeFile(bytes, name) {
  return decode(new File([bytes], name));
}

export async function decodePixels(data, width, height) {
  return decode(new ImageData(new Uint8ClampedArray(data), width, height));
}

/** Through an element or bitmap of the page: `kind` is the name of its class. */
export async function decodeThrough(kind, bytes) {
  const blob = new Blob([bytes]);
  const bitmap = await createImageBitmap(blob, EXACT);
  if (kind === "ImageBitmap") {
    const photo = await decode(await copyOf(bitmap));
    return { ...photo, stillOpen: bitmap.width > 0 };
  }
  if (kind === "VideoFrame") {
    const frame = new VideoFrame(bitmap, { timestamp: 0 });
    const photo = await decode(frame);
    const stillOpen = frame.codedWidth > 0;
    frame.close();
    return { ...photo, stillOpen };
  }
  if (kind === "HTMLImageElement") {
    const image = new Image();
    image.src = URL.createObjectURL(blob);
    return decode(image);
  }
  const canvas =
    kind === "OffscreenCanvas"
      ? new OffscreenCanvas(bitmap.width, bitmap.height)
      : Object.assign(document.createElement("canvas"), {
          width: bitmap.width,
          height: bitmap.height,
        });
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return decode(canvas);
}

export async function refuse(kind) {
  const sources = {
    text: "photo.jpg",
    null: null,
    emptyCanvas: Object.assign(document.createElement("canvas"), { width: 0 }),
    emptyVideo: document.createElement("video"),
    brokenImage: Object.assign(new Image(), { src: "/absent.jpg" }),
  };
  return decode(sources[kind]);
}

async function decode(source) {
  const { packed, transfer } = await packSource(source);
  // As a message to a worker does.
  return readPhoto(structuredClone(packed, { transfer }));
}

async function copyOf(bitmap) {
  return structuredClone(bitmap);
}
