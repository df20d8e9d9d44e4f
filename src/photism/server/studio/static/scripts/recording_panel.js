// @ts-check
/** The part of the page that records, takes files and examples, and shows the recording. */

import * as api from "./api.js";
import { announce, h } from "./dom.js";
import { currentLanguage, formatNumber, formatTime, t } from "./i18n.js";
import { createRecordButton } from "./record_button.js";
import { showError } from "./run.js";
import { createTrim } from "./trim.js";
import { createWaveform } from "./waveform.js";

/** Sizes of the WAV file of a microphone. */
const HEADER_BYTES = 44;
const BYTES_PER_SAMPLE = 2;
/** Limits from here on are shown in minutes. */
const MINUTES_S = 120;

/** @typedef {import("./recording.js").recording} Recording */

/**
 * Create the panel of a recording.
 * @param {Recording} recording
 * @returns {HTMLElement}
 */
export const createPanel = (recording) => {
  const stage = createStage(recording);
  const bar = controls(recording);
  const messages = createMessages(tooLong(recording, stage.focusEnd));
  const recorder = createRecorder(recording, { stage, bar, messages });
  const take = (/** @type {Blob} */ file, /** @type {any} */ options) => {
    messages.clear();
    return recording.set(file, options);
  };
  const sources = h("div", { class: "row sources" }, recorder.button, fileButton(take), recorder.optionsButton);
  const slot = h("div", { class: "timeline-slot", dir: "ltr" });
  const top = [sources, recorder.options, examples(take, messages.fail)];
  const element = h("div", { class: "recorder" }, ...top, stage.element, slot, bar, messages.element);

  recording.addEventListener("problem", (/** @type {any} */ { detail }) => messages.fail(detail.problem, detail.name));
  recording.addEventListener("loading", (/** @type {any} */ { detail }) => {
    element.setAttribute("aria-busy", String(detail.isLoading));
    messages.note(detail.isLoading ? loadingText(detail) : null);
  });
  recording.addEventListener("change", (/** @type {any} */ { detail }) => {
    if (!detail.isNew) return;
    messages.clear();
    slot.replaceChildren();
    const { current } = recording;
    if (current) announce(t("recording.ready", { name: current.name, time: formatTime(current.durationS) }));
  });
  recording.addEventListener("timeline", (/** @type {any} */ { detail }) => slot.replaceChildren(detail.element ?? ""));
  document.addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((each) => !each.type.startsWith("image/"));
    if (file) take(file, { origin: "upload" });
  });
  return element;
};

/**
 * Create the place of messages, which has room for one, so that the page below does not move.
 * @param {HTMLElement} tooLongMessage
 */
const createMessages = (tooLongMessage) => {
  const error = h("div", { class: "error", role: "alert", hidden: true });
  const notice = h("p", { role: "status", hidden: true });
  const note = (/** @type {string | null} */ text) => {
    notice.hidden = text === null;
    notice.textContent = text ?? "";
  };
  return {
    element: h("div", { class: "recording-messages" }, tooLongMessage, error, notice),
    note,
    fail: (/** @type {unknown} */ problem, name = "") => {
      note(null);
      showError(error, problem, name);
    },
    clear: () => {
      note(null);
      showError(error, null);
    },
  };
};

/**
 * Create the button that records, and show the microphone in the place of the recording while it does.
 * @param {Recording} recording
 * @param {{stage: ReturnType<typeof createStage>, bar: any, messages: ReturnType<typeof createMessages>}} parts
 */
const createRecorder = (recording, { stage, bar, messages }) => {
  const recorder = createRecordButton({
    maxSamples: async () => {
      const { limits } = await api.context();
      return Math.floor((limits.max_upload_mb * 1e6 - HEADER_BYTES) / BYTES_PER_SAMPLE);
    },
    onStart: () => {
      recording.pause();
      messages.clear();
      stage.show("live");
      bar.inert = true;
    },
    onStop: () => {
      stage.show(recording.current ? "waveform" : "empty");
      bar.inert = recording.current === null;
    },
    onRecorded: (buffer) => recording.setMicrophone(buffer, microphoneName()),
    onProblem: (problem) => messages.fail(problem),
    onNotice: (key) => messages.note(t(key)),
  });
  stage.addLive(recorder.live);
  return recorder;
};

/** @param {{name: string, share: number}} state */
const loadingText = ({ name, share }) => {
  const percent = share ? ` ${formatNumber(share, { style: "percent" })}` : "";
  return `${t("recording.loading", { name })}${percent}`;
};

/**
 * Create what shows the recording, the microphone, or that there is nothing yet. Its height stays the same.
 * @param {Recording} recording
 */
const createStage = (recording) => {
  const waveform = createWaveform({
    onSeek: (seconds) => recording.seek(seconds),
    onToggle: () => (recording.paused ? recording.play() : recording.pause()),
  });
  const trim = createTrim({ onTrim: (startS, endS, isFinal) => recording.trim(startS, endS, isFinal) });
  waveform.element.append(...trim.handles);
  waveform.element.hidden = true;
  const empty = h("p", { class: "stage-empty muted", "data-t": "recording.empty" });
  const element = h("div", { class: "stage" }, empty, waveform.element);
  /** @type {HTMLElement | null} */
  let live = null;

  const show = (/** @type {"empty" | "waveform" | "live"} */ name) => {
    empty.hidden = name !== "empty";
    waveform.element.hidden = name !== "waveform";
    if (live) live.hidden = name !== "live";
  };
  const update = () => {
    const { current } = recording;
    waveform.show(current);
    if (!current) return;
    trim.show(current);
    waveform.showTime(Math.max(recording.currentTime, current.startS));
  };
  recording.addEventListener("change", (/** @type {any} */ { detail }) => {
    if (detail.isNew) show(recording.current ? "waveform" : "empty");
    update();
  });
  recording.addEventListener("trim", update);
  recording.addEventListener("time", () => waveform.showTime(recording.currentTime));
  return {
    element,
    show,
    focusEnd: () => trim.handles[1].focus(),
    addLive: (/** @type {HTMLElement} */ added) => {
      live = added;
      element.append(added);
    },
  };
};

