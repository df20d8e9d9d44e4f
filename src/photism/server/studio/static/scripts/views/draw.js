// @ts-check
/** Draw: pictures of the recording. */

import * as api from "../page/api.js";
import { loadCaptionNames } from "../catalogue/caption_names.js";
import { DrawResult } from "../draw/result.js";
import { createSettings } from "../draw/settings.js";
import { drawingOf, drawingOfEntry, entryOf, fieldsOf, previewsOf } from "../draw/drawing.js";
import { announce, h } from "../page/dom.js";
import { createRun, reveal } from "../page/run.js";

/** Where recordings come from that are drawn at once. */
const AT_ONCE = ["microphone", "example"];

export const view = {
  id: "draw",
  create: async (/** @type {{recording: any, history: any}} */ { recording, history }) => {
    const settings = await createSettings({ recording, history });
    const vary = () => {
      settings.vary();
      run.start();
    };
    const result = new DrawResult({
      onStart: ({ blob, name }) => settings.startFrom(new File([blob], name, { type: blob.type })),
      onVary: vary,
    });
    const show = (/** @type {any} */ answer, /** @type {File} */ file, /** @type {Record<string, any>} */ given) => {
      const drawing = drawingOf(answer, file, given);
      result.show(drawing);
      reveal(result.element);
      announce(drawing.pictures[0].alt);
      history.add(entryOf(drawing, file, given));
    };
    const run = createRun({ label: "draw.button", recording, work: createWork({ recording, settings, result, show }) });
    run.element.addEventListener("done", () => result.restore());
    let isActive = false;
    recording.addEventListener("change", (/** @type {any} */ { detail }) => {
      if (isActive && detail.isNew && AT_ONCE.includes(recording.current?.origin)) run.start();
    });
    history.register("draw", historyActions({ settings, result, start: run.start, vary }));
    const start = h("div", { class: "draw-start" }, run.element);
    return {
      element: h("div", { class: "draw" }, start, result.element, settings.element),
      open: settings.open,
      /** Draw, as the button does; for the Sound tab. */
      start: run.start,
      activate: () => (isActive = true),
      deactivate: () => (isActive = false),
    };
  },
};

/**
 * Return what the button starts: a drawing with its previews.
 * @param {{recording: any, settings: any, result: DrawResult, show: (...given: any[]) => void}} given
 */
const createWork =
  ({ recording, settings, result, show }) =>
  async (/** @type {{signal: AbortSignal, progress: (state: any) => void}} */ { signal, progress }) => {
    const file = await recording.require();
    const given = await settings.values();
    const count = (given.images ?? 1) * (given.morph ?? 1);
    const onEvent = (/** @type {string} */ name, /** @type {any} */ data) => {
      if (signal.aborted || name === "result") return;
      if (name === "preview") result.preview(previewsOf(data.pictures), count);
      else progress({ state: name === "progress" ? "running" : name, ...data });
    };
    const names = loadCaptionNames(given.model);
    const answer = await api.stream("/v1/draw", fieldsOf(file, given), { signal, onEvent });
    await names;
    if (!signal.aborted) show(answer, file, given);
  };

/**
 * Return what the history does with drawings.
 * @param {{settings: any, result: DrawResult, start: () => Promise<void>, vary: () => void}} given
 */
const historyActions = ({ settings, result, start, vary }) => {
  const open = (/** @type {any} */ entry) => settings.open(entry.settings);
  return {
    open: async (/** @type {any} */ entry) => {
      await open(entry);
      const drawing = drawingOfEntry(entry);
      if (!drawing) return;
      await loadCaptionNames(entry.settings.model);
      result.show(drawing);
      reveal(result.element);
    },
    again: async (/** @type {any} */ entry) => {
      await open(entry);
      await start();
    },
    vary: async (/** @type {any} */ entry) => {
      await open(entry);
      vary();
    },
    morph: async (/** @type {[any, any]} */ [first, second]) => {
      const { image: _image, mask: _mask, image_strength: _strength, seam: _seam, mix: _mix, ...plain } = first.settings;
      const other = new File([second.recording], second.name || "recording.wav", { type: second.recording.type });
      await settings.open({ ...plain, others: [other], morph: settings.usualMorph });
      await start();
    },
  };
};
