"""Masked-Faces: draws synthetic masks on faces by their mesh.

Takes arrays and imports nothing of the rest of training.
"""
