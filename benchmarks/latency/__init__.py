"""Latency, memory and energy: measuring, tables, comparison with an earlier run."""
