"""ONNX files for TensorRT, proven by building engines from them."""
