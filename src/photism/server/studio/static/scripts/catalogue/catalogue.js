// @ts-check
/** What to say: the things that the model can draw, searchable, with the pictures that it draws of them. */

import * as api from "../page/api.js";
import { createWords, examplesOf, nameOf, primary } from "./words.js";
import { plain, search } from "./search.js";
import { h } from "../page/dom.js";
import { t, wantedLanguages } from "../page/i18n.js";
import { recording } from "../recording/recording.js";
import { rove } from "../page/roving.js";

/**
 * @typedef {{model: string, captions: string[], translations: Record<string, (string | null)[]>,
 *   languages: string[] | null, thumbnails: {url: string, tile_pixels: number, columns: number} | null}} Catalogue
 */

/**
 * Create the list of what the model of the page can draw; null if it has no such list.
 * @returns {Promise<HTMLElement | null>}
 */
export const createCatalogue = async () => {
  const models = await api.models();
  const model = models.find((/** @type {{kinds: string[]}} */ { kinds }) => kinds.includes("drawing"));
  if (!model) return null;
  const query = new URLSearchParams({ model: model.id, language: wantedLanguages().join(",") });
  /** @type {Catalogue} */
  const catalogue = await api.get(`/v1/captions?${query}`);
  return catalogue.captions.length ? createList(catalogue) : null;
};

/** @param {Catalogue} catalogue */
const createList = async (catalogue) => {
  const { captions, thumbnails } = catalogue;
  const [language, own] = inWantedLanguage(catalogue);
  const names = captions.map((caption, index) => own[index] ?? caption);
  const plainNames = captions.map((caption, index) => [...new Set([plain(names[index]), plain(caption)])]);
  const list = h("div", { class: "catalogue-list", role: "listbox", "aria-label": t("catalogue.list") });
  const items = names.map((name, index) => {
    return createItem(nameOf(name), index, { thumbnails, language: own[index] ? language : "en" });
  });
  const order = await examplesFirst(captions);
  list.append(...order.map((index) => items[index]));
  const refresh = rove(list, "[role=option]");
  refresh();

  const words = createWords(catalogue);
  const choose = (/** @type {HTMLElement | null} */ item) => {
    const isChosen = item?.getAttribute("aria-selected") === "true";
    list.querySelector("[aria-selected=true]")?.setAttribute("aria-selected", "false");
    if (!item || isChosen) return words.hide();
    item.setAttribute("aria-selected", "true");
    return words.show(Number(item.dataset.index), tileOf(Number(item.dataset.index), thumbnails));
  };
  list.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    const item = /** @type {Element} */ (event.target).closest("[role=option]");
    if (item) choose(/** @type {HTMLElement} */ (item));
  });

  const onquery = (/** @type {string} */ query) => {
    const found = query.trim() ? search(query, plainNames) : order;
    const isFound = new Set(found);
    items.forEach((item, index) => (item.hidden = !isFound.has(index)));
    list.append(...found.map((index) => items[index]));
    list.scrollTo({ top: 0 });
    refresh();
    return found.length;
  };
  const first = () => /** @type {HTMLElement | null} */ (list.querySelector("[role=option]:not([hidden])"));
  const size = createSize(list);
  const field = createSearch({ onquery, first, choose });
  field.addEventListener("focusin", () => size.set(size.current === "none" ? "row" : size.current));
  const fold = () => {
    if (!recording.current) return;
    size.set("none"); // the result takes its place
    choose(null);
  };
  recording.addEventListener("change", fold);
  fold();
  const head = h("div", { class: "catalogue-head" }, h("h2", {}, titleOf(catalogue)), field, size.button);
  const element = h("div", { class: "panel stack catalogue" }, head, list, words.element);
  if (thumbnails) element.style.setProperty("--sheet", `url("${new URL(thumbnails.url, document.baseURI)}")`);
  return element;
};

