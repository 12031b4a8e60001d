"""Finds faces and their eyes, and cuts the canonical crop."""
