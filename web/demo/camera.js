/** The camera, live: the newest frame without masks. */

import { SourceError } from "./src/index.js";
import { count } from "./compare.js";
import { element, showStatus } from "./messages.js";

/** @typedef {import("../src/index.js").Model} Model */
/** @typedef {import("../src/index.js").Result} Result */

const REASONS = {
  NotAllowedError: "the browser does not allow it; allow the camera for this page in its settings",
  NotFoundError: "no camera was found; connect one",
  NotReadableError: "another program may be using it; close that program",
};
const WIDTH = 1280;
const HEIGHT = 720;
// Milliseconds over which frames per second are counted.
const WINDOW = 1000;

const video = /** @type {HTMLVideoElement} */ (element("video"));
const view = /** @type {HTMLCanvasElement} */ (element("live-view"));

/** An open camera. */
export class Camera {
  #media;
  #stream;
  /** @type {number[]} Times of the results of the last second. */
  #times = [];
  #shown = 0;

  /**
   * Opens the camera.
   *
   * @param {Model} model
   * @param {(error: Error) => void} onend Called if the camera or the model fails.
   * @returns {Promise<Camera>}
   */
  static async open(model, onend) {
    if (!navigator.mediaDevices) {
      throw new Error("this page is not secure; serve it over https, or on localhost");
    }
    let media;
    try {
      const wanted = { width: { ideal: WIDTH }, height: { ideal: HEIGHT }, facingMode: "user" };
      media = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    } catch (error) {
      const { name, message } = /** @type {DOMException} */ (error);
      throw new Error(REASONS[/** @type {keyof typeof REASONS} */ (name)] ?? message);
    }
    try {
      video.srcObject = media;
      await video.play();
      return new Camera(model, media, onend);
    } catch (error) {
      for (const track of media.getTracks()) track.stop();
      throw error;
    }
  }

  /**
   * Use `open`.
   *
   * @param {Model} model
   * @param {MediaStream} media
   * @param {(error: Error) => void} onend
   */
  constructor(model, media, onend) {
    this.#media = media;
    for (const track of media.getTracks()) {
      track.addEventListener("ended", () => onend(new Error("it was disconnected or switched off")));
    }
    this.#stream = model.stream(video, {
      smooth: true,
      onresult: (result) => this.#show(result),
      onerror: (error) => {
        // A hidden page gets no frames.
        if (!(document.hidden && error instanceof SourceError)) onend(error);
      },
    });
  }

  /** Returns the present frame, as the camera delivered it. */
  async snap() {
    return createImageBitmap(video);
  }

  /** Releases the camera. May be called twice. */
  close() {
    this.#stream.close();
    for (const track of this.#media.getTracks()) track.stop();
    video.srcObject = null;
  }

  /** @param {Result} result */
  #show({ image, faces }) {
    if (view.width !== image.width || view.height !== image.height) {
      view.width = image.width;
      view.height = image.height;
    }
    view.getContext("2d")?.putImageData(image, 0, 0);
    const now = performance.now();
    this.#times = [...this.#times.filter((time) => time > now - WINDOW), now];
    // A screen reader would read a line that changes with every frame without end.
    if (now < this.#shown + WINDOW) return;
    this.#shown = now;
    const masks = faces.filter((face) => face.masked).length;
    showStatus(
      `Live: ${count(faces.length, "face")}, ${count(masks, "mask")} removed, ` +
        `${this.#times.length} frames per second`,
    );
  }
}
