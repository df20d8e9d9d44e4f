// @ts-check
/** Texts of the page in the language of the visitor, and numbers as that language writes them. */

import { readText, writeText } from "./stored.js";

const STORED = "photism.language";
const RIGHT_TO_LEFT = new Set(["ar", "he", "fa", "ur"]);

/** @type {{language: string, locale: string, texts: Record<string, string>, settings: Record<string, string>}} */
const state = { language: "en", locale: "en", texts: {}, settings: {} };

/**
 * Load the texts of the visitor's language: that of ?lang, of an earlier choice, or else of the browser.
 * @param {string[]} available codes of the languages that the page has
 */
export const loadLanguage = async (available) => {
  const found = wantedLanguages().map((each) => [each, each.split("-")[0].toLowerCase()]);
  const [locale, language] = found.find(([, code]) => available.includes(code)) ?? ["en", "en"];
  const answer = await fetch(new URL(`studio/languages/${language}.json`, document.baseURI));
  const { texts, settings } = await answer.json();
  Object.assign(state, { language, locale: validLocale(locale), texts, settings });
  document.documentElement.lang = language;
  document.documentElement.dir = RIGHT_TO_LEFT.has(language) ? "rtl" : "ltr";
};

/** Return the languages that the visitor wants, the best first, whether or not the page has them. */
export const wantedLanguages = () => {
  const chosen = [new URLSearchParams(location.search).get("lang"), readText(STORED)];
  return /** @type {string[]} */ ([...chosen, ...navigator.languages].filter(Boolean));
};

/**
 * Choose a language, and show the page in it.
 * @param {string} code
 */
export const chooseLanguage = (code) => {
  const url = new URL(location.href);
  if (writeText(STORED, code)) url.searchParams.delete("lang");
  else url.searchParams.set("lang", code);
  history.replaceState(null, "", url);
  location.reload();
};

/** Return the code of the language that the page is shown in. */
export const currentLanguage = () => state.language;

/**
 * Return a text, with values in place of {names}. With `count`, the form of the key for that number is used:
 * "key.one", "key.other", and what else the language distinguishes.
 * @param {string} key
 * @param {Record<string, unknown>} [values]
 * @returns {string}
 */
export const t = (key, values = {}) => {
  const text = state.texts[pluralKey(key, values.count)] ?? state.texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    if (value === undefined || value === null) return whole;
    return typeof value === "number" ? formatNumber(value) : String(value);
  });
};

/**
 * Return whether there is a text of this key.
 * @param {string} key
 */
export const hasText = (key) => key in state.texts;

/**
 * Return the translation of an English name or description of a setting; the English if there is none.
 * @param {string} english
 */
export const describe = (english) => state.settings[english] ?? english;

/**
 * Format a number as the language writes it.
 * @param {number} number
 * @param {Intl.NumberFormatOptions} [options]
 */
export const formatNumber = (number, options) => new Intl.NumberFormat(state.locale, options).format(number);

/**
 * Format seconds as minutes and seconds, such as 1:05.3.
 * @param {number} seconds
 */
export const formatTime = (seconds) => {
  const tenths = Math.max(0, Math.round(seconds * 10));
  const minutes = formatNumber(Math.floor(tenths / 600), { useGrouping: false });
  const rest = { minimumIntegerDigits: 2, minimumFractionDigits: 1, maximumFractionDigits: 1 };
  return `${minutes}:${formatNumber((tenths % 600) / 10, rest)}`;
};

/**
 * Fill the elements below `root` (and itself) that name their texts: data-t the content, data-t-label aria-label,
 * data-t-title and data-t-placeholder those attributes.
 * @param {Element | Document} root
 */
export const translate = (root) => {
  const all = [...root.querySelectorAll("*"), ...(root instanceof Element ? [root] : [])];
  for (const element of all) {
    if (!(element instanceof HTMLElement)) continue;
    const { t: content, tLabel, tTitle, tPlaceholder } = element.dataset;
    if (content) element.textContent = t(content);
    if (tLabel) element.setAttribute("aria-label", t(tLabel));
    if (tTitle) element.title = t(tTitle);
    if (tPlaceholder) element.setAttribute("placeholder", t(tPlaceholder));
  }
};

/** @param {string} key @param {unknown} count */
const pluralKey = (key, count) => {
  if (typeof count !== "number") return key;
  const form = `${key}.${new Intl.PluralRules(state.language).select(count)}`;
  return form in state.texts ? form : `${key}.other`;
};

/** @param {string} locale */
const validLocale = (locale) => {
  try {
    return Intl.getCanonicalLocales(locale)[0];
  } catch {
    return "en";
  }
};
