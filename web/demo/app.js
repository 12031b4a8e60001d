/** The page: a photo or the camera, the model, and what becomes of them. */

import { RuntimeUnavailableError, load } from "./src/index.js";
import { Camera } from "./camera.js";
import { count, showPhoto, showResult } from "./compare.js";
import { element, hideError, hideProgress, showError, showProgress, showStatus } from "./messages.js";
import { keepOffline, startOffline } from "./offline.js";
import { takePhotos } from "./photos.js";
import { hideReport, showReport } from "./report.js";

/** @typedef {import("../src/index.js").Model} Model */
/** @typedef {import("../src/index.js").Result} Result */

const MB = 1e6;
const RUNTIME = "onnxruntime/ort.wasm.min.mjs";
const LOCATOR = ["models/detector-fp32.onnx", "models/aligner-fp32.onnx", "models/manifest.json"];
const EXAMPLE = "example.jpg";

/** @type {Promise<Model> | null} */
let model = null;
/** @type {Camera | null} */
let camera = null;
/** @type {{ source: Blob | ImageBitmap, name: string } | null} */
let photo = null;
/** @type {Result | null} */
let result = null;
// Of the newest task; what an older one finds is not shown any more.
let task = 0;

function chosenModel() {
  const chosen = /** @type {HTMLInputElement} */ (document.querySelector("[name=model]:checked"));
  return chosen.value;
}

function openModel() {
  if (model) return model;
  const opening = loadModel(chosenModel());
  model = opening;
  opening.catch(() => {
    if (model === opening) model = null; // The next task tries again.
  });
  return opening;
}

function closeModel() {
  model?.then((opened) => opened.close()).catch(() => {});
  model = null;
}

/**
 * @param {string} name
 * @returns {Promise<Model>}
 */
async function loadModel(name) {
  showStatus("Getting ready …");
  showProgress(null);
  const opened = await load({
    model: name,
    onnxruntime: RUNTIME,
    onprogress: ({ loaded, total }) => {
      if (name !== chosenModel()) return;
      showProgress(loaded < total ? loaded / total : null);
      showStatus(
        loaded < total
          ? `Downloading the model: ${(loaded / MB).toFixed(1)} of ${(total / MB).toFixed(1)} MB`
          : "Starting the model …",
      );
    },
  });
  const { precision } = opened.info;
  keepOffline([...LOCATOR, `models/${name}-${precision}.onnx`]).catch(console.warn);
  return opened;
}

/**
 * Does one thing at the user's wish; what it throws is shown, and the page goes on.
 *
 * @param {string} failure What to say if it does not work.
 * @param {(current: () => boolean) => Promise<void>} work Its argument returns whether nothing newer
 *   was asked for.
 */
async function run(failure, work) {
  const mine = ++task;
  const current = () => mine === task;
  hideError();
  element("stage").setAttribute("aria-busy", "true");
  element("busy").hidden = false;
  try {
    await work(current);
  } catch (error) {
    if (error instanceof RuntimeUnavailableError) closeModel(); // The next task opens another.
    if (!current()) return;
    showError(failure, error);
    showStatus("Ready for a photo.");
  } finally {
    if (current()) {
      element("stage").setAttribute("aria-busy", "false");
      element("busy").hidden = true;
      hideProgress();
    }
  }
}

/**
 * @param {Blob | ImageBitmap} source
 * @param {string} name
 */
async function unmask(source, name) {
  closeCamera();
  await run("This photo cannot be used", async (current) => {
    const opened = await openModel();
    if (!current()) return;
    showStatus("Looking for faces …");
    showProgress(null);
    const found = await opened.unmask(source);
    if (!current()) return;
    await showResult(source, found.image, found.faces.filter((face) => face.masked).length);
    photo = { source, name };
    result = found;
    showStatus(showReport(found));
  });
}

/** @param {"png" | "jpeg"} format */
async function save(format) {
  const [saved, name] = [result, photo?.name];
  if (!saved || !name) return;
  try {
    const blob = await saved.toBlob({ type: `image/${format}` });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${name}-unmasked.${format === "jpeg" ? "jpg" : format}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  } catch (error) {
    showError("The photo cannot be saved", error);
  }
}

async function openCamera() {
  await run("The camera cannot be used", async (current) => {
    const opened = await openModel();
    const found = await Camera.open(opened, (error) => {
      if (camera !== found) return;
      closeCamera();
      showError("The camera stopped", error);
      showStatus("Ready for a photo.");
    });
    if (!current()) {
      found.close();
      return;
    }
    camera = found;
    hideReport();
    showLive(true);
    showStatus("Live");
    element("snap").focus();
  });
}

function closeCamera() {
  camera?.close();
  camera = null;
  showLive(false);
}

/** @param {boolean} live */
function showLive(live) {
  for (const id of ["live", "snap", "stop"]) element(id).hidden = !live;
  for (const id of ["compare", "choose", "camera"]) element(id).hidden = live;
}

async function snap() {
  if (!camera) return;
  const frame = await camera.snap();
  await unmask(frame, "camera");
  element("choose").focus();
}

async function showExample() {
  const example = await (await fetch(EXAMPLE)).blob();
  await showPhoto(example);
  await startOffline();
  // Not if the user was quicker.
  if (task === 0) await unmask(example, "example");
}

takePhotos((files) => {
  unmask(files[0], files[0].name.replace(/\.\w+$/, "") || "photo").then(() => {
    if (files.length > 1) showStatus(`Only the first of ${count(files.length, "photo")} was taken.`);
  });
});
element("camera").addEventListener("click", openCamera);
element("snap").addEventListener("click", snap);
element("stop").addEventListener("click", () => {
  closeCamera();
  showStatus("The camera is off.");
  element("camera").focus();
});
element("save-png").addEventListener("click", () => save("png"));
element("save-jpeg").addEventListener("click", () => save("jpeg"));
for (const choice of document.querySelectorAll("[name=model]")) {
  choice.addEventListener("change", () => {
    const live = camera !== null;
    closeCamera();
    closeModel();
    if (live) openCamera();
    else if (photo) unmask(photo.source, photo.name);
  });
}

await showExample();
