"""Latency, parity and cold-start benchmarks (extra `dev`)."""
