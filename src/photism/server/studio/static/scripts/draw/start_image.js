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
  const seam = controls.element.querySelector("[data-field=seam]");
  const picker = createPicker((file) => setImage(file));
  const chosen = h("div", { class: "stack", hidden: true });
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const body = h("div", { class: "stack" }, picker, error, chosen);
  const element = h("details", { class: "more start-image" }, h("summary", { "data-t": "draw.start" }), body);
  /** @type {{file: File, bitmap: ImageBitmap, painter: ReturnType<typeof createMaskPainter>} | null} */
  let current = null;
  let newest = 0; // number of the latest wish: a picture that is opened too late for it is not shown

  const update = () => {
    const hasMask = current !== null && !current.painter.isEmpty;
    slider.standard = hasMask ? STRENGTH.mask : STRENGTH.picture;
    seam.hidden = !hasMask;
  };
  const remove = () => {
    newest += 1;
    current?.bitmap.close();
    current = null;
    chosen.hidden = true;
    chosen.replaceChildren();
    picker.hidden = false;
    update();
  };
  /** Start from a picture; nothing changes if it cannot be opened. */
  const setImage = async (/** @type {File} */ file, /** @type {Blob | undefined} */ mask = undefined) => {
    element.open = true;
    const own = (newest += 1);
    const bitmap = await createImageBitmap(file).catch(() => null);
    if (own !== newest) return bitmap?.close();
    error.hidden = bitmap !== null;
    error.textContent = bitmap ? "" : t("draw.start.unreadable", { name: file.name });
    if (!bitmap) return;
    const painter = createMaskPainter(bitmap);
    painter.element.addEventListener("change", update);
    current?.bitmap.close();
    current = { file, bitmap, painter };
    const removal = h("button", { class: "button", type: "button", "data-t": "draw.start.remove", onclick: remove });
    chosen.replaceChildren(h("div", { class: "row" }, h("bdi", { class: "muted" }, file.name), removal), painter.element, controls.element);
    chosen.hidden = false;
    picker.hidden = true;
    update();
    if (mask) await painter.read(mask);
    announce(t("draw.start.ready", { name: file.name }));
  };
  takeFiles(element, setImage);
  return {
    element,
    setImage,
    /** The canvas that shows the picture; nothing without one. */
    get canvas() {
      return current?.painter.canvas;
    },
    get file() {
      return current?.file;
    },
    /** Return the fields of the picture; none without one. */
    values: async () => {
      if (!current) return {};
      const mask = await current.painter.file();
      const { seam: width, ...values } = controls.values();
      return { ...values, ...(mask ? { mask, seam: width } : {}), image: current.file };
    },
    /** Set what `values` has returned, or remove the picture. */
    set: async (/** @type {Record<string, any>} */ values) => {
      remove();
      for (const name of FIELDS) controls.set({ [name]: values[name] });
      if (values.image instanceof Blob) await setImage(asFile(values.image), values.mask);
    },
  };
};

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
