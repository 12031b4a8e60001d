"""Latency and quality beside other inpainting methods."""
