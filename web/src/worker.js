/**
 * What all worker entries share: it owns the model and answers the calls of `index.js`, one after the
 * other.
 */

import { RuntimeUnavailableError, UnmaskError, oneLine, packError } from "./core/errors.js";
import { openModel } from "./core/open_model.js";
import { packResult } from "./result.js";
import { FrameSession } from "./video/session.js";

/** @typedef {import("./core/open_model.js").OpenOptions} OpenOptions */
/** @typedef {import("./runtimes/onnx.js").Ort} Ort */

/** @typedef {"open" | "unmask" | "crops" | "startSession" | "frame" | "endSession"} Method */

/**
 * A call of the page.
 *
 * @typedef {{ id: number, method: Method, args: any[] }} Call
 */

/**
 * Answers calls from now on.
 *
 * @param {(options: OpenOptions) => Promise<Ort>} importRuntime
 */
export function serve(importRuntime) {
  const port = /** @type {Pick<Worker, "postMessage" | "onmessage"> & { name: string }} */ (
    /** @type {unknown} */ (globalThis)
  );
  // Vite puts ONNX Runtime into this worker's file, which its threads then run as well.
  if (port.name.startsWith("em-pthread")) return;
  /** @type {Awaited<ReturnType<typeof openModel>> | undefined} */
  let opened;
  /** By the number that the page gave. @type {Map<number, FrameSession>} */
  const sessions = new Map();

  /** @type {Record<Method, (...args: any[]) => Promise<[unknown, Transferable[]]>>} */
  const methods = {
    async open(options) {
      const ort = await importOrt(importRuntime, options);
      opened = await openModel(ort, options, (progress) => port.postMessage({ progress }));
      return [opened.info, []];
    },
    async unmask(source, options) {
      const { unmasker, info } = current();
      const { packed, transfer } = packResult(await unmasker.unmask(source, options), info.threads);
      return [packed, transfer];
    },
    async startSession(number, options) {
      sessions.set(number, new FrameSession(current().unmasker, options));
      return [undefined, []];
    },
    async frame(number, source, time) {
      const { info } = current();
      const session = sessions.get(number);
      if (!session) throw new RuntimeUnavailableError("this session is closed");
      const { packed, transfer } = packResult(await session.frame(source, time), info.threads);
      return [packed, transfer];
    },
    async endSession(number) {
      sessions.delete(number);
      return [undefined, []];
    },
    async crops(images) {
      const { unmasked, masks } = await current().unmasker.crops(images);
      return [{ unmasked, masks }, [unmasked.buffer, masks.buffer]];
    },
  };

  function current() {
    if (!opened) throw new RuntimeUnavailableError("this model is not open");
    return opened;
  }

  /** @param {Call} call */
  async function answer({ id, method, args }) {
    try {
      const [result, transfer] = await methods[method](...args);
      port.postMessage({ id, result }, transfer);
    } catch (error) {
      port.postMessage({ id, error: packError(asUnmaskError(error)) });
    }
  }

  // ONNX Runtime runs one network at a time.
  let last = Promise.resolve();
  port.onmessage = ({ data }) => {
    // What cannot even be answered ends the model, by the event error of its worker.
    last = last.then(() => answer(data)).catch(reportError);
  };
}

/**
 * @param {(options: OpenOptions) => Promise<Ort>} importRuntime
 * @param {OpenOptions} options
 */
async function importOrt(importRuntime, options) {
  try {
    return await importRuntime(options);
  } catch (error) {
    throw new RuntimeUnavailableError(
      `ONNX Runtime Web cannot be loaded from ${options.onnxruntime} (${oneLine(error)}); the option ` +
        "onnxruntime must be the address of ort.wasm.min.mjs or ort.webgpu.min.mjs",
      { cause: error },
    );
  }
}

/** @param {unknown} error */
function asUnmaskError(error) {
  const known = error instanceof UnmaskError || !(error instanceof RangeError);
  return known ? error : new RuntimeUnavailableError(`not enough memory: ${oneLine(error)}`);
}
