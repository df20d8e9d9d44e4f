// @ts-check
/** Correct the words of a transcript in their places: their times stay, and what is split or joined divides or adds them. */

import { announce, h } from "../page/dom.js";
import { t } from "../page/i18n.js";
import { WordList } from "./word_list.js";
import { EditedWords, join, rewrite } from "./transcript_words.js";

/** Words from which on all are shown again, in paragraphs. */
const MANY = 100;

/** @typedef {import("./transcript_words.js").Word} Word */

/**
 * The editor of a transcript.
 *
 * The element dispatches "choose" with the word that was chosen, and "change" when words were corrected.
 */
export class TranscriptEditor {
  #edited = new EditedWords();
  #list = new WordList();
  /** @type {any} the box of the word that is being corrected */
  #box = null;
  #buttons = {
    correct: toolButton("listening.correct", () => this.#correct(Math.max(0, this.#list.chosen))),
    undo: toolButton("listening.undo", () => this.#step(() => this.#edited.undo())),
    redo: toolButton("listening.redo", () => this.#step(() => this.#edited.redo())),
    reset: toolButton("listening.reset", () => this.#step(() => this.#edited.reset())),
  };

  constructor() {
    const tools = h("div", { class: "row transcript-tools" }, ...Object.values(this.#buttons));
    const help = h("p", { class: "muted transcript-help", "data-t": "listening.help" });
    this.element = h("div", { class: "stack" }, this.#list.element, tools, help);
    this.#edited.addEventListener("change", (event) => this.#showChange(/** @type {CustomEvent} */ (event).detail));
    this.#list.element.addEventListener("correct", (/** @type {CustomEvent} */ event) => this.#correct(event.detail));
    this.#list.element.addEventListener("choose", (/** @type {CustomEvent} */ event) =>
      this.element.dispatchEvent(new CustomEvent("choose", { detail: this.words[event.detail] })),
    );
    this.element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#takeKey(event));
    this.#mark();
  }

  get words() {
    return this.#edited.words;
  }

  get original() {
    return this.#edited.original;
  }

  get isChanged() {
    return this.#edited.isChanged;
  }

  /**
   * Show another transcript.
   * @param {Word[]} words
   * @param {{original?: Word[], separator: string, offsetS: number}} options
   */
  show(words, { original, separator, offsetS }) {
    this.#box?.cancel();
    this.#edited.load(words, original);
    this.#list.show(this.words, { separator, offsetS });
    this.#mark();
  }

  /** Light up the word of a time of the transcript. @param {number} seconds */
  showTime(seconds) {
    this.#list.showTime(this.words, seconds);
  }

  /** End the correction that is going on, if there is one, so that it counts. */
  commit() {
    this.#box?.commit();
  }

  #mark() {
    this.#buttons.undo.disabled = !this.#edited.canUndo;
    this.#buttons.redo.disabled = !this.#edited.canRedo;
    this.#buttons.reset.disabled = !this.#edited.isChanged;
    this.#buttons.correct.disabled = !this.words.length;
  }

  /** @param {() => void} act */
  #step(act) {
    this.#box?.cancel();
    act();
  }

  /** @param {import("./transcript_words.js").Change} change */
  #showChange(change) {
    if (change.inserted.length > MANY) this.#list.show(this.words);
    else this.#list.replace(change);
    this.#mark();
    this.element.dispatchEvent(new Event("change"));
  }

  /** @param {KeyboardEvent} event */
  #takeKey(event) {
    if (this.#box || !(event.ctrlKey || event.metaKey)) return;
    const key = event.key.toLowerCase();
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    this.#step(() => (key === "y" || event.shiftKey ? this.#edited.redo() : this.#edited.undo()));
  }

  /** Open the box of a word. @param {number} index @param {number | null} caret place of the caret; null to select all */
  #correct(index, caret = null) {
    const word = this.words[index];
    if (!word) return;
    this.#box?.commit();
    const changed = (/** @type {string} */ text) => rewrite(word, text || word.text);
    this.#box = createWordBox(this.#list.at(index), word.text, caret, {
      end: (text, isLeft) => {
        this.#box = null;
        if (text !== null) this.#edited.replace(index, 1, rewrite(word, text));
        if (!isLeft) this.#list.focus(index);
      },
      next: (text, direction) => this.#correctNext(index, text, direction),
      joinPrevious: (text) => this.#join(index - 1, [this.words[index - 1], ...changed(text)]),
      joinNext: (text) => this.#join(index, [...changed(text), this.words[index + 1]]),
    });
  }

  /** Correct a word, and open the box of the one before or after it. @param {number} index @param {string} text @param {number} direction */
  #correctNext(index, text, direction) {
    this.#box = null;
    const before = this.words.length;
    this.#edited.replace(index, 1, rewrite(this.words[index], text));
    const target = direction < 0 ? index - 1 : index + 1 + this.words.length - before;
    if (this.words[target]) this.#correct(target);
    else this.#list.focus(target);
  }

  /** Join two words from an index on; return false if there are not two. @param {number} index @param {Word[]} words */
  #join(index, words) {
    if (words.length !== 2 || words.includes(/** @type {any} */ (undefined))) return false;
    this.#box = null;
    this.#edited.replace(index, 2, [join(words[0], words[1])]);
    announce(t("listening.joined", { text: this.words[index].text }));
    this.#correct(index, words[0].text.length);
    return true;
  }
}

