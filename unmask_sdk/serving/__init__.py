"""Models of a Triton server: whole photos, and the networks that they call.

`unmask export triton` writes the repository whose `model.py` files import these modules.
"""
