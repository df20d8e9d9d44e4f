// @ts-check
/** The stage of a live drawing: the picture, the caption, and buttons for full screen, caption and film. */

import { captionName } from "../catalogue/caption_names.js";
import { h } from "../page/dom.js";
import { createLiveCanvas } from "./canvas.js";
import { t } from "../page/i18n.js";

/** Seconds without a movement of the pointer after which the buttons of a full screen are hidden. */
const QUIET_S = 2.5;
/** Seconds for which the sound must be unknown before the page says so: the beginnings of words are. */
const UNKNOWN_S = 0.8;

/** The stage. */
export class LiveStage {
  canvas = createLiveCanvas();
  #hint = h("p", { class: "live-hint", "data-t": "live.hint" });
  #caption = h("p", { class: "live-caption", "aria-live": "polite", hidden: true });
  #captionButton = stageButton("live.caption", () => this.toggleCaption(), "c");
  #screenButton = stageButton("live.full-screen", () => this.toggleScreen(), "f");
  #filmButton;
  #timer = 0;
  #knownAt = 0;

  /** @param {{onFilm: () => void}} options onFilm: called when the film button is pressed */
  constructor({ onFilm }) {
    this.#filmButton = stageButton("live.film", onFilm, "r");
    this.#captionButton.setAttribute("aria-pressed", "false");
    const picture = h("div", { class: "live-picture" }, this.canvas.element, this.#hint, this.#caption);
    const buttons = h("div", { class: "live-buttons row" }, this.#screenButton, this.#captionButton, this.#filmButton);
    this.element = h("div", { class: "live-stage" }, picture, buttons);
    this.element.addEventListener("fullscreenchange", () => this.#showScreen(document.fullscreenElement === this.element));
    for (const name of ["pointermove", "pointerdown", "focusin"]) this.element.addEventListener(name, () => this.#wake());
    this.#describe(null);
  }

  /** @param {import("./link.js").Header} header @param {Blob} image */
  show(header, image) {
    this.#hint.hidden = true;
    this.#describe(header.caption);
    if (header.known !== false) this.#knownAt = performance.now();
    const isUnknown = performance.now() - this.#knownAt > 1000 * UNKNOWN_S;
    const nearest = { caption: captionName(header.heard[0]?.caption ?? "") };
    const text = isUnknown ? t("live.unknown", nearest) : captionName(header.caption ?? "");
    if (this.#caption.textContent !== text) this.#caption.textContent = text;
    this.canvas.show(image).catch(() => {}); // a picture that cannot be decoded is followed by the next one
  }

  /** Show how long a film is being recorded; null if none is. @param {string | null} time */
  showFilm(time) {
    this.#filmButton.classList.toggle("is-recording", time !== null);
    this.#filmButton.textContent = time === null ? t("live.film") : t("live.stop-film", { time });
  }

  toggleCaption() {
    this.#caption.hidden = !this.#caption.hidden;
    this.#captionButton.setAttribute("aria-pressed", String(!this.#caption.hidden));
  }

  async toggleScreen() {
    if (document.fullscreenElement) return document.exitFullscreen();
    if (this.element.requestFullscreen) return this.element.requestFullscreen().catch(() => this.#fillWindow());
    this.#fillWindow();
  }

  /** Take what Escape closes on telephones: return whether the stage filled the window. */
  leaveWindow() {
    const isFilled = this.element.classList.contains("fills-window");
    if (isFilled) this.#fillWindow();
    return isFilled;
  }

  /** Fill the window, on telephones that have no full screen for pages, or leave it. */
  #fillWindow() {
    this.#showScreen(this.element.classList.toggle("fills-window"));
  }

  /** @param {boolean} isFull */
  #showScreen(isFull) {
    this.#screenButton.textContent = t(isFull ? "live.leave-full-screen" : "live.full-screen");
    this.element.classList.toggle("is-full", isFull);
    this.#wake();
  }

  /** Show the buttons of a full screen until the pointer rests. */
  #wake() {
    this.element.classList.remove("is-quiet");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.element.classList.add("is-quiet"), 1000 * QUIET_S);
  }

  /** Say what the picture shows, in place of it. @param {string | null} text */
  #describe(text) {
    const label = text ? t("live.alt", { caption: captionName(text) }) : t("live.alt.nothing");
    const { element } = this.canvas;
    if (element.getAttribute("aria-label") !== label) element.setAttribute("aria-label", label);
  }
}

/** @param {string} key of its text @param {() => unknown} onclick @param {string} shortcut */
const stageButton = (key, onclick, shortcut) =>
  h("button", { class: "button", type: "button", "data-t": key, "aria-keyshortcuts": shortcut, onclick });
