"""Evaluation of the unmasker on faces it has not seen: metrics, recognition, stability, report."""
