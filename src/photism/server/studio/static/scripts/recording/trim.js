// @ts-check
/** Two handles at the ends of the part of a recording that is used. */

import { h } from "../page/dom.js";
import { formatNumber, t } from "../page/i18n.js";
import { timeOfKey } from "./waveform.js";

/** @typedef {{durationS: number, startS: number, endS: number}} Ends */

/**
 * Create the handles, to be put over a waveform.
 * @param {{onTrim: (startS: number, endS: number, isFinal: boolean) => void}} options onTrim: called with the ends
 *   while they are dragged, and with `isFinal` when they stay
 */
export const createTrim = ({ onTrim }) => {
  /** @type {Ends} */
  let ends = { durationS: 1, startS: 0, endS: 1 };
  const handles = ["start", "end"].map((name) => createHandle(name, () => ends, onTrim));

  /** Show the ends of another recording, or others of the same. */
  const show = (/** @type {Ends} */ next) => {
    ends = next;
    const { durationS, startS, endS } = ends;
    place(handles[0], "recording.starts-at", startS, 0, endS, durationS);
    place(handles[1], "recording.ends-at", endS, startS, durationS, durationS);
  };
  return { handles, show };
};

/**
 * @param {string} name "start" or "end"
 * @param {() => Ends} ends
 * @param {(startS: number, endS: number, isFinal: boolean) => void} onTrim
 */
const createHandle = (name, ends, onTrim) => {
  const attributes = { role: "slider", tabindex: 0, "data-t-label": `recording.${name}` };
  const handle = h("div", { class: `trim-handle trim-${name}`, ...attributes });
  const move = (/** @type {number} */ time, /** @type {boolean} */ isFinal) => {
    const { startS, endS } = ends();
    if (name === "start") onTrim(Math.min(time, endS), endS, isFinal);
    else onTrim(startS, Math.max(time, startS), isFinal);
  };
  const timeAt = (/** @type {PointerEvent} */ event) => {
    const { left, width } = handle.parentElement.getBoundingClientRect();
    return ends().durationS * Math.min(1, Math.max(0, (event.clientX - left) / width));
  };
  handle.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    if (event.button) return;
    handle.setPointerCapture(event.pointerId);
    handle.focus();
    event.preventDefault();
  });
  handle.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    if (handle.hasPointerCapture(event.pointerId)) move(timeAt(event), false);
  });
  handle.addEventListener("lostpointercapture", () => move(name === "start" ? ends().startS : ends().endS, true));
  handle.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const { startS, endS, durationS } = ends();
    const time = timeOfKey(event, name === "start" ? startS : endS, durationS);
    if (time === null) return;
    event.preventDefault();
    move(time, true);
  });
  return handle;
};

/**
 * @param {HTMLElement} handle
 * @param {string} key text that says where it is
 * @param {number} seconds
 * @param {number} least
 * @param {number} most
 * @param {number} durationS
 */
const place = (handle, key, seconds, least, most, durationS) => {
  const text = t(key, { seconds: formatNumber(seconds, { maximumFractionDigits: 1 }) });
  handle.style.setProperty("inset-inline-start", `${(100 * seconds) / durationS}%`);
  handle.title = text;
  handle.setAttribute("aria-valuetext", text);
  handle.setAttribute("aria-valuenow", seconds.toFixed(1));
  handle.setAttribute("aria-valuemin", least.toFixed(1));
  handle.setAttribute("aria-valuemax", most.toFixed(1));
};
