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
  const shown = createTurns({ onrename: () => keeping.later(entry, () => ({ results: results() })) });
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

/**
 * Create the list of the speakers of a recording, who can be named.
 * @param {{onrename: () => void}} options
 */
const createTurns = ({ onrename }) => {
  const element = h("div", { class: "stack" }, h("p", { class: "muted", "data-t": "listening.speakers.empty" }));
  /** @type {any} */
  let answer = null;
  /** @type {import("./listening.js").Source | null} */
  let source = null;
  /** @type {Record<string, string>} names that were given to the speakers of the model */
  let names = {};
  /** @type {ReturnType<typeof createTimeline> | null} */
  let timeline = null;

  const nameOf = (/** @type {string} */ speaker) => names[speaker]?.trim() || speaker;
  const speakers = () => [...new Set(/** @type {Turn[]} */ (answer.turns).map(({ speaker }) => speaker))];
  const rows = () =>
    [...new Set(speakers().map(nameOf))].map((label) => ({
      label,
      items: /** @type {Turn[]} */ (answer.turns)
        .filter(({ speaker }) => nameOf(speaker) === label)
        .map(({ start_s, end_s, score }) => ({ startS: start_s, endS: end_s, text: label, score })),
    }));
  const rename = (/** @type {string} */ speaker, /** @type {string} */ name) => {
    names = { ...names, [speaker]: name };
    timeline?.update(rows());
    onrename();
  };
  const speakerRow = (/** @type {string} */ speaker) => {
    const own = /** @type {Turn[]} */ (answer.turns).filter((turn) => turn.speaker === speaker);
    const seconds = own.reduce((sum, { start_s, end_s }) => sum + end_s - start_s, 0);
    const share = seconds / (answer.duration_s || 1);
    const label = t("listening.speakers.name", { name: speaker });
    const input = h("input", { type: "text", value: names[speaker] ?? speaker, "aria-label": label, maxlength: 80, autocomplete: "off" });
    input.addEventListener("input", () => rename(speaker, input.value));
    input.addEventListener("change", () => (input.value = nameOf(speaker)));
    const bar = h("div", {});
    bar.style.setProperty("inline-size", `${100 * Math.min(1, share)}%`);
    const time = t("listening.speakers.time", { time: formatTime(seconds), share: formatNumber(share, { style: "percent" }), count: own.length });
    return h("li", { class: "speaker" }, input, h("div", { class: "meter", "aria-hidden": true }, bar), h("span", { class: "muted" }, time));
  };
  const shown = {
    element,
    get answer() {
      return answer;
    },
    get source() {
      return source;
    },
    get names() {
      return names;
    },
    get headline() {
      const count = speakers().length;
      return count ? t("listening.speakers.count", { count }) : t(answer.silent ? "listening.silent" : "listening.speakers.none");
    },
    /** A line for each turn, with its time and the name of its speaker. */
    get text() {
      return /** @type {Turn[]} */ (answer.turns).map(({ start_s, end_s, speaker }) => `${formatTime(start_s)} – ${formatTime(end_s)} ${nameOf(speaker)}`).join("\n");
    },
    /** Return the answer with the names that were given. */
    named: () => ({ ...answer, turns: /** @type {Turn[]} */ (answer.turns).map((turn) => ({ ...turn, speaker: nameOf(turn.speaker) })) }),
    /** Show the turns of a recording, and return their timeline. */
    show: (/** @type {any} */ next, /** @type {any} */ from, /** @type {Record<string, string>} */ given) => {
      [answer, source, names] = [next, from, given];
      timeline = answer.turns.length ? createTimeline({ rows: rows(), durationS: from.durationS, offsetS: from.offsetS }) : null;
      const warnings = answer.silent ? [] : warningTexts(answer.warnings);
      element.replaceChildren(
        h("p", { class: "muted" }, h("bdi", {}, from.name)),
        h("h3", {}, shown.headline),
        ...warnings.map((text) => h("p", { class: "muted" }, text)),
        h("ul", { class: "speakers" }, ...speakers().map(speakerRow)),
      );
      return timeline;
    },
  };
  return shown;
};
