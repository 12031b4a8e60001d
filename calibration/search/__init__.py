"""Finds the int8 plan of a network: which layers lose too much in int8."""
