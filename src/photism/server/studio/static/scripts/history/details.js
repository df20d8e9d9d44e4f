// @ts-check
/** One entry of the history: its results, its recording, its settings, and what can be done with it. */

import { captionName } from "../catalogue/caption_names.js";
import { h } from "../page/dom.js";
import { currentLanguage, t } from "../page/i18n.js";
import { fieldLabel } from "../page/problems.js";

/** @typedef {import("./store.js").Entry} Entry */

/** Actions in the order of their buttons; the first is the one that is most wanted. */
const ACTIONS = ["open", "again", "vary", "morph", "download", "link", "remove"];
/** Most characters of a text that are shown. */
const MAX_TEXT = 5000;

/**
 * Return what an entry is of: what was recognised, or else its text or the name of its recording.
 * @param {Entry} entry
 */
export const titleOf = ({ caption, known, results, name, verb }) => {
  if (known === false) return t("history.unknown");
  return (caption || results[0]?.alt || name || t(`page.tab.${verb}`)).split(" + ").map(captionName).join(" + "); // a morph has two
};

/**
 * Create the place of the details of an entry.
 * @param {{act: (action: string, entry: Entry) => void}} given act: is called with the name of an action
 */
export const createDetails = ({ act }) => {
  const element = h("div", { class: "history-details", hidden: true });
  /** @type {string[]} */
  let urls = [];
  /** @type {Entry | null} */
  let shown = null;
  /** @type {unknown} */
  let shownResults = null;

  /**
   * Show an entry, or nothing.
   * @param {Entry | null} entry
   * @param {{canMorph?: boolean}} [options] canMorph: whether there is another picture
   */
  const show = (entry, { canMorph = false } = {}) => {
    const morphButton = /** @type {any} */ (element.querySelector("[data-action=morph]"));
    if (entry && entry === shown && entry.results === shownResults) {
      morphButton.hidden = !canMorph; // and nothing else changes, so that a sound goes on playing
      return;
    }
    shown = entry;
    shownResults = entry?.results;
    urls.forEach((url) => URL.revokeObjectURL(url));
    urls = [];
    element.hidden = !entry;
    if (!entry) return void element.replaceChildren();
    const urlOf = (/** @type {Blob} */ blob) => {
      urls.push(URL.createObjectURL(blob));
      return urls[urls.length - 1];
    };
    const buttons = ACTIONS.map((action) => actionButton(action, entry, { canMorph, act }));
    element.replaceChildren(
      h("div", { class: "history-results" }, ...inSight(entry.results).map((result) => resultElement(result, urlOf))),
      h("div", { class: "stack" }, ...aboutEntry(entry, urlOf), h("div", { class: "row" }, ...buttons)),
    );
  };
  return { element, show };
};

/**
 * @param {string} action
 * @param {Entry} entry
 * @param {{canMorph: boolean, act: (action: string, entry: Entry) => void}} given
 */
const actionButton = (action, entry, { canMorph, act }) => {
  const style = action === "open" ? "button" : "button quiet";
  const onclick = () => act(action, entry);
  const isMissing = (action === "morph" && !canMorph) || (action === "download" && !entry.results.length);
  const isUseless = action === "vary" && entry.seed === null;
  const hidden = isMissing || isUseless;
  const attributes = { class: style, type: "button", "data-action": action, "data-t": `history.${action}` };
  return h("button", { ...attributes, hidden, onclick });
};

/**
 * Return the results that are shown: of several texts, which are forms of the same one, only the first, to read.
 * @param {import("./store.js").Result[]} results
 */
const inSight = (results) => {
  const text = results.find(({ kind }) => kind === "text");
  return results.filter((result) => result.kind !== "text" || result === text);
};

/**
 * @param {import("./store.js").Result} result
 * @param {(blob: Blob) => string} urlOf
 */
const resultElement = ({ kind, blob, alt }, urlOf) => {
  if (kind === "image") return h("img", { class: "history-image", src: urlOf(blob), alt });
  const player = { src: urlOf(blob), controls: true, "aria-label": alt };
  if (kind === "video") return h("video", { class: "history-image", ...player });
  if (kind === "audio") return h("audio", player);
  const text = h("p", { class: "history-text", dir: "auto", tabindex: "0" }, alt);
  blob.text().then((content) => {
    text.textContent = content.length > MAX_TEXT ? `${content.slice(0, MAX_TEXT)} …` : content;
  });
  return text;
};

/** @param {Entry} entry @param {(blob: Blob) => string} urlOf */
const aboutEntry = (entry, urlOf) => {
  const time = new Intl.DateTimeFormat(currentLanguage(), { dateStyle: "medium", timeStyle: "short" });
  const seed = entry.seed === null ? [] : [t("history.seed", { seed: String(entry.seed) })];
  const facts = [t(`page.tab.${entry.verb}`), ...seed, time.format(entry.createdAt)].join(" · ");
  const label = t("history.recording", { name: entry.name });
  const sound = entry.recording && h("audio", { src: urlOf(entry.recording), controls: true, "aria-label": label });
  const settings = Object.entries(entry.settings).filter(([name, value]) => name !== "seed" && value !== undefined && value !== null);
  const rows = settings.flatMap(([name, value]) => {
    return [h("dt", {}, fieldLabel(name)), h("dd", {}, h("bdi", {}, textOf(value)))];
  });
  const list = h("dl", { class: "history-settings" }, ...rows);
  return [
    h("div", {}, h("h3", {}, h("bdi", {}, titleOf(entry))), h("p", { class: "muted" }, facts)),
    entry.name ? h("p", { class: "muted" }, h("bdi", {}, entry.name)) : null,
    sound,
    settings.length ? list : null,
  ].filter(Boolean);
};

/** @param {unknown} value @returns {string} */
const textOf = (value) => {
  if (Array.isArray(value)) return value.map(textOf).join(", ");
  if (value instanceof File) return value.name;
  if (value instanceof Blob) return t("history.file");
  return typeof value === "boolean" ? t(value ? "history.yes" : "history.no") : String(value);
};
