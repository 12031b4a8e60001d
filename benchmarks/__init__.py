"""Parity, latency and peers (extra `bench`)."""
