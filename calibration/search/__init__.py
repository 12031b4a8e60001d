"""Searches the int8 plan of a network: which layers must stay in float."""
