// @ts-check
/** Say what went wrong in words that a visitor understands. */

import { Problem } from "./api.js";
import { describe, hasText, t } from "./i18n.js";

/**
 * What the server says of a field or a file, and the text that stands for it. {1} and {2} in a text are what the groups
 * of the pattern match; {other} is the label of the field that the first group names.
 * @type {[RegExp, string][]}
 */
const DETAILS = [
  [/at most ([\d.,]+) s\b/, "problems.too-long.limit"],
  [/at most ([\d.,]+) MB\b/, "problems.too-large.limit"],
  [/give a longer recording/, "problems.too-short"],
  [/no audio stream/, "problems.no-audio"],
  [/nothing to hear/, "problems.silent"],
  [/is not an image/, "problems.not-an-image"],
  [/is empty/, "problems.empty"],
  [/no audio track/, "problems.no-track"],
  [/there is no channel/, "problems.no-channel"],
  [/must be given together with (\w+)/, "problems.together"],
  [/cannot be combined with (\w+)/, "problems.apart"],
  [/at most ([\d.]+) megapixels/, "problems.too-many-pixels"],
  [/must have the size of image, (\d+)×(\d+)/, "problems.mask-size"],
  [/load it with|takes none/, "problems.not-by-this-model"],
  [/weights must be one for each|numbers separated by commas/, "problems.weights"],
  [/must have two recordings/, "problems.two-recordings"],
  [/must be a colour/, "problems.colour"],
  [/tokens within (\d+):(\d+)/, "problems.tokens"],
  [/where the caption goes/, "problems.template"],
  [/The columns are (.+)/, "problems.columns"],
];
/** Types of problems whose details say more than their type. */
const DETAILED = ["invalid-input", "unreadable-file", "invalid-field", "missing-field", "too-long", "too-large"];
const AT_LEAST = /at least ([\d.]+)/;
const AT_MOST = /at most ([\d.]+)/;

/**
 * Return what a visitor should read of a problem, in their language.
 * @param {unknown} problem a Problem, or an error of the page itself
 * @param {{recording?: string}} [options] recording: name of the recording that was sent
 * @returns {string}
 */
export const explain = (problem, { recording } = {}) => {
  if (!(problem instanceof Problem)) return t("problems.page");
  if (problem.type === "explained") return problem.detail;
  const values = { recording: recording || t("problems.recording"), label: fieldLabel(problem.field ?? "") };
  if (DETAILED.includes(problem.type)) {
    const [found, key] = matching(`${problem.detail}\n${problem.allowed ?? ""}`);
    if (found) return t(key, { ...values, other: fieldLabel(found[1] ?? ""), 1: found[1], 2: found[2] });
    if (problem.type === "invalid-field") return explainBounds(problem, values);
  }
  const key = `problems.${problem.type}`;
  const seconds = problem.retryAfterS ?? undefined;
  if (seconds !== undefined && hasText(`${key}.wait`)) return t(`${key}.wait`, { seconds });
  return hasText(key) ? t(key, values) : t("problems.internal");
};

/**
 * Return what the server said, for those who look after it; nothing of problems that arose before it was asked.
 * @param {unknown} problem
 */
export const technicalDetail = (problem) => {
  if (!(problem instanceof Problem)) return problem instanceof Error ? problem.message : String(problem);
  return problem.status ? [problem.detail, problem.remedy].filter(Boolean).join(" ") : "";
};

/**
 * Return the name in requests of the field that a problem is about; null if it is about none.
 * @param {unknown} problem
 */
export const fieldOf = (problem) => (problem instanceof Problem ? problem.field : null);

/**
 * Return the name of a field in the language of the visitor.
 * @param {string} name of the field in requests, such as guidance_scale
 * @param {string} [path] of the endpoint, at which the field may mean something of its own
 */
export const fieldLabel = (name, path) => {
  const own = `${path} ${name}`;
  const words = name.replaceAll("_", " ");
  return describe(own) === own ? describe(words.charAt(0).toUpperCase() + words.slice(1)) : describe(own);
};

/** @param {string} detail @returns {[RegExpExecArray, string] | [null, ""]} */
const matching = (detail) => {
  for (const [pattern, key] of DETAILS) {
    const found = pattern.exec(detail);
    if (found) return [found, key];
  }
  return [null, ""];
};

/**
 * Say between which bounds a number must be, if the problem names any: those of the server are in its details.
 * @param {Problem} problem
 * @param {{label: string}} values
 */
const explainBounds = ({ detail, allowed }, { label }) => {
  const bound = (/** @type {RegExp} */ pattern) => pattern.exec(detail)?.[1] ?? pattern.exec(allowed ?? "")?.[1];
  const [least, most] = [bound(AT_LEAST), bound(AT_MOST)];
  if (least !== undefined && most !== undefined) {
    return t("problems.between", { label, least: Number(least), most: Number(most) });
  }
  if (least !== undefined) return t("problems.at-least", { label, limit: Number(least) });
  if (most !== undefined) return t("problems.at-most", { label, limit: Number(most) });
  return t("problems.field", { label });
};
