/** Keeps the page usable without a network, by its service worker. */

import { element } from "./messages.js";

/**
 * Starts the service worker, and waits until the page's requests pass through it.
 *
 * Without one (a browser's private window, a page that is not secure) the page works while it has a
 * network.
 */
export async function startOffline() {
  const container = navigator.serviceWorker;
  if (!container) return;
  const hadOne = container.controller !== null;
  container.addEventListener("controllerchange", () => {
    if (hadOne) element("update").hidden = false;
  });
  try {
    const options = /** @type {RegistrationOptions} */ ({ updateViaCache: "none" });
    const registration = await container.register("service_worker.js", options);
    if (!hadOne) await Promise.race([controlled(container), failed(registration)]);
  } catch (error) {
    console.warn("The page will need a network:", error);
  }
}

/**
 * Keeps files for use without a network, and shows that the page needs none any more.
 *
 * @param {string[]} paths Of the model.
 */
export async function keepOffline(paths) {
  const worker = navigator.serviceWorker?.controller;
  if (!worker) return;
  const { port1, port2 } = new MessageChannel();
  const kept = new Promise((resolve) => {
    port1.onmessage = ({ data }) => resolve(data);
  });
  worker.postMessage({ keep: paths }, [port2]);
  if ((await kept) === true) {
    element("offline-text").textContent = "Works without a network";
    element("offline").dataset.ready = "";
  }
}

/** Returns whether the page's host can be reached. The service worker answers no HEAD request. */
export function hasNetwork() {
  return fetch("index.html", { method: "HEAD", cache: "no-store" }).then(
    () => true,
    () => false,
  );
}

/** @param {ServiceWorkerContainer} container */
function controlled(container) {
  return new Promise((resolve) => {
    if (container.controller) resolve(undefined);
    container.addEventListener("controllerchange", resolve, { once: true });
  });
}

/** @param {ServiceWorkerRegistration} registration */
function failed(registration) {
  return new Promise((_, reject) => {
    const worker = registration.installing;
    worker?.addEventListener("statechange", () => {
      if (worker.state === "redundant") reject(new Error("its service worker cannot be installed"));
    });
  });
}

element("reload").addEventListener("click", () => location.reload());
