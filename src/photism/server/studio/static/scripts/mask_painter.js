// @ts-check
/** Paint the part of a picture that is drawn anew: with mouse, pen, finger or the arrow keys. */

import { colourOf } from "./canvas.js";
import { announce, h, newId } from "./dom.js";
import { t } from "./i18n.js";
import { Mask } from "./mask.js";

/** Diameter of the brush, in hundredths of the longer side. */
const BRUSH = { min: 1, max: 40, standard: 12 };
const STEPS = /** @type {Record<string, [number, number]>} */ ({
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
});

/**
 * Create a painter over a picture. Its element dispatches "change" after each stroke.
 * @param {ImageBitmap} picture
 */
export const createMaskPainter = (picture) => {
  const mask = new Mask(picture);
  const { width, height } = mask.canvas;
  const help = newId("mask-help");
  const attributes = { role: "application", tabindex: 0, "aria-label": t("draw.mask.canvas"), "aria-describedby": help };
  const canvas = h("canvas", { class: "mask-canvas", width, height, ...attributes });
  const brush = h("input", { type: "range", step: 1, ...BRUSH, value: BRUSH.standard, "data-t-label": "draw.mask.brush" });
  const tools = createTools();
  const element = h(
    "div",
    { class: "mask-painter stack" },
    h("div", { class: "mask-stage" }, canvas),
    h("div", { class: "row" }, ...tools.buttons),
    h("label", { class: "field" }, h("span", { class: "field-label", "data-t": "draw.mask.brush" }), brush),
    h("p", { class: "field-description", id: help, "data-t": "draw.mask.help" }),
  );
  /** @type {{x: number, y: number} | null} */
  let cursor = null;
  let isDown = false;
  let isExpected = false;

  const size = () => (Number(brush.value) / 100) * Math.max(width, height);
  const draw = () => {
    isExpected = false;
    drawPicture(canvas, picture, mask.canvas);
    if (cursor) drawCursor(canvas, cursor, size());
  };
  const update = () => {
    if (!isExpected) requestAnimationFrame(draw);
    isExpected = true;
    tools.undo.disabled = !mask.canUndo;
  };
  const changed = () => {
    update();
    element.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const moveTo = (/** @type {{x: number, y: number}} */ next, isErasing = tools.isErasing) => {
    if (isDown) mask.line(cursor ?? next, next, size(), isErasing);
    cursor = next;
    update();
  };
  const begin = (/** @type {{x: number, y: number}} */ at, /** @type {boolean} */ isErasing) => {
    mask.begin();
    isDown = true;
    cursor = at;
    moveTo(at, isErasing);
  };
  const end = () => {
    if (isDown) changed();
    isDown = false;
  };
  const act = (/** @type {"undo" | "clear" | "invert"} */ name) => {
    mask[name]();
    announce(t(`draw.mask.${name}.done`));
    changed();
  };
  for (const name of /** @type {const} */ (["undo", "clear", "invert"])) tools[name].addEventListener("click", () => act(name));
  listenToPointer(canvas, { begin, moveTo, end, isErasing: () => tools.isErasing });
  canvas.addEventListener("pointerleave", () => {
    if (isDown) return;
    cursor = null;
    update();
  });
  canvas.addEventListener("blur", () => {
    end();
    cursor = null;
    update();
  });
  canvas.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const at = cursor ?? { x: width / 2, y: height / 2 };
    const step = STEPS[event.key];
    if (step) {
      const by = (event.shiftKey ? 1 : 1 / 4) * size();
      const clamp = (/** @type {number} */ value, /** @type {number} */ most) => Math.min(most, Math.max(0, value));
      moveTo({ x: clamp(at.x + by * step[0], width), y: clamp(at.y + by * step[1], height) });
    } else if (event.key === " ") {
      if (!event.repeat) begin(at, tools.isErasing);
    } else if (event.key === "e") tools.toggle();
    else if (event.key === "z" && mask.canUndo) act("undo");
    else if (event.key === "+" || event.key === "-") {
      brush.value = Number(brush.value) + (event.key === "+" ? 3 : -3);
      update();
    } else return;
    event.preventDefault();
  });
  canvas.addEventListener("keyup", (/** @type {KeyboardEvent} */ event) => event.key === " " && end());
  brush.addEventListener("input", update);
  update();
  return {
    element,
    file: () => mask.file(),
    get isEmpty() {
      return mask.isEmpty;
    },
    /** Show a mask that was painted earlier. */
    read: async (/** @type {Blob} */ file) => {
      mask.read(await createImageBitmap(file));
      changed();
    },
  };
};

