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

/**
 * Create a stage.
 * @param {{onFilm: () => void}} options onFilm: called when the film button is pressed
 */
export const createLiveStage = ({ onFilm }) => {
  const canvas = createLiveCanvas();
  const hint = h("p", { class: "live-hint", "data-t": "live.hint" });
  const caption = h("p", { class: "live-caption", "aria-live": "polite", hidden: true });
  const button = (/** @type {string} */ key, /** @type {() => void} */ onclick, shortcut = "") =>
    h("button", { class: "button", type: "button", "data-t": key, "aria-keyshortcuts": shortcut, onclick });
  const captionButton = button("live.caption", () => toggleCaption(), "c");
  const filmButton = button("live.film", onFilm, "r");
  const screenButton = button("live.full-screen", () => toggleScreen(), "f");
  captionButton.setAttribute("aria-pressed", "false");
  const buttons = h("div", { class: "live-buttons row" }, screenButton, captionButton, filmButton);
  const element = h("div", { class: "live-stage" }, h("div", { class: "live-picture" }, canvas.element, hint, caption), buttons);
  let isCaptionShown = false;
  let timer = 0;
  let knownAt = 0;

  const describePicture = (/** @type {string | null} */ text) => {
    const label = text ? t("live.alt", { caption: captionName(text) }) : t("live.alt.nothing");
    if (canvas.element.getAttribute("aria-label") !== label) canvas.element.setAttribute("aria-label", label);
  };

  const toggleCaption = () => {
    isCaptionShown = !isCaptionShown;
    captionButton.setAttribute("aria-pressed", String(isCaptionShown));
    caption.hidden = !isCaptionShown;
  };

  const toggleScreen = async () => {
    if (document.fullscreenElement) return document.exitFullscreen();
    if (element.requestFullscreen) return element.requestFullscreen().catch(() => fillWindow());
    fillWindow();
  };

  // Telephones that have no full screen for pages.
  const fillWindow = () => showScreen(element.classList.toggle("fills-window"));

  const showScreen = (/** @type {boolean} */ isFull) => {
    screenButton.textContent = t(isFull ? "live.leave-full-screen" : "live.full-screen");
    element.classList.toggle("is-full", isFull);
    wake();
  };

  const wake = () => {
    element.classList.remove("is-quiet");
    clearTimeout(timer);
    timer = setTimeout(() => element.classList.add("is-quiet"), 1000 * QUIET_S);
  };

  element.addEventListener("fullscreenchange", () => showScreen(document.fullscreenElement === element));
  for (const name of ["pointermove", "pointerdown", "focusin"]) element.addEventListener(name, wake);
  describePicture(null);

  return {
    element,
    canvas,
    toggleCaption,
    toggleScreen,
    /** @param {import("./link.js").Header} header @param {Blob} image */
    show: (header, image) => {
      hint.hidden = true;
      describePicture(header.caption);
      if (header.known !== false) knownAt = performance.now();
      const isUnknown = performance.now() - knownAt > 1000 * UNKNOWN_S;
      const nearest = { caption: captionName(header.heard[0]?.caption ?? "") };
      const text = isUnknown ? t("live.unknown", nearest) : captionName(header.caption ?? "");
      if (caption.textContent !== text) caption.textContent = text;
      canvas.show(image).catch(() => {}); // a picture that cannot be decoded is followed by the next one
    },
    /** Show how long a film is being recorded; null if none is. @param {string | null} time */
    showFilm: (time) => {
      filmButton.classList.toggle("is-recording", time !== null);
      filmButton.textContent = time === null ? t("live.film") : t("live.stop-film", { time });
    },
    /** Take what Escape closes on telephones: return whether the stage filled the window. */
    leaveWindow: () => {
      const isFilled = element.classList.contains("fills-window");
      if (isFilled) fillWindow();
      return isFilled;
    },
  };
};
