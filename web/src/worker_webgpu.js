/** The worker for WebGPU, in pages with a bundler. */

import * as ort from "onnxruntime-web/webgpu";
import { serve } from "./worker.js";

serve(async () => /** @type {import("./runtimes/onnx.js").Ort} */ (ort));
