// @ts-check
/** A drawing: what is sent to the server, and what its answer has drawn. */

import { resultName } from "../page/download.js";
import { recognised } from "./heard.js";
import { t } from "../page/i18n.js";

/** Steps from one preview to the next; the server skips those that would take too long. */
const PREVIEW_STEPS = 2;

/**
 * Return the fields of a request.
 * @param {File} file recording
 * @param {Record<string, any>} settings those of `createSettings`
 */
export const fieldsOf = (file, { others = [], ...settings }) => ({ ...settings, file: [file, ...others], preview_steps: PREVIEW_STEPS });

/**
 * Return the pictures of a preview.
 * @param {{number: number, png: string}[]} pictures
 */
export const previewsOf = (pictures) => pictures.map(({ number, png }) => ({ number, blob: pngOf(png) }));

/**
 * Return what an answer of the server has drawn.
 * @param {any} answer @param {File} file @param {Record<string, any>} settings
 * @returns {import("./result.js").Drawing}
 */
export const drawingOf = ({ sounds, pictures, ...single }, file, { morph = null }) => {
  const listed = sounds ?? [single];
  const caption = recognised(listed);
  const alt = caption ? t(morph ? "draw.alt.morph" : "draw.alt", { caption }) : t("draw.alt.unknown");
  return {
    sounds: listed,
    morph,
    pictures: pictures.map((/** @type {any} */ { png, width, height, seed, nsfw_content_detected: isFlagged }) => ({
      blob: pngOf(png),
      width,
      height,
      seed,
      alt,
      isFlagged: Boolean(isFlagged),
      name: resultName(file.name, caption, seed, ".png"),
    })),
  };
};

/**
 * Return the entry of a drawing in the history.
 * @param {import("./result.js").Drawing} drawing @param {File} file @param {Record<string, any>} settings
 */
export const entryOf = ({ pictures, sounds, morph }, file, settings) => ({
  verb: "draw",
  recording: file,
  name: file.name,
  seed: pictures[0].seed,
  settings,
  results: pictures.map(({ blob, name, alt }) => ({ blob, kind: "image", name, alt })),
  caption: sounds.flatMap(({ heard }) => heard.slice(0, 1)).map(({ caption }) => caption).join(" + ") || null,
  shown: { sounds, morph, pictures: pictures.map(({ blob: _blob, ...about }) => about) },
  known: sounds.some(({ known }) => known === false) ? false : sounds.every(({ known }) => known) || null,
});

/**
 * Return the drawing of an entry of the history; null if the entry is older than what it is shown by.
 * @param {import("../history/store.js").Entry} entry
 * @returns {import("./result.js").Drawing | null}
 */
export const drawingOfEntry = ({ shown, results }) =>
  shown && { ...shown, pictures: shown.pictures.map((/** @type {any} */ about, /** @type {number} */ index) => ({ ...about, blob: results[index].blob })) };

/** @param {string} base64 */
const pngOf = (base64) => new Blob([Uint8Array.from(atob(base64), (each) => each.charCodeAt(0))], { type: "image/png" });
