/** The photo before and after, with a divider that is moved by mouse, finger or keyboard. */

import { element } from "./messages.js";

// Of what is shown, not of what is saved: larger pictures only cost memory.
const MAX_SIDE = 2048;

const frame = element("compare");
const split = /** @type {HTMLInputElement} */ (element("split"));
const before = /** @type {HTMLCanvasElement} */ (element("before"));
const after = /** @type {HTMLCanvasElement} */ (element("after"));

/**
 * Shows a photo that is not processed yet.
 *
 * @param {Blob} photo
 */
export async function showPhoto(photo) {
  const bitmap = await createImageBitmap(photo);
  for (const canvas of [before, after]) draw(canvas, bitmap);
  bitmap.close();
  showSingle("The photo");
}

/**
 * Shows a photo and its result; one picture if nothing was changed.
 *
 * @param {ImageBitmapSource} photo
 * @param {ImageData} result
 * @param {number} removed How many masks were removed.
 * @param {() => boolean} current Returns whether nothing newer is to be shown.
 * @returns {Promise<boolean>} Whether it is shown.
 */
export async function showResult(photo, result, removed, current) {
  const scale = Math.min(1, MAX_SIDE / Math.max(result.width, result.height));
  /** @type {ImageBitmapOptions} */
  const options = {
    resizeWidth: Math.max(1, Math.round(result.width * scale)),
    resizeHeight: Math.max(1, Math.round(result.height * scale)),
    resizeQuality: "high",
  };
  const bitmaps = [await createImageBitmap(photo, options), await createImageBitmap(result, options)];
  const wanted = current();
  if (wanted) {
    draw(before, bitmaps[0]);
    draw(after, bitmaps[1]);
  }
  for (const bitmap of bitmaps) bitmap.close();
  if (!wanted) return false;
  if (!removed) {
    showSingle("The photo, unchanged");
    return true;
  }
  frame.classList.remove("single");
  split.disabled = false;
  before.setAttribute("aria-label", "The photo before");
  after.setAttribute("aria-label", `The photo after: ${count(removed, "mask")} removed`);
  moveTo(50);
  return true;
}

/** @param {string} label */
function showSingle(label) {
  frame.classList.add("single");
  split.disabled = true;
  before.setAttribute("aria-label", label);
}

/**
 * Returns a number with a noun.
 *
 * @param {number} number
 * @param {string} noun
 */
export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {ImageBitmap} image
 */
function draw(canvas, image) {
  canvas.width = image.width;
  canvas.height = image.height;
  const context = canvas.getContext("2d");
  if (!context) throw new Error("not enough memory to show the photo");
  context.drawImage(image, 0, 0);
}

/** @param {number} percent */
function moveTo(percent) {
  split.value = String(percent);
  frame.style.setProperty("--split", `${split.value}%`);
  split.setAttribute("aria-valuetext", `${split.value} percent`);
}

split.addEventListener("input", () => moveTo(Number(split.value)));

/** @param {PointerEvent} event */
function follow(event) {
  const { left, width } = frame.getBoundingClientRect();
  moveTo(Math.round((100 * (event.clientX - left)) / width));
}

frame.addEventListener("pointerdown", (event) => {
  if (split.disabled || event.button !== 0) return;
  event.preventDefault();
  split.focus({ preventScroll: true });
  frame.setPointerCapture(event.pointerId);
  follow(event);
});
frame.addEventListener("pointermove", (event) => {
  if (frame.hasPointerCapture(event.pointerId)) follow(event);
});
