"""The exceptions that unmask-sdk raises.

- UnmaskError
  - InvalidInputError (also a ValueError)
    - an argument, image or array is not valid
  - ImageReadError, ImageWriteError
  - VideoReadError, VideoWriteError
  - SourceError
    - a camera or another source of frames
  - NoFaceError
  - ArtifactError
    - a model file or its manifest
  - RuntimeUnavailableError
  - DeviceMismatchError
  - MissingDependencyError
  - ConfigError
  - DataError
  - TrainingError
  - ExportError
  - VerificationError

Each message says what was wrong, with which value, and the command or argument that fixes it.
"""


class UnmaskError(Exception):
    """Base class of all exceptions that unmask-sdk raises."""


class InvalidInputError(UnmaskError, ValueError):
    """An argument, image or array is not valid for the call."""


class ImageReadError(UnmaskError):
    """A file cannot be read as an image."""


class ImageWriteError(UnmaskError):
    """An image cannot be written."""


class VideoReadError(UnmaskError):
    """A file cannot be read as a video."""


class VideoWriteError(UnmaskError):
    """A video cannot be written."""


class SourceError(UnmaskError):
    """A camera or another source of frames delivers none."""


class NoFaceError(UnmaskError):
    """No face was found where one is required, which only `unmask image` does.

    The library requires none: the result of a photo without a face has no `faces`.
    """


class ArtifactError(UnmaskError):
    """A model file or its manifest is missing or damaged, or does not match its digest."""


class RuntimeUnavailableError(UnmaskError):
    """A runtime cannot be used here: its package, driver or device is missing, or it failed."""


class DeviceMismatchError(UnmaskError):
    """A runtime opened on another device or in another precision than requested."""


class MissingDependencyError(UnmaskError):
    """A Python package of an optional extra is not installed."""


class ConfigError(UnmaskError):
    """A configuration file or value is not valid."""


class DataError(UnmaskError):
    """A data set, landmark file or weight file is not valid."""


class TrainingError(UnmaskError):
    """Training cannot continue."""


class ExportError(UnmaskError):
    """An export failed, or its result is too far from the reference."""


class VerificationError(UnmaskError):
    """The outputs of an artifact on this device do not match its golden vectors."""
