"""Data, training and evaluation of the face locator."""
