// @ts-check
/** A picture to start from: chosen, dropped, pasted or drawn before; how much of it changes, and where. */

import { announce, h } from "../page/dom.js";
import { createControls } from "../controls/controls.js";
import { t } from "../page/i18n.js";
import { createMaskPainter } from "./mask_painter.js";
import { createSlider } from "../controls/slider.js";

/** Where diffusers' pipelines stand if no strength is given: with a picture, and with a mask too. */
const STRENGTH = { picture: 0.8, mask: 1 };
const FIELDS = ["image_strength", "seam"];

/** Create the choice of a picture to start from. */
export const createStartImage = async () => {
  const slider = createSlider({ min: 0.05, max: 1, step: 0.05, standard: STRENGTH.picture });
  const controls = await createControls({ path: "/v1/draw", only: FIELDS, common: FIELDS, custom: { image_strength: () => slider } });
  return new StartImage(slider, controls);
};

/** The choice of a picture to start from. */
class StartImage {
  #slider;
  #controls;
  #seam;
  #picker = createPicker((file) => this.setImage(file));
  #chosen = h("div", { class: "stack", hidden: true });
  #error = h("p", { class: "error", role: "alert", hidden: true });
  /** @type {{file: File, bitmap: ImageBitmap, painter: ReturnType<typeof createMaskPainter>} | null} */
  #current = null;
  #newest = 0; // number of the latest wish: a picture that is opened too late for it is not shown
  element = h(
    "details",
    { class: "more start-image" },
    h("summary", { "data-t": "draw.start" }),
    h("div", { class: "stack" }, this.#picker, this.#error, this.#chosen),
  );

  /** @param {any} slider of the strength @param {any} controls */
  constructor(slider, controls) {
    [this.#slider, this.#controls] = [slider, controls];
    this.#seam = controls.element.querySelector("[data-field=seam]");
    takeFiles(this.element, (file) => this.setImage(file));
  }

  /** The canvas that shows the picture; nothing without one. */
  get canvas() {
    return this.#current?.painter.canvas;
  }

  get file() {
    return this.#current?.file;
  }

  /** Return the fields of requests: none without a picture. */
  async values() {
    if (!this.#current) return {};
    const { file, painter } = this.#current;
    const mask = await painter.file();
    const { seam: width, ...values } = this.#controls.values();
    return { ...values, ...(mask ? { mask, seam: width } : {}), image: file };
  }

  /** Set what `values` has returned, or remove the picture. @param {Record<string, any>} values */
  async set(values) {
    this.#remove();
    for (const name of FIELDS) this.#controls.set({ [name]: values[name] });
    if (values.image instanceof Blob) await this.setImage(asFile(values.image), values.mask);
  }

  /** Start from a picture; nothing changes if it cannot be opened. @param {File} file @param {Blob} [mask] */
  async setImage(file, mask) {
    this.element.open = true;
    const own = (this.#newest += 1);
    const bitmap = await createImageBitmap(file).catch(() => null);
    if (own !== this.#newest) return bitmap?.close();
    this.#error.hidden = bitmap !== null;
    this.#error.textContent = bitmap ? "" : t("draw.start.unreadable", { name: file.name });
    if (!bitmap) return;
    const { painter } = this.#take(file, bitmap);
    if (mask) await painter.read(mask);
    announce(t("draw.start.ready", { name: file.name }));
  }

  /** @param {File} file @param {ImageBitmap} bitmap */
  #take(file, bitmap) {
    const painter = createMaskPainter(bitmap);
    painter.element.addEventListener("change", () => this.#update());
    this.#current?.bitmap.close();
    this.#current = { file, bitmap, painter };
    const removal = h("button", { class: "button", type: "button", "data-t": "draw.start.remove", onclick: () => this.#remove() });
    const head = h("div", { class: "row" }, h("bdi", { class: "muted" }, file.name), removal);
    this.#chosen.replaceChildren(head, painter.element, this.#controls.element);
    this.#chosen.hidden = false;
    this.#picker.hidden = true;
    this.#update();
    return this.#current;
  }

  #remove() {
    this.#newest += 1;
    this.#current?.bitmap.close();
    this.#current = null;
    this.#chosen.hidden = true;
    this.#chosen.replaceChildren();
    this.#picker.hidden = false;
    this.#update();
  }

  /** Offer the settings that fit: the usual strength is another one with a mask, which alone has a seam. */
  #update() {
    const hasMask = this.#current !== null && !this.#current.painter.isEmpty;
    this.#slider.standard = hasMask ? STRENGTH.mask : STRENGTH.picture;
    this.#seam.hidden = !hasMask;
  }
}

/** @param {Blob} blob */
const asFile = (blob) => (blob instanceof File ? blob : new File([blob], "picture.png", { type: blob.type }));

/** @param {(file: File) => void} take */
const createPicker = (take) => {
  const input = h("input", { type: "file", accept: "image/*", hidden: true, "data-t-label": "draw.start.choose" });
  input.addEventListener("change", () => {
    const [file] = input.files;
    input.value = "";
    if (file) take(file);
  });
  const button = h("button", { class: "button", type: "button", "data-t": "draw.start.choose", onclick: () => input.click() });
  return h("div", { class: "drop-zone stack" }, h("p", { class: "field-description", "data-t": "draw.start.hint" }), button, input);
};

/**
 * Take pictures that are dropped on an element, or pasted while it is in sight.
 * @param {HTMLElement} element @param {(file: File) => void} take
 */
const takeFiles = (element, take) => {
  const isPicture = (/** @type {File} */ file) => file.type.startsWith("image/");
  element.addEventListener("dragover", (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault());
  element.addEventListener("drop", (event) => {
    const file = [...(event.dataTransfer?.files ?? [])].find(isPicture);
    if (!file) return;
    event.preventDefault();
    take(file);
  });
  document.addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find(isPicture);
    if (file && element.offsetParent !== null) take(file);
  });
};
