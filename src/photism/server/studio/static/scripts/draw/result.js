// @ts-check
/** The pictures of a drawing, what was recognised, and what can be done with them; and previews in their place. */

import { save } from "../page/download.js";
import { h } from "../page/dom.js";
import { createHeard } from "./heard.js";
import { t } from "../page/i18n.js";
import { createMorphPlayer } from "./morph_player.js";
import { openPictures } from "./picture_dialog.js";

/** Pictures with shorter sides are enlarged with sharp pixels. */
const SMALL = 300;

/**
 * @typedef {{blob: Blob, width: number, height: number, seed: number, name: string, alt: string, isFlagged: boolean}} Picture
 * @typedef {{pictures: Picture[], sounds: import("./heard.js").Sound[], morph: number | null}} Drawing morph: number of
 *   pictures that stand side by side in each one
 */

/** @typedef {{onStart: (picture: Picture) => void, onVary: () => void}} Handlers start from a picture; draw with another seed */

/** The place of pictures. */
export class DrawResult {
  #handlers;
  #pictures = h("div", { class: "draw-pictures" });
  #about = h("div", { class: "draw-about stack" });
  /** @type {Drawing | null} */
  #drawing = null;
  /** @type {string[]} */
  #urls = [];
  /** @type {ImageBitmap[]} */
  #strips = [];
  #isPreview = false;
  element = h("section", { class: "draw-result stack", "data-t-label": "draw.result" }, this.#pictures, this.#about);

  /** @param {Handlers} handlers */
  constructor(handlers) {
    this.#handlers = handlers;
    this.#render();
  }

  /** Show a drawing in place of the one before. @param {Drawing} drawing */
  show(drawing) {
    this.#drawing = drawing;
    this.#render();
  }

  /**
   * Show pictures as they are while they are drawn, in the places of all; `restore` or `show` end that.
   * @param {{number: number, blob: Blob}[]} given
   * @param {number} count number of all pictures
   */
  preview(given, count) {
    this.#isPreview = true;
    const blobs = new Map(given.map(({ number, blob }) => [number, blob]));
    const places = Array.from({ length: count }, (_, number) => blobs.get(number));
    this.#replace((urlOf) => places.map((blob) => previewOf(blob ? urlOf(blob) : null)));
  }

  /** Show the last drawing again, if there are previews in its place. */
  restore() {
    if (this.#isPreview) this.#render();
  }

  #render() {
    this.#isPreview = false;
    const drawing = this.#drawing;
    if (!drawing) return this.#replace(() => [h("div", { class: "result muted" }, h("p", { "data-t": "draw.empty" }))]);
    this.#replace((urlOf) => figures(drawing, drawing.pictures.map(({ blob }) => urlOf(blob)), this.#handlers));
    this.#about.replaceChildren(createHeard(drawing.sounds));
    if (drawing.morph) this.#addPlayers(drawing, drawing.morph);
  }

  /** Put other elements in place of the pictures. @param {(urlOf: (blob: Blob) => string) => any[]} create */
  #replace(create) {
    const before = this.#urls;
    const urls = (this.#urls = /** @type {string[]} */ ([]));
    this.#pictures.replaceChildren(
      ...create((blob) => {
        urls.push(URL.createObjectURL(blob));
        return urls[urls.length - 1];
      }),
    );
    before.forEach((url) => URL.revokeObjectURL(url));
    this.#strips.forEach((strip) => strip.close());
    this.#strips = [];
    this.#pictures.dataset.count = String(this.#pictures.children.length);
    this.element.setAttribute("aria-busy", String(this.#isPreview));
  }

  /** Let the pictures of strips be played one after the other. @param {Drawing} drawing @param {number} count */
  async #addPlayers(drawing, count) {
    const strips = await Promise.all(drawing.pictures.map(({ blob }) => createImageBitmap(blob)));
    if (this.#drawing !== drawing || this.#isPreview) return strips.forEach((strip) => strip.close());
    this.#strips = strips;
    strips.forEach((strip, number) => {
      this.#pictures.children[number].prepend(createMorphPlayer(strip, count, drawing.pictures[number].alt));
    });
  }
}

/**
 * Return the pictures of a drawing, each with what can be done with it; pressing one enlarges it.
 * @param {Drawing} drawing @param {string[]} urls @param {Handlers} handlers
 */
const figures = ({ pictures, morph }, urls, handlers) => {
  const actions = (/** @type {number} */ number, close = () => {}) => actionsOf(pictures[number], { ...handlers, isStrip: morph !== null, close });
  const listed = pictures.map(({ width, height, alt }, number) => ({ url: urls[number], alt, isSmall: isSmall(width, height) }));
  return pictures.map((picture, number) => {
    const onclick = () => openPictures(listed, number, actions);
    const image = imageOf(urls[number], picture);
    const button = h("button", { class: "result picture-button", type: "button", "data-t-title": "draw.enlarge", onclick }, image);
    button.style.setProperty("aspect-ratio", `${picture.width} / ${picture.height}`);
    const flagged = picture.isFlagged ? h("p", { class: "muted" }, t("draw.flagged")) : null;
    const row = h("div", { class: "row picture-actions" }, ...actions(number));
    return h("figure", { class: morph ? "is-strip" : "" }, button, flagged, row);
  });
};

/** @param {number} width @param {number} height */
const isSmall = (width, height) => Math.min(width, height) < SMALL;

/** @param {string} url @param {Picture} picture */
const imageOf = (url, { width, height, alt }) => {
  const image = h("img", { src: url, alt, width, height });
  image.classList.toggle("pixels", isSmall(width, height));
  return image;
};

/** @param {string | null} url null for a picture that the preview leaves out */
const previewOf = (url) => {
  if (!url) return h("figure", {}, h("div", { class: "result" }));
  const image = h("img", { src: url, alt: t("draw.preview"), class: "is-preview" });
  image.addEventListener("load", () => image.classList.toggle("pixels", isSmall(image.naturalWidth, image.naturalHeight)));
  return h("figure", {}, h("div", { class: "result" }, image));
};

/**
 * Return the buttons of a picture.
 * @param {Picture} picture
 * @param {Handlers & {isStrip: boolean, close: () => void}} given isStrip: whether it is several pictures side by side;
 *   close: of the dialog that it is shown in
 */
const actionsOf = (picture, { onStart, onVary, isStrip, close }) => {
  const action = (/** @type {string} */ key, /** @type {() => void} */ act) =>
    h("button", { class: "button quiet", type: "button", "data-t": key, onclick: act });
  const leave = (/** @type {() => void} */ act) => () => {
    close();
    act();
  };
  return [
    action("draw.download", () => save(picture.blob, picture.name)),
    ...(isStrip ? [] : [action("draw.start-from", leave(() => onStart(picture)))]),
    action("draw.vary", leave(onVary)),
  ];
};
