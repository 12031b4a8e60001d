/** What was found in a photo, what could not be kept, and how long each stage took. */

import { count } from "./compare.js";
import { element } from "./messages.js";

/** @typedef {import("../src/index.js").Result} Result */

// Names of the stages in `Result.timings`.
const STAGES = {
  decode: "Read the photo",
  locate: "Find faces",
  align: "Find eyes",
  run: "Paint under the masks",
  paste: "Put into the photo",
};
// More are counted only.
const MAX_SHOWN = 24;

/**
 * Shows the report of a result, and returns it in one sentence.
 *
 * @param {Result} result
 * @returns {string}
 */
export function showReport({ faces, timings, notes }) {
  const removed = faces.filter((face) => face.masked).length;
  for (const id of ["found-title", "faces"]) element(id).hidden = !faces.length;
  element("faces").replaceChildren(...faces.slice(0, MAX_SHOWN).map(faceItem));
  const lines = [...notes];
  if (faces.length > MAX_SHOWN) lines.unshift(`and ${count(faces.length - MAX_SHOWN, "more face")}`);
  if (!faces.length) lines.unshift("A face must roughly look at the camera.");
  element("notes").replaceChildren(...lines.map((line) => withText("li", line)));
  element("notes").hidden = !lines.length;
  for (const id of ["save", "invented"]) element(id).hidden = !removed;

  const stages = Object.entries(STAGES).filter(([stage]) => stage in timings);
  const total = stages.reduce((sum, [stage]) => sum + timings[stage], 0);
  element("total").textContent = time(total, 0);
  element("times").replaceChildren(
    ...stages.flatMap(([stage, name]) => pair(name, time(timings[stage], 1))),
    ...pair("Threads", String(timings.threads)),
  );
  element("result").hidden = false;
  if (!faces.length) return "No face was found: the photo is unchanged.";
  if (!removed) return `${count(faces.length, "face")} found, no mask: the photo is unchanged.`;
  return `${count(faces.length, "face")} found, ${count(removed, "mask")} removed.`;
}

/**
 * @param {number} milliseconds
 * @param {number} digits Of milliseconds, after the point.
 */
function time(milliseconds, digits) {
  const text = milliseconds.toFixed(digits);
  return Number(text) < 1000 ? `${text} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

/** @param {Result["faces"][number]} face */
function faceItem(face) {
  const item = document.createElement("li");
  const text = withText("span", face.masked ? "Mask removed" : "No mask, unchanged");
  text.append(withText("small", `${Math.round(100 * face.confidence)} % sure it is a face`));
  item.append(...(face.masked ? [picture(face.original)] : []), picture(face.crop), text);
  return item;
}

/** @param {ImageData} image */
function picture(image) {
  const canvas = document.createElement("canvas");
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.setAttribute("aria-hidden", "true");
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return canvas;
}

/**
 * @param {string} name
 * @param {string} value
 */
function pair(name, value) {
  return [withText("dt", name), withText("dd", value)];
}

/**
 * @param {string} tag
 * @param {string} text
 */
function withText(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
