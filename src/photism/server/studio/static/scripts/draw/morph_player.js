// @ts-check
/** A strip of pictures between two recordings, played as a movement. */

import { h } from "../page/dom.js";
import { t } from "../page/i18n.js";

/** Seconds from one picture to the next. */
const SECONDS = 0.8;

/**
 * Create a player of a strip, whose pictures have the same size and stand side by side.
 * @param {ImageBitmap} strip
 * @param {number} count number of pictures
 * @param {string} alt
 */
export const createMorphPlayer = (strip, count, alt) => {
  const width = strip.width / count;
  const canvas = h("canvas", { class: "morph-canvas", role: "img", "aria-label": alt, width, height: strip.height });
  canvas.classList.toggle("pixels", width < 300);
  const position = h("input", { type: "range", min: 0, max: count - 1, step: 0.01, value: 0, "data-t-label": "draw.morph.position" });
  const button = h("button", { class: "button", type: "button", "data-t": "draw.morph.play" });
  const element = h("div", { class: "morph-player" }, canvas, h("div", { class: "row" }, button, position));
  let frame = 0;
  let direction = 1;
  let before = 0;

  const draw = () => {
    const at = Number(position.value);
    const first = Math.floor(at);
    const context = canvas.getContext("2d");
    for (const [number, weight] of [[first, 1], [Math.min(first + 1, count - 1), at - first]]) {
      context.globalAlpha = weight;
      context.drawImage(strip, number * width, 0, width, strip.height, 0, 0, width, strip.height);
    }
  };
  const advance = (/** @type {number} */ now) => {
    if (!canvas.isConnected) return stop();
    const next = Number(position.value) + (direction * (now - before)) / 1000 / SECONDS;
    before = now;
    if (next >= count - 1 || next <= 0) direction = -direction;
    position.value = next;
    draw();
    frame = requestAnimationFrame(advance);
  };
  const stop = () => {
    cancelAnimationFrame(frame);
    frame = 0;
    button.textContent = t("draw.morph.play");
  };
  button.addEventListener("click", () => {
    if (frame) return stop();
    before = performance.now();
    button.textContent = t("draw.morph.pause");
    frame = requestAnimationFrame(advance);
  });
  position.addEventListener("input", () => {
    stop();
    draw();
  });
  draw();
  return element;
};
