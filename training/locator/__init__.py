"""Training data, training and evaluation of the face locator: detector and aligner."""
