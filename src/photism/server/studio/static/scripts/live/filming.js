// @ts-check
/** The film button of a live drawing: a film begins as soon as there is sound, and is shown and kept when it ends. */

import { announce } from "../page/dom.js";
import { t } from "../page/i18n.js";
import { startFilm } from "./film.js";
import { endFilm, keepFilm, showFilm } from "./keeping.js";

/** Longest film: its parts and its sound are held until it ends. */
const LONGEST_MINUTES = 10;

/**
 * @typedef {{sound: import("./sound.js").LiveSound, isMicrophone: boolean, settings: () => Record<string, any>}} Source
 *   settings: returns those with which it is drawn now, or throws the problem of a wrong one
 */

/**
 * Create what films a drawing.
 * @param {{stage: any, history: any, place: HTMLElement, showProblem: (problem: unknown) => void}} options place: where
 *   the film is shown
 */
export const createFilming = ({ stage, history, place, showProblem }) => {
  /** @type {import("./keeping.js").Filming | null} */
  let filming = null;
  /** @type {Source | null} */
  let source = null;
  let isWanted = false;
  /** @type {import("./link.js").Header | null} */
  let newest = null;

  const begin = (/** @type {Source} */ { sound, isMicrophone, settings }) => {
    try {
      const given = settings();
      const name = isMicrophone ? t("live.film-name") : sound.label;
      filming = { film: startFilm(stage.canvas, sound.stream()), samples: [], rate: sound.rate, name, settings: given, header: newest };
      announce(t("live.filming"));
    } catch (problem) {
      showProblem(problem);
    }
    showSeconds();
  };

  const end = async (note = "") => {
    const own = filming;
    filming = null;
    showSeconds();
    if (!own) return;
    try {
      const made = await endFilm(own);
      showFilm(place, made, note);
      announce(note || t("live.film-done"));
      if (!keepFilm(own, made, history)) showFilm(place, made, t("live.film-not-kept"));
    } catch (problem) {
      showProblem(problem);
    }
  };

  const showSeconds = () => {
    const isOn = filming !== null || isWanted;
    stage.showFilm(isOn ? t("live.seconds", { seconds: Math.floor(filming?.film.seconds() ?? 0) }) : null);
  };

  return {
    /** Begin a film, or end it; without sound, want one as soon as there is some, or no longer. */
    toggle: () => {
      if (filming) return end();
      if (source) return begin(source);
      isWanted = !isWanted;
      showSeconds();
    },
    /** Take the sound of a drawing. @param {Source} given */
    open: (given) => {
      source = given;
      newest = null;
      if (isWanted) begin(given);
      isWanted = false;
      showSeconds();
    },
    /** Take samples. @param {Int16Array} samples */
    add: (samples) => {
      if (!filming) return;
      filming.samples.push(samples);
      showSeconds();
      if (filming.film.seconds() >= 60 * LONGEST_MINUTES) end(t("live.film-longest", { minutes: LONGEST_MINUTES }));
    },
    /** Take what the newest picture shows. @param {import("./link.js").Header} header */
    show: (header) => {
      newest = header;
      if (filming && header.caption) filming.header = header;
    },
    /** End the film, if there is one, because the drawing has ended. */
    close: () => {
      source = null;
      isWanted = false;
      return end();
    },
  };
};
