// @ts-check
/**
 * Segments of a recording in rows, such as words, speakers or labels, on the axis of the waveform.
 *
 * Each row is a slider from segment to segment for the keyboard, and all of them are a table for screen readers. They
 * are drawn on a canvas, since an hour has thousands of words.
 */

import { colourOf, createCanvas } from "../page/canvas.js";
import { h } from "../page/dom.js";
import { formatTime, t } from "../page/i18n.js";
import { recording } from "./recording.js";

/** Number of colours in recording.css. */
const COLOURS = 8;
const PADDING = 4;
/** Narrowest segment in which text is drawn, in CSS pixels. */
const NARROWEST_TEXT = 20;
/** Strength of the colour of a segment whose score is 0. */
const WEAKEST = 0.3;
const TEXT = "#16131d";
const TABLE_MS = 300;

/**
 * @typedef {{startS: number, endS: number, text: string, score?: number, kind?: string}} Item
 *   score: 0 to 1, drawn as the strength of the colour; kind: segments of a kind have the same colour, by default
 *   those of a row
 * @typedef {{label: string, items: Item[]}} Row
 */

/**
 * Create a timeline.
 * @param {{rows: Row[], durationS: number, offsetS?: number, onSelect?: (item: Item) => void}} options durationS:
 *   length of the axis, that of the whole recording; offsetS: time of the recording at which the segments' times begin,
 *   that of its trimmed start; onSelect: called with the segment that the visitor chooses, by default it is played
 */
export const createTimeline = ({ rows, durationS, offsetS = 0, onSelect = (item) => playItem(item, offsetS) }) => {
  const list = h("div", { class: "timeline-rows" });
  const body = h("tbody", {});
  const names = ["row", "text", "start", "end"].map((name) => `recording.timeline.${name}`);
  const heads = names.map((name) => h("th", { scope: "col", "data-t": name }));
  const head = h("thead", {}, h("tr", {}, ...heads));
  const table = h("table", { class: "hidden" }, h("caption", { "data-t": "recording.timeline" }), head, body);
  const playhead = h("div", { class: "timeline-playhead", hidden: true });
  const element = h(
    "div",
    { class: "timeline", dir: "ltr" },
    list,
    playhead,
    h("div", { class: "timeline-table" }, table),
  );
  /** @type {ReturnType<typeof createRow>[]} */
  let shown = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  const update = (/** @type {Row[]} */ next) => {
    const kinds = [...new Set(next.flatMap((row, index) => row.items.map((item) => kindOf(item, index))))];
    const colour = (/** @type {Item} */ item, /** @type {number} */ index) =>
      kinds.indexOf(kindOf(item, index)) % COLOURS;
    if (next.length !== shown.length || next.some((row, index) => row.label !== shown[index].label)) {
      shown = next.map((row, index) => createRow(row.label, { index, durationS, offsetS, onSelect }));
      list.replaceChildren(...shown.map((row) => row.element));
    }
    shown.forEach((row, index) => row.show(next[index].items, colour));
    clearTimeout(timer); // while words arrive, the table is not written again for each
    timer = setTimeout(() => body.replaceChildren(...next.flatMap((row) => tableRows(row, offsetS))), TABLE_MS);
  };

  /** Show the time that is played, in seconds of the recording. */
  const showTime = (/** @type {number} */ seconds) => {
    playhead.hidden = false;
    playhead.style.setProperty("inset-inline-start", `${(100 * Math.min(seconds, durationS)) / durationS}%`);
    shown.forEach((row) => row.showTime(seconds - offsetS));
  };
  update(rows);
  return { element, update, showTime };
};

/**
 * @param {string} label
 * @param {{index: number, durationS: number, offsetS: number, onSelect: (item: Item) => void}} options
 */
