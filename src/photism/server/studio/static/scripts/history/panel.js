// @ts-check
/** The strip of what was made, the newest first, and the details of the entry that is chosen in it. */

import { h } from "../page/dom.js";
import { createDetails, titleOf } from "./details.js";
import { formatNumber, t } from "../page/i18n.js";
import { reveal } from "../page/run.js";
import { rove } from "../page/roving.js";

/**
 * @typedef {import("./store.js").Entry} Entry
 * @typedef {{entry: Entry, element: any, update: () => void, release: () => void}} Tile
 */

/**
 * Create the panel of the history, and the button at the top of the page that shows it.
 * @param {{act: (action: string, entry: Entry, other?: Entry) => void, clear: () => void}} given act: is called with
 *   the name of an action, the entry, and for a morph the other entry
 */
export const createPanel = ({ act, clear }) => {
  const count = h("span", { class: "muted" });
  const clearButton = h("button", { class: "button quiet", type: "button", onclick: clear });
  const notice = h("p", { class: "muted", hidden: true, role: "status" });
  const strip = h("div", { class: "history-strip", role: "listbox", "aria-orientation": "horizontal" });
  const refresh = rove(strip, "[role=option]");
  const title = h("h2", { tabindex: -1 });
  const showAll = () => {
    reveal(element);
    title.focus({ preventScroll: true });
  };
  const button = h("button", { class: "button quiet to-history", type: "button", "data-t": "page.history", onclick: showAll });
  const head = h("div", { class: "row history-head" }, title, count, clearButton);
  /** @type {Map<string, Tile>} */
  const tiles = new Map();
  /** @type {Entry | null} */
  let chosen = null;
  /** @type {Entry | null} the first picture of a morph whose second one is being chosen */
  let first = null;
  let isKept = true;

  const details = createDetails({
    act: (action, entry) => (action === "morph" ? setFirst(entry) : act(action, entry)),
  });
  const element = h("div", { class: "panel stack history", hidden: true }, head, notice, strip, details.element);

  const setFirst = (/** @type {Entry | null} */ entry) => {
    first = entry;
    showNotice();
    if (first) drawn().find((tile) => tile.entry !== first)?.element.focus();
  };

  const showNotice = () => {
    notice.textContent = first ? t("history.morph.choose") : isKept ? "" : t("history.not-kept");
    notice.hidden = !notice.textContent;
    strip.classList.toggle("is-choosing", first !== null);
  };

  /** The tiles of drawings, as they are in sight. */
  const drawn = () => {
    const all = [...tiles.values()].filter(({ entry }) => entry.verb === "draw" && entry.recording);
    return all.toSorted((one, other) => other.entry.createdAt - one.entry.createdAt);
  };

  const choose = (/** @type {Entry} */ entry) => {
    const start = first;
    setFirst(null);
    if (start && start !== entry && drawn().some((tile) => tile.entry === entry)) return act("morph", start, entry);
    chosen = chosen === entry ? null : entry;
    showChosen();
  };

  const showChosen = () => {
    for (const { entry, element: tile } of tiles.values()) tile.setAttribute("aria-selected", String(entry === chosen));
    const pictures = drawn();
    details.show(chosen, { canMorph: pictures.length > 1 && pictures.some(({ entry }) => entry === chosen) });
  };

  element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && setFirst(null));

  /**
   * Show entries, the newest first.
   * @param {Entry[]} entries
   * @param {{isKept: boolean}} options isKept: whether they survive a reload
   */
  const show = (entries, options) => {
    isKept = options.isKept;
    element.hidden = !entries.length;
    button.classList.toggle("is-useful", entries.length > 0);
    title.textContent = t("history.title");
    clearButton.textContent = t("history.clear");
    count.textContent = formatNumber(entries.length);
    strip.setAttribute("aria-label", t("history.title"));
    updateTiles(strip, tiles, entries, choose);
    if (chosen && !entries.includes(chosen)) chosen = null;
    if (first && (!entries.includes(first) || drawn().length < 2)) first = null;
    showNotice();
    showChosen();
    refresh();
  };
  return { element, button, show };
};

/**
 * Remove the tiles of entries that are gone, update those of changed ones, and put those of new ones first.
 * @param {HTMLElement} strip
 * @param {Map<string, Tile>} tiles
 * @param {Entry[]} entries the newest first
 * @param {(entry: Entry) => void} choose
 */
const updateTiles = (strip, tiles, entries, choose) => {
  for (const [id, { element, entry, update, release }] of tiles) {
    if (entries.includes(entry)) {
      update();
      continue;
    }
    element.remove();
    release();
    tiles.delete(id);
  }
  for (const entry of entries.toReversed().filter(({ id }) => !tiles.has(id))) {
    const tile = createTile(entry, () => choose(entry));
    tiles.set(entry.id, { entry, ...tile });
    strip.prepend(tile.element);
    strip.scrollTo({ left: 0 });
  }
};

/**
 * Create the tile of an entry: a picture, or the first words, above what it is of.
 * @param {Entry} entry
 * @param {() => void} onclick
 */
const createTile = (entry, onclick) => {
  const element = h("button", { class: "tile history-tile", type: "button", role: "option", tabindex: "-1", onclick });
  /** @type {string | null} */
  let url = null;
  /** @type {unknown} */
  let shownResults = null;
  const release = () => url && URL.revokeObjectURL(url);

  const update = () => {
    if (entry.results === shownResults) return;
    shownResults = entry.results;
    release();
    const [result] = entry.results;
    url = result && ["image", "video"].includes(result.kind) ? URL.createObjectURL(result.blob) : null;
    const verb = t(`page.tab.${entry.verb}`);
    const preview = h("span", { class: "history-preview" });
    if (url && result.kind === "image") preview.append(h("img", { src: url, alt: "" }));
    else if (url) preview.append(h("video", { src: `${url}#t=0.1`, muted: true, preload: "metadata", tabindex: "-1" }));
    else preview.append(h("span", { class: "history-excerpt" }, result?.alt || titleOf(entry)));
    const label = `${verb}: ${titleOf(entry)}`;
    element.setAttribute("aria-label", label);
    element.title = label;
    element.replaceChildren(preview, h("span", { class: "history-caption" }, url ? titleOf(entry) : verb));
  };
  update();
  return { element, update, release };
};
