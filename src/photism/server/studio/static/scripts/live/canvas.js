// @ts-check
/** A canvas on which each picture fades into the next. */

import { h } from "../page/dom.js";

/** Shortest side of the canvas in pixels; smaller pictures are enlarged by a whole number, so that they stay sharp. */
const SHORTEST_SIDE = 512;
const SMALL_SIDE = 256;
/** Bounds of the duration of a fade, which is the time from one picture to the next, in milliseconds. */
const SHORTEST_FADE_MS = 30;
const LONGEST_FADE_MS = 250;

/** Create a canvas that shows pictures. */
export const createLiveCanvas = () => {
  const element = h("canvas", { class: "live-drawing", role: "img", width: SHORTEST_SIDE, height: SHORTEST_SIDE });
  const canvas = /** @type {HTMLCanvasElement} */ (element);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const before = document.createElement("canvas");
  /** @type {ImageBitmap | null} */
  let picture = null;
  let shownAt = 0;
  let fadeMs = SHORTEST_FADE_MS;
  let frame = 0;

  const draw = (/** @type {number} */ now) => {
    if (!picture) return;
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const share = isCalm ? 1 : Math.min(1, (now - shownAt) / fadeMs);
    context.imageSmoothingEnabled = picture.width > SMALL_SIDE;
    context.globalAlpha = 1;
    if (share < 1) context.drawImage(before, 0, 0);
    context.globalAlpha = share;
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    cancelAnimationFrame(frame);
    frame = share < 1 ? requestAnimationFrame(draw) : 0;
  };

  const resize = (/** @type {ImageBitmap} */ { width, height }) => {
    const scale = Math.max(1, Math.ceil(SHORTEST_SIDE / Math.min(width, height)));
    if (canvas.width === width * scale && canvas.height === height * scale) return;
    Object.assign(canvas, { width: width * scale, height: height * scale });
    canvas.classList.toggle("pixels", Math.min(width, height) <= SMALL_SIDE);
  };

  return {
    element: canvas,
    /** @param {Blob} image */
    show: async (image) => {
      const next = await createImageBitmap(image);
      const now = performance.now();
      fadeMs = Math.min(LONGEST_FADE_MS, Math.max(SHORTEST_FADE_MS, now - shownAt));
      resize(next);
      Object.assign(before, { width: canvas.width, height: canvas.height });
      before.getContext("2d")?.drawImage(canvas, 0, 0);
      picture?.close();
      picture = next;
      shownAt = now;
      cancelAnimationFrame(frame);
      draw(now);
    },
    /** Draw what is shown once more, for a film: a canvas that does not change has no frames. */
    redraw: () => {
      if (picture) draw(performance.now());
      else context.fillRect(0, 0, canvas.width, canvas.height);
    },
  };
};
