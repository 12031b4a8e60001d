"""The old place of `make_folder`, for `train`."""

from unmask_sdk.folders import make_folder as make_folder
