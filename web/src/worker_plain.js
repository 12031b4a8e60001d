/** The worker for pages without a bundler, which give the address of ONNX Runtime Web. */

import { serve } from "./worker.js";

serve(({ onnxruntime }) => import(/* @vite-ignore */ /* webpackIgnore: true */ onnxruntime));
