// @ts-check
/** Who spoke when: a timeline, the speakers with their times, and their names. */

import * as api from "../page/api.js";
import { createControls, modelChoice } from "../controls/controls.js";
import { announce, h } from "../page/dom.js";
import { createExport } from "./export_menu.js";
import { formatNumber, formatTime, t } from "../page/i18n.js";
import { arrange, createFollower, createKeeping, historyResults, inWholeRecording, openFromHistory, stateOf, takeSource, warningTexts } from "./listening.js";
import { createRun, reveal } from "../page/run.js";
import { linkButton } from "../page/share_link.js";
import { createTimeline } from "../recording/timeline.js";

const PATH = "/v1/speakers/timeline";
const FORMATS = ["rttm", "csv", "json", "srt", "textgrid"];

/** @typedef {{start_s: number, end_s: number, speaker: string, score: number}} Turn */

/**
 * Create the part of the tab that finds who spoke when.
 * @param {{history: any}} shared
 */
export const createSpeakerTimeline = async ({ history }) => {
  const model = await modelChoice("diarizer");
  const controls = await createControls({ path: PATH, common: ["overlap"], hidden: ["file", "model"] });
  const shown = new SpeakerTurns({ onrename: () => keeping.later(entry, () => ({ results: results() })) });
  const keeping = createKeeping({ history });
  const follower = createFollower({ source: () => shown.source, showTime: () => {} });
  const settings = () => ({ ...controls.values(), model: /** @type {any} */ (model).value });
  /** @type {any} */
  let entry = null;

  const show = (/** @type {any} */ answer, /** @type {any} */ source, names = {}) => {
    keeping.flush();
    follower.setTimeline(shown.show(answer, source, names));
    menu.show();
    menu.element.hidden = !answer.turns.length;
  };
  const results = () => historyResults(shown.source?.name ?? "", shown.text, { ...shown.answer, names: shown.names });
  const work = async (/** @type {any} */ { signal, progress }) => {
    const source = await takeSource();
    const given = settings();
    const onEvent = (/** @type {string} */ name, /** @type {any} */ data) => progress(stateOf(name, data) ?? {});
    const answer = await api.stream(PATH, { ...given, file: source.file }, { signal, onEvent });
    show(answer, source);
    announce(shown.headline);
    reveal(shown.element);
    entry = history.add({ verb: "speakers", recording: source.file, name: source.name, settings: given, results: results(), caption: shown.headline });
  };
  const run = createRun({ label: "listening.speakers.button", work, recording, recordingName: () => shown.source?.name });
  const menu = createExport({
    formats: () => FORMATS,
    result: () => inWholeRecording(shown.named(), shown.source),
    recordingName: () => shown.source?.name ?? "",
    fail: run.fail,
  });
  const open = openFromHistory({
    id: "speakers",
    history,
    controls,
    model,
    run,
    result: shown.element,
    show: ({ names, ...answer }, source, own) => {
      show(answer, source, names);
      entry = own;
    },
  });
  const element = arrange({
    start: [run.element],
    result: [shown.element, menu.element],
    settings: [model, controls.element, linkButton("speakers", settings)],
  });
  const deactivate = () => {
    keeping.flush();
    follower.deactivate();
  };
  return { element, open, activate: follower.activate, deactivate };
};

/** The list of the speakers of a recording, who can be named. */
class SpeakerTurns {
  element = h("div", { class: "stack" }, h("p", { class: "muted", "data-t": "listening.speakers.empty" }));
  /** @type {any} answer of the server */
  answer = null;
  /** @type {import("./listening.js").Source | null} */
  source = null;
  /** @type {Record<string, string>} names that were given to the speakers of the model */
  names = {};
  /** @type {ReturnType<typeof createTimeline> | null} */
  #timeline = null;
  #onrename;

  /** @param {{onrename: () => void}} options */
  constructor({ onrename }) {
    this.#onrename = onrename;
  }

  get headline() {
    const count = this.#speakers.length;
    return count ? t("listening.speakers.count", { count }) : t(this.answer.silent ? "listening.silent" : "listening.speakers.none");
  }

  /** A line for each turn, with its time and the name of its speaker. */
  get text() {
    const line = (/** @type {Turn} */ { start_s, end_s, speaker }) => `${formatTime(start_s)} – ${formatTime(end_s)} ${this.#nameOf(speaker)}`;
    return this.#turns.map(line).join("\n");
  }

  /** Return the answer with the names that were given. */
  named() {
    return { ...this.answer, turns: this.#turns.map((turn) => ({ ...turn, speaker: this.#nameOf(turn.speaker) })) };
  }

  /**
   * Show the turns of a recording, and return their timeline; null if there are none.
   * @param {any} answer @param {import("./listening.js").Source} source @param {Record<string, string>} names
   */
  show(answer, source, names) {
    Object.assign(this, { answer, source, names });
    const { durationS, offsetS } = source;
    this.#timeline = this.#turns.length ? createTimeline({ rows: this.#rows(), durationS, offsetS }) : null;
    const warnings = answer.silent ? [] : warningTexts(answer.warnings);
    this.element.replaceChildren(
      h("p", { class: "muted" }, h("bdi", {}, source.name)),
      h("h3", {}, this.headline),
      ...warnings.map((text) => h("p", { class: "muted" }, text)),
      h("ul", { class: "speakers" }, ...this.#speakers.map((speaker) => this.#createRow(speaker))),
    );
    return this.#timeline;
  }

  /** @returns {Turn[]} */
  get #turns() {
    return this.answer.turns;
  }

  get #speakers() {
    return [...new Set(this.#turns.map(({ speaker }) => speaker))];
  }

  /** @param {string} speaker */
  #nameOf(speaker) {
    return this.names[speaker]?.trim() || speaker;
  }

  /** Return the rows of the timeline: speakers of one name share a row. */
  #rows() {
    return [...new Set(this.#speakers.map((speaker) => this.#nameOf(speaker)))].map((label) => ({
      label,
      items: this.#turns
        .filter(({ speaker }) => this.#nameOf(speaker) === label)
        .map(({ start_s, end_s, score }) => ({ startS: start_s, endS: end_s, text: label, score })),
    }));
  }

  /** @param {string} speaker @param {string} name */
  #rename(speaker, name) {
    this.names = { ...this.names, [speaker]: name };
    this.#timeline?.update(this.#rows());
    this.#onrename();
  }

  /** @param {string} speaker */
  #createRow(speaker) {
    const own = this.#turns.filter((turn) => turn.speaker === speaker);
    const seconds = own.reduce((sum, { start_s, end_s }) => sum + end_s - start_s, 0);
    const share = seconds / (this.answer.duration_s || 1);
    const label = t("listening.speakers.name", { name: speaker });
    const input = h("input", { type: "text", value: this.names[speaker] ?? speaker, "aria-label": label, maxlength: 80, autocomplete: "off" });
    input.addEventListener("input", () => this.#rename(speaker, input.value));
    input.addEventListener("change", () => (input.value = this.#nameOf(speaker)));
    const bar = h("div", {});
    bar.style.setProperty("inline-size", `${100 * Math.min(1, share)}%`);
    const time = t("listening.speakers.time", { time: formatTime(seconds), share: formatNumber(share, { style: "percent" }), count: own.length });
    return h("li", { class: "speaker" }, input, h("div", { class: "meter", "aria-hidden": true }, bar), h("span", { class: "muted" }, time));
  }
}
