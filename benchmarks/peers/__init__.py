"""Latency compared with other inpainting networks."""
