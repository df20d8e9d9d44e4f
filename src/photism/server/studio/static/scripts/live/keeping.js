// @ts-check
/** Show the film of a live drawing, offer it to be saved, and keep it in the history with its sound and settings. */

import { captionName } from "../catalogue/caption_names.js";
import { h } from "../page/dom.js";
import { resultName, save } from "../page/download.js";
import { t } from "../page/i18n.js";
import { wavOfSamples } from "../recording/wav.js";

/** Largest film, with its sound, that is kept in the history of the browser. */
const MAX_KEPT_BYTES = 64 * 2 ** 20;

/**
 * @typedef {{film: ReturnType<typeof import("./film.js").startFilm>, samples: Int16Array[], rate: number,
 *   name: string, settings: Record<string, any>, header: import("./link.js").Header | null}} Filming
 *   samples: what was said or played meanwhile; name: of the sound; header: of the last picture with a caption
 * @typedef {{file: File, fileName: string, alt: string}} Film
 */

/**
 * End a film.
 * @param {Filming} filming
 * @returns {Promise<Film>}
 */
export const endFilm = async ({ film, name, settings, header }) => {
  const file = await film.stop();
  const caption = header?.caption ?? "";
  const fileName = resultName(name, caption, settings.seed ?? 0, `.${file.name}`);
  return { file, fileName, alt: t("live.film-alt", { caption: captionName(caption) || t("live.no-caption") }) };
};

/**
 * Show a film in an element, in place of the one before.
 * @param {HTMLElement} place
 * @param {Film} film
 * @param {string} note what there is to know of it, if anything
 */
export const showFilm = (place, { file, fileName, alt }, note) => {
  const before = place.querySelector("video");
  if (before) URL.revokeObjectURL(before.src);
  const video = h("video", { controls: true, playsinline: true, src: URL.createObjectURL(file), "aria-label": alt });
  const button = h("button", { class: "button", type: "button", "data-t": "live.download", onclick: () => save(file, fileName) });
  const about = note ? h("p", {}, note) : null;
  place.replaceChildren(h("h2", { "data-t": "live.your-film" }), h("div", { class: "stack" }, about, video, h("div", { class: "row" }, button)));
  place.hidden = false;
};

/**
 * Keep a film in the history, and return whether it is small enough for that.
 * @param {Filming} filming
 * @param {Film} film
 * @param {any} history
 */
export const keepFilm = ({ samples, rate, name, settings, header }, { file, fileName, alt }, history) => {
  const recording = samples.length ? new File([wavOfSamples(samples, rate)], `${name}.wav`, { type: "audio/wav" }) : null;
  if (file.size + (recording?.size ?? 0) > MAX_KEPT_BYTES) return false;
  history.add({
    verb: "live",
    recording,
    name,
    seed: settings.seed ?? 0,
    settings,
    results: [{ blob: file, kind: "video", name: fileName, alt }],
    caption: header?.caption ?? "",
    known: header ? header.known : null,
  });
  return true;
};
