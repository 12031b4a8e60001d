// Classes of `web/src/video` run over a whole sequence, for the tests in this folder.

import { load } from "/src/index.js";
import { LandmarkSmoother } from "/src/video/eye_smoothing.js";
import { FillSmoother } from "/src/video/fill_smoothing.js";

const ONNXRUNTIME = "/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs";

export function smoothFills(frames) {
  const smoother = new FillSmoother();
  return frames.map(({ original, unmasked, mask }) => smoother.update(original, unmasked, mask));
}

export function smoothEyes(frames) {
  const smoother = new LandmarkSmoother();
  return frames.map(({ image, eyes }) => smoother.update(image, eyes));
}

/** Unmasks frames in a session of a model that stays open for the next call. */
export async function unmaskFrames(options, frames) {
  const session = (await opened(options)).session();
  const results = [];
  for (const { data, width, height } of frames) {
    const image = new ImageData(width, height);
    for (let i = 0, j = 0; i < data.length; i += 3, j += 4) {
      image.data.set([data[i], data[i + 1], data[i + 2], 255], j);
    }
    results.push(await session.frame(image));
  }
  session.close();
  session.close();
  const late = await session.frame(new ImageData(8, 8)).catch((error) => `${error}`);
  return { results: results.map(({ image, faces }) => ({ image, faces })), late };
}

/** Streams a canvas as a camera for some seconds; returns counters, faces and errors. */
export async function streamCanvas(options, { data, width, height }, seconds) {
  const model = await opened(options);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  const image = new ImageData(width, height);
  for (let i = 0, j = 0; i < data.length; i += 3, j += 4) {
    image.data.set([data[i], data[i + 1], data[i + 2], 255], j);
  }
  const shown = document.createElement("canvas");
  Object.assign(shown, { width, height });
  const target = shown.getContext("2d");
  const camera = shown.captureStream(30);
  const video = document.createElement("video");
  Object.assign(video, { muted: true, srcObject: camera });
  document.body.append(video);
  let frame = 0;
  const drawing = setInterval(() => {
    context.putImageData(image, 0, 0);
    target.drawImage(canvas, frame++ % 3, 0);
  }, 33);
  await video.play();
  const seen = { tracks: [], errors: [] };
  const stream = model.stream(video, {
    onresult: ({ faces }) => seen.tracks.push(faces.map(({ track, masked }) => [track, masked])),
    onerror: (error) => seen.errors.push(`${error}`),
    timeout: 1500,
  });
  await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  clearInterval(drawing);
  // The camera goes on, and shows nothing new.
  await new Promise((resolve) => setTimeout(resolve, 2000));
  // Taken away: a track that a page stops itself sends no event.
  camera.getVideoTracks()[0].dispatchEvent(new Event("ended"));
  const counters = stream.counters;
  stream.close();
  video.remove();
  return { ...seen, counters };
}

/** Closes the model of a stream, whose handlers throw; returns what is thrown and reported. */
export async function closeModelOfStream(options, moving) {
  const model = await load({ onnxruntime: ONNXRUNTIME, ...options });
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  const drawing = setInterval(() => context.fillRect(Math.random() * 99, 0, 9, 9), 33);
  const video = document.createElement("video");
  Object.assign(video, { muted: true, srcObject: canvas.captureStream(30) });
  document.body.append(video);
  await video.play();
  const seen = { thrown: [], errors: [] };
  const onuncaught = (event) => {
    event.preventDefault();
    seen.thrown.push(event.message);
  };
  window.addEventListener("error", onuncaught);
  const stream = model.stream(video, {
    onresult: () => {
      throw new Error("of the page");
    },
    onerror: (error) => {
      seen.errors.push(`${error}`);
      throw new Error("of the page, too");
    },
  });
  while (stream.counters.done < 3) await new Promise((resolve) => setTimeout(resolve, 50));
  if (!moving) {
    clearInterval(drawing);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  model.close();
  const { received } = stream.counters;
  await new Promise((resolve) => setTimeout(resolve, 500));
  clearInterval(drawing);
  window.removeEventListener("error", onuncaught);
  video.remove();
  return { ...seen, done: stream.counters.done, later: stream.counters.received - received };
}

const models = new Map();

async function opened(options) {
  const key = JSON.stringify(options);
  if (!models.has(key)) models.set(key, await load({ onnxruntime: ONNXRUNTIME, ...options }));
  return models.get(key);
}
