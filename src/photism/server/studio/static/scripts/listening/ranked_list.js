// @ts-check
/** Labels with their scores, best first, each with a meter. */

import { h } from "../page/dom.js";
import { formatNumber } from "../page/i18n.js";

/**
 * Return how labels with scores are shown.
 * @param {{label: string, score: number}[]} scores best first
 * @param {{isShare?: boolean}} [options] isShare: scores are shares of 1, and shown in percent
 */
export const rankedList = (scores, { isShare = false } = {}) => {
  const values = scores.map(({ score }) => score);
  const least = Math.min(0, ...values);
  const most = Math.max(1, ...values);
  // Similarities from -1 to 1 and shares are on the axis from 0 to 1, and logits between the lowest and the highest.
  const isBounded = values.every((value) => value >= -1 && value <= 1);
  const share = (/** @type {number} */ score) => (isBounded ? Math.max(0, score) : (score - least) / (most - least));
  return h("ol", { class: "ranked" }, ...scores.map(({ label, score }) => row(label, share(score), scoreText(score, isShare))));
};

/** @param {number} score @param {boolean} isShare */
const scoreText = (score, isShare) =>
  isShare ? formatNumber(score, { style: "percent" }) : formatNumber(score, { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** @param {string} label @param {number} share @param {string} text */
const row = (label, share, text) => {
  const bar = h("div", {});
  bar.style.setProperty("inline-size", `${100 * Math.min(1, share)}%`);
  return h("li", { class: "ranked-row" }, h("bdi", { class: "ranked-label" }, label), h("div", { class: "meter", "aria-hidden": true }, bar), h("span", { class: "ranked-score" }, text));
};
