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

/** What films a drawing. */
export class LiveFilming {
  #given;
  /** @type {import("./keeping.js").Filming | null} */
  #filming = null;
  /** @type {Source | null} */
  #source = null;
  #isWanted = false;
  /** @type {import("./link.js").Header | null} */
  #newest = null;

  /**
   * @param {{stage: any, history: any, place: HTMLElement, showProblem: (problem: unknown) => void}} given place: where
   *   the film is shown
   */
  constructor(given) {
    this.#given = given;
  }

  /** Begin a film, or end it; without sound, want one as soon as there is some, or no longer. */
  toggle() {
    if (this.#filming) return this.#end();
    if (this.#source) return this.#begin(this.#source);
    this.#isWanted = !this.#isWanted;
    this.#showSeconds();
  }

  /** Take the sound of a drawing. @param {Source} source */
  open(source) {
    this.#source = source;
    this.#newest = null;
    if (this.#isWanted) this.#begin(source);
    this.#isWanted = false;
    this.#showSeconds();
  }

  /** Take samples. @param {Int16Array} samples */
  add(samples) {
    if (!this.#filming) return;
    this.#filming.samples.push(samples);
    this.#showSeconds();
    const isLongest = this.#filming.film.seconds() >= 60 * LONGEST_MINUTES;
    if (isLongest) this.#end(t("live.film-longest", { minutes: LONGEST_MINUTES }));
  }

  /** Take what the newest picture shows. @param {import("./link.js").Header} header */
  show(header) {
    this.#newest = header;
    if (this.#filming && header.caption) this.#filming.header = header;
  }

  /** End the film, if there is one, because the drawing has ended. */
  close() {
    this.#source = null;
    this.#isWanted = false;
    return this.#end();
  }

  /** @param {Source} source */
  #begin({ sound, isMicrophone, settings }) {
    const { stage, showProblem } = this.#given;
    try {
      const own = settings();
      const name = isMicrophone ? t("live.film-name") : sound.label;
      const film = startFilm(stage.canvas, sound.stream());
      this.#filming = { film, samples: [], rate: sound.rate, name, settings: own, header: this.#newest };
      announce(t("live.filming"));
    } catch (problem) {
      showProblem(problem);
    }
    this.#showSeconds();
  }

  /** @param {string} note what there is to know of the film, if anything */
  async #end(note = "") {
    const { place, history, showProblem } = this.#given;
    const own = this.#filming;
    this.#filming = null;
    this.#showSeconds();
    if (!own) return;
    try {
      const made = await endFilm(own);
      showFilm(place, made, note);
      announce(note || t("live.film-done"));
      if (!keepFilm(own, made, history)) showFilm(place, made, t("live.film-not-kept"));
    } catch (problem) {
      showProblem(problem);
    }
  }

  #showSeconds() {
    const isOn = this.#filming !== null || this.#isWanted;
    const seconds = Math.floor(this.#filming?.film.seconds() ?? 0);
    this.#given.stage.showFilm(isOn ? t("live.seconds", { seconds }) : null);
  }
}
