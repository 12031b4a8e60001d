"""The networks, their exported uint8 graphs, weight files and cost.

Imports nothing of what makes data or trains.
"""
