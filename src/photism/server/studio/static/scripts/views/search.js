// @ts-check
/** Search: recordings of the server's collection that are similar to words, or to the recording on top. */

import * as api from "../page/api.js";
import { loadCaptionNames } from "../catalogue/caption_names.js";
import { createControls } from "../controls/controls.js";
import { announce, h, newId } from "../page/dom.js";
import { createHits } from "../search/hits.js";
import { t } from "../page/i18n.js";
import { createRun, reveal } from "../page/run.js";
import { linkButton } from "../page/share_link.js";

const PATH = "/v1/search";
const COMMON = ["top_k"];
/** Fields that this view sets. */
const OWN = ["text", "file"];

export const view = {
  id: "search",
  create: async (/** @type {{recording: any}} */ { recording }) => {
    const [about, controls] = await Promise.all([api.get(PATH), createControls({ path: PATH, common: COMMON, hidden: OWN })]);
    const query = createQuery(about, recording);
    const hits = createHits({
      onUse: (name, blob) => use(recording, name, blob),
      onSimilar: (name, blob) => {
        query.setExample(new File([blob], name, { type: blob.type }));
        run.start();
      },
    });

    const work = async (/** @type {{signal: AbortSignal}} */ { signal }) => {
      const wanted = await query.values();
      const given = controls.values();
      hits.setBusy(true);
      const names = loadCaptionNames();
      const answer = await (await api.post(PATH, { ...given, ...wanted }, { signal })).json();
      await names;
      if (signal.aborted) return;
      const text = wanted.file || given.not_text || given.not_sound ? undefined : wanted.text?.[0];
      hits.show(answer, { isFiltered: given.where !== undefined, text });
      reveal(hits.element);
      announce(hits.summary);
    };
    const run = createRun({ label: "search.button", work, recording });
    run.element.addEventListener("done", () => hits.setBusy(false));
    query.form.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      query.setExample(null);
      run.start();
    });
    run.button.addEventListener("click", () => query.setExample(null), { capture: true });

    const open = ({ text = "", ...given } = /** @type {Record<string, any>} */ ({})) => {
      query.setText([text].flat().join(", "));
      controls.reset();
      controls.set(given);
    };
    const link = h("div", { class: "row" }, linkButton("search", () => ({ ...controls.values(), text: query.text() || undefined })));
    const start = h("div", { class: "split-start stack" }, query.form, run.element);
    const below = h("div", { class: "split-settings stack" }, controls.element, link);
    return { element: h("div", { class: "split" }, start, hits.element, below), open };
  },
};

/**
 * Create the box of words, and the choice to search for what is similar to the recording on top.
 * @param {{name: string, rows: number, has_texts: boolean}} about
 * @param {any} recording
 */
const createQuery = ({ name, rows, has_texts: hasTexts }, recording) => {
  const id = newId("search-text");
  const input = h("input", { id, type: "search", maxlength: 1000, autocomplete: "off", "data-t-placeholder": "search.text.hint" });
  const like = h("input", { type: "checkbox", checked: !hasTexts });
  const like_ = h("label", { class: "check" }, like, h("span", { "data-t": "search.like" }));
  const size = t(rows ? "search.about" : "search.about.empty", { name, count: rows || undefined });
  const words = hasTexts
    ? h("div", { class: "field" }, h("label", { class: "field-label", for: id, "data-t": "search.text" }), input)
    : h("p", { class: "muted", "data-t": "search.no-texts" });
  /** @type {File | null} a result that the next results are to be similar to */
  let example = null;
  const text = () => input.value.trim();
  return {
    form: h("form", { class: "stack", role: "search" }, h("p", { class: "muted" }, size), words, like_),
    text,
    setText: (/** @type {string} */ value) => (input.value = value),
    setExample: (/** @type {File | null} */ file) => (example = file),
    values: async () => {
      if (example) return { file: example };
      const file = like.checked ? await recording.require() : undefined;
      if (!file && !text()) {
        input.focus();
        throw new api.Problem({ type: "no-query" });
      }
      return { file, text: text() ? [text()] : undefined };
    },
  };
};

/** @param {any} recording @param {string} name @param {Blob} blob */
const use = async (recording, name, blob) => {
  const isUsed = await recording.set(blob, { name, origin: "search" });
  if (isUsed) announce(t("search.used", { name }));
  reveal(recording.panel);
};
