"""Masked-Faces: masks drawn on faces by their mesh."""
