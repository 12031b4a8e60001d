// Copies the model files that a browser uses into web/models, with a manifest of just these.

import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const FROM = new URL("../../unmask_sdk/artifacts/", import.meta.url);
const TO = new URL("../models/", import.meta.url);
const LICENSE = new URL("../../LICENSE-WEIGHTS.md", import.meta.url);
// ONNX files; those in fp16 were made for TensorRT, and ONNX Runtime opens them too. The files in
// int8 for TensorRT are left out: they hold the same weights as the others.
const FORMAT_OF = { fp32: "onnx", int8: "onnx", fp16: "trt" };

const { schema, artifacts } = JSON.parse(readFileSync(new URL("manifest.json", FROM), "utf8"));
const copied = artifacts
  .filter(({ format, precision }) => FORMAT_OF[precision] === format)
  .map(({ name, role, precision, file, sha256, bytes, inputs, outputs }) => {
    return { name, role, precision, file, sha256, bytes, inputs, outputs };
  });

rmSync(TO, { recursive: true, force: true });
mkdirSync(TO);
for (const { file, sha256 } of copied) {
  const found = createHash("sha256").update(readFileSync(new URL(file, FROM))).digest("hex");
  if (found !== sha256) {
    throw new Error(`${file} was changed or damaged: its SHA-256 is ${found}, expected ${sha256}`);
  }
  copyFileSync(new URL(file, FROM), new URL(file, TO));
}
copyFileSync(LICENSE, new URL("LICENSE-WEIGHTS.md", TO));
writeFileSync(
  new URL("manifest.json", TO),
  `${JSON.stringify({ schema, artifacts: copied }, null, 2)}\n`,
);
