/** The worker for WebAssembly, in pages with a bundler. */

import * as ort from "onnxruntime-web/wasm";
import { serve } from "./worker.js";

serve(async () => ort);
