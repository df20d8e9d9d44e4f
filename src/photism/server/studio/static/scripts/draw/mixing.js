// @ts-check
/** Other recordings that are drawn together with the one on top: mixed by their weights, or as the end of a movement. */

import * as api from "../page/api.js";
import { h, newId } from "../page/dom.js";
import { t } from "../page/i18n.js";
import { RecordButton } from "../recording/record_button.js";
import { showError } from "../page/run.js";
import { createSlider } from "../controls/slider.js";
import { encodeWav } from "../recording/wav.js";

/** Pictures of a movement, if the server allows as many. */
const PICTURES = 5;
const BYTES_PER_SAMPLE = 2;

/**
 * Create the choice of other recordings.
 * @param {{recording: any, history: any}} shared
 */
export const createMixing = async ({ recording, history }) => {
  const { limits } = await api.context();
  const own = createWeight(t("draw.mix.own"));
  const others = createOthers(() => update());
  const mode = createMode(Math.max(2, limits.max_images));
  const error = h("div", { class: "error", role: "alert", hidden: true });
  const add = (/** @type {File} */ file) => {
    showError(error, null);
    others.add(file);
  };
  const sources = createSources({ add, history, limits, fail: (problem) => showError(error, problem) });
  const hint = h("p", { class: "field-description", "data-t": "draw.mix.hint" });
  const body = h("div", { class: "stack" }, hint, sources.element, error, own.element, others.element, mode.element);
  const element = h("details", { class: "more mixing" }, h("summary", { "data-t": "draw.mix" }), body);
  const update = () => {
    const count = others.files.length;
    mode.element.hidden = own.element.hidden = !count;
    mode.allowMorph(count === 1);
    element.classList.toggle("is-morph", mode.value === "morph"); // which has no weights
    own.name.textContent = recording.current?.name ?? t("draw.mix.own");
  };
  element.addEventListener("toggle", () => element.open && sources.update());
  recording.addEventListener("change", update);
  mode.element.addEventListener("change", update);
  update();
  return {
    element,
    /** Pictures of a movement that nobody has chosen. */
    usualMorph: Math.min(PICTURES, Math.max(2, limits.max_images)),
    /** Return the other recordings, and `mix` or `morph`; nothing without one. */
    values: () => {
      if (!others.files.length) return {};
      if (mode.value === "morph") return { others: others.files, morph: mode.count };
      return { others: others.files, mix: [own.slider.shown, ...others.weights].join(",") };
    },
    /** Set what `values` has returned. */
    set: (/** @type {Record<string, any>} */ { others: files = [], mix, morph }) => {
      const [first, ...weights] = mix && files.length ? String(mix).split(",").map(Number) : [];
      own.slider.value = first;
      others.set(files, weights);
      mode.set(morph);
      if (files.length) element.open = true;
      update();
    },
  };
};

/**
 * Create the list of the other recordings, with their weights.
 * @param {() => void} onChange
 */
const createOthers = (onChange) => {
  const element = h("ul", { class: "mix-list" });
  /** @type {{file: File, slider: any, item: any}[]} */
  let others = [];
  const add = (/** @type {File} */ file, /** @type {number | undefined} */ value = undefined) => {
    const { element: weight, slider } = createWeight(file.name, file);
    slider.value = value;
    const remove = () => {
      others = others.filter((each) => each.item !== item);
      item.remove();
      onChange();
    };
    const label = t("controls.remove", { name: file.name });
    const button = h("button", { class: "button quiet", type: "button", "aria-label": label, onclick: remove }, "×");
    const item = h("li", {}, weight, button);
    others.push({ file, slider, item });
    element.append(item);
    onChange();
  };
  return {
    element,
    add,
    set: (/** @type {File[]} */ files, /** @type {number[]} */ weights) => {
      element.replaceChildren();
      others = [];
      files.forEach((file, index) => add(file, weights[index]));
    },
    get files() {
      return others.map(({ file }) => file);
    },
    get weights() {
      return others.map(({ slider }) => slider.shown);
    },
  };
};

/**
 * Create the name, the sound and the weight of a recording.
 * @param {string} label @param {File} [file]
 */
const createWeight = (label, file) => {
  const slider = createSlider({ min: 0, max: 3, step: 0.1, standard: 1, label: t("draw.mix.weight", { name: label }) });
  const name = h("bdi", { class: "field-label" }, label);
  const element = h("div", { class: "field mix-weight" }, h("div", { class: "row" }, name, file ? playButton(file) : null), slider);
  return { element, name, slider };
};

