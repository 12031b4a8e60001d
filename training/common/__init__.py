"""What the training of the unmasker and of the locator share.

Devices and mixed precision, checkpoints to resume from, YAML configurations.
"""
