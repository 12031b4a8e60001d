/** The page: a photo or the camera, the model, and what becomes of them. */

import { ArtifactError, RuntimeUnavailableError, load } from "./src/index.js";
import { Camera } from "./camera.js";
import { count, showPhoto, showResult } from "./compare.js";
import { element, hideError, hideProgress, showError, showProgress, showStatus } from "./messages.js";
import { hasNetwork, keepOffline, startOffline } from "./offline.js";
import { takePhotos } from "./photos.js";
import { showReport } from "./report.js";

/** @typedef {import("../src/index.js").Model} Model */
/** @typedef {import("../src/index.js").Result} Result */

const MB = 1e6;
const RUNTIME = "onnxruntime/ort.wasm.min.mjs";
const LOCATOR = ["detector", "aligner"].flatMap(filesInFp32);
const EXAMPLE = "example.jpg";

/** Those that are open or being opened, by name. @type {Map<string, Promise<Model>>} */
const models = new Map();
/** @type {Camera | null} */
let camera = null;
/** What is shown, and saved. @type {{ source: Blob | ImageBitmap, name: string, result: Result } | null} */
let shown = null;
// Of the newest task; what an older one finds is not shown any more.
let task = 0;
/** Does the task that is under way once more. @type {(() => Promise<void>) | null} */
let pending = null;

/**
 * @param {string} name Of a network.
 * @returns {string[]}
 */
function filesInFp32(name) {
  return [`models/${name}-fp32.onnx`, `models/${name}.safetensors`];
}

const choices = /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("[name=model]"));

function chosenModel() {
  return /** @type {HTMLInputElement} */ ([...choices].find((choice) => choice.checked)).value;
}

/** @param {string} name */
function shortName(name) {
  return name.endsWith("-lite") ? "lite" : "full";
}

/**
 * Opens the chosen model. If that fails, another that is open is chosen again.
 *
 * @returns {Promise<Model>}
 */
function openModel() {
  const name = chosenModel();
  const known = models.get(name);
  if (known) return known;
  const opening = loadModel(name).catch((error) => {
    if (models.get(name) === opening) models.delete(name);
    const [other] = models.keys();
    if (!other || chosenModel() !== name) throw error;
    for (const choice of choices) choice.checked = choice.value === other;
    throw new Error(`${error.message}. The ${shortName(other)} model stays chosen.`);
  });
  models.set(name, opening);
  return opening;
}

/** @param {string} name */
function closeModel(name) {
  models
    .get(name)
    ?.then((opened) => opened.close())
    .catch(() => {});
  models.delete(name);
}

/** Closes the models that are not chosen any more. */
function closeOtherModels() {
  for (const name of [...models.keys()]) {
    if (name !== chosenModel()) closeModel(name);
  }
}

/**
 * @param {string} name
 * @returns {Promise<Model>}
 */
