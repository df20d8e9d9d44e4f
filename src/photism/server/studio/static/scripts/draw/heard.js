// @ts-check
/** What a model recognised in a recording, and how sure it is. */

import { captionName } from "../catalogue/caption_names.js";
import { h } from "../page/dom.js";
import { formatNumber, t } from "../page/i18n.js";

/** Other guesses that are listed. */
const OTHERS = 4;
/** What the server says of a recording in which there is nothing to hear. */
const SILENT = /nothing to hear/;

/**
 * @typedef {{file: string, known: boolean | null, heard: {caption: string, score: number}[], warnings?: string[]}} Sound
 */

/**
 * Return a caption as a part of a sentence in the language of the page: "An elephant." is "an elephant".
 * @param {string} caption
 */
export const plainCaption = (caption) => {
  const words = captionName(caption);
  return words.charAt(0).toLocaleLowerCase() + words.slice(1);
};

/**
 * Return what was recognised in recordings in one line, or null if it is not known.
 * @param {Sound[]} sounds
 */
export const recognised = (sounds) => {
  const known = sounds.filter(({ known, heard }) => known !== false && heard.length);
  return known.length ? known.map(({ heard }) => plainCaption(heard[0].caption)).join(" + ") : null;
};

/**
 * Create what says what was recognised in recordings.
 * @param {Sound[]} sounds
 */
export const createHeard = (sounds) => h("div", { class: "heard stack" }, ...sounds.map((sound) => heardOf(sound, sounds.length > 1)));

/** @param {Sound} sound @param {boolean} isNamed */
const heardOf = ({ file, known, heard, warnings = [] }, isNamed) => {
  const isSilent = warnings.some((each) => SILENT.test(each));
  const [nearest, ...others] = heard;
  const name = isNamed ? h("p", { class: "muted", dir: "auto" }, file) : null;
  const damaged = warnings.filter((each) => !SILENT.test(each));
  const warning = damaged.length ? warningOf(damaged) : null;
  if (isSilent) return h("div", { class: "stack" }, name, h("p", { class: "heard-caption" }, t("draw.silent")), warning);
  if (!nearest) return name && h("div", {}, name, warning);
  if (known === false) {
    const closest = t("draw.closest", { caption: plainCaption(nearest.caption) }); // its score says nothing: it is high for noise, too
    const title = h("p", { class: "heard-caption" }, t("draw.unknown"));
    return h("div", {}, name, title, h("p", { class: "muted" }, closest), h("p", { class: "muted" }, t("draw.unknown.hint")), warning);
  }
  const list = h("ul", { class: "guesses" }, ...others.slice(0, OTHERS).map((each) => h("li", {}, guess(each, false))));
  const more = others.length ? h("details", {}, h("summary", { "data-t": "draw.others" }), list) : null;
  return h("div", {}, name, guess(nearest, true), more, warning);
};

/** @param {{caption: string, score: number}} guess @param {boolean} isFirst */
const guess = ({ caption, score }, isFirst) => {
  const value = Math.min(1, Math.max(0, score));
  const bar = h("div", {});
  bar.style.setProperty("inline-size", `${100 * value}%`);
  const shown = formatNumber(score, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const meter = h(
    "div",
    { class: "meter", role: "meter", "aria-valuemin": 0, "aria-valuemax": 1, "aria-valuenow": value.toFixed(3), "aria-label": t("draw.similarity") },
    bar,
  );
  const words = h("span", { class: isFirst ? "heard-caption" : "" }, captionName(caption));
  const number = h("span", { class: "muted" }, t("search.similarity", { score: shown }));
  return h("div", { class: "guess" }, h("div", { class: "guess-text" }, words, number), meter);
};

/** @param {string[]} warnings of the server, in its language */
const warningOf = (warnings) =>
  h("details", { class: "muted" }, h("summary", { "data-t": "draw.damaged" }), h("p", { lang: "en", dir: "ltr" }, warnings.join(" ")));
