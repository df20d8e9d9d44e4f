// @ts-check
/** What a search has found: a player for each recording, with what was recognised and how similar it is. */

import { captionName } from "../catalogue/caption_names.js";
import * as api from "../page/api.js";
import { h } from "../page/dom.js";
import { formatNumber, formatTime, t } from "../page/i18n.js";
import { showError } from "../page/run.js";

/**
 * @typedef {{id: string, file: string, start_s: number, end_s: number | null, score: number,
 *   captions?: {caption: string}[] | null, known?: boolean | null, labels?: {label: string}[] | null}} Hit
 * @typedef {{text: string, captions: string[]}} Meaning
 * @typedef {{isFiltered: boolean, text?: string}} Search text: the words, if nothing else is searched for or excluded
 * @typedef {(name: string, blob: Blob) => unknown} Action
 */

/**
 * Similarity below which a recording does not fit words. With the bundled model the recordings of a word have 1.00, and
 * words that no recording fits reach 0.23.
 */
const LEAST_FITTING = 0.3;

/**
 * Create the list of results.
 * @param {{onUse: Action, onSimilar: Action}} actions
 */
export const createHits = (actions) => {
  const summary = h("div", { class: "muted" });
  const list = h("ol", { class: "hit-list" });
  const empty = h("div", { class: "result film-empty" }, h("p", { class: "muted", "data-t": "search.empty" }));
  return {
    element: h("section", { class: "split-result stack", "data-t-label": "search.results" }, empty, summary, list),
    /** What was found, in words. */
    get summary() {
      return [...summary.children].map((each) => each.textContent).join(" ");
    },
    /** Show the answer of the server. */
    show: (/** @type {{hits: Hit[], meanings: Meaning[]}} */ { hits, meanings }, /** @type {Search} */ { isFiltered, text }) => {
      const taken = meanings.map(({ text, captions }) => t("search.meaning", { text, caption: captions.map(captionName).join(", ") }));
      const found = foundIn(hits, { isFiltered, text });
      summary.replaceChildren(...[...taken, found].map((sentence) => h("p", {}, sentence)));
      list.replaceChildren(...hits.map((hit) => item(hit, actions)));
      empty.hidden = true;
    },
    /** Dim what is shown while the next search runs. */
    setBusy: (/** @type {boolean} */ isBusy) => list.setAttribute("aria-busy", String(isBusy)),
  };
};

/** @param {Hit[]} hits @param {Search} search */
const foundIn = (hits, { isFiltered, text }) => {
  if (!hits.length) return t(isFiltered ? "search.none" : "search.nothing-found");
  if (text && hits[0].score < LEAST_FITTING) return t("search.none-fits", { text });
  return t("search.found", { count: hits.length });
};

/** @param {Hit} hit @param {{onUse: Action, onSimilar: Action}} actions */
const item = (hit, { onUse, onSimilar }) => {
  const path = `/v1/search/recordings/${hit.id}`;
  const name = hit.file.split("/").pop() ?? hit.file;
  const error = h("div", { class: "error", role: "alert", hidden: true });
  const player = h("audio", { class: "hit-player", controls: true, preload: "none", src: api.url(path), "aria-label": t("search.play", { name }) });
  const attempt = async (/** @type {Action | null} */ act) => {
    showError(error, null);
    try {
      const blob = await (await api.send(path, "GET")).blob();
      await act?.(name, blob);
    } catch (problem) {
      showError(error, problem, name);
    }
  };
  player.addEventListener("error", () => attempt(null)); // which says why it does not play
  const button = (/** @type {string} */ key, /** @type {Action} */ act) =>
    h("button", { class: "button", type: "button", "data-t": key, onclick: () => attempt(act) });
  return h(
    "li",
    { class: "panel hit" },
    h("div", { class: "hit-head" }, h("h3", { class: "hit-name" }, h("bdi", {}, hit.file)), h("span", { class: "muted" }, timesOf(hit))),
    caption(hit),
    similarity(hit.score),
    h("div", { class: "hit-actions" }, player, h("div", { class: "row" }, button("search.use", onUse), button("search.similar", onSimilar))),
    error,
  );
};

/** @param {Hit} hit */
const timesOf = ({ start_s: start, end_s: end }) =>
  end === null ? "" : t("search.times", { start: formatTime(start), end: formatTime(end) });

/** @param {Hit} hit */
const caption = ({ captions, known, labels }) => {
  const text = captionName(captions?.[0]?.caption ?? labels?.[0]?.label ?? "");
  if (!text) return null;
  return h("p", {}, h("bdi", {}, known === false && captions?.length ? t("search.closest", { caption: text }) : text));
};

/** @param {number} score */
const similarity = (score) => {
  const bar = h("div", {});
  bar.style.setProperty("inline-size", `${Math.max(0, Math.min(1, score)) * 100}%`);
  const words = t("search.similarity", { score: formatNumber(score, { minimumFractionDigits: 2, maximumFractionDigits: 2 }) });
  return h("div", { class: "hit-meter" }, h("div", { class: "meter", "aria-hidden": true }, bar), h("span", { class: "muted" }, words));
};
