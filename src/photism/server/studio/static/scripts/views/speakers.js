// @ts-check
/** Speakers: who spoke when, and whether two recordings are of the same person. */

import * as api from "../page/api.js";
import { h } from "../page/dom.js";
import { t } from "../page/i18n.js";
import { createSpeakerTimeline } from "../listening/speaker_timeline.js";
import { createVoiceCheck } from "../listening/voice_check.js";

export const view = {
  id: "speakers",
  create: async (/** @type {any} */ shared) => {
    const kinds = (await api.models()).flatMap((/** @type {{kinds: string[]}} */ model) => model.kinds);
    const timeline = kinds.includes("diarizer") ? await createSpeakerTimeline(shared) : null;
    const check = kinds.includes("xvector") ? await createVoiceCheck() : null;
    const element = h(
      "div",
      { class: "stack" },
      h("h2", { "data-t": "listening.speakers.when" }),
      timeline ? timeline.element : missing("turns"),
      h("h2", { "data-t": "listening.speakers.same" }),
      check ? check.element : missing("voices"),
    );
    return {
      element,
      open: (/** @type {Record<string, any>} */ values) => timeline?.open(values),
      activate: () => timeline?.activate(),
      deactivate: () => timeline?.deactivate(),
    };
  },
};

/** Return how a model is added that a part of the tab needs. @param {string} name */
const missing = (name) =>
  h("div", { class: "panel notice" }, h("p", {}, t(`listening.missing.${name}`)), h("pre", { dir: "ltr" }, h("code", {}, `photism serve --add ${name}=FOLDER`)));