const createRow = (label, { index, durationS, offsetS, onSelect }) => {
  /** @type {Item[]} */
  let items = [];
  let selected = 0;
  /** @type {Item | null} */
  let active = null;
  let colour = (/** @type {Item} */ _item, /** @type {number} */ _index) => 0;
  const canvas = createCanvas("timeline-canvas", (context, width, height) => {
    const place = { width, height, durationS, offsetS };
    for (const item of items) {
      const fill = colourOf(bar, `--timeline-${colour(item, index) + 1}`);
      drawItem(context, item, place, fill, colourOf(bar, item === active ? "--text" : "--timeline-edge"));
    }
  });
  const attributes = { role: "slider", tabindex: 0, "aria-label": label || t("recording.timeline") };
  const bar = h("div", { class: "timeline-bar", ...attributes }, canvas.element);
  const name = h("div", { class: "timeline-label", dir: "auto", "aria-hidden": true }, label);
  const element = h("div", { class: "timeline-row" }, name, bar);

  const describe = () => {
    const item = items[selected];
    bar.setAttribute("aria-valuemin", "1");
    bar.setAttribute("aria-valuemax", String(Math.max(1, items.length)));
    bar.setAttribute("aria-valuenow", String(selected + 1));
    bar.setAttribute("aria-valuetext", item ? itemText(item, offsetS) : "");
  };
  const choose = (/** @type {number} */ number) => {
    if (!items.length) return;
    selected = Math.max(0, Math.min(items.length - 1, number));
    describe();
    showTime(items[selected].startS);
    onSelect(items[selected]);
  };
  const showTime = (/** @type {number} */ seconds) => {
    const now = items.find(({ startS, endS }) => startS <= seconds && seconds < endS) ?? null;
    if (now === active) return;
    active = now;
    canvas.update();
  };
  const itemAt = (/** @type {MouseEvent} */ event) => {
    const { left, width } = bar.getBoundingClientRect();
    const seconds = ((event.clientX - left) / width) * durationS - offsetS;
    return items.findIndex(({ startS, endS }) => startS <= seconds && seconds < endS);
  };
  bar.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    const found = itemAt(event);
    if (found >= 0) choose(found);
  });
  bar.addEventListener("mousemove", (/** @type {MouseEvent} */ event) => {
    const item = items[itemAt(event)];
    bar.title = item ? itemText(item, offsetS) : "";
  });
  bar.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const number = numberOfKey(event.key, selected, items.length);
    if (number === null) return;
    event.preventDefault();
    choose(number);
  });
  return {
    label,
    element,
    showTime,
    show: (/** @type {Item[]} */ next, /** @type {typeof colour} */ nextColour) => {
      items = next;
      colour = nextColour;
      selected = Math.min(selected, Math.max(0, items.length - 1));
      describe();
      canvas.update();
    },
  };
};

/** @param {string} key @param {number} selected @param {number} count */
const numberOfKey = (key, selected, count) => {
  if (["ArrowLeft", "ArrowDown"].includes(key)) return selected - 1;
  if (["ArrowRight", "ArrowUp"].includes(key)) return selected + 1;
  if (["Enter", " "].includes(key)) return selected;
  if (key === "Home") return 0;
  return key === "End" ? count - 1 : null;
};

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Item} item
 * @param {{width: number, height: number, durationS: number, offsetS: number}} place
 * @param {string} fill
 * @param {string} edge
 */
const drawItem = (context, { startS, endS, text, score }, { width, height, durationS, offsetS }, fill, edge) => {
  const x = ((startS + offsetS) / durationS) * width;
  const long = Math.max(2, ((endS - startS) / durationS) * width - 1);
  context.beginPath();
  context.roundRect(x + 0.5, 0.5, long, height - 1, Math.min(4, long / 2));
  context.fillStyle = "white"; // below a weak colour, so that dark text can be read on it
  context.fill();
  context.globalAlpha = score === undefined ? 1 : WEAKEST + (1 - WEAKEST) * Math.max(0, Math.min(1, score));
  context.fillStyle = fill;
  context.fill();
  context.globalAlpha = 1;
  context.strokeStyle = edge;
  context.stroke();
  if (long < NARROWEST_TEXT) return;
  context.save();
  context.clip();
  context.fillStyle = TEXT;
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.direction = document.documentElement.dir === "rtl" ? "rtl" : "ltr";
  context.textAlign = "left";
  context.fillText(text, x + PADDING, height / 2 + 0.5);
  context.restore();
};

/** @param {Item} item @param {number} rowIndex */
const kindOf = (item, rowIndex) => item.kind ?? `row ${rowIndex}`;

/** @param {Item} item @param {number} offsetS */
const itemText = ({ text, startS, endS }, offsetS) =>
  t("recording.timeline.item", { text, start: formatTime(startS + offsetS), end: formatTime(endS + offsetS) });

/** @param {Row} row @param {number} offsetS */
const tableRows = ({ label, items }, offsetS) =>
  items.map(({ text, startS, endS }) => {
    const cells = [label, text, formatTime(startS + offsetS), formatTime(endS + offsetS)];
    return h("tr", {}, ...cells.map((each) => h("td", {}, each)));
  });

/** @param {Item} item @param {number} offsetS */
const playItem = ({ startS, endS }, offsetS) => recording.play(startS + offsetS, endS + offsetS);
