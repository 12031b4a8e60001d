"""unmask-sdk."""
