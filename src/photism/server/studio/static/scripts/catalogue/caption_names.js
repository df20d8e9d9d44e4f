// @ts-check
/** Captions of drawing models in the language of the page. */

import * as api from "../page/api.js";
import { currentLanguage } from "../page/i18n.js";
import { nameOf } from "./words.js";

/** @type {Map<string, string>} */
const names = new Map();
/** @type {Map<string, Promise<void>>} */
const loaded = new Map();

/**
 * Load the captions of a model in the language of the page, once. Without translations, they stay as they are.
 * @param {string} [model] by default the first one that draws
 */
export const loadCaptionNames = (model = "") => {
  const language = currentLanguage();
  const loading = loaded.get(model) ?? (language === "en" ? Promise.resolve() : load(model, language).catch(() => {}));
  loaded.set(model, loading);
  return loading;
};

/**
 * Return a caption in the language of the page, if `loadCaptionNames` has found it, and without its full stop.
 * @param {string} caption
 */
export const captionName = (caption) => nameOf(names.get(caption) ?? caption);

/** @param {string} model @param {string} language */
const load = async (model, language) => {
  const query = new URLSearchParams({ language, ...(model ? { model } : {}) });
  const { captions, translations } = await api.get(`/v1/captions?${query}`);
  const [found = []] = Object.values(translations);
  captions.forEach((/** @type {string} */ caption, /** @type {number} */ index) => {
    const name = /** @type {any} */ (found)[index];
    if (name) names.set(caption, name);
  });
};
