"""Core ML packages, proven on Linux by an interpreter."""
