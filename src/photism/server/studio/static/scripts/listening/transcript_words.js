// @ts-check
/** Words of a transcript with their times, and how correcting, splitting and joining them changes these. */

/**
 * @typedef {{text: string, start_s: number, end_s: number, confidence: number}} Character
 * @typedef {Character & {characters?: Character[], isCorrected?: boolean}} Word
 * @typedef {{index: number, removed: Word[], inserted: Word[]}} Change words that take the place of others
 */

const SEGMENTER = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/**
 * Return the words that take the place of a word when its text becomes another one, in which spaces separate words.
 *
 * The first begins and the last ends as before. Between them the time is that of the recognised characters, where only
 * spaces were added, and otherwise divided by the lengths of the words. What a person wrote has the confidence 1.
 * @param {Word} word
 * @param {string} text
 * @returns {Word[]}
 */
export const rewrite = (word, text) => {
  const texts = text.trim().split(/\s+/).filter(Boolean);
  if (texts.length === 1 && texts[0] === word.text) return [word];
  const { start_s, end_s } = word;
  if (texts.length < 2) return texts.map((each) => ({ text: each, start_s, end_s, confidence: 1, isCorrected: true }));
  return splitByCharacters(word, texts) ?? splitByLength(word, texts);
};

/**
 * Return the word that two neighbours become.
 * @param {Word} one
 * @param {Word} other
 * @returns {Word}
 */
export const join = (one, other) => {
  const { characters, ...rest } = one;
  const confidence = Math.min(one.confidence, other.confidence);
  const joined = { ...rest, text: one.text + other.text, end_s: Math.max(one.end_s, other.end_s), confidence, isCorrected: true };
  return characters && other.characters ? { ...joined, characters: [...characters, ...other.characters] } : joined;
};

/**
 * Return the word that is spoken at a time: the last one that has begun, if the pause after it is short; -1 if none is.
 * @param {Word[]} words in order of their times
 * @param {number} seconds
 * @param {number} [pauseS] seconds after its end in which a word is still shown
 */
export const indexAt = (words, seconds, pauseS = 0.3) => {
  let low = 0;
  let high = words.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (words[middle].start_s <= seconds) low = middle + 1;
    else high = middle;
  }
  return low && seconds < words[low - 1].end_s + pauseS ? low - 1 : -1;
};

/** @param {Word} word @param {string[]} texts @returns {Word[] | null} */
const splitByCharacters = ({ text, characters = [] }, texts) => {
  const isSame = texts.join("") === text && characters.map((each) => each.text).join("") === text;
  if (!isSame) return null;
  /** @type {Word[]} */
  const words = [];
  let first = 0;
  for (const each of texts) {
    let next = first;
    for (let length = 0; length < each.length; next += 1) length += characters[next].text.length;
    const own = characters.slice(first, next);
    if (own.map((one) => one.text).join("") !== each) return null; // within a character of several letters
    const confidence = own.reduce((sum, one) => sum + one.confidence, 0) / own.length;
    words.push({ text: each, start_s: own[0].start_s, end_s: own[own.length - 1].end_s, confidence, characters: own, isCorrected: true });
    first = next;
  }
  return words;
};

/** @param {Word} word @param {string[]} texts @returns {Word[]} */
const splitByLength = ({ start_s, end_s }, texts) => {
  const lengths = texts.map((text) => [...SEGMENTER.segment(text)].length);
  const all = lengths.reduce((sum, length) => sum + length, 0);
  let done = 0;
  return texts.map((text, index) => {
    const from = start_s + ((end_s - start_s) * done) / all;
    done += lengths[index];
    const to = index === texts.length - 1 ? end_s : start_s + ((end_s - start_s) * done) / all;
    return { text, start_s: from, end_s: to, confidence: 1, isCorrected: true };
  });
};

/** The words of a transcript, and what was changed in them. */
export class EditedWords extends EventTarget {
  /** @type {Word[]} */
  words = [];
  /** @type {Change[]} */
  #done = [];
  /** @type {Change[]} */
  #undone = [];
  /** @type {Word[]} */
  #original = [];

  /**
   * Take the words of another transcript.
   * @param {Word[]} words
   * @param {Word[]} [original] words before they were corrected, to which `reset` returns
   */
  load(words, original = words) {
    [this.words, this.#original, this.#done, this.#undone] = [[...words], original, [], []];
  }

  get canUndo() {
    return this.#done.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  get isChanged() {
    return this.words.length !== this.#original.length || this.words.some((word, index) => word !== this.#original[index]);
  }

  get original() {
    return this.#original;
  }

  /**
   * Put words in the place of `count` words, and dispatch "change" with the change as its detail.
   * @param {number} index
   * @param {number} count
   * @param {Word[]} inserted
   */
  replace(index, count, inserted) {
    const removed = this.words.slice(index, index + count);
    if (removed.length === inserted.length && removed.every((word, at) => word === inserted[at])) return;
    this.#done.push({ index, removed, inserted });
    this.#undone = [];
    this.#apply({ index, removed, inserted });
  }

  undo() {
    const change = this.#done.pop();
    if (!change) return;
    this.#undone.push(change);
    this.#apply({ index: change.index, removed: change.inserted, inserted: change.removed });
  }

  redo() {
    const change = this.#undone.pop();
    if (!change) return;
    this.#done.push(change);
    this.#apply(change);
  }

  /** Return to the recognised words; it can be undone. */
  reset() {
    this.replace(0, this.words.length, this.#original);
  }

  /** @param {Change} change */
  #apply(change) {
    const { index, removed, inserted } = change;
    this.words = [...this.words.slice(0, index), ...inserted, ...this.words.slice(index + removed.length)];
    this.dispatchEvent(new CustomEvent("change", { detail: change }));
  }
}