/**
 * Return the first language that the visitor wants and that there are captions in, and these captions.
 * @param {Catalogue} catalogue
 * @returns {[string, readonly (string | null)[]]}
 */
const inWantedLanguage = ({ captions, translations }) => {
  for (const code of wantedLanguages().map(primary)) {
    const found = Object.keys(translations).find((each) => primary(each) === code);
    if (code === "en") break;
    if (found) return [code, translations[found]];
  }
  return ["en", captions];
};

/**
 * Return the indices of captions, first of those that there is a recording of.
 * @param {string[]} captions
 */
const examplesFirst = async (captions) => {
  const { examples } = await api.context();
  const hasExample = captions.map((caption) => Boolean(examplesOf(caption, examples).length));
  const all = captions.map((_, index) => index);
  return [...all.filter((index) => hasExample[index]), ...all.filter((index) => !hasExample[index])];
};

/**
 * Create the button that shows one row of a list, all of it, or nothing.
 * @param {HTMLElement} list
 */
const createSize = (list) => {
  const button = h("button", { class: "button quiet", type: "button" });
  const size = {
    button,
    /** @type {"none" | "row" | "all"} */
    current: "row",
    set: (/** @type {"none" | "row" | "all"} */ wanted) => {
      size.current = wanted;
      list.hidden = wanted === "none";
      list.classList.toggle("is-all", wanted === "all");
      button.setAttribute("aria-expanded", String(wanted === "all"));
      button.textContent = t(wanted === "all" ? "catalogue.fewer" : "catalogue.all");
    },
  };
  button.addEventListener("click", () => size.set(size.current === "all" ? "row" : "all"));
  size.set("row");
  return size;
};

/**
 * Create the search field, from which the arrow key goes on to the list, and Enter chooses its first item.
 * @param {{onquery: (query: string) => number, first: () => HTMLElement | null,
 *   choose: (item: HTMLElement | null) => void}} given onquery: shows what is found, and returns how much that is
 */
const createSearch = ({ onquery, first, choose }) => {
  const count = h("span", { class: "muted", role: "status" });
  const texts = { "aria-label": t("catalogue.search"), placeholder: t("catalogue.search") };
  const field = h("input", { type: "search", autocomplete: "off", spellcheck: "false", ...texts });
  field.addEventListener("input", () => {
    const found = onquery(field.value);
    count.textContent = field.value.trim() ? t("catalogue.found", { count: found }) : "";
  });
  field.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "ArrowDown") first()?.focus();
    else if (event.key === "Enter" && field.value.trim()) choose(first());
    else return;
    event.preventDefault();
  });
  return h("div", { class: "catalogue-search" }, field, count);
};

/**
 * @param {string} name
 * @param {number} index
 * @param {{thumbnails: Catalogue["thumbnails"], language: string | null}} given
 */
const createItem = (name, index, { thumbnails, language }) => {
  const words = h("span", { class: "catalogue-name", lang: language, dir: "auto" }, name);
  const attributes = { class: "tile catalogue-item", type: "button", role: "option", tabindex: "-1", title: name };
  return h("button", { ...attributes, "aria-selected": false, "data-index": index }, tileOf(index, thumbnails), words);
};

/** @param {number} index @param {Catalogue["thumbnails"]} thumbnails */
const tileOf = (index, thumbnails) => {
  if (!thumbnails) return null;
  const tile = h("span", { class: "catalogue-tile" });
  tile.style.setProperty("--column", String(index % thumbnails.columns));
  tile.style.setProperty("--row", String(Math.floor(index / thumbnails.columns)));
  tile.style.setProperty("--columns", String(thumbnails.columns));
  return tile;
};

/** @param {Catalogue} catalogue */
const titleOf = ({ captions, languages }) => {
  const things = captions.length;
  if (!languages) return t("catalogue.title", { things });
  return t("catalogue.title.languages", { things, languages: languages.length });
};
