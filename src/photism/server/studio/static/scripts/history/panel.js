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

/** The panel of the history, and the button at the top of the page that shows it. */
export class HistoryPanel {
  #act;
  #count = h("span", { class: "muted" });
  #clearButton;
  #notice = h("p", { class: "muted", hidden: true, role: "status" });
  #strip = h("div", { class: "history-strip", role: "listbox", "aria-orientation": "horizontal" });
  #refresh = rove(this.#strip, "[role=option]");
  #title = h("h2", { tabindex: -1 });
  #details = createDetails({ act: (action, entry) => (action === "morph" ? this.#setFirst(entry) : this.#act(action, entry)) });
  /** @type {Map<string, Tile>} */
  #tiles = new Map();
  /** @type {Entry | null} */
  #chosen = null;
  /** @type {Entry | null} the first picture of a morph whose second one is being chosen */
  #first = null;
  #isKept = true;
  button = h("button", { class: "button quiet to-history", type: "button", "data-t": "page.history", onclick: () => this.#showAll() });

  /**
   * @param {{act: (action: string, entry: Entry, other?: Entry) => void, clear: () => void}} given act: is called with
   *   the name of an action, the entry, and for a morph the other entry
   */
  constructor({ act, clear }) {
    this.#act = act;
    this.#clearButton = h("button", { class: "button quiet", type: "button", onclick: clear });
    const head = h("div", { class: "row history-head" }, this.#title, this.#count, this.#clearButton);
    this.element = h("div", { class: "panel stack history", hidden: true }, head, this.#notice, this.#strip, this.#details.element);
    this.element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && this.#setFirst(null));
  }

  /**
   * Show entries, the newest first.
   * @param {Entry[]} entries
   * @param {{isKept: boolean}} options isKept: whether they survive a reload
   */
  show(entries, { isKept }) {
    this.#isKept = isKept;
    this.element.hidden = !entries.length;
    this.button.classList.toggle("is-useful", entries.length > 0);
    this.#title.textContent = t("history.title");
    this.#clearButton.textContent = t("history.clear");
    this.#count.textContent = formatNumber(entries.length);
    this.#strip.setAttribute("aria-label", t("history.title"));
    updateTiles(this.#strip, this.#tiles, entries, (entry) => this.#choose(entry));
    if (this.#chosen && !entries.includes(this.#chosen)) this.#chosen = null;
    if (this.#first && (!entries.includes(this.#first) || this.#drawn.length < 2)) this.#first = null;
    this.#showNotice();
    this.#showChosen();
    this.#refresh();
  }

  /** The tiles of drawings, as they are in sight. */
  get #drawn() {
    const all = [...this.#tiles.values()].filter(({ entry }) => entry.verb === "draw" && entry.recording);
    return all.toSorted((one, other) => other.entry.createdAt - one.entry.createdAt);
  }

  #showAll() {
    reveal(this.element);
    this.#title.focus({ preventScroll: true });
  }

  /** @param {Entry | null} entry */
  #setFirst(entry) {
    this.#first = entry;
    this.#showNotice();
    if (entry) this.#drawn.find((tile) => tile.entry !== entry)?.element.focus();
  }

  #showNotice() {
    this.#notice.textContent = this.#first ? t("history.morph.choose") : this.#isKept ? "" : t("history.not-kept");
    this.#notice.hidden = !this.#notice.textContent;
    this.#strip.classList.toggle("is-choosing", this.#first !== null);
  }

  /** @param {Entry} entry */
  #choose(entry) {
    const start = this.#first;
    this.#setFirst(null);
    if (start && start !== entry && this.#drawn.some((tile) => tile.entry === entry)) return this.#act("morph", start, entry);
    this.#chosen = this.#chosen === entry ? null : entry;
    this.#showChosen();
  }

  #showChosen() {
    for (const { entry, element: tile } of this.#tiles.values()) tile.setAttribute("aria-selected", String(entry === this.#chosen));
    const pictures = this.#drawn;
    this.#details.show(this.#chosen, { canMorph: pictures.length > 1 && pictures.some(({ entry }) => entry === this.#chosen) });
  }
}

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