/** @param {(file: Blob, options: any) => Promise<boolean>} take */
const fileButton = (take) => {
  const input = h("input", { type: "file", hidden: true, "data-t-label": "recording.choose" });
  input.addEventListener("change", async () => {
    const [file] = input.files;
    input.value = ""; // so that the same file can be chosen again
    if (!file) return;
    if (file.type.startsWith("image/")) (await import("./drop.js")).openFile(file);
    else take(file, { origin: "upload" });
  });
  const attributes = { class: "button", type: "button", "data-t": "recording.choose" };
  return h("span", {}, h("button", { ...attributes, onclick: () => input.click() }), input);
};

/**
 * Create a list of example recordings.
 * @param {(file: Blob, options: any) => Promise<boolean>} take
 * @param {(problem: unknown) => void} fail
 */
const examples = (take, fail) => {
  const list = h("ul", { class: "chips examples", "data-t-label": "recording.examples" });
  const names = new Intl.DisplayNames(currentLanguage(), { type: "language" });
  const choose = async (/** @type {{name: string, url: string}} */ example) => {
    try {
      const response = await fetch(api.url(example.url));
      if (!response.ok) throw new api.Problem({ type: "not-found", status: response.status });
      await take(await response.blob(), { name: example.name, origin: "example" });
    } catch (problem) {
      fail(problem instanceof TypeError ? new api.Problem({ type: "unreachable" }) : problem);
    }
  };
  api.context().then((/** @type {any} */ context) => {
    for (const each of context.examples) {
      const language = h("span", { class: "muted" }, each.language ? names.of(each.language) : "");
      const chip = h("button", { class: "chip", type: "button", onclick: () => choose(each) });
      chip.append(each.label, " ", language);
      list.append(h("li", {}, chip));
    }
  }, fail);
  return list;
};

/**
 * Create the buttons that play, reset, save and remove the recording, with its name and times.
 * @param {Recording} recording
 */
const controls = (recording) => {
  const play = h("button", { class: "button", type: "button", "data-t": "recording.play" });
  const time = h("span", { class: "recording-time" });
  const name = h("span", { class: "recording-name", dir: "auto" });
  const whole = h("button", { class: "button quiet", type: "button", "data-t": "recording.whole" });
  const save = h("button", { class: "button quiet", type: "button", "data-t": "recording.download" });
  const remove = h("button", { class: "button quiet", type: "button", "data-t": "recording.remove" });
  const element = h("div", { class: "row recording-controls is-empty", inert: true }, play, time, name, whole, save, remove);

  const showTime = () => {
    const { current } = recording;
    if (!current) return;
    const length = formatTime(current.endS - current.startS);
    const at = formatTime(Math.max(0, recording.currentTime - current.startS));
    const whole = formatTime(current.durationS);
    const times = isolated(`${at} / ${length}`);
    time.textContent = current.isTrimmed ? t("recording.part", { times, whole: isolated(whole) }) : times;
  };
  const update = () => {
    element.inert = recording.current === null;
    element.classList.toggle("is-empty", element.inert);
    name.textContent = recording.current?.name ?? "";
    whole.hidden = !recording.current?.isTrimmed;
    showTime();
  };
  play.addEventListener("click", () => (recording.paused ? recording.play() : recording.pause()));
  whole.addEventListener("click", () => {
    recording.trim(0, recording.current?.durationS ?? 0);
    play.focus();
  });
  save.addEventListener("click", async () => {
    const [{ save: download }, file] = await Promise.all([import("./download.js"), recording.file()]);
    download(file, file.name);
  });
  remove.addEventListener("click", () => {
    recording.clear();
    element.closest(".recorder").querySelector("button").focus();
  });
  for (const event of ["change", "trim"]) recording.addEventListener(event, update);
  recording.addEventListener("time", showTime);
  for (const [event, key] of [["play", "recording.pause"], ["pause", "recording.play"]]) {
    recording.addEventListener(event, () => (play.textContent = t(key)));
  }
  return element;
};

/**
 * Create a message that a recording is longer than the active tab can send, with a button that trims it.
 * @param {Recording} recording
 * @param {() => void} onTrim called when the button has trimmed it, and is not there any more
 */
const tooLong = (recording, onTrim) => {
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

/**
 * Return times as they are read from left to right, also within a text that is read from right to left.
 * @param {string} times
 */
const isolated = (times) => `\u2066${times}\u2069`;

/** Return a name that says when a recording was made. */
const microphoneName = () => {
  const now = new Date();
  const parts = [now.getHours(), now.getMinutes(), now.getSeconds()].map((each) => String(each).padStart(2, "0"));
  return `${t("recording.file-name")} ${parts.join(".")}.wav`;
};
