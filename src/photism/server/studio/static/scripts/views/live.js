// @ts-check
/** The tab Live: pictures while somebody speaks or plays. */

import { announce, h } from "../page/dom.js";
import { createControls, modelChoice } from "../controls/controls.js";
import { randomSeed } from "../controls/seed_control.js";
import { LiveSession } from "../live/session.js";
import { linkButton } from "../page/share_link.js";
import { LiveStage } from "../live/stage.js";
import { reveal, showError } from "../page/run.js";
import { t } from "../page/i18n.js";

const PATH = "/v1/live/drawing";
const COMMON = ["unknown", "noise", "zoom", "seed"];
/** Fields that the page sets itself. */
const HIDDEN = ["model", "sampling_rate", "image_format", "hop"];
const SETTLE_MS = 500;

/** @type {import("../views.js").View} */
export const view = {
  id: "live",
  create: async ({ recording, history }) => {
    const controls = await createControls({ path: PATH, common: COMMON, hidden: HIDDEN });
    const model = await modelChoice("drawing");
    const parts = createParts(controls, model);
    const stage = new LiveStage({ onFilm: () => session.toggleFilm() });
    const settings = () => ({ ...controls.values(), ...(model.value ? { model: model.value } : {}) });
    const session = new LiveSession({ recording, history, stage, settings, parts });
    const shown = h("div", { class: "stack live-shown" }, stage.element, parts.film);
    const element = h("div", { class: "columns live-columns" }, parts.start, shown, parts.settings);
    parts.foot.append(linkButton("live", settings));
    parts.showLevel(0);

    let timer = 0;
    const settle = () => {
      clearTimeout(timer);
      timer = setTimeout(() => session.change(), SETTLE_MS);
    };
    for (const each of [controls.element, model]) each.addEventListener("change", settle);
    const start = async () => {
      await session.start();
      if (session.isOn) reveal(stage.element);
    };
    parts.button.addEventListener("click", () => (session.isOn ? session.stop() : start()));
    const keys = createKeys({
      f: () => stage.toggleScreen(),
      c: () => stage.toggleCaption(),
      r: () => session.toggleFilm(),
      Escape: () => stage.leaveWindow(),
    });

    const open = (/** @type {Record<string, any>} */ values) => {
      controls.reset();
      controls.set(values);
      model.value = values.model;
      settle();
    };
    const play = (/** @type {any} */ entry, changes = {}) => {
      session.stop();
      parts.setSource("recording");
      open({ ...entry.settings, ...changes });
      return start();
    };
    history.register("live", {
      open: (/** @type {any} */ entry) => open(entry.settings),
      again: (/** @type {any} */ entry) => play(entry),
      vary: (/** @type {any} */ entry) => play(entry, { seed: randomSeed() }),
    });

    return {
      element,
      open,
      activate: () => addEventListener("keydown", keys),
      deactivate: () => {
        removeEventListener("keydown", keys);
        if (!session.isOn) return;
        session.stop();
        announce(t("live.stopped"));
      },
    };
  },
};

/** @param {any} controls @param {any} model */
const createParts = (controls, model) => {
  const choice = (/** @type {string} */ value, isChecked = false) =>
    h(
      "label",
      { class: "check" },
      h("input", { type: "radio", name: "live-source", value, checked: isChecked }),
      h("span", { "data-t": `live.source.${value}` }),
    );
  const sources = h(
    "fieldset",
    { class: "live-sources" },
    h("legend", { class: "field-label", "data-t": "live.source" }),
    choice("microphone", true),
    choice("recording"),
  );
  const button = h("button", { class: "button primary", type: "button", "data-t": "live.start" });
  const level = h("div", {});
  const meter = h("div", { class: "meter live-meter", "aria-hidden": "true" }, level);
  const status = h("p", { class: "run-status muted" });
  const error = h("div", { class: "error", role: "alert", hidden: true });
  const fields = h("div", { class: "stack" }, model, controls.element);
  const all = h("details", { class: "more" }, h("summary", { "data-t": "live.settings" }), fields);
  const foot = h("div", { class: "row" });
  return {
    start: h("div", { class: "stack" }, sources, button, meter, status, error),
    settings: h("div", { class: "stack live-settings" }, all, foot),
    button,
    status,
    foot,
    film: h("div", { class: "live-film stack", hidden: true }),
    isMicrophone: () => sources.querySelector("input:checked").value === "microphone",
    setSource: (/** @type {string} */ value) => (sources.querySelector(`input[value=${value}]`).checked = true),
    /** Show the loudness of what comes in, 0 to 1. */
    showLevel: (/** @type {number} */ peak) => level.style.setProperty("inline-size", `${100 * Math.sqrt(peak)}%`),
    showProblem: (/** @type {unknown} */ problem) => showError(error, problem),
    showOn: (/** @type {boolean} */ isOn) => {
      button.textContent = t(isOn ? "live.stop" : "live.start");
      button.classList.toggle("primary", !isOn);
      sources.disabled = isOn;
    },
  };
};

/**
 * Return a listener that calls a function for each key, unless somebody is writing.
 * @param {Record<string, () => unknown>} functions
 */
const createKeys = (functions) => (/** @type {KeyboardEvent} */ event) => {
  const isWriting = event.target instanceof Element && event.target.closest("input:not([type=radio]), select, textarea, dialog");
  if (isWriting || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const found = functions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!found) return;
  if (event.key !== "Escape") event.preventDefault();
  found();
};
