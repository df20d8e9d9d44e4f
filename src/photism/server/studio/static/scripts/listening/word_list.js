// @ts-check
/** The words of a transcript as text, of which the one that is spoken is lit: quick with ten thousand of them. */

import { h } from "../page/dom.js";
import { formatTime, t } from "../page/i18n.js";
import { indexAt } from "./transcript_words.js";

/** Pause in seconds after which a paragraph begins, if the one before has some words. */
const PAUSE_S = 1.5;
const FEWEST_WORDS = 12;
const MOST_WORDS = 80;
/** Confidence below which a word is marked as unsure. */
const UNSURE = 0.5;
/** Milliseconds after scrolling by hand in which the list does not follow the playback. */
const PATIENCE_MS = 4000;

/** @typedef {import("./transcript_words.js").Word} Word */

/**
 * The list of the words of a transcript.
 *
 * The element dispatches "choose" when a word is clicked or reached by the arrow keys, and "correct" when it is to be
 * corrected; both have its index as their detail.
 */
export class WordList {
  element = h("div", { class: "transcript", role: "group", "data-t-label": "listening.words", dir: "auto" });
  /** @type {HTMLElement[]} */
  #spans = [];
  #options = { separator: " ", offsetS: 0 };
  /** @type {HTMLElement | null} */
  #lit = null;
  /** @type {HTMLElement | null} */
  #chosen = null;
  #scrolledAt = -PATIENCE_MS;

