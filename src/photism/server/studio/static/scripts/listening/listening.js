// @ts-check
/** What the tabs that listen have in common: the recording of a result, its progress and warnings, and its history. */

import { h } from "../page/dom.js";
import { t } from "../page/i18n.js";
import { recording } from "../recording/recording.js";
import { reveal } from "../page/run.js";

/** Milliseconds after a change of a result in which the history is not written again. */
const PAUSE_MS = 500;
/** Seconds by which a time may be too early after sums and differences, so that it would be in the word before. */
const ROUNDING_S = 0.0005;
/** Names of the times in a result, in seconds. */
const TIMES = new Set(["start_s", "end_s", "duration_s"]);

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
 *   result: HTMLElement, show: (value: any, source: Source, entry: any) => unknown}} tab show: shows in `result` what
 *   `historyResults` has stored
 */
export const openFromHistory = ({ id, history, controls, model, run, result, show }) => {
  const open = (/** @type {Record<string, any>} */ settings) => {
    controls.reset();
    controls.set(settings);
    model.value = settings.model;
  };
  history.register(id, {
    open: async (/** @type {any} */ entry) => {
      open(entry.settings);
      const source = sourceOfEntry(entry); // before another recording can be chosen
      const value = await valueOfEntry(entry);
      if (!value) return;
      await show(value, source, entry);
      reveal(result);
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
  const { current, offsetS } = recording; // before another one can be chosen
  const file = await recording.require();
  return { file, current, name: current?.name ?? file.name, offsetS, durationS: current?.durationS ?? 0 };
};

/**
 * Return whether the page still has the recording that a result was made of, so that its times can be played.
 * @param {Source | null} source
 */
export const isInPage = (source) => source !== null && source.current !== null && recording.current === source.current;

/**
 * Return a result with the times of the whole recording, where only a part of it was sent.
 * @param {any} value
 * @param {Source | null} source
 * @returns {any}
 */
export const inWholeRecording = (value, source) => {
  const offsetS = source?.offsetS ?? 0;
  const shift = (/** @type {any} */ each, /** @type {string} */ name = "") => {
    if (Array.isArray(each)) return each.map((item) => shift(item));
    if (each !== null && typeof each === "object") return Object.fromEntries(Object.entries(each).map(([key, item]) => [key, shift(item, key)]));
    return TIMES.has(name) && each !== null ? Math.round((each + offsetS) * 1e6) / 1e6 : each;
  };
  return offsetS ? shift(value) : value;
};

/**
 * Write the results and the title of an entry of the history again after the visitor has changed them: after a pause, and at once
 * when the page is left.
 * @param {{history: any, commit?: () => void}} options commit: ends a change that is going on
 */
export const createKeeping = ({ history, commit = () => {} }) => {
  /** @type {(() => void) | null} */
  let pending = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const write = () => {
    clearTimeout(timer);
    const own = pending;
    pending = null;
    own?.();
  };
  const flush = () => {
    commit();
    write();
  };
  addEventListener("pagehide", flush);
  return {
    /** Write changes soon. They are read then, and `flush` before another result takes their place. */
    later: (/** @type {any} */ entry, /** @type {() => any} */ changes) => {
      pending = entry && (() => history.update(entry, changes()));
      clearTimeout(timer);
      timer = setTimeout(write, PAUSE_MS);
    },
    /** Write now what has not been written yet. */
    flush,
  };
};

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
    const seconds = recording.currentTime + ROUNDING_S;
    timeline?.showTime(seconds);
    showTime(seconds - own.offsetS);
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
