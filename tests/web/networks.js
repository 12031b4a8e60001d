// Runs model files through `web/src/runtimes/onnx.js`.

import { downloadArtifact } from "/src/core/download.js";
import { configure, openNetwork, threadsTaken } from "/src/runtimes/onnx.js";

const DIST = "/node_modules/onnxruntime-web/dist";

// As `UnoptimizedOnnxRuntime` of the export: with optimization, ONNX Runtime quantizes biases in
// fp16, whose range their steps exceed.
function withoutOptimization(ort) {
  const create = (content, options) =>
    ort.InferenceSession.create(content, { ...options, graphOptimizationLevel: "disabled" });
  return { ...ort, InferenceSession: { create } };
}

export async function runFile(folder, artifact, inputs, backend) {
  const ort = await import(`${DIST}/ort.${backend}.bundle.min.mjs`);
  await configure(ort, { backend, threads: 1 });
  const content = await downloadArtifact(`${folder}/${artifact.file}`, artifact, () => {});
  const external =
    artifact.external &&
    (await downloadArtifact(`${folder}/${artifact.external.file}`, artifact.external, () => {}));
  const opener = artifact.format === "trt" ? withoutOptimization(ort) : ort;
  const network = await openNetwork(opener, content, artifact, backend, external);
  try {
    return { outputs: await network.runNamed(inputs), threads: threadsTaken(ort, 1) };
  } finally {
    await network.close();
  }
}
