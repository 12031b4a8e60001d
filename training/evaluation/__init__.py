"""What `unmask evaluate` measures and reports."""
