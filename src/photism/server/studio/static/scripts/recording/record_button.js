// @ts-check
/** The button that records, the level of the microphone, and the choice of the microphone. */

import { colourOf, createCanvas } from "../page/canvas.js";
import { announce, h, newId } from "../page/dom.js";
import { formatTime, t } from "../page/i18n.js";
import { readValue, writeValue } from "../page/stored.js";
import { microphones, startRecording } from "./microphone.js";

const STORED = "photism.microphone";
/** Loudest samples of blocks that the live waveform keeps, and the pixels of each. */
const LEVELS = 1024;
const PITCH = 3;
/** Texts of the button. */
const STATES = { idle: "recording.record", asking: "recording.asking", recording: "recording.stop" };

/**
 * @typedef {{maxSamples: () => Promise<number>, onStart: () => void, onStop: () => void,
 *   onRecorded: (buffer: AudioBuffer) => Promise<unknown>, onProblem: (problem: unknown) => void,
 *   onNotice: (key: string) => void}} Given onRecorded: returns whether the recording can be used; onNotice: called
 *   with the key of a text, if a recording ended by itself and can be used
 */

/** The button that records, and what belongs to it. */
export class RecordButton {
  #given;
  #label = h("span", { "data-t": "recording.record" });
  #live = createLive();
  #options = createOptions();
  /** @type {Awaited<ReturnType<typeof startRecording>> | null} */
  #running = null;
  live = this.#live.element;
  options = this.#options.element;
  optionsButton = this.#options.button;

  /** @param {Given} given */
  constructor(given) {
    this.#given = given;
    const dot = h("span", { class: "record-dot" });
    this.button = h("button", { class: "button primary record", type: "button" }, dot, this.#label);
    this.button.addEventListener("click", () => {
      if (this.button.getAttribute("aria-disabled") === "true") return;
      if (this.#running) this.#stop();
      else this.#start();
    });
  }

  /** @param {"idle" | "asking" | "recording"} state */
  #showState(state) {
    this.button.classList.toggle("is-recording", state === "recording");
    this.button.setAttribute("aria-disabled", String(state === "asking")); // it keeps the focus, unlike a disabled one
    this.#label.textContent = t(STATES[state]);
  }

  async #start() {
    const { maxSamples, onStart, onProblem, onNotice } = this.#given;
    this.#showState("asking");
    try {
      this.#live.clear();
      this.#running = await startRecording({
        ...microphone,
        maxSamples: await maxSamples(),
        onBlock: (samples) => this.#live.add(samples, this.#running?.seconds ?? 0),
        onEnd: async (reason) => {
          if (this.#running && (await this.#stop())) onNotice(`recording.${reason}`);
        },
      });
      this.#showState("recording");
      onStart();
      announce(t("recording.is-recording"));
      this.#options.update();
    } catch (problem) {
      this.#showState("idle");
      onProblem(problem);
    }
  }

  /** Stop, and return whether the recording can be used. */
  async #stop() {
    const { onStop, onRecorded, onProblem } = this.#given;
    const ending = this.#running;
    if (!ending) return false;
    this.#running = null;
    this.#showState("idle");
    try {
      return await onRecorded(await ending.stop());
    } catch (problem) {
      ending.cancel();
      onProblem(problem);
      return false;
    } finally {
      onStop();
    }
  }
}

