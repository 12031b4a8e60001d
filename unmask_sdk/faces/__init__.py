"""Finds faces and their eyes, and warps them to the canonical crop."""