/** @param {File} file */
const playButton = (file) => {
  const audio = new Audio();
  const button = h("button", { class: "button quiet", type: "button", "aria-label": t("draw.mix.play", { name: file.name }) }, "▶");
  button.addEventListener("click", () => {
    if (!audio.paused) return audio.pause();
    audio.src ||= URL.createObjectURL(file);
    audio.currentTime = 0;
    audio.play().catch(() => (button.disabled = true)); // a format that only the server knows
  });
  for (const [event, sign] of [["play", "⏸"], ["pause", "▶"], ["ended", "▶"]]) audio.addEventListener(event, () => (button.textContent = sign));
  return button;
};

/** @param {number} most pictures of one answer */
const createMode = (most) => {
  const name = newId("mix-mode");
  const option = (/** @type {string} */ value) => {
    const input = h("input", { type: "radio", name, value, checked: value === "mix" });
    return { input, element: h("label", { class: "check" }, input, h("span", { "data-t": `draw.mix.mode.${value}` })) };
  };
  const [mix, morph] = [option("mix"), option("morph")];
  const count = h("input", { type: "number", min: 2, max: most, value: Math.min(PICTURES, most) });
  const counter = h("label", { class: "field" }, h("span", { class: "field-label", "data-t": "draw.morph.count" }), count);
  const element = h("fieldset", { class: "mix-mode stack" }, h("legend", { class: "hidden", "data-t": "draw.mix.mode" }), mix.element, morph.element, counter);
  const update = () => (counter.hidden = !morph.input.checked);
  element.addEventListener("change", update);
  update();
  return {
    element,
    get value() {
      return morph.input.checked ? "morph" : "mix";
    },
    get count() {
      const given = count.valueAsNumber;
      if (Number.isInteger(given) && given >= 2 && given <= most) return given;
      count.focus();
      throw new api.Problem({ type: "explained", detail: t("draw.morph.allowed", { most }) });
    },
    allowMorph: (/** @type {boolean} */ isAllowed) => {
      morph.input.disabled = !isAllowed;
      if (!isAllowed && morph.input.checked) mix.input.checked = true;
      update();
    },
    set: (/** @type {number | undefined} */ pictures) => {
      (pictures ? morph : mix).input.checked = true;
      if (pictures) count.value = pictures;
      update();
    },
  };
};

/**
 * Create the ways to add a recording: choose a file, record, or take one of the history.
 * @param {{add: (file: File) => void, history: any, limits: any, fail: (problem: unknown) => void}} given
 */
const createSources = ({ add, history, limits, fail }) => {
  const input = h("input", { type: "file", accept: "audio/*,video/*", multiple: true, hidden: true, "data-t-label": "draw.mix.choose" });
  input.addEventListener("change", () => {
    for (const file of input.files) add(file);
    input.value = "";
  });
  const choose = h("button", { class: "button", type: "button", "data-t": "draw.mix.choose", onclick: () => input.click() });
  let count = 0;
  const recorder = new RecordButton({
    maxSamples: async () => Math.min((limits.max_upload_mb * 1e6) / BYTES_PER_SAMPLE - 64, limits.max_seconds * 48_000),
    onStart: () => (recorder.live.hidden = false),
    onStop: () => (recorder.live.hidden = true),
    onRecorded: (buffer) => add(new File([encodeWav(buffer)], `${t("recording.file-name")} ${(count += 1)}.wav`, { type: "audio/wav" })),
    onProblem: fail,
    onNotice: () => {},
  });
  recorder.button.classList.remove("primary");
  const earlier = h("select", { "data-t-label": "draw.mix.history", hidden: true });
  earlier.addEventListener("change", () => {
    const entry = entries()[Number(earlier.value)];
    earlier.selectedIndex = 0;
    if (entry) add(new File([entry.recording], entry.name || "recording.wav", { type: entry.recording.type }));
  });
  const entries = () => {
    const found = new Map();
    for (const entry of history.entries ?? []) if (entry.recording && !found.has(entry.name)) found.set(entry.name, entry);
    return [...found.values()];
  };
  const update = () => {
    const options = entries().map(({ name }, index) => h("option", { value: index }, name));
    earlier.hidden = !options.length;
    earlier.replaceChildren(h("option", { value: "", "data-t": "draw.mix.history" }), ...options);
  };
  return { element: h("div", { class: "stack" }, h("div", { class: "row" }, recorder.button, choose, input), recorder.live, earlier), update };
};
