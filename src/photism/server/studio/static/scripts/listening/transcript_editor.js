// @ts-check
/** Correct the words of a transcript in their places: their times stay, and what is split or joined divides or adds them. */

import { announce, h } from "../page/dom.js";
import { t } from "../page/i18n.js";
import { createWordList } from "./word_list.js";
import { EditedWords, join, rewrite } from "./transcript_words.js";

/** Words from which on all are shown again, in paragraphs. */
const MANY = 100;

/**
 * Create the editor of a transcript.
 *
 * The element dispatches "choose" with the word that was chosen, and "change" when words were corrected.
 */
export const createTranscriptEditor = () => {
  const edited = new EditedWords();
  const list = createWordList();
  const button = (/** @type {string} */ key, /** @type {() => void} */ onclick) =>
    h("button", { class: "button quiet", type: "button", "data-t": key, onclick });
  const correctButton = button("listening.correct", () => correct(Math.max(0, list.chosen)));
  const undoButton = button("listening.undo", () => step(() => edited.undo()));
  const redoButton = button("listening.redo", () => step(() => edited.redo()));
  const resetButton = button("listening.reset", () => step(() => edited.reset()));
  const tools = h("div", { class: "row transcript-tools" }, correctButton, undoButton, redoButton, resetButton);
  const element = h("div", { class: "stack" }, list.element, tools, h("p", { class: "muted transcript-help", "data-t": "listening.help" }));
  /** @type {any} the box of the word that is being corrected */
  let box = null;

  const mark = () => {
    undoButton.disabled = !edited.canUndo;
    redoButton.disabled = !edited.canRedo;
    resetButton.disabled = !edited.isChanged;
    correctButton.disabled = !edited.words.length;
  };
  const step = (/** @type {() => void} */ act) => {
    box?.cancel();
    act();
  };
  edited.addEventListener("change", (event) => {
    const change = /** @type {CustomEvent} */ (event).detail;
    if (change.inserted.length > MANY) list.show(edited.words);
    else list.replace(change);
    mark();
    element.dispatchEvent(new Event("change"));
  });

  const correct = (/** @type {number} */ index, /** @type {number | null} */ caret = null) => {
    const word = edited.words[index];
    if (!word) return;
    box?.commit();
    const commit = (/** @type {string} */ text) => edited.replace(index, 1, rewrite(word, text));
    box = createWordBox(list.at(index), word.text, caret, {
      end: (text, isLeft) => {
        box = null;
        if (text !== null) commit(text);
        if (!isLeft) list.focus(index);
      },
      next: (text, direction) => {
        box = null;
        const before = edited.words.length;
        commit(text);
        const target = direction < 0 ? index - 1 : index + 1 + edited.words.length - before;
        if (edited.words[target]) correct(target);
        else list.focus(target);
      },
      joinPrevious: (text) => joinWords(index - 1, [edited.words[index - 1], ...rewrite(word, text || word.text)]),
      joinNext: (text) => joinWords(index, [...rewrite(word, text || word.text), edited.words[index + 1]]),
    });
  };
  const joinWords = (/** @type {number} */ index, /** @type {import("./transcript_words.js").Word[]} */ words) => {
    if (words.length !== 2 || words.includes(/** @type {any} */ (undefined))) return false;
    box = null;
    edited.replace(index, 2, [join(words[0], words[1])]);
    announce(t("listening.joined", { text: edited.words[index].text }));
    correct(index, words[0].text.length);
    return true;
  };

  list.element.addEventListener("correct", (/** @type {CustomEvent} */ event) => correct(event.detail));
  list.element.addEventListener("choose", (/** @type {CustomEvent} */ event) =>
    element.dispatchEvent(new CustomEvent("choose", { detail: edited.words[event.detail] })),
  );
  element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (box || !(event.ctrlKey || event.metaKey)) return;
    const key = event.key.toLowerCase();
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    step(() => (key === "y" || event.shiftKey ? edited.redo() : edited.undo()));
  });
  mark();
  return {
    element,
    /**
     * Show another transcript.
     * @param {import("./transcript_words.js").Word[]} words
     * @param {{original?: import("./transcript_words.js").Word[], separator: string, offsetS: number}} options
     */
    show: (words, { original, separator, offsetS }) => {
      box?.cancel();
      edited.load(words, original);
      list.show(edited.words, { separator, offsetS });
      mark();
    },
    /** Light up the word of a time of the transcript. */
    showTime: (/** @type {number} */ seconds) => list.showTime(edited.words, seconds),
    /** End the correction that is going on, if there is one, so that it counts. */
    commit: () => box?.commit(),
    get words() {
      return edited.words;
    },
    get original() {
      return edited.original;
    },
    get isChanged() {
      return edited.isChanged;
    },
  };
};

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
