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
 * Create the list of the words of a transcript.
 *
 * The element dispatches "choose" when a word is clicked or reached by the arrow keys, and "correct" when it is to be
 * corrected; both have its index as their detail.
 */
export const createWordList = () => {
  const element = h("div", { class: "transcript", role: "group", "data-t-label": "listening.words", dir: "auto" });
  /** @type {HTMLElement[]} */
  let spans = [];
  let options = { separator: " ", offsetS: 0 };
  /** @type {HTMLElement | null} */
  let lit = null;
  /** @type {HTMLElement | null} */
  let chosen = null;
  let scrolledAt = -PATIENCE_MS;

  const choose = (/** @type {HTMLElement | undefined} */ span, isFocused = true) => {
    if (!span) return;
    if (chosen) chosen.tabIndex = -1;
    chosen = span;
    span.tabIndex = 0;
    if (isFocused) span.focus({ preventScroll: true });
    if (isFocused) span.scrollIntoView({ block: "nearest" });
  };
  const dispatch = (/** @type {string} */ name, /** @type {HTMLElement} */ span) =>
    element.dispatchEvent(new CustomEvent(name, { detail: spans.indexOf(span) }));
  const wordOf = (/** @type {Event} */ event) => /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest(".word"));

  element.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    const span = wordOf(event);
    if (!span || !getSelection()?.isCollapsed) return; // text is being selected
    choose(span);
    dispatch("choose", span);
  });
  element.addEventListener("dblclick", (/** @type {MouseEvent} */ event) => {
    const span = wordOf(event);
    if (span) dispatch("correct", span);
  });
  element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const span = wordOf(event);
    if (!span || event.target !== span) return;
    const index = spans.indexOf(span);
    const isBack = getComputedStyle(element).direction === "rtl" ? "ArrowRight" : "ArrowLeft";
    const steps = /** @type {Record<string, number>} */ ({ ArrowUp: -10, ArrowDown: 10, PageUp: -100, PageDown: 100, Home: -index, End: spans.length });
    const step = event.key.startsWith("Arrow") && !(event.key in steps) ? (event.key === isBack ? -1 : 1) : steps[event.key];
    if (event.key === "Enter" || event.key === "F2") dispatch("correct", span);
    else if (step) {
      choose(spans[Math.max(0, Math.min(spans.length - 1, index + step))]);
      if (chosen) dispatch("choose", chosen);
    } else return;
    event.preventDefault();
  });
  for (const name of ["wheel", "touchmove", "pointerdown"]) {
    element.addEventListener(name, () => (scrolledAt = performance.now()), { passive: true });
  }

  return {
    element,
    /** Show other words; `separator` is what is between two of them, `offsetS` the time of the recording at 0. */
    show: (/** @type {Word[]} */ words, /** @type {{separator: string, offsetS: number}} */ given = options) => {
      options = given;
      [lit, chosen] = [null, null];
      spans = words.map(spanOf);
      element.replaceChildren(...paragraphs(words, spans, options));
      choose(spans[0], false);
    },
    /** Put words in the place of others. */
    replace: (/** @type {import("./transcript_words.js").Change} */ { index, removed, inserted }) => {
      const added = inserted.map(spanOf);
      const old = spans.slice(index, index + removed.length);
      const next = old[0] ?? (index ? null : spans[0]) ?? null;
      insertBefore(added, next, spans[index - 1] ?? null, options.separator, element);
      old.forEach(removeWord);
      spans = [...spans.slice(0, index), ...added, ...spans.slice(index + old.length)];
      if (!spans.includes(/** @type {any} */ (chosen))) choose(added[0] ?? spans[Math.min(index, spans.length - 1)], false);
      for (const each of element.querySelectorAll(".paragraph:not(:has(.word))")) each.remove();
    },
    /** Light up the word of a time. */
    showTime: (/** @type {Word[]} */ words, /** @type {number} */ seconds) => {
      const span = spans[indexAt(words, seconds)] ?? null;
      if (span === lit) return;
      lit?.classList.remove("lit");
      span?.classList.add("lit");
      lit = span;
      if (span && performance.now() - scrolledAt > PATIENCE_MS) keepInSight(element, span);
    },
    /** Focus a word. */
    focus: (/** @type {number} */ index) => choose(spans[Math.max(0, Math.min(spans.length - 1, index))]),
    /** Return the element of a word. */
    at: (/** @type {number} */ index) => spans[index],
    /** Return the index of the word that has or had the focus; -1 if there is none. */
    get chosen() {
      return chosen ? spans.indexOf(chosen) : -1;
    },
  };
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
