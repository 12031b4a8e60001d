"""`python -m unmask_sdk.benchmarks.peers`; see `compare.py`."""

from .compare import run

run()
