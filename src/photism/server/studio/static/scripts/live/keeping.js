// @ts-check
/** Show the film of a live drawing, offer it to be saved, and keep it in the history with its sound and settings. */

import { h } from "../page/dom.js";
import { resultName, save } from "../page/download.js";
import { t } from "../page/i18n.js";
import { encodeWav } from "../recording/wav.js";

const FULL_SCALE = 32768;

/**
 * @typedef {{film: ReturnType<typeof import("./film.js").startFilm>, samples: Int16Array[], rate: number,
 *   label: string, settings: Record<string, any>, header: import("./link.js").Header | null}} Filming
 *   samples: what was said or played meanwhile; header: of the last picture with a caption
 */

/**
 * End a film, keep it, and return an element that shows it.
 * @param {Filming} filming
 * @param {{history: any, name: string}} options name: of the sound
 */
export const keepFilm = async ({ film, samples, rate, settings, header }, { history, name }) => {
  const file = await film.stop();
  const seed = settings.seed ?? 0;
  const caption = header?.caption ?? "";
  const fileName = resultName(name, caption, seed, `.${file.name}`);
  const alt = t("live.film-alt", { caption: caption || t("live.no-caption") });
  const recording = samples.length ? new File([wavOf(samples, rate)], `${name}.wav`, { type: "audio/wav" }) : null;
  history.add({
    verb: "live",
    recording,
    name,
    seed,
    settings,
    results: [{ blob: file, kind: "video", name: fileName, alt }],
    caption,
    known: header ? header.known : null,
  });
  const video = h("video", { controls: true, playsinline: true, src: URL.createObjectURL(file), "aria-label": alt });
  const button = h("button", { class: "button", type: "button", "data-t": "live.download", onclick: () => save(file, fileName) });
  return h("div", { class: "stack" }, video, h("div", { class: "row" }, button));
};

/** @param {Int16Array[]} blocks @param {number} sampleRate */
const wavOf = (blocks, sampleRate) => {
  const length = blocks.reduce((sum, block) => sum + block.length, 0);
  const buffer = new AudioBuffer({ length, numberOfChannels: 1, sampleRate });
  let at = 0;
  for (const block of blocks) {
    buffer.copyToChannel(Float32Array.from(block, (sample) => sample / FULL_SCALE), 0, at);
    at += block.length;
  }
  return encodeWav(buffer);
};
