// @ts-check
/** Find captions by the words of a visitor, in their language or in English, whatever the case and the accents. */

/**
 * Return a text without case, accents and punctuation: its words, each after a space.
 * @param {string} text
 */
export const plain = (text) => {
  const letters = text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  return ` ${letters.replace(/[^\p{L}\p{N}]+/gu, " ").trim()}`;
};

/**
 * Return the indices of the captions that have every word of a query as a word or the beginning of one; in scripts
 * without spaces, as a part of one. Captions that begin with the query come first.
 * @param {string} query
 * @param {string[][]} names plain names of each caption, from `plain`
 */
export const search = (query, names) => {
  const words = plain(query).split(" ").filter(Boolean);
  if (!words.length) return names.map((_, index) => index);
  const isIn = (/** @type {string} */ name, /** @type {string} */ word) =>
    name.includes(/[\u3040-\u30ff\u3400-\u9fff]/.test(word) ? word : ` ${word}`);
  const start = ` ${words.join(" ")}`;
  const rank = (/** @type {string} */ name) => {
    return name.startsWith(start) || withoutArticle(name).startsWith(start) ? 0 : 1;
  };
  return names
    .map((own, index) => ({ index, found: own.filter((name) => words.every((word) => isIn(name, word))) }))
    .filter(({ found }) => found.length)
    .toSorted((one, other) => Math.min(...one.found.map(rank)) - Math.min(...other.found.map(rank)))
    .map(({ index }) => index);
};

/** @param {string} name of a thing, the first word of which is often an article */
const withoutArticle = (name) => name.replace(/^ \S+/, "");
