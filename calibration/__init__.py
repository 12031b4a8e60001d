"""Calibration for int8: crops, activation ranges, and plans of which layers stay in float."""
