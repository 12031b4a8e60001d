/** Checks the options of a call, so that none is ignored. */

import { InvalidInputError } from "./errors.js";

/**
 * What the value of an option must be, in words; `null` if it is checked where it is used.
 *
 * @typedef {keyof typeof KINDS | null} Kind
 */

// Above this, timers of browsers fire at once.
const MAX_TIMEOUT = 2 ** 31 - 1;
const KINDS = {
  "a string": (/** @type {unknown} */ value) => typeof value === "string",
  "a function": (/** @type {unknown} */ value) => typeof value === "function",
  "true or false": (/** @type {unknown} */ value) => typeof value === "boolean",
  "a positive number of milliseconds (at most 2147483647)": (/** @type {unknown} */ value) =>
    typeof value === "number" && value > 0 && value <= MAX_TIMEOUT,
  "arrays of numbers with the shape [F, 4]": isNumbers,
  "arrays of numbers with the shape [F, 2, 2]": isNumbers,
};

/**
 * Refuses options that are no object, have an unknown name or a value of the wrong kind.
 *
 * @param {string} name Of the call, such as `load()`.
 * @param {unknown} options
 * @param {Record<string, Kind>} known The kinds of all options; an option that is undefined is not
 *   given.
 */
export function checkOptions(name, options, known) {
  const names = Object.keys(known);
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    const value = ["string", "number", "boolean"].includes(typeof options) ? show(options) : "…";
    throw new InvalidInputError(
      `the options of ${name} must be an object such as { ${names[0]}: ${value} }, ` +
        `got ${show(options)}`,
    );
  }
  for (const [option, value] of Object.entries(options)) {
    if (!Object.hasOwn(known, option)) {
      throw new InvalidInputError(
        `${name} has no option ${JSON.stringify(option)}; its options are ${names.join(", ")}`,
      );
    }
    const kind = known[option];
    if (kind !== null && value !== undefined && !KINDS[kind](value)) {
      throw new InvalidInputError(`${option} must be ${kind}; got ${show(value)}`);
    }
  }
}

/**
 * Returns any value as text for an error.
 *
 * @param {unknown} value
 * @returns {string}
 */
export function show(value) {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return `[${value.map(show).join(",")}]`;
  if (typeof value === "object" && value !== null) return value.constructor?.name ?? "an object";
  return String(value);
}

/**
 * The shape is checked in the worker; this is what can be sent to it.
 *
 * @param {unknown} value
 * @returns {boolean}
 */
function isNumbers(value) {
  return Array.isArray(value) && value.every((v) => typeof v === "number" || isNumbers(v));
}
