// @ts-check
/** Same person? The voice of the recording is compared with one that is known from another recording, or several. */

import * as api from "../page/api.js";
import { createControls, modelChoice } from "../controls/controls.js";
import { announce, h, newId } from "../page/dom.js";
import { createFilePicker } from "../controls/file_picker.js";
import { formatNumber, t } from "../page/i18n.js";
import { arrange, takeSource } from "./listening.js";
import { recording } from "../recording/recording.js";
import { createRun, reveal } from "../page/run.js";
import { createSlider } from "../controls/slider.js";

const PATH = "/v1/speakers/verify";
/** Similarity from which on two voices count as the same, until the visitor chooses another one. */
const THRESHOLD = 0.5;

/** Create the part of the tab that compares two voices. */
export const createVoiceCheck = async () => {
  const model = await modelChoice("xvector");
  const known = createFilePicker("other", true);
  known.input.id = newId("known-voice");
  const result = h("div", { class: "stack" }, h("p", { class: "muted", "data-t": "listening.voice.empty" }));
  const threshold = createSlider({ min: -1, max: 1, step: 0.01, standard: THRESHOLD });
  const controls = await createControls({
    path: PATH,
    common: ["threshold"],
    hidden: ["file", "other", "embedding", "model"],
    custom: { threshold: () => threshold },
  });

  const work = async (/** @type {any} */ { signal }) => {
    const files = /** @type {File[]} */ (known.read() ?? []);
    if (!files.length) throw new api.Problem({ type: "no-known-voice" });
    const { file, name } = await takeSource();
    const settings = { ...controls.values(), threshold: threshold.shown, model: /** @type {any} */ (model).value };
    const other = files.length === 1 ? { other: files[0] } : { embedding: await meanVoice(files, settings, signal) };
    const answer = await (await api.post(PATH, { ...settings, file, ...other }, { signal })).json();
    const headline = t(answer.is_same ? "listening.voice.same" : "listening.voice.different");
    result.replaceChildren(
      h("p", { class: "muted" }, h("bdi", {}, name), " · ", h("bdi", {}, files.map((each) => each.name).join(", "))),
      h("h3", {}, headline),
      similarityMeter(answer),
    );
    announce(headline);
    reveal(result);
  };
  const run = createRun({ label: "listening.voice.button", work, recording });
  const keep = h("button", { class: "button", type: "button", "data-t": "listening.voice.keep" });
  keep.addEventListener("click", async () => {
    try {
      run.fail(null);
      known.write([...(known.read() ?? []), await recording.require()]);
      announce(t("listening.voice.kept"));
    } catch (problem) {
      run.fail(problem);
    }
  });
  const field = h(
    "div",
    { class: "panel field" },
    h("label", { class: "field-label", for: known.input.id, "data-t": "listening.voice.known" }),
    known.input,
    h("div", { class: "row" }, keep),
    h("p", { class: "field-description", "data-t": "listening.voice.known-description" }),
  );
  const element = arrange({ start: [field, run.element], result: [result], settings: [model, controls.element] });
  return { element };
};

/** @param {File[]} files @param {any} settings @param {AbortSignal} signal */
const meanVoice = async (files, settings, signal) => {
  const response = await api.post("/v1/speakers/embed", { ...settings, threshold: undefined, file: files }, { signal });
  return (await response.json()).embedding;
};

/** Show how similar two voices are, and from where on they are taken for the same. @param {{score: number, threshold: number}} answer */
const similarityMeter = ({ score, threshold }) => {
  const place = (/** @type {number} */ value) => `${50 * (1 + Math.max(-1, Math.min(1, value)))}%`;
  const bar = h("div", {});
  bar.style.setProperty("inline-size", place(score));
  const mark = h("span", { class: "meter-mark" });
  mark.style.setProperty("inset-inline-start", place(threshold));
  const digits = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
  const text = t("listening.voice.similarity", { score: formatNumber(score, digits), threshold: formatNumber(threshold, digits) });
  return h("div", { class: "stack" }, h("div", { class: "meter meter-marked", "aria-hidden": true }, bar, mark), h("p", { class: "muted" }, text));
};
