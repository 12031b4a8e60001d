"""Runtimes: one module for each engine, the registry, and the conformance suite."""
