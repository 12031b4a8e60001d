"""Everything that unmask-sdk raises on purpose.

Each message says what was wrong, with what value, and the command or argument that mends it.
"""


class UnmaskError(Exception):
    """Base class of every error that unmask-sdk raises on purpose."""


class InvalidInputError(UnmaskError, ValueError):
    """An argument, picture or array does not fit what the call takes."""


class ImageReadError(UnmaskError):
    """A file could not be read as a picture."""


class ImageWriteError(UnmaskError):
    """A picture could not be written."""


class VideoReadError(UnmaskError):
    """A file could not be read as a video."""


class VideoWriteError(UnmaskError):
    """A video could not be written."""


class SourceError(UnmaskError):
    """A camera or another source of frames gives none."""


class NoFaceError(UnmaskError):
    """No face was found where one was required: of the commands, `unmask image` requires one.

    The library requires none: the result of a photo without a face has no `faces`.
    """


class ArtifactError(UnmaskError):
    """A model file or its manifest is missing, damaged, or does not match its digest."""


class RuntimeUnavailableError(UnmaskError):
    """A runtime cannot be used here: its package, driver or device is missing."""


class DeviceMismatchError(UnmaskError):
    """A runtime opened on another device or precision than was asked for."""


class MissingDependencyError(UnmaskError):
    """A Python package of an optional extra is not installed."""


class ConfigError(UnmaskError):
    """A configuration file or value is not valid."""


class DataError(UnmaskError):
    """A data set, landmark file or weight file is not valid."""


class TrainingError(UnmaskError):
    """Training cannot go on."""


class ExportError(UnmaskError):
    """An export did not produce what was asked for."""


class VerificationError(UnmaskError):
    """An artifact's output on this device does not match its golden vectors."""
