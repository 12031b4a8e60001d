"""Converts networks to the formats of runtimes and verifies the files; one package per format."""
