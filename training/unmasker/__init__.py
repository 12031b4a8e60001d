"""Training of the unmasker: configuration, losses, loop, checkpoints."""
