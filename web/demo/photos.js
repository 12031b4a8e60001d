/** How photos get into the page: chosen, dropped or pasted. */

import { element } from "./messages.js";

const input = /** @type {HTMLInputElement} */ (element("file"));
const overlay = element("drop");

/**
 * Calls a function with every photo that the user gives.
 *
 * @param {(files: File[]) => void} onphotos
 */
export function takePhotos(onphotos) {
  element("choose").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const files = [...(input.files ?? [])];
    input.value = ""; // The same file can be chosen again.
    if (files.length) onphotos(files);
  });

  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    onphotos(files);
  });

  // Enter and leave are sent for every element on the way.
  let depth = 0;
  document.addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth++;
    overlay.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (hasFiles(event) && --depth === 0) overlay.hidden = true;
  });
  document.addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    overlay.hidden = true;
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length) onphotos(files);
  });
}

/** @param {DragEvent} event */
function hasFiles(event) {
  return event.dataTransfer?.types.includes("Files");
}
