"""ONNX files in fp32, fp16 and int8."""
