// @ts-check
/** The visitor's films on the server, which a reload of the page finds again. */

import { createFilmCard, createKeptCard } from "./film_card.js";
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

/**
 * Create the list of films, the newest first.
 * @param {{keepMinutes: number, onDone: (film: FilmRecord, blob: Blob) => void, onAgain: (film: FilmRecord) => void}} given
 */
export const createFilmList = ({ keepMinutes, onDone, onAgain }) => {
  const films = readStored();
  const list = h("ol", { class: "film-list" });
  /** @type {Map<string, {element: HTMLElement, isShown: boolean}>} */
  const cards = new Map();
  /** @type {{element: HTMLElement, release: () => void} | null} */
  let kept = null;
  const empty = h("div", { class: "result film-empty" }, h("p", { class: "muted", "data-t": "film.empty" }));
  const element = h("section", { class: "split-result stack", "data-t-label": "film.list" }, empty, list);

  const store = () => {
    const kept = films.slice(0, MAX_STORED).map((film) => ({ ...film, recording: undefined, settings: withoutFiles(film.settings) }));
    writeValue(STORED, kept);
    empty.hidden = films.length > 0;
  };
  const remove = (/** @type {FilmRecord} */ film, /** @type {HTMLElement} */ card) => {
    films.splice(films.indexOf(film), 1);
    cards.delete(film.id);
    card.remove();
    store();
  };
  const show = (/** @type {FilmRecord} */ film, /** @type {any} */ state = null) => {
    const card = createFilmCard(film, {
      state,
      keepMinutes,
      onRemove: () => remove(film, card.element),
      onAgain: () => {
        remove(film, card.element);
        onAgain(film);
      },
      onDone: async (getBlob, isNew) => {
        if (isNew) {
          reveal(card.element);
          announce(t("film.done", { name: film.filename }));
        }
        const blob = film.isSaved ? null : await getBlob();
        if (!blob) return;
        onDone(film, blob);
        film.isSaved = true; // not before: a film that could not be fetched is saved when the page is opened again
        store();
      },
    });
    cards.set(film.id, card);
    return card.element;
  };
  /** Remove the film of the history that is shown. */
  const removeKept = () => {
    kept?.element.remove();
    kept?.release();
    kept = null;
    empty.hidden = films.length > 0;
  };

  list.append(...films.map((film) => show(film)));
  empty.hidden = films.length > 0;
  return {
    element,
    /** Add a film that has just begun, in the state that the server has answered. */
    add: (/** @type {{state: any, recording: File, settings: Record<string, any>}} */ { state, recording, settings }) => {
      const { id, filename, kind } = state;
      const film = { id, filename, kind, name: recording.name, settings, recording };
      films.unshift(film);
      const card = show(film, state);
      list.prepend(card);
      store();
      reveal(card);
    },
    /**
     * Show the film of an entry of the history: its card, or a copy where the server has deleted the film.
     * @param {import("../history/store.js").Entry} entry
     */
    showKept: (entry) => {
      const card = cards.get(entry.shown?.id);
      if (card?.isShown) return reveal(card.element);
      removeKept();
      kept = createKeptCard(entry.results[0], removeKept);
      list.prepend(kept.element);
      empty.hidden = true;
      reveal(kept.element);
    },
  };
};

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
