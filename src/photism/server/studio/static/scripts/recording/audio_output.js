// @ts-check
/** Start an audio context, which needs an output even where it only records. */

import { Problem } from "../page/api.js";

/** Milliseconds after which there is no output: Firefox waits for one without end and without an error. */
const LONGEST_START_MS = 10_000;

/**
 * Let an audio context run.
 * @param {AudioContext} context
 * @throws {Problem} "no-audio-output" if it does not begin to
 */
export const startContext = async (context) => {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const tooLate = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Problem({ type: "no-audio-output" })), LONGEST_START_MS);
  });
  try {
    await Promise.race([context.resume(), tooLate]);
  } finally {
    clearTimeout(timer);
  }
};
