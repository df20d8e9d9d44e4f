// @ts-check
/** A tab that names what is in the recording: captions of the drawing model, or classes of a classifier. */

import * as api from "../page/api.js";
import { createControls, modelChoice } from "../controls/controls.js";
import { announce, h } from "../page/dom.js";
import { createExport } from "./export_menu.js";
import { createLabelResult, closestLabel, headlineOf, readResult } from "./label_result.js";
import { arrange, createFollower, historyResults, inWholeRecording, openFromHistory, stateOf, takeSource } from "./listening.js";
import { createRun, reveal } from "../page/run.js";
import { linkButton } from "../page/share_link.js";

/**
 * Create a tab that names what is in the recording.
 * @param {{id: string, path: string, kind: string, button: string, common: string[], custom?: Record<string, any>,
 *   isShare: (settings: Record<string, any>, scores: {score: number}[]) => boolean,
 *   namesOf?: (settings: Record<string, any>) => Promise<((label: string) => string) | undefined>}} options kind: of its
 *   models; button: key of a text; common: fields in sight; isShare: whether scores are shares of 1, by the settings and
 *   the scores; namesOf: returns what the page calls the labels, if not by their own names
 * @param {{history: any}} shared
 */
export const createLabelView = async ({ id, path, kind, button, common, custom, isShare, namesOf = async () => undefined }, { history }) => {
  const model = await modelChoice(kind);
  const controls = await createControls({ path, common, hidden: ["file", "model"], custom });
  const result = createLabelResult();
  /** @type {import("./listening.js").Source | null} */
  let source = null;
  /** @type {any} the last answer, as the server sent it */
  let answer = null;
  const follower = createFollower({ source: () => source, showTime: result.showTime });

  const show = async (/** @type {any} */ value, /** @type {import("./listening.js").Source} */ from, /** @type {any} */ settings) => {
    const read = readResult(value, await namesOf(settings));
    [answer, source] = [value, from];
    const options = { source: from, isShare: isShare(settings, [...read.scores, ...read.windows.flatMap(({ scores }) => scores)]) };
    follower.setTimeline(result.show(read, options));
    menu.show();
    return read;
  };
  const chosen = () => ({ ...controls.values(), model: /** @type {any} */ (model).value });
  const work = async (/** @type {any} */ { signal, progress }) => {
    const from = await takeSource();
    const given = chosen();
    const onEvent = (/** @type {string} */ name, /** @type {any} */ data) => progress(stateOf(name, data) ?? {});
    const read = await show(await api.stream(path, { ...given, file: from.file }, { signal, onEvent }), from, given);
    reveal(result.element);
    announce(headlineOf(read));
    const caption = read.silent || read.known === false ? null : closestLabel(readResult(answer));
    const results = historyResults(from.name, textOf(read), answer);
    history.add({ verb: id, recording: from.file, name: from.name, settings: given, results, caption, known: read.known });
  };
  const run = createRun({ label: button, work, recording, recordingName: () => source?.name });
  const menu = createExport({
    formats: () => (answer.segments ? ["csv", "audacity", "json"] : ["csv", "json"]),
    result: () => inWholeRecording(asSegments(answer, source?.durationS ?? 0), source),
    json: () => inWholeRecording(answer, source),
    recordingName: () => source?.name ?? "",
    fail: run.fail,
  });

  const open = openFromHistory({ id, history, controls, model, run, result: result.element, show: (value, from, entry) => show(value, from, entry.settings) });
  const element = arrange({
    start: [run.element],
    result: [result.element, menu.element],
    settings: [model, controls.element, linkButton(id, chosen)],
  });
  return { element, open, activate: follower.activate, deactivate: follower.deactivate };
};

/**
 * Return an answer with segments, as /v1/format takes it: those of windows, or one for each label of the whole.
 * @param {any} answer @param {number} durationS
 */
const asSegments = (answer, durationS) => {
  const { scores } = readResult(answer);
  const whole = scores.map(({ label, score }) => ({ start_s: 0, end_s: answer.duration_s ?? durationS, label, score }));
  return { file: answer.file, segments: answer.segments ?? whole };
};

/** @param {import("./label_result.js").Result} read */
const textOf = (read) => {
  const labels = read.segments ?? read.scores;
  return read.silent || read.known === false ? headlineOf(read) : labels.map(({ label }) => label).join("\n");
};
