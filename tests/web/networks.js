// Runs model files through `web/src/runtimes/onnx.js`, and keeps the opened ones.

import * as ort from "/node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs";
import { downloadArtifact } from "/src/core/download.js";
import { configure, openNetwork, threadsTaken } from "/src/runtimes/onnx.js";

export async function runFile(folder, artifact, inputs) {
  await configure(ort, { backend: "wasm", threads: 1 });
  const content = await downloadArtifact(`${folder}/${artifact.file}`, artifact, () => {});
  const network = await openNetwork(ort, content, artifact, "wasm");
  try {
    return { outputs: await network.runNamed(inputs), threads: threadsTaken(ort, 1) };
  } finally {
    await network.close();
  }
}