  constructor() {
    this.element.addEventListener("click", (/** @type {MouseEvent} */ event) => this.#takeClick(event));
    this.element.addEventListener("dblclick", (/** @type {MouseEvent} */ event) => {
      const span = wordOf(event);
      if (span) this.#dispatch("correct", span);
    });
    this.element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#takeKey(event));
    for (const name of ["wheel", "touchmove", "pointerdown"]) {
      this.element.addEventListener(name, () => (this.#scrolledAt = performance.now()), { passive: true });
    }
  }

  /** Index of the word that has or had the focus; -1 if there is none. */
  get chosen() {
    return this.#chosen ? this.#spans.indexOf(this.#chosen) : -1;
  }

  /** Return the element of a word. @param {number} index */
  at(index) {
    return this.#spans[index];
  }

  /** Focus a word. @param {number} index */
  focus(index) {
    this.#choose(this.#spans[Math.max(0, Math.min(this.#spans.length - 1, index))]);
  }

  /**
   * Show other words.
   * @param {Word[]} words
   * @param {{separator: string, offsetS: number}} options separator: what is between two words; offsetS: time of the
   *   recording at 0
   */
  show(words, options = this.#options) {
    this.#options = options;
    [this.#lit, this.#chosen] = [null, null];
    this.#spans = words.map(spanOf);
    this.element.replaceChildren(...paragraphs(words, this.#spans, options));
    this.#choose(this.#spans[0], false);
  }

  /** Put words in the place of others. @param {import("./transcript_words.js").Change} change */
  replace({ index, removed, inserted }) {
    const spans = this.#spans;
    const added = inserted.map(spanOf);
    const old = spans.slice(index, index + removed.length);
    const next = old[0] ?? (index ? null : spans[0]) ?? null;
    insertBefore(added, next, spans[index - 1] ?? null, this.#options.separator, this.element);
    old.forEach(removeWord);
    this.#spans = [...spans.slice(0, index), ...added, ...spans.slice(index + old.length)];
    if (this.chosen < 0) this.#choose(added[0] ?? this.#spans[Math.min(index, this.#spans.length - 1)], false);
    for (const each of this.element.querySelectorAll(".paragraph:not(:has(.word))")) each.remove();
  }

  /** Light up the word of a time. @param {Word[]} words @param {number} seconds */
  showTime(words, seconds) {
    const span = this.#spans[indexAt(words, seconds)] ?? null;
    if (span === this.#lit) return;
    this.#lit?.classList.remove("lit");
    span?.classList.add("lit");
    this.#lit = span;
    if (span && performance.now() - this.#scrolledAt > PATIENCE_MS) keepInSight(this.element, span);
  }

  /** @param {HTMLElement | undefined} span @param {boolean} isFocused */
  #choose(span, isFocused = true) {
    if (!span) return;
    if (this.#chosen) this.#chosen.tabIndex = -1;
    this.#chosen = span;
    span.tabIndex = 0;
    if (isFocused) span.focus({ preventScroll: true });
    if (isFocused) span.scrollIntoView({ block: "nearest" });
  }

  /** @param {string} name @param {HTMLElement} span */
  #dispatch(name, span) {
    this.element.dispatchEvent(new CustomEvent(name, { detail: this.#spans.indexOf(span) }));
  }

  /** @param {MouseEvent} event */
  #takeClick(event) {
    const span = wordOf(event);
    if (!span || !getSelection()?.isCollapsed) return; // text is being selected
    this.#choose(span);
    this.#dispatch("choose", span);
  }

  /** @param {KeyboardEvent} event */
  #takeKey(event) {
    const span = wordOf(event);
    if (!span || event.target !== span) return;
    const index = this.#spans.indexOf(span);
    const step = stepOf(event.key, index, this.#spans.length, getComputedStyle(this.element).direction === "rtl");
    if (event.key === "Enter" || event.key === "F2") this.#dispatch("correct", span);
    else if (step) {
      this.focus(index + step);
      if (this.#chosen) this.#dispatch("choose", this.#chosen);
    } else return;
    event.preventDefault();
  }
}

/** @param {Event} event */
const wordOf = (event) => /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest(".word"));

/**
 * Return the number of words by which a key moves the focus; 0 or nothing if it does not.
 * @param {string} key @param {number} index @param {number} count @param {boolean} isRightToLeft
 */
const stepOf = (key, index, count, isRightToLeft) => {
  const forward = isRightToLeft ? -1 : 1;
  const steps = /** @type {Record<string, number>} */ ({
    ArrowLeft: -forward,
    ArrowRight: forward,
    ArrowUp: -10,
    ArrowDown: 10,
    PageUp: -100,
    PageDown: 100,
    Home: -index,
    End: count,
  });
  return steps[key];
};

/** @param {Word} word */
const spanOf = ({ text, confidence, isCorrected }) => {
  const isUnsure = confidence < UNSURE && !isCorrected;
  const kind = isCorrected ? " corrected" : isUnsure ? " unsure" : "";
  return h("span", { class: `word${kind}`, role: "button", tabindex: "-1", title: isUnsure ? t("listening.unsure") : undefined }, text);
};

/**
 * Return paragraphs of words, each with the time of its first one.
 * @param {Word[]} words @param {HTMLElement[]} spans @param {{separator: string, offsetS: number}} options
 */
const paragraphs = (words, spans, { separator, offsetS }) => {
  /** @type {HTMLElement[]} */
  const found = [];
  let count = 0;
  words.forEach((word, index) => {
    const pauseS = index ? word.start_s - words[index - 1].end_s : 0;
    if (!index || count >= MOST_WORDS || (count >= FEWEST_WORDS && pauseS >= PAUSE_S)) {
      found.push(h("p", { class: "paragraph" }, h("span", { class: "paragraph-time", "aria-hidden": true }, formatTime(word.start_s + offsetS)), " "));
      count = 0;
    }
    count += 1;
    found[found.length - 1].append(spans[index], separator);
  });
  return found;
};

/**
 * Insert words with what separates them before a word, or else after another one.
 * @param {HTMLElement[]} added @param {HTMLElement | null} next @param {HTMLElement | null} previous @param {string} separator
 * @param {HTMLElement} list
 */
const insertBefore = (added, next, previous, separator, list) => {
  const nodes = added.flatMap((span) => [span, document.createTextNode(separator)]);
  if (next) next.before(...nodes);
  else if (previous) (previous.nextSibling ?? previous).after(...nodes);
  else if (nodes.length) list.append(h("p", { class: "paragraph" }, ...nodes));
};

/** @param {HTMLElement} span */
const removeWord = (span) => {
  if (span.nextSibling?.nodeType === Node.TEXT_NODE) span.nextSibling.remove();
  span.remove();
};

/** Scroll a list, and not the page, so that a word in it can be seen. @param {HTMLElement} list @param {HTMLElement} word */
const keepInSight = (list, word) => {
  const outer = list.getBoundingClientRect();
  const inner = word.getBoundingClientRect();
  if (inner.top >= outer.top && inner.bottom <= outer.bottom) return;
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  list.scrollTo({ top: list.scrollTop + inner.top - outer.top - outer.height / 3, behavior: isCalm ? "auto" : "smooth" });
};
