/**
 * The exceptions that this package throws: the classes of the Python package that a page can meet.
 *
 * Each message says what was wrong, with which value, and the argument or action that fixes it.
 */

/** Base class of all exceptions that this package throws. */
export class UnmaskError extends Error {
  /** @param {string} message @param {ErrorOptions} [options] */
  constructor(message, options) {
    super(message, options);
    this.name = new.target.name_;
  }

  // Not `name`, which bundlers change when they shorten the names of classes.
  static name_ = "UnmaskError";
}

/** An argument, image or array is not valid for the call. */
export class InvalidInputError extends UnmaskError {
  static name_ = "InvalidInputError";
}

/** A source cannot be read as an image. */
export class ImageReadError extends UnmaskError {
  static name_ = "ImageReadError";
}

/** An image cannot be written. */
export class ImageWriteError extends UnmaskError {
  static name_ = "ImageWriteError";
}

/** A camera or another source of frames delivers none. */
export class SourceError extends UnmaskError {
  static name_ = "SourceError";
}

/** A model file or its manifest is missing or damaged, or does not match its digest. */
export class ArtifactError extends UnmaskError {
  static name_ = "ArtifactError";
}

/** A runtime cannot be used here: it or its device is missing, it failed, or it was closed. */
export class RuntimeUnavailableError extends UnmaskError {
  static name_ = "RuntimeUnavailableError";
}

/** A runtime opened on another device or with fewer threads than requested. */
export class DeviceMismatchError extends UnmaskError {
  static name_ = "DeviceMismatchError";
}

const CLASSES = [
  UnmaskError,
  InvalidInputError,
  ImageReadError,
  ImageWriteError,
  SourceError,
  ArtifactError,
  RuntimeUnavailableError,
  DeviceMismatchError,
];

/**
 * An error as it travels from a worker: structured clones lose the class.
 *
 * @typedef {{ name: string, message: string, stack?: string }} PackedError
 */

/**
 * Returns what `unpackError` makes the same error of.
 *
 * @param {unknown} error
 * @returns {PackedError}
 */
export function packError(error) {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  return { name: error.name, message: error.message, stack: error.stack };
}

/**
 * Returns an error of the class that was packed, or an `Error` if it is none of this package.
 *
 * @param {PackedError} packed
 * @returns {Error}
 */
export function unpackError({ name, message, stack }) {
  const known = CLASSES.find((candidate) => candidate.name_ === name);
  if (known) return new known(message);
  const error = new Error(`${name}: ${message}`);
  if (stack) error.stack = stack;
  return error;
}

/**
 * Returns an error's message on one line.
 *
 * @param {unknown} error
 * @returns {string}
 */
export function oneLine(error) {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.split(/\s+/).filter(Boolean).join(" ");
}
