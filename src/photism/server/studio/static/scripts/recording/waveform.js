// @ts-check
/** The waveform of a recording, in which one can seek. */

import { colourOf, createCanvas } from "../page/canvas.js";
import { h } from "../page/dom.js";
import { formatNumber, formatTime, t } from "../page/i18n.js";

/** Width of a bar and of the gap after it, in CSS pixels. */
const BAR = 2;
const PITCH = 3;
const AXIS_HEIGHT = 18;
const TICK_WIDTH = 72;
const TICKS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800];
/** Quiet recordings are drawn larger, but not so much that silence looks like sound. */
const MAX_GAIN = 20;
const STEP_S = 0.1;
const LARGE_STEP_S = 1;

/** @typedef {{peaks: import("./peaks.js").Peaks, durationS: number, startS: number, endS: number}} Shown */

/**
 * Create a waveform.
 * @param {{onSeek: (seconds: number) => void, onToggle: () => void}} options onSeek: called with the time at which the
 *   visitor points; onToggle: called to play or pause
 */
export const createWaveform = ({ onSeek, onToggle }) => {
  /** @type {Shown | null} */
  let shown = null;
  let seconds = 0;
  const canvas = createCanvas("waveform-canvas", (context, width, height) => {
    if (shown) drawWaveform(context, width, height, shown, canvas.element);
  });
  const playhead = h("div", { class: "waveform-playhead", hidden: true });
  const attributes = { role: "slider", tabindex: 0, "data-t-label": "recording.position", "aria-valuemin": 0 };
  const position = h("div", { class: "waveform-position", ...attributes }, canvas.element, playhead);
  const element = h("div", { class: "waveform", dir: "ltr" }, position);

  const showTime = (/** @type {number} */ time) => {
    if (!shown) return;
    seconds = Math.min(time, shown.durationS);
    playhead.hidden = false;
    playhead.style.setProperty("inset-inline-start", `${(100 * seconds) / shown.durationS}%`);
    position.setAttribute("aria-valuenow", seconds.toFixed(1));
    position.setAttribute("aria-valuetext", formatTime(seconds));
  };
  const seekTo = (/** @type {PointerEvent} */ event) => {
    const { left, width } = position.getBoundingClientRect();
    if (shown) onSeek(shown.durationS * Math.min(1, Math.max(0, (event.clientX - left) / width)));
  };
  position.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    if (event.button) return;
    position.setPointerCapture(event.pointerId);
    seekTo(event);
  });
  position.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    if (position.hasPointerCapture(event.pointerId)) seekTo(event);
  });
  position.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (!shown) return;
    if (event.key === " " || event.key === "Enter") onToggle();
    else {
      const time = timeOfKey(event, seconds, shown.durationS);
      if (time === null) return;
      onSeek(time);
    }
    event.preventDefault();
  });

  return {
    element,
    showTime,
    /** Show a recording and the part of it that is used, or nothing. */
    show: (/** @type {Shown | null} */ next) => {
      shown = next;
      if (next) position.setAttribute("aria-valuemax", next.durationS.toFixed(1));
      canvas.update();
    },
  };
};

/**
 * Return the time that a key of a slider leads to, or null if it leads nowhere: arrows a tenth of a second, with Shift
 * or as Page Up and Page Down a second.
 * @param {KeyboardEvent} event
 * @param {number} seconds current time
 * @param {number} durationS
 */
export const timeOfKey = (event, seconds, durationS) => {
  const step = event.shiftKey ? LARGE_STEP_S : STEP_S;
  const times = /** @type {Record<string, number>} */ ({
    ArrowLeft: seconds - step,
    ArrowDown: seconds - step,
    ArrowRight: seconds + step,
    ArrowUp: seconds + step,
    PageDown: seconds - LARGE_STEP_S,
    PageUp: seconds + LARGE_STEP_S,
    Home: 0,
    End: durationS,
  });
  const time = times[event.key];
  return time === undefined ? null : Math.min(durationS, Math.max(0, time));
};

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} width
 * @param {number} height
 * @param {Shown} shown
 * @param {Element} element
 */
const drawWaveform = (context, width, height, { peaks, durationS, startS, endS }, element) => {
  const middle = (height - AXIS_HEIGHT) / 2;
  const gain = Math.min(MAX_GAIN, 1 / (peaks.largest || 1));
  const [used, unused] = [colourOf(element, "--accent"), colourOf(element, "--border")];
  const count = Math.floor(width / PITCH);
  for (let bar = 0; bar < count; bar += 1) {
    const from = Math.floor((bar * peaks.count) / count);
    const to = Math.max(from + 1, Math.floor(((bar + 1) * peaks.count) / count));
    let [low, high] = [0, 0];
    for (let part = from; part < to; part += 1) {
      low = Math.min(low, peaks.low[part]);
      high = Math.max(high, peaks.high[part]);
    }
    const time = ((bar + 0.5) / count) * durationS;
    context.fillStyle = time >= startS && time <= endS ? used : unused;
    const top = middle - high * gain * (middle - 1);
    const bottom = middle - low * gain * (middle - 1);
    context.beginPath();
    context.roundRect((bar * width) / count, top - 0.5, BAR, bottom - top + 1, BAR / 2);
    context.fill();
  }
  drawAxis(context, width, height, durationS, colourOf(element, "--muted"));
};

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} width
 * @param {number} height
 * @param {number} durationS
 * @param {string} colour
 */
const drawAxis = (context, width, height, durationS, colour) => {
  const fitting = TICKS_S.find((each) => (each / durationS) * width >= TICK_WIDTH) ?? TICKS_S[TICKS_S.length - 1];
  context.fillStyle = colour;
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "alphabetic";
  for (let tick = 0; tick * fitting <= durationS; tick += 1) {
    const x = (tick * fitting * width) / durationS;
    context.fillRect(x, height - AXIS_HEIGHT + 2, 1, 4);
    const seconds = tick * fitting;
    const text = durationS < 60 ? t("recording.seconds", { seconds: formatNumber(seconds) }) : clock(seconds);
    const textWidth = context.measureText(text).width;
    if (x + 4 + textWidth <= width) context.fillText(text, x + 4, height - 3);
  }
};

/** @param {number} seconds whole seconds, as minutes and seconds */
const clock = (seconds) => {
  const pad = (/** @type {number} */ number) => formatNumber(number, { minimumIntegerDigits: 2 });
  return `${formatNumber(Math.floor(seconds / 60))}:${pad(Math.round(seconds % 60))}`;
};