async function loadModel(name) {
  showStatus("Getting ready …");
  showProgress(null);
  const opening = load({
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
  const opened = await opening.catch(async (error) => {
    if (!(error instanceof ArtifactError) || (await hasNetwork())) throw error;
    const model = `the ${shortName(name)} model`;
    throw new Error(`${model} has not been downloaded yet, and there is no network`);
  });
  const { precision } = opened.info;
  const files = precision === "fp32" ? filesInFp32(name) : [`models/${name}-${precision}.onnx`];
  keepOffline(["models/manifest.json", ...LOCATOR, ...files]).catch(console.warn);
  return opened;
}

/**
 * Does one thing at the user's wish; what it throws is shown, and the page goes on.
 *
 * @param {string} failure What to say if it does not work.
 * @param {() => Promise<void>} again Does the same once more, with another model.
 * @param {(current: () => boolean) => Promise<void>} work Its argument returns whether nothing newer
 *   was asked for.
 * @returns {Promise<"done" | "failed" | "replaced">}
 */
async function run(failure, again, work) {
  const mine = ++task;
  const current = () => mine === task;
  pending = again;
  element("stage").setAttribute("aria-busy", "true");
  element("busy").hidden = false;
  try {
    await work(current);
    return current() ? "done" : "replaced";
  } catch (error) {
    if (!current()) return "replaced";
    fail(failure, error);
    return "failed";
  } finally {
    if (current()) {
      pending = null;
      element("stage").setAttribute("aria-busy", "false");
      element("busy").hidden = true;
      hideProgress();
    }
  }
}

/**
 * Shows an error, and what the page shows in spite of it.
 *
 * @param {string} failure
 * @param {unknown} error
 */
function fail(failure, error) {
  // The next task opens another.
  if (error instanceof RuntimeUnavailableError) closeModel(chosenModel());
  showError(failure, error);
  if (camera) showStatus("Live");
  else showStatus(shown ? "The previous result is still shown." : "Ready for a photo.");
}

/**
 * @param {Blob | ImageBitmap} source
 * @param {string} name
 */
async function unmask(source, name) {
  const again = () => unmask(source, name);
  await run("This photo cannot be used", again, async (current) => {
    const opened = await openModel();
    if (!current()) return;
    showStatus("Looking for faces …");
    showProgress(null);
    const result = await opened.unmask(source);
    if (!current()) return;
    const removed = result.faces.filter((face) => face.masked).length;
    if (!(await showResult(source, result.image, removed, current))) return;
    shown = { source, name, result };
    closeCamera();
    closeOtherModels();
    showStatus(showReport(result));
  });
}

/** @param {"png" | "jpeg"} format */
async function save(format) {
  if (!shown) return;
  const { result, name } = shown;
  try {
    const blob = await result.toBlob({ type: `image/${format}` });
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
  await run("The camera cannot be used", openCamera, async (current) => {
    const opened = await openModel();
    if (!current()) return;
    closeCamera();
    closeOtherModels();
    const found = await Camera.open(opened, (error) => {
      if (camera !== found) return;
      closeCamera();
      fail("The camera stopped", error);
    });
    if (!current()) {
      found.close();
      return;
    }
    camera = found;
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
  for (const id of ["compare", "choose", "camera", "hint"]) element(id).hidden = live;
  element("result").hidden = live || !shown;
}

async function snap() {
  if (!camera) return;
  hideError();
  try {
    await unmask(await camera.snap(), "camera");
  } catch (error) {
    fail("No photo can be taken", error);
  }
  if (!camera) element("choose").focus();
}

async function changeModel() {
  hideError();
  const interrupted = pending;
  const again = interrupted ?? (camera ? openCamera : redoShown());
  if (!again) return; // The example is not begun: it will take the chosen model.
  const failure = `The ${shortName(chosenModel())} model cannot be used`;
  const outcome = await run(failure, again, async () => {
    await openModel();
  });
  if (outcome === "done" || (outcome === "failed" && interrupted)) await again();
}

function redoShown() {
  if (!shown) return null;
  const { source, name } = shown;
  return () => unmask(source, name);
}

async function showExample() {
  try {
    const example = await (await fetch(EXAMPLE)).blob();
    await showPhoto(example);
    await startOffline();
    // Not if the user was quicker.
    if (task === 0) await unmask(example, "example");
  } catch (error) {
    if (task > 0) return;
    element("stage").setAttribute("aria-busy", "false");
    hideProgress();
    fail("The example cannot be shown", error);
  }
}

takePhotos((files) => {
  hideError();
  unmask(files[0], files[0].name.replace(/\.\w+$/, "") || "photo").then(() => {
    if (files.length > 1) showStatus(`Only the first of ${count(files.length, "photo")} was taken.`);
  });
});
element("camera").addEventListener("click", () => {
  hideError();
  openCamera();
});
element("snap").addEventListener("click", snap);
element("stop").addEventListener("click", () => {
  closeCamera();
  showStatus("The camera is off.");
  element("camera").focus();
});
element("save-png").addEventListener("click", () => save("png"));
element("save-jpeg").addEventListener("click", () => save("jpeg"));
for (const choice of choices) choice.addEventListener("change", changeModel);

await showExample();
