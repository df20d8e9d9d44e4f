// @ts-check
/** How to say one of the things that the model can draw, in every language that it understands. */

import * as api from "../page/api.js";
import { announce, h } from "../page/dom.js";
import { currentLanguage, t, wantedLanguages } from "../page/i18n.js";
import { showNotice } from "../page/notice.js";
import { explain } from "../page/problems.js";
import { recording } from "../recording/recording.js";
import { link } from "../page/share_link.js";

/**
 * Return a caption as a name, without the full stop.
 * @param {string} caption
 */
export const nameOf = (caption) => caption.trim().replace(/[.。．]$/, "");

/**
 * Return the example recordings of a thing.
 * @param {string} caption
 * @param {{name: string, url: string, label: string, language: string}[]} examples
 */
export const examplesOf = (caption, examples) => {
  const name = nameOf(caption).toLowerCase().replace(/^an? /, "");
  return examples.filter(({ label }) => label === name);
};

/**
 * Return the language of a tag, without its country or script.
 * @param {string} tag such as zh-CN or zh_CN
 */
export const primary = (tag) => tag.split(/[-_]/)[0].toLowerCase();

/**
 * Create the place that says how to say a thing.
 * @param {import("./catalogue.js").Catalogue} catalogue
 */
export const createWords = (catalogue) => {
  const element = h("div", { class: "catalogue-words", hidden: true });
  /** @type {Promise<Record<string, (string | null)[]>> | null} */
  let loading = null;
  const translations = () => {
    const query = new URLSearchParams({ model: catalogue.model, language: (catalogue.languages ?? []).join(",") });
    loading ??= api.get(`/v1/captions?${query}`).then((found) => found.translations);
    loading.catch(() => (loading = null));
    return loading;
  };
  let shown = -1;

  /**
   * Show how to say a thing.
   * @param {number} index of its caption
   * @param {HTMLElement | null} tile its picture
   */
  const show = async (index, tile) => {
    shown = index;
    const caption = catalogue.captions[index];
    const found = catalogue.languages ? await translations().catch(() => ({})) : {};
    const actions = await actionsOf(caption).catch(() => []);
    if (shown !== index) return; // another one was chosen meanwhile
    const names = namesOf(caption, index, catalogue.languages, { en: catalogue.captions, ...found });
    const label = t("catalogue.picture", { name: nameOf(caption) });
    const picture = tile && h("div", { class: "catalogue-picture", role: "img", "aria-label": label }, tile);
    const say = sayIn(catalogue.languages);
    const words = h("div", { class: "stack" }, h("p", {}, say), listOf(names), h("div", { class: "row" }, ...actions));
    element.replaceChildren(...[picture, words].filter(Boolean));
    element.hidden = false;
    announce(`${say} ${names[0][1]}`);
  };
  const hide = () => {
    shown = -1;
    element.hidden = true;
  };
  return { element, show, hide };
};

/**
 * Return how to say it: in one of the languages below, if that of the visitor is none of them.
 * @param {string[] | null} languages that the model understands
 */
const sayIn = (languages) => {
  const [own] = wantedLanguages().map(primary);
  const isForeign = languages !== null && own !== undefined && !languages.includes(own);
  return isForeign ? t("catalogue.say.foreign", { language: languageName(own) }) : t("catalogue.say");
};

/**
 * Return the names of a thing by language: those that the visitor wants first, then English, then the others.
 * @param {string} caption
 * @param {number} index
 * @param {string[] | null} languages that the model understands
 * @param {Record<string, readonly (string | null)[]>} texts
 * @returns {[string, string][]}
 */
const namesOf = (caption, index, languages, texts) => {
  const wanted = [...wantedLanguages().map(primary), "en"];
  const rank = (/** @type {string} */ code) => (wanted.includes(code) ? wanted.indexOf(code) : wanted.length);
  const codes = (languages ?? ["en"]).toSorted(
    (one, other) => rank(one) - rank(other) || languageName(one).localeCompare(languageName(other), currentLanguage()),
  );
  const found = codes.map((code) => /** @type {[string, string | null]} */ ([code, texts[code]?.[index] ?? null]));
  const named = found.filter(([, name]) => name);
  return (named.length ? named : [["en", caption]]).map(([code, name]) => [String(code), nameOf(String(name))]);
};

/** @param {[string, string][]} names by language */
const listOf = (names) => {
  const row = (/** @type {[string, string]} */ [code, name]) =>
    h("div", {}, h("dt", {}, languageName(code)), h("dd", { lang: code }, h("bdi", {}, name)));
  return h("dl", { class: "catalogue-names" }, ...names.map(row));
};

/**
 * Return the name of a language in that of the page; the code itself if it is none.
 * @param {string} code
 */
const languageName = (code) => {
  try {
    return new Intl.DisplayNames([currentLanguage()], { type: "language" }).of(code.replace("_", "-")) ?? code;
  } catch {
    return code;
  }
};

/**
 * Return buttons that take an example recording of a thing, if there is one, and that make a sound of it.
 * @param {string} caption
 */
const actionsOf = async (caption) => {
  const { examples } = await api.context();
  const models = await api.models();
  const buttons = examplesOf(caption, examples).map((example) => {
    const label = t("catalogue.example", { language: languageName(example.language) });
    return h("button", { class: "button", type: "button", onclick: () => takeExample(example) }, label);
  });
  if (models.some((/** @type {{kinds: string[]}} */ { kinds }) => kinds.includes("sound"))) {
    buttons.push(h("a", { class: "button quiet", href: link("sound", { text: caption }) }, t("catalogue.sound")));
  }
  return buttons;
};

/** @param {{name: string, url: string}} example */
const takeExample = async ({ name, url }) => {
  try {
    const response = await fetch(api.url(url));
    if (!response.ok) throw new api.Problem({ type: "unreachable" });
    if (await recording.set(await response.blob(), { name, origin: "example" })) await recording.play();
  } catch (error) {
    showNotice(explain(error instanceof TypeError ? new api.Problem({ type: "unreachable" }) : error));
  }
};
