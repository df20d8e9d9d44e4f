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
  /** @type {TimelineRow[]} */
  let shown = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  const update = (/** @type {Row[]} */ next) => {
    const kinds = [...new Set(next.flatMap((row, index) => row.items.map((item) => kindOf(item, index))))];
    const colour = (/** @type {Item} */ item, /** @type {number} */ index) =>
      kinds.indexOf(kindOf(item, index)) % COLOURS;
    if (next.length !== shown.length || next.some((row, index) => row.label !== shown[index].label)) {
      shown = next.map((row, index) => new TimelineRow(row.label, { index, durationS, offsetS, onSelect }));
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

/** A row of segments, of which the keyboard chooses one after the other. */
class TimelineRow {
  #options;
  /** @type {Item[]} */
  #items = [];
  #selected = 0;
  /** @type {Item | null} */
  #active = null;
  #colour = (/** @type {Item} */ _item, /** @type {number} */ _index) => 0;
  #canvas = createCanvas("timeline-canvas", (context, width, height) => this.#draw(context, width, height));
  #bar;

  /**
   * @param {string} label
   * @param {{index: number, durationS: number, offsetS: number, onSelect: (item: Item) => void}} options
   */
  constructor(label, options) {
    [this.label, this.#options] = [label, options];
    const attributes = { role: "slider", tabindex: 0, "aria-label": label || t("recording.timeline") };
    this.#bar = h("div", { class: "timeline-bar", ...attributes }, this.#canvas.element);
    const name = h("div", { class: "timeline-label", dir: "auto", "aria-hidden": true }, label);
    this.element = h("div", { class: "timeline-row" }, name, this.#bar);
    this.#bar.addEventListener("click", (/** @type {MouseEvent} */ event) => {
      const found = this.#indexAt(event);
      if (found >= 0) this.#choose(found);
    });
    this.#bar.addEventListener("mousemove", (/** @type {MouseEvent} */ event) => {
      const item = this.#items[this.#indexAt(event)];
      this.#bar.title = item ? itemText(item, options.offsetS) : "";
    });
    this.#bar.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      const number = numberOfKey(event.key, this.#selected, this.#items.length);
      if (number === null) return;
      event.preventDefault();
      this.#choose(number);
    });
  }

  /** @param {Item[]} items @param {(item: Item, index: number) => number} colour number of the colour of a segment */
  show(items, colour) {
    [this.#items, this.#colour] = [items, colour];
    this.#selected = Math.min(this.#selected, Math.max(0, items.length - 1));
    this.#describe();
    this.#canvas.update();
  }

  /** Mark the segment of a time. @param {number} seconds */
  showTime(seconds) {
    const now = this.#items[this.#indexOf(seconds)] ?? null;
    if (now === this.#active) return;
    this.#active = now;
    this.#canvas.update();
  }

  /** @param {CanvasRenderingContext2D} context @param {number} width @param {number} height */
  #draw(context, width, height) {
    const { index, durationS, offsetS } = this.#options;
    const place = { width, height, durationS, offsetS };
    for (const item of this.#items) {
      const fill = colourOf(this.#bar, `--timeline-${this.#colour(item, index) + 1}`);
      drawItem(context, item, place, fill, colourOf(this.#bar, item === this.#active ? "--text" : "--timeline-edge"));
    }
  }

  #describe() {
    const item = this.#items[this.#selected];
    this.#bar.setAttribute("aria-valuemin", "1");
    this.#bar.setAttribute("aria-valuemax", String(Math.max(1, this.#items.length)));
    this.#bar.setAttribute("aria-valuenow", String(this.#selected + 1));
    this.#bar.setAttribute("aria-valuetext", item ? itemText(item, this.#options.offsetS) : "");
  }

  /** @param {number} number */
  #choose(number) {
    if (!this.#items.length) return;
    this.#selected = Math.max(0, Math.min(this.#items.length - 1, number));
    const item = this.#items[this.#selected];
    this.#describe();
    this.showTime(item.startS);
    this.#options.onSelect(item);
  }

  /** @param {MouseEvent} event */
  #indexAt(event) {
    const { left, width } = this.#bar.getBoundingClientRect();
    return this.#indexOf(((event.clientX - left) / width) * this.#options.durationS - this.#options.offsetS);
  }

  /** Return the number of the segment of a time; -1 if there is none. @param {number} seconds */
  #indexOf(seconds) {
    return this.#items.findIndex(({ startS, endS }) => startS <= seconds && seconds < endS);
  }
}

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
