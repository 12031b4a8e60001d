"""Face data sets: landmark files, selection, crops, cached crops and training batches.

Imports `synthesis`, which draws the masks, and nothing of what trains on the data.
"""
