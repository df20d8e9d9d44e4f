// @ts-check
/** Save a result in a format of the command line. The server writes it, by the rules by which it writes its own. */

import * as api from "../page/api.js";
import { safeName, save } from "../page/download.js";
import { h, newId } from "../page/dom.js";
import { t } from "../page/i18n.js";

/** Suffixes of files whose formats have other names. */
const SUFFIXES = /** @type {Record<string, string>} */ ({ audacity: "txt", textgrid: "TextGrid" });

/**
 * Create a choice of a format with a button that saves the result in it; it is hidden until there is a result.
 * @param {{formats: () => string[], result: () => any, recordingName: () => string, fail: (problem: unknown) => void,
 *   json?: (perWord: boolean) => any, commit?: () => void, perWord?: boolean}} options formats: those of the result in
 *   sight; result: what /v1/format takes; json: what is saved as JSON, if not that; fail: shows a problem, or none;
 *   commit: ends a correction that is going on; perWord: offer a subtitle for each word
 */
export const createExport = ({ formats, result, recordingName, fail, json, commit = () => {}, perWord = false }) => {
  const id = newId("format");
  const select = h("select", { id });
  const words = h("input", { type: "checkbox", id: newId("words") });
  const button = h("button", { class: "button", type: "button", "data-t": "listening.save" });
  const element = h(
    "div",
    { class: "export row", hidden: true },
    h("label", { class: "field-label", for: id, "data-t": "listening.format" }),
    select,
    button,
    perWord ? h("div", { class: "check" }, words, h("label", { for: words.id, "data-t": "listening.per-word" })) : null,
  );
  const fill = () => {
    const names = formats();
    if ([...select.options].map(({ value }) => value).join() === names.join()) return;
    const chosen = select.value;
    select.replaceChildren(...names.map((name) => h("option", { value: name }, t(`listening.format.${name}`))));
    if (names.includes(chosen)) select.value = chosen;
  };
  button.addEventListener("click", async () => {
    const format = select.value;
    const stem = recordingName().replace(/\.[^.]+$/, "");
    const name = `${safeName(stem)}.${SUFFIXES[format] ?? format}`;
    fail(null);
    commit();
    try {
      if (format === "json" && json) save(new Blob([`${JSON.stringify(json(words.checked), null, 2)}\n`], { type: "application/json" }), name);
      else save(await formatted(result(), format, words.checked), name);
    } catch (problem) {
      fail(problem);
    }
  });
  return {
    element,
    /** Show the menu, with the formats of the result that is in sight now. */
    show: () => {
      fill();
      element.hidden = false;
    },
  };
};

/**
 * Return a result in a format, written by the server.
 * @param {any} result @param {string} format @param {boolean} words
 */
const formatted = async (result, format, words) => {
  const file = new File([JSON.stringify(result)], "result.json", { type: "application/json" });
  return (await api.post("/v1/format", { result: file, format, words })).blob();
};
