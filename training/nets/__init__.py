"""The networks, their uint8 graphs, weight files and cost."""
