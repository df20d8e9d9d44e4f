// @ts-check
/** A transcript as /v1/format takes it, and as segments of a timeline. */

/** @typedef {import("./transcript_words.js").Word} Word */

/** Scripts whose lines break within words, by the times of their characters. */
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
/** Longest word that no subtitle breaks. */
const LONGEST_WHOLE = 16;
/** Values that /v1/format takes, somewhat less. */
const MAX_VALUES = 90_000;
const VALUES_OF_ITEM = 5;
/** Segments of a timeline, above which words are joined: on a screen, more of them cannot be told apart. */
const MAX_ITEMS = 400;
const PAUSE_S = 0.8;

/**
 * Return what is between two words of a transcript: nothing where its text has no spaces, and otherwise a space.
 * @param {{text: string, words: Word[]}} transcript
 */
export const separatorOf = ({ text, words }) => (words.length > 1 && text === words.map((word) => word.text).join("") ? "" : " ");

/**
 * Return the JSON of a transcript whose words were corrected.
 *
 * Subtitles that were given stay as long as no word is corrected. The characters of words are left out if there are too
 * many, except where subtitles may break within a word.
 * @param {any} answer of /v1/transcribe
 * @param {Word[]} words
 * @param {{isChanged: boolean, characters?: "all" | "some" | "none"}} options
 */
export const transcriptJson = (answer, words, { isChanged, characters = "some" }) => {
  const { cues, missing, ...rest } = answer;
  const count = words.reduce((sum, word) => sum + 1 + (word.characters?.length ?? 0), 0);
  const hasRoom = count * VALUES_OF_ITEM < MAX_VALUES;
  const isKept = (/** @type {Word} */ { text }) =>
    characters === "all" || (characters === "some" && (hasRoom || UNSPACED.test(text) || text.length > LONGEST_WHOLE));
  return {
    ...rest,
    isPart: undefined, // no part of the JSON
    text: words.map((word) => word.text).join(separatorOf(answer)),
    words: words.map((word) => plainWord(word, isKept(word))),
    ...(isChanged ? {} : { ...(cues && { cues }), ...(missing && { missing }) }),
  };
};

/** @param {Word} word @param {boolean} hasCharacters */
const plainWord = ({ text, start_s, end_s, confidence, characters }, hasCharacters) => ({
  text,
  start_s: toMilliseconds(start_s),
  end_s: toMilliseconds(end_s),
  confidence,
  ...(hasCharacters && characters ? { characters } : {}),
});

/** @param {number} seconds */
const toMilliseconds = (seconds) => Math.round(seconds * 1000) / 1000;

/**
 * Return the segments of a timeline: words or, if there are too many, words up to a pause or a longer time.
 * @param {Word[]} words
 * @param {string} separator
 */
export const timelineItems = (words, separator) => {
  const items = words.map(({ text, start_s, end_s }) => ({ startS: start_s, endS: end_s, text }));
  if (items.length <= MAX_ITEMS) return items;
  const longest = (items[items.length - 1].endS - items[0].startS) / (MAX_ITEMS / 2);
  /** @type {typeof items} */
  const joined = [];
  for (const item of items) {
    const last = joined[joined.length - 1];
    const isNear = last && item.startS - last.endS < PAUSE_S && item.endS - last.startS <= longest;
    if (isNear || joined.length >= MAX_ITEMS) Object.assign(last, { endS: item.endS, text: last.text + separator + item.text });
    else joined.push({ ...item });
  }
  return joined;
};
