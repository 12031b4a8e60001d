"""Calibration for int8: crops to take ranges from, and plans of which layers stay in float."""
