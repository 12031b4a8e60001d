// Writes the model files that a browser uses to web/models, with a manifest of just these.

import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

import { halveWeights } from "./half_weights.js";

const ROOT = new URL("../../", import.meta.url);
const ARTIFACTS = new URL("unmask_sdk/artifacts/", ROOT);
const WEIGHTS = new URL("training/weights/", ROOT);
const MODELS = new URL("../models/", import.meta.url);

const { schema, artifacts } = JSON.parse(readFileSync(new URL("manifest.json", ARTIFACTS), "utf8"));

rmSync(MODELS, { recursive: true, force: true });
mkdirSync(MODELS);
const written = artifacts
  .filter(({ format }) => format === "onnx")
  .map(({ name, role, precision, file, sha256, inputs, outputs }) => {
    let content = readFileSync(new URL(file, ARTIFACTS));
    if (digestOf(content) !== sha256) {
      throw new Error(`${file} was changed or damaged: its SHA-256 is not that of its entry`);
    }
    if (precision === "fp32") {
      content = halveWeights(content, readFileSync(new URL(`${name}.safetensors`, WEIGHTS)));
    }
    writeFileSync(new URL(file, MODELS), content);
    const bytes = content.length;
    return { name, role, precision, file, sha256: digestOf(content), bytes, inputs, outputs };
  });
copyFileSync(new URL("LICENSE-WEIGHTS.md", ROOT), new URL("LICENSE-WEIGHTS.md", MODELS));
writeFileSync(
  new URL("manifest.json", MODELS),
  `${JSON.stringify({ schema, artifacts: written }, null, 2)}\n`,
);

function digestOf(content) {
  return createHash("sha256").update(content).digest("hex");
}
