// @ts-check
/** What one can do with the recording: play, save and remove it, and cut it if it is too long. */

import { h } from "../page/dom.js";
import { formatTime, t } from "../page/i18n.js";

/** Limits from here on are shown in minutes. */
const MINUTES_S = 120;

/** @typedef {import("./recording.js").recording} Recording */

/**
 * Create the buttons that play, reset, save and remove the recording, with its name and times, and with messages
 * between them.
 * @param {Recording} recording
 * @param {{element: HTMLElement, fail: (problem: unknown) => void}} messages
 */
export const createRecordingControls = (recording, messages) => {
  const play = h("button", { class: "button play", type: "button", "data-t": "recording.play" });
  const time = h("span", { class: "recording-time" });
  const name = h("span", { class: "recording-name", dir: "auto" });
  const [whole, save, remove] = ["whole", "download", "remove"].map((key) =>
    h("button", { class: "button quiet", type: "button", "data-t": `recording.${key}` }),
  );
  const groups = [h("div", { class: "row" }, play, time, name), h("div", { class: "row" }, whole, save, remove)];
  const element = h("div", { class: "row recording-controls is-empty" }, groups[0], messages.element, groups[1]);

  const suspend = (/** @type {boolean} */ isSuspended) => {
    for (const group of groups) group.inert = isSuspended || recording.current === null;
  };
  const showTime = () => {
    if (recording.current) time.textContent = timesText(recording.current, recording.currentTime);
  };
  const update = () => {
    suspend(false);
    element.classList.toggle("is-empty", recording.current === null);
    name.textContent = recording.current?.name ?? "";
    name.title = name.textContent;
    whole.hidden = !recording.current?.isTrimmed;
    showTime();
  };
  play.addEventListener("click", () => (recording.paused ? recording.play() : recording.pause()));
  whole.addEventListener("click", () => {
    recording.trim(0, recording.current?.durationS ?? 0);
    play.focus();
  });
  save.addEventListener("click", () => download(recording).catch(messages.fail));
  remove.addEventListener("click", () => {
    recording.clear();
    element.closest(".recorder").querySelector("button").focus();
  });
  suspend(true);
  for (const event of ["change", "trim"]) recording.addEventListener(event, update);
  recording.addEventListener("time", showTime);
  for (const [event, key] of [["play", "recording.pause"], ["pause", "recording.play"]]) {
    recording.addEventListener(event, () => (play.textContent = t(key)));
  }
  return { element, suspend };
};

/**
 * Create a message that a recording is longer than the active tab can send, with a button that trims it.
 * @param {Recording} recording
 * @param {() => void} onTrim called when the button has trimmed it, and is not there any more
 */
export const createTooLong = (recording, onTrim) => {
  const text = h("span", {});
  const button = h("button", { class: "button", type: "button" });
  const element = h("p", { class: "row too-long", role: "status", hidden: true }, text, button);
  const update = () => {
    element.hidden = !recording.isTooLong;
    if (element.hidden) return;
    const seconds = recording.limitS ?? 0;
    const isShort = seconds < MINUTES_S;
    const time = isShort ? t("recording.seconds", { seconds }) : t("recording.minutes", { minutes: seconds / 60 });
    text.textContent = t("recording.too-long", { time });
    button.textContent = t("recording.trim", { time });
  };
  button.addEventListener("click", () => {
    const { offsetS, limitS } = recording;
    recording.trim(offsetS, offsetS + (limitS ?? 0));
    onTrim();
  });
  for (const event of ["change", "trim", "limit"]) recording.addEventListener(event, update);
  return element;
};

/** @param {Recording} recording */
const download = async (recording) => {
  const { save } = await import("../page/download.js");
  const { current } = recording;
  if (current === null) return;
  const file = current.isTrimmed ? await recording.file() : current.file;
  save(file, file.name);
};

/** @param {{startS: number, endS: number, durationS: number, isTrimmed: boolean}} current @param {number} seconds */
const timesText = ({ startS, endS, durationS, isTrimmed }, seconds) => {
  const times = isolated(`${formatTime(Math.max(0, seconds - startS))} / ${formatTime(endS - startS)}`);
  return isTrimmed ? t("recording.part", { times, whole: isolated(formatTime(durationS)) }) : times;
};

/**
 * Return times as they are read from left to right, also within a text that is read from right to left.
 * @param {string} times
 */
const isolated = (times) => `\u2066${times}\u2069`;