/** Create what shows that the microphone hears something: its level, the time and the newest seconds. */
const createLive = () => {
  /** @type {number[]} */
  let levels = [];
  const canvas = createCanvas("live-canvas", (context, width, height) => {
    context.fillStyle = colourOf(canvas.element, "--accent");
    levels.slice(-Math.floor(width / PITCH)).forEach((level, index, all) => {
      const high = Math.max(2, level * height);
      context.fillRect(width - (all.length - index) * PITCH, (height - high) / 2, PITCH - 1, high);
    });
  });
  const time = h("span", { class: "live-time", role: "timer" }, formatTime(0));
  const bar = h("div", { class: "level-bar" });
  const level = h("div", { class: "level", role: "meter", "data-t-label": "recording.level" }, bar);
  const show = (/** @type {number} */ share, /** @type {number} */ seconds) => {
    level.style.setProperty("--level", share.toFixed(3));
    level.setAttribute("aria-valuemin", "0");
    level.setAttribute("aria-valuemax", "100");
    level.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    time.textContent = formatTime(seconds);
    canvas.update();
  };
  show(0, 0);
  const status = h("div", { class: "live-status" }, time, level);
  return {
    element: h("div", { class: "live", dir: "ltr", hidden: true }, canvas.element, status),
    clear: () => {
      levels = [];
      show(0, 0);
    },
    add: (/** @type {Float32Array} */ samples, /** @type {number} */ seconds) => {
      const loudest = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
      const share = Math.min(1, Math.sqrt(loudest)); // quiet speech is to be seen too
      levels.push(share);
      if (levels.length > 2 * LEVELS) levels = levels.slice(-LEVELS);
      show(share, seconds);
    },
  };
};

/** @typedef {{deviceId?: string, isProcessed: boolean}} Microphone */

/** @returns {Microphone} */
const storedMicrophone = () => {
  const { deviceId, isProcessed } = readValue(STORED) ?? {};
  return { deviceId: typeof deviceId === "string" && deviceId ? deviceId : undefined, isProcessed: isProcessed === true };
};

/** The choice that all recorders of the page share, also where the browser stores nothing. */
let microphone = storedMicrophone();

/** Dispatches "change" when another microphone is chosen. */
const choice = new EventTarget();

/**
 * Return the microphone that the visitor has chosen, if it is not that of the system, and whether the browser may change
 * its sound.
 */
export const chosenMicrophone = () => microphone;

/** Create the choice of the microphone, and whether the browser may change its sound. */
const createOptions = () => {
  const standard = h("option", { value: "", "data-t": "recording.microphone.standard" });
  const device = h("select", {}, standard);
  const deviceLabel = h("span", { "data-t": "recording.microphone" });
  const deviceField = h("label", { class: "field", hidden: true }, deviceLabel, device);
  const processed = h("input", { type: "checkbox", checked: microphone.isProcessed });
  const processedField = h("label", { class: "check" }, processed, h("span", { "data-t": "recording.processed" }));
  const id = newId("microphone");
  const element = h("div", { class: "microphone-options", id, hidden: true }, deviceField, processedField);
  const button = h(
    "button",
    {
      class: "button quiet options-button",
      type: "button",
      "data-t-label": "recording.options",
      "data-t-title": "recording.options",
      "aria-expanded": false,
      "aria-controls": id,
    },
    "⋯",
  );
  const update = async () => {
    processed.checked = microphone.isProcessed;
    const found = await microphones();
    deviceField.hidden = found.length < 2;
    const name = (/** @type {number} */ index) => found[index].label || t("recording.device", { number: index + 1 });
    device.replaceChildren(standard, ...found.map((each, index) => h("option", { value: each.deviceId }, name(index))));
    device.value = found.find((each) => each.deviceId === microphone.deviceId)?.deviceId ?? "";
  };
  const choose = (/** @type {Partial<Microphone>} */ changes) => {
    microphone = { ...microphone, ...changes };
    writeValue(STORED, microphone);
    choice.dispatchEvent(new Event("change"));
  };
  device.addEventListener("change", () => choose({ deviceId: device.value || undefined }));
  processed.addEventListener("change", () => choose({ isProcessed: processed.checked }));
  choice.addEventListener("change", update);
  button.addEventListener("click", () => {
    element.hidden = !element.hidden;
    button.setAttribute("aria-expanded", String(!element.hidden));
    update();
  });
  navigator.mediaDevices?.addEventListener("devicechange", update);
  return { button, element, update };
};