/** @param {string} key of its text @param {() => void} onclick */
const toolButton = (key, onclick) => h("button", { class: "button quiet", type: "button", "data-t": key, onclick });

/**
 * Put a box in the place of a word.
 * @param {HTMLElement} span
 * @param {string} text
 * @param {number | null} caret place of the caret; null to select all
 * @param {{end: (text: string | null, isLeft?: boolean) => void, next: (text: string, direction: number) => void,
 *   joinPrevious: (text: string) => boolean, joinNext: (text: string) => boolean}} act what happens at its end: null is
 *   no change, isLeft that the focus is elsewhere already; joining returns false if there is nothing to join
 */
const createWordBox = (span, text, caret, act) => {
  const input = h("input", { class: "word-box", type: "text", value: text, "aria-label": t("listening.correcting", { text }), autocapitalize: "off" });
  const fit = () => input.style.setProperty("inline-size", `${Math.max(3, input.value.length + 2)}ch`);
  let isOpen = true;
  const close = (/** @type {() => void} */ then) => {
    if (!isOpen) return;
    isOpen = false;
    input.replaceWith(span);
    then();
  };
  const isAt = (/** @type {number} */ place) => input.selectionStart === place && input.selectionEnd === place;
  /** @type {Record<string, () => boolean | void>} */
  const keys = {
    Enter: () => close(() => act.end(input.value)),
    Escape: () => close(() => act.end(null)),
    Backspace: () => isAt(0) && tryJoin(act.joinPrevious),
    Delete: () => isAt(input.value.length) && tryJoin(act.joinNext),
  };
  const tryJoin = (/** @type {(text: string) => boolean} */ joinWith) => {
    isOpen = false;
    input.replaceWith(span);
    if (joinWith(input.value.trim())) return true;
    span.replaceWith(input);
    isOpen = true;
    input.focus();
    return false;
  };
  input.addEventListener("input", fit);
  input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    event.stopPropagation();
    if (event.isComposing) return;
    if (event.key === "Tab") {
      event.preventDefault();
      close(() => act.next(input.value, event.shiftKey ? -1 : 1));
    } else if (keys[event.key] && keys[event.key]() !== false) event.preventDefault();
  });
  input.addEventListener("blur", () => close(() => act.end(input.value, true)));
  span.replaceWith(input);
  fit();
  input.focus();
  if (caret === null) input.select();
  else input.setSelectionRange(caret, caret);
  return { commit: () => close(() => act.end(input.value, true)), cancel: () => close(() => act.end(null, true)) };
};
