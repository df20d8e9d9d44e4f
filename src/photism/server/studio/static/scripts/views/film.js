// @ts-check
/** Film: a film of the recording, its preview, or a storyboard, drawn on the server while the page does other things. */

import * as api from "../page/api.js";
import { createControls, modelChoice, unusedFields } from "../controls/controls.js";
import { h, newId } from "../page/dom.js";
import { createFilePicker } from "../controls/file_picker.js";
import { alternative } from "../film/film_card.js";
import { FilmList } from "../film/film_list.js";
import { t } from "../page/i18n.js";
import { createRun } from "../page/run.js";
import { createSeedControl, randomSeed } from "../controls/seed_control.js";
import { linkButton } from "../page/share_link.js";

const PATH = "/v1/film";
const KINDS = ["film", "preview", "storyboard"];
const COMMON = ["seed", "fps", "sync", "text"];
/** Fields that the parts of this view set. */
const OWN = ["file", "model", "preview", "storyboard", "mix"];

export const view = {
  id: "film",
  create: async (/** @type {{recording: any, history: any}} */ { recording, history }) => {
    const [settings, { limits }] = await Promise.all([createSettings(), api.context()]);
    const films = new FilmList({
      keepMinutes: limits.keep_minutes,
      onDone: (film, blob) => addToHistory(history, film, blob),
      onAgain: (film) => again(film.settings),
    });
    const work = async (/** @type {{signal: AbortSignal}} */ { signal }) => {
      const file = await recording.require();
      const given = settings.values();
      const response = await api.post(PATH, fieldsOf(file, given), { signal });
      films.add({ state: await response.json(), recording: file, settings: given });
    };
    const run = createRun({ label: "film.button", work, recording });
    const again = async (/** @type {Record<string, any>} */ given) => {
      settings.open(given);
      await run.start();
    };
    history.register("film", {
      open: (/** @type {any} */ entry) => {
        settings.open(entry.settings);
        films.showKept(entry);
      },
      again: (/** @type {any} */ entry) => again(entry.settings),
      vary: (/** @type {any} */ entry) => again({ ...entry.settings, seed: randomSeed() }),
    });
    const { max_films: count, keep_minutes: minutes } = limits;
    const limit = h("p", { class: "muted" }, t("film.limit", { count, minutes }));
    const start = h("div", { class: "split-start stack" }, settings.kind, run.element, limit);
    return { element: h("div", { class: "split" }, start, films.element, settings.element), open: settings.open };
  },
};

/** Create all settings of a film. */
const createSettings = async () => {
  const models = (await api.models()).filter((/** @type {any} */ { kinds }) => kinds.includes("drawing"));
  const loras = models.flatMap((/** @type {any} */ each) => each.loras ?? []);
  const unused = [...unusedFields(models), ...(loras.length ? [] : ["lora"])];
  const controls = await createControls({ path: PATH, common: ["stills", ...COMMON], hidden: [...OWN, ...unused], custom: { seed: createSeedControl } });
  const model = await modelChoice("drawing");
  const kind = createKindChoice();
  const mixing = createMixing();
  const stills = controls.element.querySelector("[data-field=stills]");
  const showStills = () => (stills.hidden = kind.value !== "storyboard");
  kind.addEventListener("change", showStills);
  showStills();
  const values = () => {
    const { stills: count, ...others } = controls.values();
    return {
      ...others,
      ...(kind.value === "film" ? {} : { [kind.value]: true }),
      ...(kind.value === "storyboard" && count !== undefined ? { stills: count } : {}),
      ...(model.value ? { model: model.value } : {}),
      ...mixing.values(),
    };
  };
  /** Set values as `values` returns them; all others get their defaults. */
  const open = (/** @type {Record<string, any>} */ given) => {
    controls.reset();
    controls.set(given);
    model.value = given.model;
    kind.value = KINDS.find((each) => given[each]) ?? "film";
    mixing.set(given);
    showStills();
  };
  const [inSight, folded] = controls.element.children;
  const link = h("div", { class: "row" }, linkButton("film", values));
  return { kind, values, open, element: h("div", { class: "split-settings stack" }, model, inSight, mixing.element, folded, link) };
};

/** Create the choice of what is drawn. Its element has `value`, one of `KINDS`, and dispatches "change". */
const createKindChoice = () => {
  const inputs = KINDS.map((value) => h("input", { type: "radio", name: "film-kind", value, "aria-describedby": "film-kind-about" }));
  const labels = inputs.map((input) => h("label", { class: "film-kind" }, input, h("span", { "data-t": `film.kind.${input.value}` })));
  const about = h("p", { class: "field-description", id: "film-kind-about" });
  const legend = h("legend", { class: "hidden", "data-t": "film.kind" });
  const element = h("fieldset", { class: "film-kinds" }, legend, h("div", { class: "film-kind-row" }, ...labels), about);
  const chosen = () => inputs.find(({ checked }) => checked)?.value;
  const show = () => (about.textContent = t(`film.kind.${chosen()}.about`));
  Object.defineProperty(element, "value", {
    get: chosen,
    set: (value) => {
      for (const input of inputs) input.checked = input.value === value;
      show();
    },
  });
  element.value = KINDS[0];
  element.addEventListener("change", show);
  return element;
};

/** Create the choice of other recordings that are blended in, and of their weights. */
const createMixing = () => {
  const picker = createFilePicker("others", true);
  picker.input.id = newId("others");
  const weights = h("input", { type: "text", autocomplete: "off", placeholder: "1, 1", dir: "ltr" });
  const fields = h(
    "div",
    { class: "fields" },
    h("p", { class: "field-description", "data-t": "film.mix.about" }),
    h("div", { class: "field" }, h("label", { class: "field-label", for: picker.input.id, "data-t": "film.mix.others" }), picker.input),
    h("label", { class: "field" }, h("span", { class: "field-label", "data-t": "film.mix.weights" }), weights),
  );
  const element = h("details", { class: "more" }, h("summary", { "data-t": "film.mix" }), fields);
  return {
    element,
    values: () => {
      const others = picker.read() ?? [];
      if (!others.length) return {};
      const mix = weights.value.replaceAll(/\s/g, "") || [1, ...others.map(() => 1)].join(",");
      return { others, mix };
    },
    set: (/** @type {Record<string, any>} */ { others, mix }) => {
      picker.write(others);
      weights.value = mix ?? "";
      element.open = Boolean(others?.length);
    },
  };
};

/** @param {File} file @param {Record<string, any>} settings */
const fieldsOf = (file, { others = [], ...settings }) => ({ ...settings, file: [file, ...others] });

/**
 * @param {any} history
 * @param {import("../film/film_list.js").FilmRecord} film
 * @param {Blob} blob
 */
const addToHistory = (history, { id, filename, kind, name, settings, recording }, blob) => {
  const result = { blob, kind: kind === "storyboard" ? "image" : "video", name: filename, alt: alternative({ kind, name }) };
  const seed = Number(settings.seed ?? 0);
  history.add({ verb: "film", recording: recording ?? null, name, seed, settings, results: [result], shown: { id } });
};
