// @ts-check
/** Labels or captions of a recording, as a whole or in windows. */

import { h } from "../page/dom.js";
import { formatTime, t } from "../page/i18n.js";
import { isInPage, playPart, warningTexts } from "./listening.js";
import { rankedList } from "./ranked_list.js";
import { createTimeline } from "../recording/timeline.js";

/** Labels that have a row of the timeline of their own; those that are rarer share one. */
const MAX_ROWS = 8;
/** Segments that are listed. */
const MAX_LISTED = 200;

/**
 * @typedef {{label: string, score: number}} Score
 * @typedef {{start_s: number, end_s: number, label: string, score: number}} Segment
 * @typedef {{start_s: number, end_s: number, known?: boolean, scores: Score[]}} Window
 * @typedef {{known: boolean | null, silent: boolean, scores: Score[], segments: Segment[] | null, windows: Window[],
 *   warnings: string[]}} Result `segments` is null for a whole recording, whose `scores` are best first
 */

/**
 * Return the result that an answer of /v1/hear or /v1/label holds.
 * @param {any} answer
 * @param {(label: string) => string} [nameOf] returns what the page calls a label
 * @returns {Result}
 */
export const readResult = (answer, nameOf = (label) => label) => {
  const named = (/** @type {any} */ each) => ({ ...each, label: nameOf(each.caption ?? each.label) });
  const { known = null, silent = false, segments = null, windows = [], warnings = [] } = answer;
  return {
    known,
    silent,
    scores: (answer.heard ?? answer.labels ?? []).map(named),
    segments: segments && segments.map(named),
    windows: windows.map((/** @type {Window} */ window) => ({ ...window, scores: window.scores.map(named) })),
    warnings,
  };
};

/**
 * Return the best label of a result, known or not; null if there is none.
 * @param {Result} result
 */
export const closestLabel = ({ scores, windows }) => {
  const all = [...scores.slice(0, 1), ...windows.flatMap((window) => window.scores.slice(0, 1))];
  return all.length ? all.reduce((best, each) => (each.score > best.score ? each : best)).label : null;
};

/**
 * Return what a result says in one line.
 * @param {Result} result
 */
export const headlineOf = (result) => {
  if (result.silent) return t("listening.silent");
  if (result.known === false) return t("listening.unknown");
  if (result.segments === null) return result.scores[0]?.label ?? t("listening.none");
  const labels = [...new Set(result.segments.map(({ label }) => label))];
  return labels.length ? t("listening.labels", { count: labels.length }) : t("listening.none");
};

/** Create the place where results are shown. */
export const createLabelResult = () => {
  const now = h("div", { class: "labels-now stack" });
  const body = h("div", { class: "stack" }, h("p", { class: "muted", "data-t": "listening.empty" }));
  /** @type {{result: Result, source: import("./listening.js").Source, isShare: boolean} | null} */
  let shown = null;
  /** @type {Window | null} */
  let current = null;

  return {
    element: body,
    /**
     * Show a result, and return its timeline, if it has one.
     * @param {Result} result
     * @param {{source: import("./listening.js").Source, isShare: boolean}} options isShare: scores are shares of 1
     */
    show: (result, { source, isShare }) => {
      shown = { result, source, isShare };
      current = null;
      now.replaceChildren(h("p", { class: "muted" }, t("listening.play")));
      body.replaceChildren(
        h("p", { class: "muted" }, h("bdi", {}, source.name)),
        h("h2", { class: "labels-headline" }, headlineOf(result)),
        ...warningTexts(result.warnings).map((text) => h("p", { class: "muted" }, text)),
        ...details(result, source, isShare),
        result.windows.length && !result.silent ? now : "",
      );
      return result.segments === null || !result.segments.length ? null : timelineOf(result.segments, source);
    },
    /** Show the scores of the window that is played. */
    showTime: (/** @type {number} */ seconds) => {
      const window = shown?.result.windows.findLast(({ start_s, end_s }) => start_s <= seconds && seconds < end_s) ?? null;
      if (window === current || !shown || shown.result.segments === null) return;
      current = window;
      if (window === null) return;
      const title = h("h3", {}, t("listening.now", timesOf(window, shown.source)));
      now.replaceChildren(title, window.known === false ? unknown(window.scores[0]?.label) : rankedList(window.scores, shown));
    },
  };
};

/** @param {Result} result @param {import("./listening.js").Source} source @param {boolean} isShare */
const details = (result, source, isShare) => {
  if (result.silent) return [];
  if (result.known === false) return [unknown(closestLabel(result))];
  if (result.segments === null) return [rankedList(result.scores, { isShare })];
  const gaps = result.windows.some(({ known }) => known === false) ? [h("p", { class: "muted" }, t("listening.gaps"))] : [];
  return [segmentList(result.segments, source), ...gaps];
};

/** @param {string | null | undefined} closest */
const unknown = (closest) => (closest ? h("p", { class: "muted" }, t("listening.closest", { label: closest })) : h("p", {}));

/**
 * Return the times of a part of a result in the whole recording, in words.
 * @param {{start_s: number, end_s: number}} part @param {import("./listening.js").Source} source
 */
const timesOf = ({ start_s, end_s }, { offsetS }) => ({ start: formatTime(start_s + offsetS), end: formatTime(end_s + offsetS) });

/** @param {Segment[]} segments @param {import("./listening.js").Source} source */
const segmentList = (segments, source) => {
  const items = segments.slice(0, MAX_LISTED).map((segment) => {
    const play = () => playPart(source, { startS: segment.start_s, endS: segment.end_s });
    const text = t("listening.now", timesOf(segment, source));
    const time = isInPage(source) ? h("button", { class: "button quiet", type: "button", onclick: play }, text) : h("span", {}, text);
    return h("li", { class: "segment" }, time, h("bdi", {}, segment.label));
  });
  const rest = segments.length - items.length;
  return h("div", {}, h("ol", { class: "segments" }, ...items), rest ? h("p", { class: "muted" }, t("listening.more", { count: rest })) : null);
};

/**
 * Create the timeline of segments: one row or, if they overlap, a row for each of the most frequent labels.
 * @param {Segment[]} segments @param {import("./listening.js").Source} source
 */
const timelineOf = (segments, source) => {
  const isSingle = segments.every(({ start_s }, index) => !index || start_s >= segments[index - 1].end_s);
  const seconds = new Map();
  for (const { label, start_s, end_s } of segments) seconds.set(label, (seconds.get(label) ?? 0) + end_s - start_s);
  const labels = [...seconds.keys()].toSorted((one, other) => seconds.get(other) - seconds.get(one));
  const own = new Set(labels.slice(0, labels.length > MAX_ROWS ? MAX_ROWS - 1 : MAX_ROWS));
  const itemsOf = (/** @type {(label: string) => boolean} */ isOf) =>
    segments
      .filter(({ label }) => isOf(label))
      .map(({ start_s, end_s, label, score }) => ({ startS: start_s, endS: end_s, text: label, score: Math.max(0, Math.min(1, score)), kind: label }));
  const rows = isSingle ? [{ label: "", items: itemsOf(() => true) }] : [...own].map((label) => ({ label, items: itemsOf((each) => each === label) }));
  if (!isSingle && own.size < labels.length) rows.push({ label: t("listening.others"), items: itemsOf((each) => !own.has(each)) });
  return createTimeline({ rows, durationS: source.durationS, offsetS: source.offsetS });
};
