"""Model repositories for the Triton server: `unmask export triton`."""
