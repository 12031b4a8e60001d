"""Every runtime and precision compared with the PyTorch reference."""
