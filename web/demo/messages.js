/** What the page says: its state, how far a download is, and errors. */

const status = element("status");
const progress = /** @type {HTMLProgressElement} */ (element("progress"));
const error = element("error");

/**
 * Returns an element of the page.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/**
 * Shows what the page is doing, and reads it to users of a screen reader.
 *
 * @param {string} text
 */
export function showStatus(text) {
  if (status.textContent !== text) status.textContent = text;
}

/**
 * Shows how far something is: 0..1, or `null` while that is not known.
 *
 * @param {number | null} share
 */
export function showProgress(share) {
  progress.hidden = false;
  if (share === null) progress.removeAttribute("value");
  else progress.value = share;
}

/** Shows that nothing is being waited for. */
export function hideProgress() {
  progress.hidden = true;
}

/**
 * Shows an error until it is closed, or until something succeeds.
 *
 * @param {string} what What did not work.
 * @param {unknown} reason
 */
export function showError(what, reason) {
  const message = reason instanceof Error ? reason.message : String(reason);
  element("error-text").textContent = `${what}: ${message}`;
  error.hidden = false;
}

/** Removes the error. */
export function hideError() {
  error.hidden = true;
  element("error-text").textContent = "";
}

element("dismiss").addEventListener("click", hideError);
