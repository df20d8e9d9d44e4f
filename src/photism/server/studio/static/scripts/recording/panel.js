// @ts-check
/** The part of the page that records, takes files and examples, and shows the recording. */

import * as api from "../page/api.js";
import { announce, h } from "../page/dom.js";
import { currentLanguage, formatNumber, formatTime, t } from "../page/i18n.js";
import { RecordButton } from "./record_button.js";
import { createRecordingControls, createTooLong } from "./playback_row.js";
import { showError } from "../page/run.js";
import { rove } from "../page/roving.js";
import { createTrim } from "./trim.js";
import { createWaveform } from "./waveform.js";

/** Sizes of the WAV file of a microphone. */
const HEADER_BYTES = 44;
const BYTES_PER_SAMPLE = 2;

/** @typedef {import("./recording.js").recording} Recording */

/**
 * Create the panel of a recording.
 * @param {Recording} recording
 * @returns {HTMLElement}
 */
export const createPanel = (recording) => {
  const stage = createStage(recording);
  const messages = createMessages(createTooLong(recording, stage.focusEnd));
  const controls = createRecordingControls(recording, messages);
  const recorder = createRecorder(recording, { stage, controls, messages });
  const take = (/** @type {Blob} */ file, /** @type {any} */ options) => {
    messages.clear();
    return recording.set(file, options);
  };
  const buttons = h("div", { class: "row" }, recorder.button, fileButton(take), recorder.optionsButton);
  const sources = h("div", { class: "row sources" }, buttons, examples(take, messages.fail));
  const slot = h("div", { class: "timeline-slot", dir: "ltr" });
  const element = h("div", { class: "recorder" }, sources, recorder.options, stage.element, slot, controls.element);

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
 * Create the place of messages, which stands between the controls, so that the page below does not move.
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
 * @param {{stage: ReturnType<typeof createStage>, controls: ReturnType<typeof createRecordingControls>,
 *   messages: ReturnType<typeof createMessages>}} parts
 */
const createRecorder = (recording, { stage, controls, messages }) => {
  const recorder = new RecordButton({
    maxSamples: async () => {
      const { limits } = await api.context();
      return Math.floor((limits.max_upload_mb * 1e6 - HEADER_BYTES) / BYTES_PER_SAMPLE);
    },
    onStart: () => {
      recording.pause();
      messages.clear();
      stage.show("live");
      controls.suspend(true);
    },
    onStop: () => {
      stage.show(recording.current ? "waveform" : "empty");
      controls.suspend(false);
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
    if (file.type.startsWith("image/")) (await import("../page/drop.js")).openFile(file);
    else take(file, { origin: "upload" });
  });
  const attributes = { class: "button", type: "button", "data-t": "recording.choose" };
  return h("span", {}, h("button", { ...attributes, onclick: () => input.click() }), input);
};

/**
 * Create the buttons of the example recordings, one of which is reached by Tab and the others by arrow keys.
 * @param {(file: Blob, options: any) => Promise<boolean>} take
 * @param {(problem: unknown) => void} fail
 */
const examples = (take, fail) => {
  const list = h("div", { class: "chips examples", role: "toolbar", "data-t-label": "recording.examples" });
  const refresh = rove(list, ".chip");
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
      const chip = h("button", { class: "chip", type: "button", tabindex: -1, onclick: () => choose(each) });
      chip.append(each.label, " ", language);
      list.append(chip);
    }
    refresh();
  }, fail);
  return list;
};

/** Return a name that says when a recording was made. */
const microphoneName = () => {
  const now = new Date();
  const parts = [now.getHours(), now.getMinutes(), now.getSeconds()].map((each) => String(each).padStart(2, "0"));
  return `${t("recording.file-name")} ${parts.join(".")}.wav`;
};
