/**
 * Addresses of the model files that come with this package.
 *
 * Written out one by one: bundlers copy a file, and put its new address here, only where they find the
 * complete expression.
 */

/** @type {Readonly<Record<string, string>>} */
export const MODEL_FILES = {
  "manifest.json": new URL("../../models/manifest.json", import.meta.url).href,
  "aligner.safetensors": new URL("../../models/aligner.safetensors", import.meta.url).href,
  "aligner-fp32.onnx": new URL("../../models/aligner-fp32.onnx", import.meta.url).href,
  "detector.safetensors": new URL("../../models/detector.safetensors", import.meta.url).href,
  "detector-fp32.onnx": new URL("../../models/detector-fp32.onnx", import.meta.url).href,
  "unmask-256.safetensors": new URL("../../models/unmask-256.safetensors", import.meta.url).href,
  "unmask-256-fp32.onnx": new URL("../../models/unmask-256-fp32.onnx", import.meta.url).href,
  "unmask-256-int8.onnx": new URL("../../models/unmask-256-int8.onnx", import.meta.url).href,
  "unmask-256-lite.safetensors": new URL("../../models/unmask-256-lite.safetensors", import.meta.url).href,
  "unmask-256-lite-fp32.onnx": new URL("../../models/unmask-256-lite-fp32.onnx", import.meta.url).href,
  "unmask-256-lite-int8.onnx": new URL("../../models/unmask-256-lite-int8.onnx", import.meta.url).href,
};
