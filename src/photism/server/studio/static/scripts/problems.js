// @ts-check
/** Say what went wrong in words that a visitor understands. */

import { Problem } from "./api.js";
import { describe, hasText, t } from "./i18n.js";

/** Texts of messages of the server, by what they contain; {1} is what the first group of the pattern matches. */
const DETAILS = /** @type {[RegExp, string][]} */ ([
  [/at most ([\d.,]+) s(?:econds)?\b/, "problems.too-long"],
  [/silen(t|ce)|no sound above/i, "problems.silent"],
  [/no audio (stream|track)|has no audio/i, "problems.no-audio"],
  [/too short|at least ([\d.]+) s\b/, "problems.too-short"],
]);
/** Types of problems that are explained by what their details say, if they say one of `DETAILS`. */
const DETAILED = ["invalid-input", "unreadable-file", "invalid-field", "too-long"];

/**
 * Return what a visitor should read of a problem, in their language.
 * @param {unknown} problem a Problem, or an error of the page itself
 * @param {{recording?: string}} [options] recording: name of the recording that was sent
 * @returns {string}
 */
export const explain = (problem, { recording } = {}) => {
  if (!(problem instanceof Problem)) return t("problems.page");
  const name = recording || t("problems.recording");
  if (DETAILED.includes(problem.type)) {
    for (const [pattern, key] of DETAILS) {
      const found = pattern.exec(problem.detail);
      if (found) return t(key, { recording: name, 1: found[1] });
    }
  }
  if (problem.type === "invalid-field" && problem.field !== null) return explainField(problem);
  const key = `problems.${problem.type}`;
  const seconds = problem.retryAfterS ?? undefined;
  if (seconds !== undefined && hasText(`${key}.wait`)) return t(`${key}.wait`, { seconds });
  return hasText(key) ? t(key, { recording: name }) : t("problems.internal");
};

/** @param {Problem} problem */
const explainField = (problem) => {
  const label = fieldLabel(problem.field ?? "");
  return t("problems.field", { label });
};

/**
 * Return the name of a field in the language of the visitor.
 * @param {string} name of the field in requests, such as guidance_scale
 */
export const fieldLabel = (name) => {
  const words = name.replaceAll("_", " ");
  return describe(words.charAt(0).toUpperCase() + words.slice(1));
};

/**
 * Return what the server said, for those who look after it; nothing for problems that the page explains fully.
 * @param {unknown} problem
 */
export const technicalDetail = (problem) => {
  if (!(problem instanceof Problem)) return problem instanceof Error ? problem.message : String(problem);
  return problem.status ? [problem.detail, problem.remedy].filter(Boolean).join(" ") : "";
};
