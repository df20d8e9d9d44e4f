// @ts-check
/** Say what went wrong in words that a visitor understands. */

import { Problem } from "./api.js";
import { describe, hasText, t } from "./i18n.js";

/**
 * Return what a visitor should read of a problem, in their language.
 * @param {unknown} problem a Problem, or an error of the page itself
 * @param {{recording?: string}} [options] recording: name of the recording that was sent
 * @returns {string}
 */
export const explain = (problem, { recording } = {}) => {
  if (!(problem instanceof Problem)) return t("problems.page");
  if (problem.type === "explained") return problem.detail;
  const { type, code, field, values, retryAfterS } = problem;
  const own = { ...values, recording: recording || t("problems.recording"), label: fieldLabel(field ?? "") };
  if (code && hasText(`problems.${code}`)) return t(`problems.${code}`, { ...own, other: fieldLabel(values.other ?? "") });
  if (type === "invalid-field") return explainBounds(own);
  const key = `problems.${type}`;
  if (retryAfterS !== null && hasText(`${key}.wait`)) return t(`${key}.wait`, { seconds: retryAfterS });
  if ("maximum" in values && hasText(`${key}.limit`)) return t(`${key}.limit`, own);
  return hasText(key) ? t(key, own) : t("problems.internal");
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

/**
 * Say between which bounds a number must be, if the problem has any.
 * @param {Record<string, any>} values bounds by their names in JSON Schema, and the label of the field
 */
const explainBounds = ({ label, minimum, exclusiveMinimum, maximum, exclusiveMaximum }) => {
  const [least, most] = [minimum ?? exclusiveMinimum, maximum ?? exclusiveMaximum];
  if (least !== undefined && most !== undefined) return t("problems.between", { label, least, most });
  if (minimum !== undefined) return t("problems.at-least", { label, limit: minimum });
  if (exclusiveMinimum !== undefined) return t("problems.above", { label, limit: exclusiveMinimum });
  if (maximum !== undefined) return t("problems.at-most", { label, limit: maximum });
  if (exclusiveMaximum !== undefined) return t("problems.below", { label, limit: exclusiveMaximum });
  return t("problems.field", { label });
};
