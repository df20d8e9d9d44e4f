// @ts-check
/** Sound: a text becomes a sound, which becomes the recording of all tabs, and on request a picture. */

import * as api from "../page/api.js";
import { createControls, modelChoice } from "../controls/controls.js";
import { resultName, save } from "../page/download.js";
import { announce, h, newId } from "../page/dom.js";
import { formatNumber, t } from "../page/i18n.js";
import { createRun, reveal } from "../page/run.js";
import { createSeedControl, randomSeed } from "../controls/seed_control.js";
import { linkButton } from "../page/share_link.js";

const PATH = "/v1/sound";
const COMMON = ["seconds", "seed", "candidates"];
/** Fields that this view sets. */
const OWN = ["text", "model", "all", "response_format"];
const BUNDLED = "tiny-sound";
/** Texts that the bundled model has memorised. */
const EXAMPLES = ["a voice says an elephant", "a voice says a banana", "a rooster", "an owl"];
const TYPE = "audio/wav";

/** @typedef {{text: string, seed: number, score?: number, file: File}} Sound */

export const view = {
  id: "sound",
  create: async (/** @type {{recording: any, history: any, openView: (id: string) => Promise<any>}} */ { recording, history, openView }) => {
    const [settings, model] = await Promise.all([createControls({ path: PATH, common: COMMON, hidden: OWN, custom: { seed: createSeedControl } }), modelChoice("sound")]);
    const models = (await api.models()).filter((/** @type {any} */ { kinds }) => kinds.includes("sound"));
    const text = createText();
    const draws = h("input", { type: "checkbox" });
    const results = createResults(recording);
    const values = () => ({ ...settings.values(), ...(model.value ? { model: model.value } : {}) });

    const work = async (/** @type {{signal: AbortSignal, progress: (state: any) => void}} */ { signal, progress }) => {
      const wanted = text.value();
      if (!wanted) {
        text.input.focus();
        throw new api.Problem({ type: "no-text" });
      }
      const given = values();
      const onEvent = (/** @type {string} */ name, /** @type {any} */ data) => {
        if (name !== "result") progress({ state: name === "progress" ? "running" : name, ...data });
      };
      const fields = { ...given, text: [wanted], all: true, response_format: "wav" };
      const answer = await api.stream(PATH, fields, { signal, onEvent });
      if (signal.aborted) return;
      const sounds = answer.texts[0].sounds.map((/** @type {any} */ each) => soundOf(wanted, each));
      await show(sounds, { ...given, text: wanted });
    };
    const run = createRun({ label: "sound.button", work });

    const show = async (/** @type {Sound[]} */ sounds, /** @type {Record<string, any>} */ given) => {
      results.show(sounds);
      const [{ file, seed, text: said }] = sounds;
      announce(t("sound.done", { text: said }));
      const files = sounds.map((each) => ({ blob: each.file, kind: "audio", name: each.file.name, alt: said }));
      const shown = sounds.map(({ file: _file, ...about }) => about);
      history.add({ verb: "sound", recording: file, name: file.name, seed, settings: given, results: files, caption: said, shown });
      const isUsed = await recording.set(file, { name: file.name, origin: "sound" });
      if (!draws.checked || !isUsed) return reveal(results.element);
      const draw = await openView("draw");
      draw?.start?.();
    };
    /** Set values, of which `text` is the description; all others get their defaults. */
    const open = ({ text: wanted = "", model: name = undefined, ...given } = /** @type {Record<string, any>} */ ({})) => {
      text.set([wanted].flat()[0] ?? "");
      model.value = name;
      settings.reset();
      settings.set(given);
      showKnown();
    };
    const again = async (/** @type {Record<string, any>} */ given) => {
      open(given);
      await run.start();
    };
    history.register("sound", {
      open: (/** @type {any} */ entry) => {
        open(entry.settings);
        if (!entry.shown) return;
        results.show(entry.results.map((/** @type {any} */ { blob, name }, /** @type {number} */ index) => ({ ...entry.shown[index], file: new File([blob], name, { type: TYPE }) })));
        reveal(results.element);
      },
      again: (/** @type {any} */ entry) => again(entry.settings),
      vary: (/** @type {any} */ entry) => again({ ...entry.settings, seed: randomSeed() }),
    });

    const known = h("div", { class: "stack" }, h("p", { class: "muted", "data-t": "sound.knows" }), text.examples, h("p", { class: "muted", "data-t": "sound.draws" }));
    const showKnown = () => (known.hidden = (model.value ?? models[0]?.id) !== BUNDLED);
    model.addEventListener("change", showKnown);
    showKnown();
    const check = h("label", { class: "check" }, draws, h("span", { "data-t": "sound.draw" }));
    const link = h("div", { class: "row" }, linkButton("sound", () => ({ ...values(), text: text.value() || undefined })));
    const start = h("div", { class: "split-start stack" }, text.element, check, run.element);
    const below = h("div", { class: "split-settings stack" }, known, model, settings.element, link);
    return { element: h("div", { class: "split" }, start, results.element, below), open };
  },
};