/** Create the buttons: paint or erase, undo, clear, invert. */
const createTools = () => {
  const tool = (/** @type {string} */ key, attributes = {}) => h("button", { class: "button", type: "button", "data-t": key, ...attributes });
  const erase = tool("draw.mask.erase", { "aria-pressed": false });
  const [undo, clear, invert] = ["undo", "clear", "invert"].map((name) => tool(`draw.mask.${name}`));
  const toggle = () => {
    const isErasing = erase.getAttribute("aria-pressed") !== "true";
    erase.setAttribute("aria-pressed", String(isErasing));
    announce(t(isErasing ? "draw.mask.erasing" : "draw.mask.painting"));
  };
  erase.addEventListener("click", toggle);
  return {
    buttons: [erase, undo, invert, clear],
    undo,
    clear,
    invert,
    toggle,
    get isErasing() {
      return erase.getAttribute("aria-pressed") === "true";
    },
  };
};

/**
 * @param {HTMLCanvasElement} canvas
 * @param {{begin: (at: {x: number, y: number}, isErasing: boolean) => void, end: () => void, isErasing: () => boolean,
 *   moveTo: (at: {x: number, y: number}, isErasing: boolean) => void}} brush
 */
const listenToPointer = (canvas, { begin, moveTo, end, isErasing }) => {
  const at = (/** @type {PointerEvent} */ event) => {
    const box = canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * canvas.width;
    return { x, y: ((event.clientY - box.top) / box.height) * canvas.height };
  };
  const erases = (/** @type {PointerEvent} */ event) => isErasing() || (event.buttons & 32) !== 0; // the other end of a pen
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 && event.button !== 5) return;
    canvas.setPointerCapture(event.pointerId);
    begin(at(event), erases(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) moveTo(at(each), erases(event));
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, end);
};

/** @param {HTMLCanvasElement} canvas @param {ImageBitmap} picture @param {HTMLCanvasElement} mask */
const drawPicture = (canvas, picture, mask) => {
  const { width, height } = canvas;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const tint = new OffscreenCanvas(width, height);
  const colour = /** @type {OffscreenCanvasRenderingContext2D} */ (tint.getContext("2d"));
  colour.drawImage(mask, 0, 0);
  colour.globalCompositeOperation = "source-in";
  colour.fillStyle = colourOf(canvas, "--accent");
  colour.fillRect(0, 0, width, height);
  context.clearRect(0, 0, width, height);
  context.drawImage(picture, 0, 0, width, height);
  context.globalAlpha = 0.6;
  context.drawImage(tint, 0, 0);
  context.globalAlpha = 1;
};

/** @param {HTMLCanvasElement} canvas @param {{x: number, y: number}} at @param {number} size */
const drawCursor = (canvas, at, size) => {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const pixel = canvas.width / (canvas.getBoundingClientRect().width || canvas.width);
  for (const [colour, wide] of /** @type {[string, number][]} */ ([["#000", 3], ["#fff", 1.5]])) {
    context.beginPath();
    context.arc(at.x, at.y, size / 2, 0, 2 * Math.PI);
    Object.assign(context, { strokeStyle: colour, lineWidth: wide * pixel });
    context.stroke();
  }
};
