// @ts-check
/** What the tabs that listen have in common: the recording of a result, its progress and warnings, and its history. */

import { h } from "../page/dom.js";
import { t } from "../page/i18n.js";
import { recording } from "../recording/recording.js";

/**
 * @typedef {{file: File, current: any, name: string, offsetS: number, durationS: number}} Source
 *   recording of a result: the file that was sent, the recording of the page it is a part of, its name, and the time of
 *   that recording at which the times of the result begin
 */

/**
 * Arrange a tab: the button, the result beside it or on a phone below it, and the settings.
 * @param {{start: HTMLElement[], result: HTMLElement[], settings: (HTMLElement | null)[]}} parts
 */
export const arrange = ({ start, result, settings }) =>
  h(
    "div",
    { class: "listening" },
    h("div", { class: "listening-start stack" }, ...start),
    h("div", { class: "listening-result panel stack" }, ...result),
    h("div", { class: "listening-settings panel stack" }, ...settings),
  );

/**
 * Let the history and links open a tab, and return the function that sets its settings.
 * @param {{id: string, history: any, controls: any, model: any, run: {start: () => unknown},
 *   show: (value: any, source: Source, entry: any) => void}} tab show: shows what `historyResults` has stored
 */
export const openFromHistory = ({ id, history, controls, model, run, show }) => {
  const open = (/** @type {Record<string, any>} */ settings) => {
    controls.reset();
    controls.set(settings);
    model.value = settings.model;
  };
  history.register(id, {
    open: async (/** @type {any} */ entry) => {
      open(entry.settings);
      const value = await valueOfEntry(entry);
      if (value) show(value, sourceOfEntry(entry), entry);
    },
    again: (/** @type {any} */ entry) => {
      open(entry.settings);
      return run.start();
    },
  });
  return open;
};

/**
 * Return the recording as it is now, for a result that is to be made of it.
 * @returns {Promise<Source>}
 */
export const takeSource = async () => {
  const file = await recording.require();
  const { current, offsetS } = recording;
  return { file, current, name: current?.name ?? file.name, offsetS, durationS: current?.durationS ?? 0 };
};

/**
 * Return whether the page still has the recording that a result was made of, so that its times can be played.
 * @param {Source | null} source
 */
export const isInPage = (source) => source !== null && source.current !== null && recording.current === source.current;

/**
 * Play a part of a result's recording, if the page has it.
 * @param {Source | null} source
 * @param {{startS: number, endS?: number}} part in seconds of the result
 */
export const playPart = (source, { startS, endS }) => {
  if (!source || !isInPage(source)) return;
  recording.play(source.offsetS + startS, endS === undefined ? undefined : source.offsetS + endS);
};

/**
 * Follow the playback of the recording of a result, and put its timeline under the waveform while its tab is open.
 * @param {{source: () => Source | null, showTime: (seconds: number) => void}} options source: that of the result in
 *   sight; showTime: shows a time of the result
 */
export const createFollower = ({ source, showTime }) => {
  /** @type {{element: HTMLElement, showTime: (seconds: number) => void} | null} */
  let timeline = null;
  let isActive = false;

  const place = () => {
    if (isActive) recording.setTimeline(timeline && isInPage(source()) ? timeline.element : null);
  };
  const follow = () => {
    const own = source();
    if (!own || !isActive || !isInPage(own)) return;
    timeline?.showTime(recording.currentTime);
    showTime(recording.currentTime - own.offsetS);
  };
  recording.addEventListener("time", follow);
  recording.addEventListener("change", place);
  return {
    /** Put another timeline under the waveform, or none. */
    setTimeline: (/** @type {typeof timeline} */ next) => {
      timeline = next;
      place();
    },
    activate: () => {
      isActive = true;
      place();
    },
    deactivate: () => {
      isActive = false;
      recording.setTimeline(null);
    },
  };
};

/**
 * Return the state of a work that an event of its stream reports, for `progress` of a run; nothing for other events.
 * @param {string} name
 * @param {any} data
 */
export const stateOf = (name, data) => {
  if (name === "queued" || name === "loading") return { state: name, ...data };
  return name === "progress" ? { ...data, unit: "seconds" } : null;
};

/**
 * Return what a visitor should know of a recording, from the warnings of the server.
 * @param {string[]} [warnings]
 */
export const warningTexts = (warnings = []) => {
  const keys = warnings.map((each) => (/nothing to hear/.test(each) ? "listening.silent" : "listening.damaged"));
  return [...new Set(keys)].map((key) => t(key));
};

/**
 * Return the results of an entry of the history: a text to read, and the JSON by which the tab shows it again.
 * @param {string} name of the recording
 * @param {string} text
 * @param {unknown} value
 */
export const historyResults = (name, text, value) => {
  const stem = name.replace(/\.[^.]+$/, "");
  const blobs = { txt: new Blob([text], { type: "text/plain" }), json: new Blob([JSON.stringify(value)], { type: "application/json" }) };
  return Object.entries(blobs).map(([suffix, blob]) => ({ blob, kind: "text", name: `${stem}.${suffix}`, alt: text.slice(0, 200) }));
};

/**
 * Return the value that `historyResults` has stored; null if there is none.
 * @param {{results: {blob: Blob, name: string}[]}} entry
 */
const valueOfEntry = async ({ results }) => {
  const found = results.find(({ name }) => name.endsWith(".json"));
  return found ? JSON.parse(await found.blob.text()) : null;
};

/**
 * Return the recording of an entry, which the history has set back.
 * @param {{name: string, recording: any}} entry
 * @returns {Source}
 */
const sourceOfEntry = ({ name, recording: file }) => ({
  file,
  current: recording.current,
  name,
  offsetS: 0,
  durationS: recording.current?.durationS ?? 0,
});
