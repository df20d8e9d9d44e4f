// @ts-check
/** Save results under names that say what they are. */

import { t } from "./i18n.js";

/** Longest name of a file, without its suffix; longer ones are no use in a folder. */
const MAX_LENGTH = 100;
/** What some file system refuses in names, and control characters. */
const FORBIDDEN = /[<>:"/\\|?*\p{Cc}]/gu;
/** Names that mean devices on Windows, with any suffix. */
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)$/i;

/**
 * Save a result as a file on the visitor's machine.
 * @param {Blob} blob
 * @param {string} name
 */
export const save = (blob, name) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser may still be reading it
};

/**
 * Return a telling name of a result, such as "elephant.en - An elephant - seed 7.png", that every file system takes.
 * @param {string | null} recordingName
 * @param {string | null} caption what was recognised
 * @param {number | null} seed
 * @param {string} suffix such as ".png"
 */
export const resultName = (recordingName, caption, seed, suffix) => {
  const stem = (recordingName ?? "").replace(/\.\w{2,5}$/, "");
  const thing = (caption ?? "").replace(/[.\s]+$/, "");
  const number = Number.isInteger(seed) ? t("history.seed", { seed: String(seed) }) : "";
  return safeName([stem, thing, number].filter(Boolean).join(" - ")) + suffix;
};

/**
 * Return a name without what file systems refuse.
 * @param {string} name without its suffix
 */
export const safeName = (name) => {
  const plain = name.normalize("NFC").replace(FORBIDDEN, " ").replace(/\s+/g, " ");
  const short = [...plain].slice(0, MAX_LENGTH).join("").replace(/^[\s.]+|[\s.]+$/g, "");
  return !short || RESERVED.test(short) ? `photism ${short}`.trim() : short;
};
