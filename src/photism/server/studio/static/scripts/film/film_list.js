// @ts-check
/** The visitor's films on the server, which a reload of the page finds again. */

import { FilmCard, createKeptCard } from "./film_card.js";
import { announce, h } from "../page/dom.js";
import { t } from "../page/i18n.js";
import { reveal } from "../page/run.js";
import { readValue, writeValue } from "../page/stored.js";

const STORED = "photism.films";
/** Most films that are remembered, of which most have expired. */
const MAX_STORED = 20;

/**
 * @typedef {{id: string, filename: string, kind: string, name: string, settings: Record<string, any>,
 *   isSaved?: boolean, recording?: File}} FilmRecord
 *   name: of the recording; isSaved: whether the film is in the history; recording: known until the page is left
 */

/** The list of films, the newest first. */
export class FilmList {
  #films = readStored();
  #given;
  #list = h("ol", { class: "film-list" });
  #empty = h("div", { class: "result film-empty" }, h("p", { class: "muted", "data-t": "film.empty" }));
  /** @type {Map<string, FilmCard>} */
  #cards = new Map();
  /** @type {ReturnType<typeof createKeptCard> | null} */
  #kept = null;
  element = h("section", { class: "split-result stack", "data-t-label": "film.list" }, this.#empty, this.#list);

  /**
   * @param {{keepMinutes: number, onDone: (film: FilmRecord, blob: Blob) => void, onAgain: (film: FilmRecord) => void}} given
   *   onDone: called with a film that the history does not have yet
   */
  constructor(given) {
    this.#given = given;
    this.#list.append(...this.#films.map((film) => this.#createCard(film)));
    this.#empty.hidden = this.#films.length > 0;
  }

  /**
   * Add a film that has just begun.
   * @param {{state: any, recording: File, settings: Record<string, any>}} begun state: what the server has answered
   */
  add({ state, recording, settings }) {
    const { id, filename, kind } = state;
    const film = { id, filename, kind, name: recording.name, settings, recording };
    this.#films.unshift(film);
    const card = this.#createCard(film, state);
    this.#list.prepend(card);
    this.#store();
    reveal(card);
  }

  /**
   * Show the film of an entry of the history: its card, or a copy where the server has deleted the film.
   * @param {import("../history/store.js").Entry} entry
   */
  showKept(entry) {
    const card = this.#cards.get(entry.shown?.id);
    if (card?.isShown) return reveal(card.element);
    this.#removeKept();
    this.#kept = createKeptCard(entry.results[0], () => this.#removeKept());
    this.#list.prepend(this.#kept.element);
    this.#empty.hidden = true;
    reveal(this.#kept.element);
  }

  /** @param {FilmRecord} film @param {any} state what is known of it */
  #createCard(film, state = null) {
    const remove = () => this.#remove(film);
    const card = new FilmCard(film, {
      state,
      keepMinutes: this.#given.keepMinutes,
      onRemove: remove,
      onAgain: () => {
        remove();
        this.#given.onAgain(film);
      },
      onDone: async (getBlob, isNew) => {
        if (isNew) {
          reveal(card.element);
          announce(t("film.done", { name: film.filename }));
        }
        await this.#save(film, getBlob);
      },
    });
    this.#cards.set(film.id, card);
    return card.element;
  }

  /** Give a film to the history, once. @param {FilmRecord} film @param {() => Promise<Blob | null>} getBlob */
  async #save(film, getBlob) {
    const blob = film.isSaved ? null : await getBlob();
    if (!blob) return;
    this.#given.onDone(film, blob);
    film.isSaved = true; // not before: a film that could not be fetched is saved when the page is opened again
    this.#store();
  }

  /** @param {FilmRecord} film */
  #remove(film) {
    this.#films.splice(this.#films.indexOf(film), 1);
    this.#cards.get(film.id)?.element.remove();
    this.#cards.delete(film.id);
    this.#store();
  }

  /** Remove the film of the history that is shown. */
  #removeKept() {
    this.#kept?.element.remove();
    this.#kept?.release();
    this.#kept = null;
    this.#empty.hidden = this.#films.length > 0;
  }

  #store() {
    const kept = this.#films.slice(0, MAX_STORED).map((film) => ({ ...film, recording: undefined, settings: withoutFiles(film.settings) }));
    writeValue(STORED, kept);
    this.#empty.hidden = this.#films.length > 0;
  }
}

/** @returns {FilmRecord[]} */
const readStored = () => {
  const found = readValue(STORED);
  if (!Array.isArray(found)) return [];
  return found.filter((/** @type {any} */ film) => typeof film?.id === "string" && film.settings);
};

/** @param {Record<string, any>} settings */
const withoutFiles = (settings) => {
  const isKept = (/** @type {[string, any]} */ [name, value]) => name !== "mix" && ![value].flat().some((each) => each instanceof Blob);
  return Object.fromEntries(Object.entries(settings).filter(isKept)); // without mix, which is for several files
};
