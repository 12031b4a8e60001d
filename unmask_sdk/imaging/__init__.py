"""Reads and writes image files: pixels, color profiles, orientation and metadata."""
