// @ts-check
/** Paint the part of a picture that is drawn again: with mouse, pen, finger or the arrow keys. */

import { colourOf } from "../page/canvas.js";
import { announce, h, newId } from "../page/dom.js";
import { t } from "../page/i18n.js";
import { Mask } from "./mask.js";

/** Diameter of the brush, in hundredths of the longer side. */
const BRUSH = { min: 1, max: 40, standard: 12 };
const STEPS = /** @type {Record<string, [number, number]>} */ ({
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
});

/** @typedef {{x: number, y: number}} Point in pixels of the canvas */

/**
 * Create a painter over a picture. Its element dispatches "change" after each stroke.
 * @param {ImageBitmap} picture
 */
export const createMaskPainter = (picture) => {
  const mask = new Mask(picture);
  const help = newId("mask-help");
  const attributes = { role: "application", tabindex: 0, "aria-label": t("draw.mask.canvas"), "aria-describedby": help };
  const canvas = h("canvas", { class: "mask-canvas", width: mask.canvas.width, height: mask.canvas.height, ...attributes });
  const size = h("input", { type: "range", step: 1, ...BRUSH, value: BRUSH.standard });
  const tools = createTools();
  const element = h(
    "div",
    { class: "mask-painter stack" },
    h("div", { class: "mask-stage" }, canvas),
    h("div", { class: "row" }, ...tools.buttons),
    h("label", { class: "field" }, h("span", { class: "field-label", "data-t": "draw.mask.brush" }), size),
    h("p", { class: "field-description", id: help, "data-t": "draw.mask.help" }),
  );
  const changed = () => {
    tools.undo.disabled = !mask.canUndo;
    brush.update();
    element.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const act = (/** @type {"undo" | "clear" | "invert"} */ name) => {
    mask[name]();
    announce(t(`draw.mask.${name}.done`));
    changed();
  };
  const brush = createBrush({ canvas, picture, mask, percent: () => Number(size.value), onStroke: changed });
  for (const name of /** @type {const} */ (["undo", "clear", "invert"])) tools[name].addEventListener("click", () => act(name));
  listenToPointer(canvas, brush, tools);
  listenToKeys(canvas, brush, tools, {
    undo: () => mask.canUndo && act("undo"),
    resize: (by) => {
      size.value = Number(size.value) + by;
      brush.update();
    },
  });
  size.addEventListener("input", brush.update);
  tools.undo.disabled = true;
  brush.update();
  return {
    element,
    canvas,
    file: () => mask.file(),
    get isEmpty() {
      return mask.isEmpty;
    },
    /** Show a mask that was painted earlier. */
    read: async (/** @type {Blob} */ file) => {
      const painted = await createImageBitmap(file);
      mask.read(painted);
      painted.close();
      changed();
    },
  };
};

/**
 * Create a brush, whose outline is shown and which paints while it is down.
 * @param {{canvas: HTMLCanvasElement, picture: ImageBitmap, mask: Mask, percent: () => number, onStroke: () => void}}
 *   options percent: diameter in hundredths of the longer side
 */
const createBrush = ({ canvas, picture, mask, percent, onStroke }) => {
  const { width, height } = canvas;
  /** @type {Point | null} */
  let at = null;
  let isDown = false;
  let isExpected = false;
  const size = () => (percent() / 100) * Math.max(width, height);
  const draw = () => {
    isExpected = false;
    drawPicture(canvas, picture, mask.canvas);
    if (at) drawCursor(canvas, at, size());
  };
  const update = () => {
    if (!isExpected) requestAnimationFrame(draw);
    isExpected = true;
  };
  const moveTo = (/** @type {Point | null} */ next, isErasing = false) => {
    if (isDown && next) mask.line(at ?? next, next, size(), isErasing);
    at = next;
    update();
  };
  return {
    size,
    update,
    moveTo,
    /** Position of the brush; at first the middle. */
    get at() {
      return at ?? { x: width / 2, y: height / 2 };
    },
    begin: (/** @type {Point} */ where, /** @type {boolean} */ isErasing) => {
      mask.begin();
      isDown = true;
      at = where;
      moveTo(where, isErasing);
    },
    end: () => {
      if (isDown) onStroke();
      isDown = false;
    },
    /** Hide the brush, unless it is down. */
    leave: () => isDown || moveTo(null),
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

/** @typedef {ReturnType<typeof createBrush>} Brush @typedef {ReturnType<typeof createTools>} Tools */

/** @param {HTMLCanvasElement} canvas @param {Brush} brush @param {Tools} tools */
const listenToPointer = (canvas, brush, tools) => {
  const at = (/** @type {PointerEvent} */ event) => {
    const box = canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * canvas.width;
    return { x, y: ((event.clientY - box.top) / box.height) * canvas.height };
  };
  const erases = (/** @type {PointerEvent} */ event) => tools.isErasing || (event.buttons & 32) !== 0; // the other end of a pen
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 && event.button !== 5) return;
    canvas.setPointerCapture(event.pointerId);
    brush.begin(at(event), erases(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) brush.moveTo(at(each), erases(event));
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, brush.end);
  canvas.addEventListener("pointerleave", brush.leave);
};

/**
 * @param {HTMLCanvasElement} canvas @param {Brush} brush @param {Tools} tools
 * @param {{undo: () => void, resize: (by: number) => void}} actions
 */
const listenToKeys = (canvas, brush, tools, { undo, resize }) => {
  const within = (/** @type {number} */ value, /** @type {number} */ most) => Math.min(most, Math.max(0, value));
  const step = (/** @type {[number, number]} */ [x, y], /** @type {boolean} */ isLarge) => {
    const by = (isLarge ? 1 : 1 / 4) * brush.size();
    const { x: left, y: top } = brush.at;
    brush.moveTo({ x: within(left + by * x, canvas.width), y: within(top + by * y, canvas.height) }, tools.isErasing);
  };
  /** @type {Record<string, (event: KeyboardEvent) => void>} */
  const keys = {
    " ": ({ repeat }) => repeat || brush.begin(brush.at, tools.isErasing),
    e: tools.toggle,
    z: undo,
    "+": () => resize(3),
    "-": () => resize(-3),
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.altKey || ((event.ctrlKey || event.metaKey) && event.key !== "z")) return;
    if (STEPS[event.key]) step(STEPS[event.key], event.shiftKey);
    else if (keys[event.key]) keys[event.key](event);
    else return;
    event.preventDefault();
  });
  canvas.addEventListener("keyup", (event) => event.key === " " && brush.end());
  canvas.addEventListener("blur", () => {
    brush.end();
    brush.leave();
  });
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