/** Create the box of the text, and buttons of examples. */
const createText = () => {
  const id = newId("sound-text");
  const input = h("textarea", { id, class: "sound-text", rows: 2, maxlength: 1000, "aria-describedby": `${id}-about` });
  const about = h("p", { class: "field-description", id: `${id}-about`, "data-t": "sound.text.about" });
  const label = h("label", { class: "field-label", for: id, "data-t": "sound.text" });
  const examples = EXAMPLES.map((each) =>
    h("li", {}, h("button", { class: "chip", type: "button", lang: "en", onclick: () => (input.value = each) }, each)),
  );
  return {
    input,
    element: h("div", { class: "field" }, label, input, about),
    examples: h("ul", { class: "chips", "data-t-label": "sound.examples" }, ...examples),
    value: () => input.value.trim().replace(/\s+/g, " "),
    set: (/** @type {string} */ text) => (input.value = text),
  };
};

/** Create the list of the sounds of a text, the best first. @param {any} recording */
const createResults = (recording) => {
  const list = h("ol", { class: "sound-list" });
  const empty = h("div", { class: "result film-empty" }, h("p", { class: "muted", "data-t": "sound.empty" }));
  /** @type {string[]} */
  let urls = [];
  return {
    element: h("section", { class: "split-result stack", "data-t-label": "sound.result" }, empty, list),
    show: (/** @type {Sound[]} */ sounds) => {
      urls.forEach((url) => URL.revokeObjectURL(url));
      urls = sounds.map(({ file }) => URL.createObjectURL(file));
      list.replaceChildren(...sounds.map((sound, index) => item(sound, urls[index], sounds.length > 1, recording)));
      empty.hidden = true;
    },
  };
};

/** @param {Sound} sound @param {string} src @param {boolean} isOneOfSeveral @param {any} recording */
const item = ({ file, score }, src, isOneOfSeveral, recording) => {
  const name = file.name;
  const use = () => recording.set(file, { name, origin: "sound" });
  const similarity = formatNumber(score ?? 0, { maximumFractionDigits: 3 });
  return h(
    "li",
    { class: "panel stack" },
    h("h3", { class: "film-title" }, h("bdi", {}, name)),
    h("audio", { class: "sound-player", src, controls: true, "aria-label": t("sound.play", { name }) }),
    isOneOfSeveral && score !== undefined ? h("p", { class: "muted" }, t("sound.similarity", { score: similarity })) : null,
    h(
      "div",
      { class: "row" },
      isOneOfSeveral ? h("button", { class: "button", type: "button", "data-t": "sound.use", onclick: use }) : null,
      h("button", { class: "button", type: "button", "data-t": "sound.download", onclick: () => save(file, name) }),
    ),
  );
};

/** @param {string} text @param {{seed: number, score?: number, audio: string}} answer @returns {Sound} */
const soundOf = (text, { seed, score, audio }) => {
  const bytes = Uint8Array.from(atob(audio), (each) => each.charCodeAt(0));
  return { text, seed, score, file: new File([bytes], resultName(null, text, seed, ".wav"), { type: TYPE }) };
};
