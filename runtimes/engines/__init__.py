"""TensorRT engines: built from ONNX files on the device that runs them, and kept in a cache."""
