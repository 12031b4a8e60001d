"""Blends a generated crop into its photo, with the grain of the photo."""
